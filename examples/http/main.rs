//! An HTTP/1.1 server in blocking style, one green thread a connection: it answers `/`, serves a folder's files, keeps
//! connections alive and answers pipelined requests.
//!
//! ```text
//! cargo run --release --example http -- --addr 127.0.0.1:8080 --root .
//! ```

mod connection;
mod date;
mod files;
mod input;
#[path = "../common/options.rs"]
mod options;
#[path = "../common/program.rs"]
mod program;
mod request;
mod response;
#[path = "../common/server.rs"]
mod server;
mod target;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use connection::Limits;
use files::Site;
use options::Options;
use program::Arguments;
use sinew::Runtime;
use sinew::net::Server;

const HELP: &str = "\
An HTTP/1.1 server on green threads: answers / and serves a folder's files. Ctrl-C lets requests
in progress end, a second one does not.

Usage: http [OPTIONS]

  --addr HOST:PORT  where to listen (127.0.0.1:8080); port 0 lets the system choose
  --root FOLDER     serve the files below FOLDER; without it only / is answered
  --connections N   connections that are served at once; more wait (100000)
  --workers N       workers of the runtime (as many as the machine has processors, or SINEW_WORKERS)
  --idle TIME       how long a client may be silent, or not take its answer (30s)
  --request TIME    how long a request's head may take to come, from its first byte, and then its body (10s)
  --drain TIME      how long requests in progress have to end after SIGINT or SIGTERM (10s)
  --help            print this
";

/// The command line, understood.
struct Args {
    addr: String,
    root: Option<PathBuf>,
    workers: Option<usize>,
    connections: usize,
    limits: Limits,
    drain: Duration,
}

impl Args {
    /// Reads the arguments behind the program's name; `None` means that help was asked for.
    fn parse(args: Arguments) -> Result<Option<Args>, String> {
        let mut parsed = Args {
            addr: "127.0.0.1:8080".to_owned(),
            root: None,
            workers: None,
            connections: 100_000,
            limits: Limits::DEFAULT,
            drain: Duration::from_secs(10),
        };
        let mut options = Options::new(args);
        while let Some(name) = options.next()? {
            match name.as_str() {
                "--addr" => parsed.addr = options.value()?,
                "--root" => parsed.root = Some(options.value()?.into()),
                "--connections" => parsed.connections = options.number(1, 100_000_000)?,
                "--workers" => parsed.workers = Some(options.number(1, 1024)?),
                "--idle" => parsed.limits.idle = options.duration()?,
                "--request" => parsed.limits.request = options.duration()?,
                "--drain" => parsed.drain = options.duration()?,
                "--help" | "-h" => return Ok(None),
                _ => return Err(format!("{name:?} is no option of this program")),
            }
        }
        Ok(Some(parsed))
    }
}

fn main() -> ExitCode {
    program::start("http", HELP, Args::parse, |args| serve(&args).map(|()| ExitCode::SUCCESS))
}

fn serve(args: &Args) -> io::Result<()> {
    let site = match &args.root {
        Some(root) => Site::folder(root)
            .map_err(|error| io::Error::new(error.kind(), format!("cannot serve {}: {error}", root.display())))?,
        None => Site::greeting(),
    };
    let builder = Runtime::builder();
    let runtime = match args.workers {
        Some(workers) => builder.workers(workers).build()?,
        None => builder.build()?,
    };
    runtime.run(|| {
        let (listener, stop) = server::listen("http", &args.addr)?;
        let server = Server::new(listener)
            .max_connections(args.connections)
            .until(&stop)
            .drain_timeout(args.drain)
            .on_error(|error| eprintln!("http: accepting: {error}"));
        let served = server.serve(|stream, _| connection::serve(stream, &site, &args.limits, &stop))?;
        println!("served {} connections, {} of them cut off", served.connections, served.cancelled);
        Ok(())
    })
}
