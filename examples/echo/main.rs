//! Ten thousand TCP connections in blocking style: an echo server and the load of clients on it, one green thread for
//! each side of each connection, in one process over loopback. Every byte that comes back is checked, and a table of
//! figures ends the run.
//!
//! ```text
//! cargo run --release --example echo
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
use report::{Counts, Figures};
use server::Server;
use sinew::Runtime;
use split::ServerProcess;
use thousands::thousands;

/// The exit code for a wrong command line, or a limit that is too low.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let args = match Args::parse(std::env::args_os().skip(1)) {
        Ok(Some(args)) => args,
        Ok(None) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("echo: {error}\nTry --help.");
            return ExitCode::from(USAGE);
        }
    };
    dispatch(&args).unwrap_or_else(|error| {
        eprintln!("echo: {error}");
        ExitCode::FAILURE
    })
}

fn dispatch(args: &Args) -> io::Result<ExitCode> {
    let wanted = if args.role == Role::Both { limits::both_sides(args) } else { limits::one_side(args) };
    let limit = limits::raise(wanted)?;
    match &args.role {
        Role::Server { addresses, until_eof } => serve(args, addresses, *until_eof),
        _ if limit < limits::one_side(args) => {
            eprintln!("echo: {}", limits::too_low(args, limit));
            Ok(ExitCode::from(USAGE))
        }
        Role::Both if limit < wanted => {
            eprintln!(
                "{} connections need {wanted} open files in one process, which may have {limit}: \
                 the server runs in a second process",
                args.connections
            );
            load_child(args)
        }
        Role::Both => load_own(args),
        Role::Client { addresses } => {
            let runtime = runtime(args)?;
            let figures = runtime.run(|| Load::run(args, addresses, || memory::resident(None)));
            Ok(end(args, &figures, "client's side", counts(&runtime)))
        }
    }
}

/// Both sides in this process.
fn load_own(args: &Args) -> io::Result<ExitCode> {
    let runtime = runtime(args)?;
    let server = Arc::new(Server::default());
    let figures = runtime.run(|| {
        let addresses = server.start(&server::loopback(args.connections), args.size)?;
        io::Result::Ok(Load::run(args, &addresses, || memory::resident(None)))
    })?;
    tell("server", &server.failures.first());
    Ok(end(args, &figures, "both sides", counts(&runtime)))
}

/// The clients in this process, the server in a child.
fn load_child(args: &Args) -> io::Result<ExitCode> {
    let server = ServerProcess::start(args)?;
    let runtime = runtime(args)?;
    let memory = || Some(memory::resident(None)? + server.resident()?);
    let figures = runtime.run(|| Load::run(args, &server.addresses, memory));
    let mut counts = counts(&runtime);
    let theirs = server.finish()?;
    counts.switches += theirs.switches;
    counts.steals += theirs.steals;
    Ok(end(args, &figures, "both sides, in two processes", counts))
}

/// The server alone.
fn serve(args: &Args, addresses: &[SocketAddr], until_eof: bool) -> io::Result<ExitCode> {
    let runtime = runtime(args)?;
    let server = Arc::new(Server::default());
    let bound = runtime.run(|| server.start(addresses, args.size))?;
    println!("{}{}", split::LISTENING, split::join(&bound));
    io::stdout().flush()?;
    if !until_eof {
        loop {
            std::thread::park();
        }
    }
    io::copy(&mut io::stdin().lock(), &mut io::sink())?;
    tell("server", &server.failures.first());
    println!("{}", split::figures(&server, counts(&runtime)));
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
        "echo: {} connections, {} messages of {} bytes on each",
        thousands(args.connections as u64),
        thousands(args.messages),
        thousands(args.size as u64),
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
