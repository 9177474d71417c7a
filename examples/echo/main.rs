//! Ten thousand TCP connections in blocking style: an echo server and the load of clients on it, one green thread for
//! each side of each connection, in one process over loopback. Every byte that comes back is checked, and a table of
//! figures ends the run. Where a process may not have that many open files, the sides go into processes of their own.
//!
//! ```text
//! cargo run --release --example echo
//! cargo run --release --example echo -- --connections 100000 --every 1s --seconds 60
//! cargo run --release --example echo -- --connections 1000 --messages 1000 --workers 1
//! cargo run --release --example echo -- --help
//! ```

mod args;
mod client;
mod limits;
mod memory;
#[path = "../common/options.rs"]
mod options;
mod pattern;
mod processors;
#[path = "../common/program.rs"]
mod program;
mod progress;
mod report;
mod server;
mod split;
#[path = "../common/thousands.rs"]
mod thousands;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use args::{Args, HELP, Role};
use client::Load;
use report::{Counts, Figures, Memory};
use server::Server;
use sinew::Runtime;
use sinew::signal::{SIGINT, SIGTERM, Signals};
use thousands::thousands;

/// The exit code for a limit that is too low, as for a wrong command line.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    program::start("echo", HELP, Args::parse, |args| dispatch(&args))
}

fn dispatch(args: &Args) -> io::Result<ExitCode> {
    let wanted = if args.role == Role::Both { limits::both_sides(args) } else { limits::one_side(args) };
    let limit = limits::raise(wanted)?;
    match &args.role {
        Role::Server { addresses, until_eof } => serve(args, addresses, *until_eof),
        Role::Both if limit >= wanted => load_own(args),
        Role::Both => match limits::parts(args, limit) {
            Some(parts) => load_split(args, parts, wanted, limit),
            None => Ok(too_low(args, limit)),
        },
        Role::Client { .. } if limit < wanted => Ok(too_low(args, limit)),
        Role::Client { addresses, driven: false } => {
            let runtime = runtime(args)?;
            let figures = runtime.run(|| Load::run(args, addresses, memory_here, |_, _| Ok(())))?;
            Ok(end(args, &figures, "client's side", counts(&runtime)))
        }
        Role::Client { addresses, driven: true } => load_driven(args, addresses),
    }
}

fn too_low(args: &Args, limit: u64) -> ExitCode {
    eprintln!("echo: {}", limits::too_low(args, limit));
    ExitCode::from(USAGE)
}

/// What this process takes, and the kernel.
fn memory_here() -> Memory {
    Memory { user: memory::user(None), kernel: memory::kernel() }
}

/// Both sides in this process.
fn load_own(args: &Args) -> io::Result<ExitCode> {
    let runtime = runtime(args)?;
    let server = Arc::new(Server::default());
    let figures = runtime.run(|| {
        let started = server.start(&server::loopback(args.connections), args.size)?;
        let figures = Load::run(args, &started.addresses, memory_here, |_, _| Ok(()));
        server.finish(started);
        figures
    })?;
    tell("server", &server.failures.first());
    Ok(end(args, &figures, "both sides", counts(&runtime)))
}

/// Both sides in processes of their own.
fn load_split(args: &Args, parts: usize, wanted: u64, limit: u64) -> io::Result<ExitCode> {
    eprintln!(
        "{} connections need {wanted} open files in one process, which may have {limit}: each side runs in {}",
        args.connections,
        if parts == 1 { "a process of its own".to_owned() } else { format!("{parts} processes") },
    );
    let (figures, counts) = split::run(args, parts)?;
    Ok(end(args, &figures, &format!("both sides, in {} processes", 2 * parts), counts))
}

/// The clients alone, for the process that has started this one.
fn load_driven(args: &Args, addresses: &[SocketAddr]) -> io::Result<ExitCode> {
    let runtime = runtime(args)?;
    let figures = runtime.run(|| {
        Load::run(args, addresses, memory_here, |held, grown| {
            println!("{}", split::held_line(held, grown));
            match sinew::io::stdin().read_line(&mut String::new())? {
                0 => Err(io::ErrorKind::UnexpectedEof.into()),
                _ => Ok(()),
            }
        })
    })?;
    tell("client", &figures.notes);
    println!("{}", split::load_line(&figures, counts(&runtime)));
    Ok(ExitCode::SUCCESS)
}

/// The server alone.
fn serve(args: &Args, addresses: &[SocketAddr], until_eof: bool) -> io::Result<ExitCode> {
    let runtime = runtime(args)?;
    let server = Arc::new(Server::default());
    let mut signals = if until_eof { None } else { Some(Signals::new([SIGINT, SIGTERM])?) };
    let started = runtime.run(|| server.start(addresses, args.size))?;
    println!("{}{}", split::LISTENING, split::join(&started.addresses));
    io::stdout().flush()?;
    match &mut signals {
        Some(signals) => _ = signals.wait()?,
        None => _ = io::copy(&mut io::stdin().lock(), &mut io::sink())?,
    }
    let served = server.finish(started);
    tell("server", &server.failures.first());
    match signals {
        Some(_) => println!("served {} connections, {} of them cut off", served.connections, served.cancelled),
        None => println!("{}", split::server_line(&server, counts(&runtime))),
    }
    Ok(ExitCode::SUCCESS)
}

fn runtime(args: &Args) -> io::Result<Runtime> {
    let builder = Runtime::builder();
    match args.workers {
        Some(workers) => builder.workers(workers).build(),
        None => builder.build(),
    }
}

fn counts(runtime: &Runtime) -> Counts {
    let metrics = runtime.metrics();
    Counts { switches: metrics.switches, steals: metrics.steals }
}

/// Prints failures and the table; the exit code says whether all was well.
fn end(args: &Args, figures: &Figures, sides: &str, counts: Counts) -> ExitCode {
    tell("client", &figures.notes);
    let title = format!(
        "echo: {} connections, {} messages of {} bytes on each{}",
        thousands(args.connections as u64),
        thousands(args.messages),
        thousands(args.size as u64),
        args.every.map_or(String::new(), |every| format!(", one every {every:?}")),
    );
    figures.print(&title, sides, counts);
    if figures.is_good() {
        return ExitCode::SUCCESS;
    }
    eprintln!("echo: FAILED: {} wrong bytes, {} lost connections", thousands(figures.wrong), thousands(figures.lost));
    ExitCode::FAILURE
}

fn tell(side: &str, failures: &[String]) {
    failures.iter().for_each(|failure| eprintln!("echo: {side}: {failure}"));
}
