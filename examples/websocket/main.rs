//! A WebSocket server in blocking style, which echoes each message: the crate `tungstenite` over this crate's streams, one green
//! thread a connection. Ctrl-C ends it, when each client is told so.
//!
//! ```text
//! cargo run --release --example websocket -- --addr 127.0.0.1:8081
//! ```

#[path = "../common/options.rs"]
mod options;
#[path = "../common/program.rs"]
mod program;
#[path = "../common/server.rs"]
mod server;

use std::io::{self, ErrorKind, Read};
use std::net::Shutdown;
use std::process::ExitCode;
use std::time::Duration;

use options::Options;
use program::Arguments;
use sinew::cancel::CancelToken;
use sinew::net::{Server, TcpStream};
use sinew::time::timeout;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tungstenite::{Error, HandshakeError, Message, WebSocket};

const HELP: &str = "\
A WebSocket server on green threads, which echoes each message. Ctrl-C ends it, when each client is told so.

Usage: websocket [OPTIONS]

  --addr HOST:PORT   where to listen (127.0.0.1:8081); port 0 lets the system choose
  --connections N    connections that are served at once; more wait (100000)
  --patience TIME    how long a client may take for its handshake; after so long a silence it is pinged, and
                     after twice as long it is given up (30s)
  --longest BYTES    the longest message (16777216)
  --help             print this
";

/// How long connections have to come to their ends after Ctrl-C.
const DRAIN: Duration = Duration::from_secs(5);

struct Args {
    addr: String,
    connections: usize,
    patience: Duration,
    longest: usize,
}

impl Args {
    /// Reads the arguments behind the program's name; `None` means that help was asked for.
    fn parse(args: Arguments) -> Result<Option<Args>, String> {
        let mut parsed = Args {
            addr: "127.0.0.1:8081".to_owned(),
            connections: 100_000,
            patience: Duration::from_secs(30),
            longest: 16 * 1024 * 1024,
        };
        let mut options = Options::new(args);
        while let Some(name) = options.next()? {
            match name.as_str() {
                "--addr" => parsed.addr = options.value()?,
                "--connections" => parsed.connections = options.number(1, 100_000_000)?,
                "--patience" => parsed.patience = options.duration()?,
                "--longest" => parsed.longest = options.number(1, 1 << 30)?,
                "--help" | "-h" => return Ok(None),
                _ => return Err(format!("{name:?} is no option of this program")),
            }
        }
        Ok(Some(parsed))
    }
}

fn main() -> ExitCode {
    program::start("websocket", HELP, Args::parse, |args| sinew::run(|| serve(&args)).map(|()| ExitCode::SUCCESS))
}

fn serve(args: &Args) -> io::Result<()> {
    let (listener, stop) = server::listen("ws", &args.addr)?;
    let served = Server::new(listener)
        .max_connections(args.connections)
        .until(&stop)
        .drain_timeout(DRAIN)
        .on_error(|error| eprintln!("websocket: accepting: {error}"))
        .serve(|stream, peer| {
            if let Err(error) = connection(stream, args, &stop) {
                eprintln!("websocket: {peer}: {error}");
            }
        })?;
    println!("served {} connections, {} of them cut short", served.connections, served.cancelled);
    Ok(())
}

/// Serves a connection until either side ends it.
fn connection(stream: TcpStream, args: &Args, stop: &CancelToken) -> Result<(), Error> {
    stream.set_nodelay(true)?;
    let config = WebSocketConfig::default()
        .max_message_size(Some(args.longest))
        .max_frame_size(Some(args.longest))
        .read_buffer_size(8 * 1024);
    let accept = || match tungstenite::accept_with_config(stream, Some(config)) {
        Ok(socket) => Ok(socket),
        Err(HandshakeError::Failure(error)) => Err(error),
        Err(HandshakeError::Interrupted(_)) => unreachable!("that is for sockets that do not wait"),
    };
    let mut socket = timeout(args.patience, accept).map_err(io::Error::from)??;
    // A `timeout` around a read would unwind through tungstenite's buffers, which can only be given up then. A socket's own
    // timeout is an error, after which reading goes on.
    socket.get_ref().set_read_timeout(Some(args.patience))?;
    socket.get_ref().set_write_timeout(Some(args.patience))?;
    let (code, reason, why) = match echo(&mut socket, stop) {
        Ok(End::Closed) => return Ok(()),
        Ok(End::Stopped) => (CloseCode::Away, "the server ends", None),
        Ok(End::Silent) => (CloseCode::Policy, "no answer to a ping", None),
        Err(Error::Capacity(error)) => (CloseCode::Size, "too long", Some(Error::Capacity(error))),
        Err(Error::Utf8(error)) => (CloseCode::Invalid, "not UTF-8", Some(Error::Utf8(error))),
        Err(Error::Protocol(error)) => (CloseCode::Protocol, "a breach of protocol", Some(Error::Protocol(error))),
        Err(error) => return Err(error),
    };
    // Nothing more is read by way of tungstenite: its buffers may be unwound through, or the client not be understood.
    let _ = socket.close(Some(CloseFrame { code, reason: reason.into() }));
    linger(socket.get_mut(), args.patience);
    why.map_or(Ok(()), Err)
}

/// How a conversation came to its end.
enum End {
    Closed,
    Stopped,
    Silent,
}

fn echo(socket: &mut WebSocket<TcpStream>, stop: &CancelToken) -> Result<End, Error> {
    let mut pinged = false;
    loop {
        match stop.run_until_cancelled(|| socket.read()) {
            Err(_) => return Ok(End::Stopped),
            Ok(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => socket.send(message)?,
            // tungstenite has its answers to pings and closes ready, and sends them when it reads on.
            Ok(Ok(_)) => {}
            Ok(Err(Error::ConnectionClosed)) => return Ok(End::Closed),
            Ok(Err(Error::Io(error))) if error.kind() == ErrorKind::WouldBlock => {
                if pinged {
                    return Ok(End::Silent);
                }
                pinged = true;
                socket.send(Message::Ping(Vec::new().into()))?;
                continue;
            }
            Ok(Err(error)) => return Err(error),
        }
        pinged = false;
    }
}

/// Ends our side, and reads for a while what the client still sends, its close among it: a socket that is closed with
/// bytes unread resets the connection, which can take the close away from the client before it has read it.
fn linger(stream: &mut TcpStream, patience: Duration) {
    if stream.shutdown(Shutdown::Write).is_ok() {
        let rest = || io::copy(&mut Read::by_ref(stream).take(16 * 1024 * 1024), &mut io::sink());
        // What comes of it is of no more interest.
        let _ = timeout(patience.min(DRAIN / 2), rest);
    }
}
