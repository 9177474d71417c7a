//! `TcpListener`.

use std::{
    fmt, io,
    iter::FusedIterator,
    mem::ManuallyDrop,
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd},
};

use super::{SocketAddr, TcpStream, ToSocketAddrs, macros::descriptor_traits, resolve::each_addr, socket::Socket};
use crate::{runtime::readiness::Direction, sys::socket};

/// A TCP socket server, listening for connections: [`std::net::TcpListener`] whose calls suspend the calling thread
/// only.
///
/// # Examples
/// ```no_run
/// use sinew::net::TcpListener;
/// use std::io::{self, Write};
///
/// fn main() -> io::Result<()> {
///     let listener = TcpListener::bind("127.0.0.1:8080")?;
///     for stream in listener.incoming() {
///         stream?.write_all(b"hello\n")?;
///     }
///     Ok(())
/// }
/// ```
pub struct TcpListener(Socket);

impl TcpListener {
    /// Over a descriptor that was used elsewhere.
    fn adopt(fd: OwnedFd) -> TcpListener {
        TcpListener(Socket::adopt(fd))
    }

    /// Binds to an address and listens. Of several addresses the first that can be bound is taken. A host name is looked
    /// up on the blocking pool.
    ///
    /// # Errors
    /// std's: that of the last address tried, or `InvalidInput` if there is none.
    ///
    /// # Cancellation
    /// Before and after the search for a name's addresses, which is waited for.
    pub fn bind<A: ToSocketAddrs>(addr: A) -> io::Result<TcpListener> {
        each_addr(addr, |addr| {
            let fd = socket::tcp(addr)?;
            socket::listen(fd.as_raw_fd(), addr)?;
            Ok(TcpListener(Socket::new(fd)))
        })
    }

    /// The address that this listener is bound to.
    ///
    /// # Errors
    /// The operating system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.std().local_addr()
    }

    /// Another handle to the same listener: each connection goes to one of the two.
    ///
    /// # Errors
    /// The operating system's, such as too many open files.
    pub fn try_clone(&self) -> io::Result<TcpListener> {
        self.0.try_clone().map(TcpListener)
    }

    /// Takes a connection, and waits for one if there is none yet.
    ///
    /// # Errors
    /// The operating system's, each given back at once: `ECONNABORTED`, too many open files, and so on. After these the
    /// listener can be used further. `WouldBlock` if it was set non-blocking and there is no connection.
    ///
    /// # Cancellation
    /// While it waits; no connection is lost.
    pub fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (fd, addr) = self.0.perform(Direction::Read, |_| false, socket::accept)?;
        Ok((TcpStream::new(fd), addr))
    }

    /// An iterator over the connections that come in, which never ends.
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming { listener: self }
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

    /// Does nothing of use: the option can only be set before the socket is bound.
    ///
    /// # Errors
    /// The operating system's.
    #[deprecated(note = "this option can only be set before the socket is bound")]
    #[allow(deprecated)]
    pub fn set_only_v6(&self, only_v6: bool) -> io::Result<()> {
        self.std().set_only_v6(only_v6)
    }

    /// Whether the socket takes IPv6 only.
    ///
    /// # Errors
    /// The operating system's.
    #[deprecated(note = "this option can only be set before the socket is bound")]
    #[allow(deprecated)]
    pub fn only_v6(&self) -> io::Result<bool> {
        self.std().only_v6()
    }

    /// Takes the socket's pending error (`SO_ERROR`).
    ///
    /// # Errors
    /// The operating system's.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.std().take_error()
    }

    /// Whether [`accept`](Self::accept) gives `WouldBlock` instead of waiting.
    ///
    /// # Errors
    /// None: the signature is std's. The descriptor itself is always in non-blocking mode.
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.0.set_nonblocking(nonblocking);
        Ok(())
    }
}

descriptor_traits!(TcpListener, std::net::TcpListener);

/// An iterator over the connections of a [`TcpListener`], made by [`incoming`](TcpListener::incoming): an
/// [`accept`](TcpListener::accept) each.
#[derive(Debug)]
#[must_use = "iterators are lazy and do nothing unless consumed"]
pub struct Incoming<'a> {
    listener: &'a TcpListener,
}

impl Iterator for Incoming<'_> {
    type Item = io::Result<TcpStream>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.listener.accept().map(|(stream, _)| stream))
    }
}

impl FusedIterator for Incoming<'_> {}
