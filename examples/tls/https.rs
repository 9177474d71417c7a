//! The server: requests are read and answered in order, on connections that live as long as their clients ask.

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use sinew::cancel::CancelToken;
use sinew::net::{Server, TcpStream};
use sinew::time::timeout;

use crate::request::{Head, Method, Next, Refusal};
use crate::{explain, server};

/// How long connections have to come to their ends after Ctrl-C.
const DRAIN: Duration = Duration::from_secs(5);

/// What the command line says of the server.
pub(crate) struct Settings {
    pub(crate) addr: String,
    pub(crate) connections: usize,
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) patience: Duration,
}

/// Serves until Ctrl-C.
pub(crate) fn run(settings: &Settings) -> io::Result<()> {
    let Settings { cert, key, patience, .. } = settings;
    let certificates = CertificateDer::pem_file_iter(cert).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certificates = certificates.map_err(explain(cert.display()))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(explain(key.display()))?;
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(certificates, private);
    let config = Arc::new(config.map_err(explain(format!("{} with {}", cert.display(), key.display())))?);
    let (listener, stop) = server::listen("https", &settings.addr)?;
    let served = Server::new(listener)
        .max_connections(settings.connections)
        .until(&stop)
        .drain_timeout(DRAIN)
        .on_error(|error| eprintln!("tls: accepting: {error}"))
        .serve(|stream, peer| {
            if let Err(error) = connection(stream, &config, *patience, &stop) {
                eprintln!("tls: {peer}: {error}");
            }
        })?;
    println!("served {} connections, {} of them cut short", served.connections, served.cancelled);
    Ok(())
}

/// Serves a connection until either side ends it.
fn connection(stream: TcpStream, config: &Arc<ServerConfig>, patience: Duration, stop: &CancelToken) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(patience))?;
    let mut tls = StreamOwned::new(ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?, stream);
    timeout(patience, || tls.conn.complete_io(&mut tls.sock))
        .map_err(explain("the handshake"))?
        .map_err(explain("the handshake"))?;
    let mut input = Vec::new();
    loop {
        // Between requests a server that stops need not wait. rustls takes nothing from the stream while it waits for it, so
        // that a read that is ended so, or by the timeout, has lost nothing, and the connection can still be used.
        if input.is_empty() {
            match stop.run_until_cancelled(|| timeout(patience, || fill(&mut tls, &mut input))) {
                Ok(Ok(more)) => {
                    if !more? {
                        break;
                    }
                }
                // The client is silent, or the server stops.
                Ok(Err(_)) | Err(_) => break,
            }
        }
        match timeout(patience, || Head::read(&mut tls, &mut input)).unwrap_or(Ok(Err(Refusal::TIMEOUT)))? {
            Ok(head) => {
                let body: Vec<u8> = input.drain(..head.length + head.body).skip(head.length).collect();
                answer(&mut tls, &head, &body)?;
                if !head.keep_alive {
                    break;
                }
            }
            Err(refusal) => {
                let fields = "Content-Length: 0\r\nConnection: close";
                tls.write_all(format!("HTTP/1.1 {}\r\n{fields}\r\n\r\n", refusal.0).as_bytes())?;
                break;
            }
        }
    }
    tls.conn.send_close_notify();
    // A client that has gone already misses nothing.
    if tls.flush().and_then(|()| tls.sock.shutdown(Shutdown::Write)).is_ok() {
        // A socket that is closed with bytes unread resets the connection, which can take the answer away from the client
        // before it has read it.
        let _ = timeout(DRAIN / 2, || io::copy(&mut (&tls.sock).take(1024 * 1024), &mut io::sink()));
    }
    Ok(())
}

/// Reads some more; false at the end of what the client sends.
fn fill(tls: &mut impl Read, input: &mut Vec<u8>) -> io::Result<bool> {
    let mut room = [0; 8 * 1024];
    let length = match tls.read(&mut room) {
        // Many clients end the stream without announcing it in TLS; a request that is cut short is found by its length.
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => 0,
        result => result?,
    };
    input.extend_from_slice(&room[..length]);
    Ok(length > 0)
}

impl Head {
    /// Reads the next request, its body too, to the front of `input`.
    fn read(tls: &mut (impl Read + Write), input: &mut Vec<u8>) -> io::Result<Result<Head, Refusal>> {
        let mut invited = false;
        loop {
            match Head::parse(input) {
                Err(refusal) => return Ok(Err(refusal)),
                Ok(Next::Request(head)) if input.len() >= head.length + head.body => return Ok(Ok(head)),
                Ok(Next::Request(head)) if head.expects_continue && !invited => {
                    invited = true;
                    tls.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
                }
                Ok(_) => {}
            }
            if !fill(tls, input)? {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

fn answer(tls: &mut StreamOwned<ServerConnection, TcpStream>, head: &Head, body: &[u8]) -> io::Result<()> {
    let greeting = format!("Hello from a green thread, by {:?}.\n", tls.conn.protocol_version());
    let (status, text) = match head.method {
        _ if head.target.split('?').next() != Some("/") => ("404 Not Found", &b"There is nothing here.\n"[..]),
        Method::Get | Method::Head => ("200 OK", greeting.as_bytes()),
        Method::Other => ("200 OK", body),
    };
    let connection = match head.keep_alive {
        true if head.is_old => "Connection: keep-alive\r\n",
        true => "",
        false => "Connection: close\r\n",
    };
    let mut output = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{connection}\r\n", text.len()).into_bytes();
    if head.wants_body {
        output.extend_from_slice(text);
    }
    tls.write_all(&output)?;
    tls.flush()
}
