//! A small HTTPS server in blocking style, and a client of one: `rustls` over this crate's streams, one green thread a
//! connection. Ctrl-C ends the server, when requests that have begun are still answered.
//!
//! ```text
//! openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=localhost \
//!     -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE -keyout key.pem -out cert.pem
//! cargo run --release --example tls -- --cert cert.pem --key key.pem
//! cargo run --release --example tls -- --get localhost:8443/ --ca cert.pem
//! ```

mod client;
mod https;
#[path = "../common/options.rs"]
mod options;
#[path = "../common/program.rs"]
mod program;
#[path = "../http/request.rs"]
mod request;
#[path = "../common/server.rs"]
mod server;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use https::Settings;
use options::Options;
use program::Arguments;

const HELP: &str = "\
A small HTTPS server on green threads, and a client. Ctrl-C lets requests that have begun end.

Usage: tls --cert FILE --key FILE [OPTIONS]   a server: GET / is greeted, and what is posted to / comes back
       tls --get HOST:PORT/PATH --ca FILE     a client: prints the answer

  --addr HOST:PORT  where to listen (127.0.0.1:8443); port 0 lets the system choose
  --connections N   connections that are served at once; more wait (100000)
  --cert FILE       the server's certificates, in PEM, its own first
  --key FILE        its private key, in PEM
  --ca FILE         the certificates that the client trusts, in PEM
  --patience TIME   how long the other side may take for the handshake, a request or an answer (10s)
  --help            print this
";

/// The command line, understood.
struct Args {
    job: Job,
    patience: Duration,
}

enum Job {
    Serve(Settings),
    Get { target: String, ca: PathBuf },
}

impl Args {
    /// Reads the arguments behind the program's name; `None` means that help was asked for.
    fn parse(args: Arguments) -> Result<Option<Args>, String> {
        let (mut addr, mut connections) = ("127.0.0.1:8443".to_owned(), 100_000);
        let (mut cert, mut key, mut get, mut ca) = (None, None, None, None);
        let mut patience = Duration::from_secs(10);
        let mut options = Options::new(args);
        while let Some(name) = options.next()? {
            match name.as_str() {
                "--addr" => addr = options.value()?,
                "--connections" => connections = options.number(1, 100_000_000)?,
                "--cert" => cert = Some(options.value()?.into()),
                "--key" => key = Some(options.value()?.into()),
                "--get" => get = Some(options.value()?),
                "--ca" => ca = Some(options.value()?.into()),
                "--patience" => patience = options.duration()?,
                "--help" | "-h" => return Ok(None),
                _ => return Err(format!("{name:?} is no option of this program")),
            }
        }
        let job = match (get, ca, cert, key) {
            (Some(target), Some(ca), None, None) => Job::Get { target, ca },
            (None, None, Some(cert), Some(key)) => Job::Serve(Settings { addr, connections, cert, key, patience }),
            (Some(_), ..) => return Err("--get needs --ca, and takes no --cert and --key".to_owned()),
            _ => return Err("a server needs --cert and --key, a client --get and --ca".to_owned()),
        };
        Ok(Some(Args { job, patience }))
    }
}

fn main() -> ExitCode {
    program::start("tls", HELP, Args::parse, |args| {
        let done = match &args.job {
            Job::Get { target, ca } => sinew::run(|| client::get(target, ca, args.patience)),
            Job::Serve(settings) => sinew::run(|| https::run(settings)),
        };
        done.map(|()| ExitCode::SUCCESS)
    })
}

/// An error that says what was being done.
pub(crate) fn explain<E: std::fmt::Display>(what: impl std::fmt::Display) -> impl FnOnce(E) -> io::Error {
    move |error| io::Error::other(format!("{what}: {error}"))
}
