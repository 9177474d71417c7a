//! `TcpStream`.

use std::{
    fmt,
    io::{self, IoSlice, IoSliceMut, Read, Write},
    mem::ManuallyDrop,
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd},
    time::Duration,
};

use super::{
    Shutdown, SocketAddr, ToSocketAddrs,
    macros::{common_methods, descriptor_traits, stream_methods, timeout_methods},
    race,
    resolve::all_addrs,
    socket::Socket,
    stream,
};
use crate::{runtime::readiness::Direction, sys::socket};

/// A TCP stream between a local and a remote socket: [`std::net::TcpStream`] whose calls suspend the calling thread only.
///
/// Reading and writing work on a shared reference too, and may be done by different threads at once. The connection is
/// closed when the value is dropped.
///
/// # Cancellation
/// Each call that waits can be cancelled while it waits, and has then moved nothing. What std makes of
/// several calls (`read_exact`, `read_to_end`, `write_all`) has moved what the calls before moved: what was read lies at the front of
/// the buffer, and how much was written is not told. But `read_to_string` leaves its string as it was, and loses what it read.
///
/// # Examples
/// ```no_run
/// use sinew::net::TcpStream;
/// use std::io::{self, Read, Write};
///
/// fn main() -> io::Result<()> {
///     let mut stream = TcpStream::connect("127.0.0.1:8080")?;
///     stream.write_all(b"hello")?;
///     let mut answer = String::new();
///     stream.read_to_string(&mut answer)?;
///     Ok(())
/// }
/// ```
pub struct TcpStream(Socket);

impl TcpStream {
    /// Opens a connection. A host name is looked up on the blocking pool.
    ///
    /// Several addresses are tried as RFC 8305 ("Happy Eyeballs") has it: the families in turns, each address 250 ms after
    /// the one before, or at once when that fails. The first that answers is taken, and the other attempts are closed.
    ///
    /// # Errors
    /// std's: that of the last address tried, or `InvalidInput` if there is none.
    ///
    /// # Cancellation
    /// While it looks a name up, as [`lookup_host`](super::lookup_host), and while it waits for an answer: all attempts are closed. The
    /// other side may find a connection that is at its end.
    pub fn connect<A: ToSocketAddrs>(addr: A) -> io::Result<TcpStream> {
        race::connect(&all_addrs(addr)?).map(TcpStream)
    }

    /// Opens a connection, and gives up after `timeout`.
    ///
    /// # Errors
    /// As [`connect`](Self::connect); `TimedOut`; `InvalidInput` if the timeout is zero.
    ///
    /// # Cancellation
    /// While it waits, as [`connect`](Self::connect).
    pub fn connect_timeout(addr: &SocketAddr, timeout: Duration) -> io::Result<TcpStream> {
        let stream = TcpStream::new(socket::inet(addr, libc::SOCK_STREAM)?);
        if socket::connect(stream.as_raw_fd(), &addr.into())? {
            return Ok(stream);
        }
        if timeout.is_zero() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "cannot set a 0 duration timeout"));
        }
        if stream.0.finish_connect(crate::runtime::clock::now().checked_add(timeout))? {
            Ok(stream)
        } else {
            Err(io::Error::new(io::ErrorKind::TimedOut, "connection timed out"))
        }
    }

    /// The address of the other side.
    ///
    /// # Errors
    /// The operating system's, such as `NotConnected`.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.std().peer_addr()
    }

    /// The address of this side.
    ///
    /// # Errors
    /// The operating system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.std().local_addr()
    }

    /// Whether small writes are sent at once (`TCP_NODELAY`).
    ///
    /// # Errors
    /// The operating system's.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.std().set_nodelay(nodelay)
    }

    /// Whether small writes are sent at once (`TCP_NODELAY`).
    ///
    /// # Errors
    /// The operating system's.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.std().nodelay()
    }

    /// Sets the time to live (`IP_TTL`).
    ///
    /// # Errors
    /// The operating system's.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.std().set_ttl(ttl)
    }

    /// The time to live (`IP_TTL`).
    ///
    /// # Errors
    /// The operating system's.
    pub fn ttl(&self) -> io::Result<u32> {
        self.std().ttl()
    }
}

/// What `std::os::linux::net::TcpStreamExt` gives std's type.
#[cfg(any(target_os = "linux", target_os = "android"))]
impl TcpStream {
    /// Whether data are acknowledged at once (`TCP_QUICKACK`).
    ///
    /// # Errors
    /// The operating system's.
    pub fn set_quickack(&self, quickack: bool) -> io::Result<()> {
        socket::set_int(self.as_raw_fd(), libc::IPPROTO_TCP, libc::TCP_QUICKACK, quickack.into())
    }

    /// Whether data are acknowledged at once (`TCP_QUICKACK`).
    ///
    /// # Errors
    /// The operating system's.
    pub fn quickack(&self) -> io::Result<bool> {
        Ok(socket::get_int(self.as_raw_fd(), libc::IPPROTO_TCP, libc::TCP_QUICKACK)? != 0)
    }
}

common_methods!(TcpStream, "each call");
timeout_methods!(TcpStream, "read", "write");
stream_methods!(TcpStream, stream::Tcp);
descriptor_traits!(TcpStream, std::net::TcpStream);
