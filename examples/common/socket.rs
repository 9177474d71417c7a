//! A stream to a server that listens on TCP or on a Unix socket. It is shared by the examples that are clients through
//! `#[path]`.

use std::fmt;
use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;

use sinew::io::ShutdownWrite;
use sinew::net::TcpStream;
use sinew::net::unix::UnixStream;

/// Where a server listens: `HOST:PORT`, or the path of a Unix socket, which has a slash in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address(pub(crate) String);

impl Address {
    /// Opens a connection. It waits as long as the system does for an answer.
    pub(crate) fn connect(&self) -> io::Result<Socket> {
        let connected = if self.0.contains('/') {
            UnixStream::connect(&self.0).map(Socket::Unix)
        } else {
            TcpStream::connect(self.0.as_str()).and_then(|stream| {
                stream.set_nodelay(true)?;
                Ok(Socket::Tcp(stream))
            })
        };
        connected.map_err(|error| io::Error::new(error.kind(), format!("cannot connect to {self}: {error}")))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A connection of either kind. Different threads may read and write at once.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Read for &Socket {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => (&mut &*stream).read(buf),
            Socket::Unix(stream) => (&mut &*stream).read(buf),
        }
    }
}

impl Write for &Socket {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => (&mut &*stream).write(buf),
            Socket::Unix(stream) => (&mut &*stream).write(buf),
        }
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => (&mut &*stream).write_vectored(bufs),
            Socket::Unix(stream) => (&mut &*stream).write_vectored(bufs),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl ShutdownWrite for Socket {
    fn shutdown_write(&self) -> io::Result<()> {
        match self {
            Socket::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Socket::Unix(stream) => stream.shutdown(Shutdown::Write),
        }
    }
}
