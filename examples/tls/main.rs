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
#[path = "../common/options.rs"]
mod options;
#[path = "../http/request.rs"]
mod request;
mod server;

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use options::Options;

const HELP: &str = "\
A small HTTPS server on green threads, and a client.

Usage: tls --cert FILE --key FILE [OPTIONS]   a server: GET / is greeted, and what is posted to / comes back
       tls --get HOST:PORT/PATH --ca FILE     a client: prints the answer

  --addr HOST:PORT  where to listen (127.0.0.1:8443); port 0 lets the system choose
  --cert FILE       the server's certificates, in PEM, its own first
  --key FILE        its private key, in PEM
  --ca FILE         the certificates that the client trusts, in PEM
  --patience MS     how long the other side may take for the handshake, a request or an answer (10000)
  --help            print this
";

pub(crate) struct Args {
    pub(crate) addr: String,
    pub(crate) cert: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
    pub(crate) get: Option<String>,
    pub(crate) ca: Option<PathBuf>,
    pub(crate) patience: Duration,
}

impl Args {
    /// Reads the arguments behind the program's name; `None` means that help was asked for.
    fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Option<Args>, String> {
        let mut parsed = Args {
            addr: "127.0.0.1:8443".to_owned(),
            cert: None,
            key: None,
            get: None,
            ca: None,
            patience: Duration::from_secs(10),
        };
        let mut options = Options::new(args);
        while let Some(name) = options.next()? {
            match name.as_str() {
                "--addr" => parsed.addr = options.value()?,
                "--cert" => parsed.cert = Some(options.value()?.into()),
                "--key" => parsed.key = Some(options.value()?.into()),
                "--get" => parsed.get = Some(options.value()?),
                "--ca" => parsed.ca = Some(options.value()?.into()),
                "--patience" => parsed.patience = Duration::from_millis(options.number(1, 86_400_000)?),
                "--help" | "-h" => return Ok(None),
                _ => return Err(format!("{name:?} is no option of this program")),
            }
        }
        Ok(Some(parsed))
    }
}

fn main() -> ExitCode {
    let args = match Args::parse(std::env::args_os().skip(1)) {
        Ok(Some(args)) => args,
        Ok(None) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => return misused(&error),
    };
    let done = match (&args.get, &args.ca, &args.cert, &args.key) {
        (Some(get), Some(ca), None, None) => sinew::run(|| client::get(get, ca, args.patience)),
        (None, None, Some(cert), Some(key)) => sinew::run(|| server::run(&args, cert, key)),
        (Some(_), ..) => return misused("--get needs --ca, and takes no --cert and --key"),
        _ => return misused("a server needs --cert and --key, a client --get and --ca"),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tls: {error}");
            ExitCode::FAILURE
        }
    }
}

fn misused(error: &str) -> ExitCode {
    eprintln!("tls: {error}\nTry --help.");
    ExitCode::from(2)
}

/// An error that says what was being done.
pub(crate) fn explain<E: std::fmt::Display>(what: impl std::fmt::Display) -> impl FnOnce(E) -> io::Error {
    move |error| io::Error::other(format!("{what}: {error}"))
}
