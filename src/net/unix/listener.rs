//! `UnixListener`.

use std::{
    fmt, io,
    iter::FusedIterator,
    mem::ManuallyDrop,
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd},
    path::Path,
};

use super::{SocketAddr, UnixStream};
use crate::{
    net::{
        macros::{common_methods, descriptor_traits},
        socket::Socket,
    },
    sys::socket,
};

/// A Unix socket server, listening for connections: [`std::os::unix::net::UnixListener`] whose calls suspend the calling
/// thread only.
///
/// # Examples
/// ```no_run
/// use sinew::net::unix::UnixListener;
/// use std::io::{self, Write};
///
/// fn main() -> io::Result<()> {
///     let listener = UnixListener::bind("/run/hello.sock")?;
///     for stream in listener.incoming() {
///         stream?.write_all(b"hello\n")?;
///     }
///     Ok(())
/// }
/// ```
pub struct UnixListener(Socket);

impl UnixListener {
    /// Over a descriptor that was used elsewhere.
    fn adopt(fd: OwnedFd) -> UnixListener {
        UnixListener(Socket::adopt(fd))
    }

    /// Binds to a path, where it makes the socket's file, and listens. The file stays when the listener goes.
    ///
    /// # Errors
    /// std's: `InvalidInput` for a path that is too long or has a zero in it; the operating system's, such as
    /// `AddrInUse`.
    pub fn bind<P: AsRef<Path>>(path: P) -> io::Result<UnixListener> {
        Self::bind_addr(&SocketAddr::from_pathname(path)?)
    }

    /// Binds to an address, such as an abstract name, and listens.
    ///
    /// # Errors
    /// The operating system's, such as `AddrInUse`.
    pub fn bind_addr(addr: &SocketAddr) -> io::Result<UnixListener> {
        let fd = socket::new(libc::AF_UNIX, libc::SOCK_STREAM)?;
        socket::bind(fd.as_raw_fd(), &addr.into())?;
        socket::listen(fd.as_raw_fd())?;
        Ok(UnixListener(Socket::new(fd)))
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
    /// The operating system's, such as too many open files; the listener can be used further. `WouldBlock` if it was set
    /// non-blocking and there is no connection.
    ///
    /// # Cancellation
    /// While it waits; no connection is lost.
    pub fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        let (fd, addr) = self.0.accept()?;
        Ok((UnixStream::new(fd), addr.unix()?))
    }

    /// An iterator over the connections that come in, which never ends.
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming { listener: self }
    }
}

common_methods!(UnixListener, "[`accept`](Self::accept)");
descriptor_traits!(UnixListener, std::os::unix::net::UnixListener);

impl<'a> IntoIterator for &'a UnixListener {
    type Item = io::Result<UnixStream>;
    type IntoIter = Incoming<'a>;

    fn into_iter(self) -> Incoming<'a> {
        self.incoming()
    }
}

/// An iterator over the connections of a [`UnixListener`], made by [`incoming`](UnixListener::incoming): an
/// [`accept`](UnixListener::accept) each.
#[derive(Debug)]
#[must_use = "iterators are lazy and do nothing unless consumed"]
pub struct Incoming<'a> {
    listener: &'a UnixListener,
}

impl Iterator for Incoming<'_> {
    type Item = io::Result<UnixStream>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.listener.accept().map(|(stream, _)| stream))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::MAX, None)
    }
}

impl FusedIterator for Incoming<'_> {}
