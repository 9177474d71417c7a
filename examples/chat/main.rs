//! A chat server in blocking style: lines of text, a nickname each, and everyone reads what the others write. A client
//! that reads too slowly is dropped, so that nobody waits for it.
//!
//! ```text
//! cargo run --release --example chat
//! nc 127.0.0.1 7001
//! ```

mod client;
mod lines;
#[path = "../common/options.rs"]
mod options;
#[path = "../common/program.rs"]
mod program;
mod room;
#[path = "../common/server.rs"]
mod server;

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use client::Limits;
use options::Options;
use program::Arguments;
use room::Room;
use sinew::net::Server;

const HELP: &str = "\
A chat server on green threads. The first line of a client is its nickname; what it then writes, all others read.
Ctrl-C says goodbye to everyone.

Usage: chat [OPTIONS]

  --addr HOST:PORT  where to listen (127.0.0.1:7001); port 0 lets the system choose
  --clients N       clients at once; more wait (10000)
  --queue N         lines that may wait for a client; one that has more is dropped (256)
  --line BYTES      the longest line (1024)
  --patience TIME   how long a client that is dropped, or told goodbye, may take to read what is left (5s)
  --help            print this
";

/// The command line, understood.
struct Args {
    addr: String,
    clients: usize,
    queue: usize,
    limits: Limits,
}

impl Args {
    /// Reads the arguments behind the program's name; `None` means that help was asked for.
    fn parse(args: Arguments) -> Result<Option<Args>, String> {
        let limits = Limits { line: 1024, patience: Duration::from_secs(5) };
        let mut parsed = Args { addr: "127.0.0.1:7001".to_owned(), clients: 10_000, queue: 256, limits };
        let mut options = Options::new(args);
        while let Some(name) = options.next()? {
            match name.as_str() {
                "--addr" => parsed.addr = options.value()?,
                "--clients" => parsed.clients = options.number(1, 10_000_000)?,
                "--queue" => parsed.queue = options.number(1, 1_000_000)?,
                "--line" => parsed.limits.line = options.number(1, 1_000_000)?,
                "--patience" => parsed.limits.patience = options.duration()?,
                "--help" | "-h" => return Ok(None),
                _ => return Err(format!("{name:?} is no option of this program")),
            }
        }
        Ok(Some(parsed))
    }
}

fn main() -> ExitCode {
    program::start("chat", HELP, Args::parse, |args| sinew::run(|| serve(&args)).map(|()| ExitCode::SUCCESS))
}

fn serve(args: &Args) -> io::Result<()> {
    let (listener, stop) = server::listen("chat", &args.addr)?;
    let room = Room::new(args.queue);
    let served = Server::new(listener)
        .max_connections(args.clients)
        .until(&stop)
        .on_error(|error| eprintln!("chat: accepting: {error}"))
        // A client that goes away is no one's error.
        .serve(|stream, _| client::serve(&stream, &room, &stop, &args.limits))?;
    println!("served {} clients", served.connections);
    Ok(())
}
