//! `TcpListener`.

use std::{
    fmt, io,
    iter::FusedIterator,
    mem::ManuallyDrop,
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd},
};

use super::{
    SocketAddr, TcpStream, ToSocketAddrs,
    macros::{common_methods, descriptor_traits},
    resolve::each_addr,
    socket::Socket,
};
use crate::sys::socket;

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
            let fd = socket::inet(addr, libc::SOCK_STREAM)?;
            socket::listen_tcp(fd.as_raw_fd(), addr)?;
            Ok(TcpListener(Socket::new(fd)))
        })
    }

    /// Binds so many listeners to one address, among which the kernel spreads the connections that come in (`SO_REUSEPORT`).
    /// With port 0 all have the same port, which the kernel chooses. [`Server::per_worker`](crate::net::Server::per_worker) accepts
    /// from each on a worker of its own, where the connections then stay.
    ///
    /// Other options can be set on a `socket2::Socket`, which becomes a listener by way of
    /// [`OwnedFd`](std::os::fd::OwnedFd).
    ///
    /// # Errors
    /// As [`bind`](Self::bind). A connection whose listener is closed before it was accepted is lost.
    ///
    /// # Examples
    /// ```
    /// use sinew::net::TcpListener;
    ///
    /// let listeners = TcpListener::bind_reuse_port("127.0.0.1:0", 2)?;
    /// assert_eq!(listeners[0].local_addr()?, listeners[1].local_addr()?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn bind_reuse_port<A: ToSocketAddrs>(addr: A, count: usize) -> io::Result<Vec<TcpListener>> {
        each_addr(addr, |addr| {
            let mut addr = *addr;
            let mut listeners = Vec::with_capacity(count);
            for _ in 0..count {
                let socket = socket2::Socket::new(socket2::Domain::for_address(addr), socket2::Type::STREAM, None)?;
                socket.set_nonblocking(true)?;
                socket.set_reuse_address(true)?;
                socket.set_reuse_port(true)?;
                socket.bind(&addr.into())?;
                socket.listen(socket::BACKLOG)?;
                let listener = TcpListener(Socket::new(socket.into()));
                addr.set_port(listener.local_addr()?.port());
                listeners.push(listener);
            }
            Ok(listeners)
        })
    }

    /// The address that this listener is bound to.
    ///
    /// # Errors
    /// The operating system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.std().local_addr()
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
        let (fd, addr) = self.0.accept()?;
        Ok((TcpStream::new(fd), addr.inet()?))
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
}

common_methods!(TcpListener, "[`accept`](Self::accept)");
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
