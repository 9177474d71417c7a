//! What the command line asks for.

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use crate::options::Options;
use crate::program::Arguments;

/// How many connections are held when the command line does not say.
pub(crate) const DEFAULT_CONNECTIONS: usize = 10_000;

pub(crate) const HELP: &str = "\
Starts an echo server and a load of clients in one process over loopback TCP, one green thread for each side of each
connection, checks every byte that comes back, and ends in a table of figures.

Usage: echo [OPTIONS]

  --connections N     connections held at once (10000)
  --messages N        messages sent and awaited on each of them (100)
  --every TIME        each connection sends a message so often (1s, 250ms), whether or not the last was answered in time;
                      latencies then count from the time at which a message was due (the next follows the last answer)
  --seconds N         with --every: send for so long, instead of --messages
  --size BYTES        bytes in a message (64); more than 32 KiB goes in pieces of that size
  --workers N         workers of each process's runtime (as many as the machine has processors, or SINEW_WORKERS;
                      the processors' share of each process where there are several)
  --server-only ADDR  only serve, on ADDR, until SIGINT or SIGTERM
  --client-only ADDR  only load the server at ADDR
  --until-eof         with --server-only: end when standard input ends, and print the server's figures
  --driven            with --client-only: await a line before the messages, and print the figures for a program
  --help              print this

ADDR is HOST:PORT, or several with commas between: 127.0.0.1:7000,127.0.0.2:7000. One address of a server can hold
about 28,000 connections from one client machine.

A process needs a descriptor for each side of each connection and about a hundred more. Where the limit on open files
leaves no room for that, each side runs in a process of its own, or in several.

Exit code: 0 when every byte was right, 1 when one was wrong, a connection was lost or a server could not start, 2 when
the command line is wrong or the limit on open files is too low.
";

/// Which sides of the connections this process holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Both,
    Server { addresses: Vec<SocketAddr>, until_eof: bool },
    Client { addresses: Vec<SocketAddr>, driven: bool },
}

/// The command line, understood.
#[derive(Debug)]
pub(crate) struct Args {
    pub(crate) role: Role,
    pub(crate) connections: usize,
    pub(crate) messages: u64,
    /// How often each connection sends; `None` is one message after the other's answer.
    pub(crate) every: Option<Duration>,
    pub(crate) size: usize,
    /// `None` leaves it to the runtime.
    pub(crate) workers: Option<usize>,
}

impl Args {
    /// Reads the arguments behind the program's name; `None` means that help was asked for.
    pub(crate) fn parse(args: Arguments) -> Result<Option<Args>, String> {
        let mut parsed = Args {
            role: Role::Both,
            connections: DEFAULT_CONNECTIONS,
            messages: 100,
            every: None,
            size: 64,
            workers: None,
        };
        let (mut server, mut client, mut until_eof, mut driven) = (None, None, false, false);
        let mut seconds = None;
        let mut options = Options::new(args);
        while let Some(name) = options.next()? {
            match name.as_str() {
                "--connections" => parsed.connections = options.number(1, 100_000_000)?,
                "--messages" => parsed.messages = options.number(0, u64::from(u32::MAX))?,
                "--every" => parsed.every = Some(options.duration()?),
                "--seconds" => seconds = Some(options.number(1, 86_400)?),
                "--size" => parsed.size = options.number(1, 1 << 30)?,
                "--workers" => parsed.workers = Some(options.number(1, 1024)?),
                "--server-only" => server = Some(addresses(&options.value()?)?),
                "--client-only" => client = Some(addresses(&options.value()?)?),
                "--until-eof" => until_eof = true,
                "--driven" => driven = true,
                "--help" | "-h" => return Ok(None),
                _ => return Err(format!("{name:?} is no option of this program")),
            }
        }
        match (seconds, parsed.every) {
            (Some(seconds), Some(every)) => {
                parsed.messages = (Duration::from_secs(seconds).as_secs_f64() / every.as_secs_f64()).ceil() as u64;
            }
            (Some(_), None) => return Err("--seconds goes with --every".into()),
            (None, _) => {}
        }
        parsed.role = match (server, client) {
            (Some(_), Some(_)) => return Err("--server-only and --client-only exclude each other".into()),
            (Some(addresses), None) => Role::Server { addresses, until_eof },
            _ if until_eof => return Err("--until-eof goes with --server-only".into()),
            (None, Some(addresses)) => Role::Client { addresses, driven },
            _ if driven => return Err("--driven goes with --client-only".into()),
            (None, None) => Role::Both,
        };
        Ok(Some(parsed))
    }
}

/// Every address that the comma-separated list names, each host by its first address.
fn addresses(list: &str) -> Result<Vec<SocketAddr>, String> {
    let resolve = |name: &str| match name.to_socket_addrs() {
        Ok(mut found) => found.next().ok_or_else(|| format!("{name:?} has no address")),
        Err(error) => Err(format!("{name:?} is not an address (HOST:PORT): {error}")),
    };
    list.split(',').map(resolve).collect()
}
