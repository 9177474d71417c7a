//! One client: what it wants is heard and done, then bytes are copied both ways.

use std::io::{self, Read};
use std::time::Duration;

use sinew::io::{ShutdownWrite, copy_bidirectional_idle};
use sinew::net::{TcpStream, lookup_host};
use sinew::time::timeout;

use crate::handshake::{Destination, Reply, User, negotiate};

/// What of a refused client is read, so that the refusal reaches one that is still sending.
const LINGER_BYTES: u64 = 64 * 1024;
const LINGER: Duration = Duration::from_secs(2);

/// How long a client may take over what.
pub(crate) struct Limits {
    pub(crate) handshake: Duration,
    pub(crate) connect: Duration,
    pub(crate) idle: Duration,
}

/// Serves a client to its end. The error says why it did not get what it wanted.
pub(crate) fn serve(stream: &TcpStream, user: Option<&User>, limits: &Limits) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let result = timeout(limits.handshake, || negotiate(&mut &*stream, user));
    let destination = match result.map_err(|_| too_long("the handshake"))? {
        Ok(destination) => destination,
        Err(error) => {
            linger(stream);
            return Err(error);
        }
    };
    let server = match timeout(limits.connect, || connect(&destination)).map_err(|_| too_long("connecting")) {
        Ok(Ok(server)) => server,
        Ok(Err((reply, error))) => return fail(stream, reply, &destination, &error),
        Err(error) => return fail(stream, Reply::to(&error), &destination, &error),
    };
    server.set_nodelay(true)?;
    Reply::Done.send(stream, server.local_addr().ok())?;
    // Either side may end the connection as it likes, resets included.
    let _ = copy_bidirectional_idle(stream, &server, limits.idle);
    Ok(())
}

fn connect(destination: &Destination) -> Result<TcpStream, (Reply, io::Error)> {
    match destination {
        Destination::Address(address) => TcpStream::connect(address),
        Destination::Name(name, port) => {
            let addresses = lookup_host((name.as_str(), *port)).map_err(|error| (Reply::HostUnreachable, error))?;
            TcpStream::connect(addresses.as_slice())
        }
    }
    .map_err(|error| (Reply::to(&error), error))
}

fn fail(stream: &TcpStream, reply: Reply, destination: &Destination, error: &io::Error) -> io::Result<()> {
    reply.send(stream, None)?;
    linger(stream);
    let place = match destination {
        Destination::Address(address) => address.to_string(),
        Destination::Name(name, port) => format!("{name}:{port}"),
    };
    Err(io::Error::new(error.kind(), format!("cannot connect to {place}: {error}")))
}

fn too_long(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("{what} took too long"))
}

/// Ends our side, and reads for a while what the client still sends: a socket that is closed with bytes unread resets
/// the connection, which can take the reply away from the client before it has read it.
fn linger(stream: &TcpStream) {
    let _ = stream.shutdown_write();
    let _ = timeout(LINGER, || io::copy(&mut stream.take(LINGER_BYTES), &mut io::sink()));
}
