//! A SOCKS5 proxy (RFC 1928) in blocking style, one green thread a client and one more for the way back: `CONNECT` to
//! IPv4 and IPv6 addresses and to names, with a user and password (RFC 1929) if wanted.
//!
//! ```text
//! cargo run --release --example socks5 -- --addr 127.0.0.1:1080
//! curl --socks5-hostname 127.0.0.1:1080 http://example.com/
//! ```

mod client;
mod handshake;
#[path = "../common/options.rs"]
mod options;
#[path = "../common/program.rs"]
mod program;
#[path = "../common/server.rs"]
mod server;

use std::io::{self, ErrorKind};
use std::process::ExitCode;
use std::time::Duration;

use client::Limits;
use handshake::User;
use options::Options;
use program::Arguments;
use sinew::net::Server;

const HELP: &str = "\
A SOCKS5 proxy on green threads: CONNECT to addresses and names. Ctrl-C lets its connections finish.

Usage: socks5 [OPTIONS]

  --addr HOST:PORT      where to listen (127.0.0.1:1080); port 0 lets the system choose
  --user NAME:PASSWORD  serve those alone who give these; others can see them in the list of processes
  --connections N       clients that are served at once; more wait (100000)
  --handshake TIME      how long a client may take to say what it wants (10s)
  --connect TIME        how long the way to a server may take (10s)
  --idle TIME           how long nothing may come from either side (300s)
  --drain TIME          how long clients may go on after Ctrl-C (10s)
  --help                print this
";

/// The command line, understood.
struct Args {
    addr: String,
    user: Option<User>,
    connections: usize,
    limits: Limits,
    drain: Duration,
}

impl Args {
    /// Reads the arguments behind the program's name; `None` means that help was asked for.
    fn parse(args: Arguments) -> Result<Option<Args>, String> {
        let mut parsed = Args {
            addr: "127.0.0.1:1080".to_owned(),
            user: None,
            connections: 100_000,
            limits: Limits {
                handshake: Duration::from_secs(10),
                connect: Duration::from_secs(10),
                idle: Duration::from_secs(300),
            },
            drain: Duration::from_secs(10),
        };
        let mut options = Options::new(args);
        while let Some(name) = options.next()? {
            match name.as_str() {
                "--addr" => parsed.addr = options.value()?,
                "--user" => parsed.user = Some(User::parse(&options.value()?)?),
                "--connections" => parsed.connections = options.number(1, 100_000_000)?,
                "--handshake" => parsed.limits.handshake = options.duration()?,
                "--connect" => parsed.limits.connect = options.duration()?,
                "--idle" => parsed.limits.idle = options.duration()?,
                "--drain" => parsed.drain = options.duration()?,
                "--help" | "-h" => return Ok(None),
                _ => return Err(format!("{name:?} is no option of this program")),
            }
        }
        Ok(Some(parsed))
    }
}

fn main() -> ExitCode {
    program::start("socks5", HELP, Args::parse, |args| sinew::run(|| serve(&args)).map(|()| ExitCode::SUCCESS))
}

fn serve(args: &Args) -> io::Result<()> {
    let (listener, stop) = server::listen("socks5", &args.addr)?;
    let served = Server::new(listener)
        .max_connections(args.connections)
        .until(&stop)
        .drain_timeout(args.drain)
        .on_error(|error| eprintln!("socks5: accepting: {error}"))
        .serve(|stream, peer| {
            match client::serve(&stream, args.user.as_ref(), &args.limits) {
                // A client that goes away is no one's error.
                Err(error) if !matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => {
                    eprintln!("socks5: {peer}: {error}");
                }
                _ => {}
            }
        })?;
    println!("served {} clients, of which {} were cut off", served.connections, served.cancelled);
    Ok(())
}
