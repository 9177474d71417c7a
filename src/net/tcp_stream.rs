//! `TcpStream`.

use std::{
    fmt,
    io::{self, IoSlice, IoSliceMut, Read, Write},
    mem::ManuallyDrop,
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd},
    time::Duration,
};

use super::{Shutdown, SocketAddr, ToSocketAddrs, macros::descriptor_traits, resolve::each_addr, socket::Socket};
use crate::{runtime::readiness::Direction, sys::socket};

/// A TCP stream between a local and a remote socket: [`std::net::TcpStream`] whose calls suspend the calling thread only.
///
/// Reading and writing work on a shared reference too, and may be done by different threads at once. The connection is
/// closed when the value is dropped.
///
/// # Cancellation
/// Each call that waits can be cancelled while it waits, and has then moved nothing.
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
    /// Over a new descriptor in non-blocking mode.
    pub(super) fn new(fd: OwnedFd) -> TcpStream {
        TcpStream(Socket::new(fd))
    }

    /// Over a descriptor that was used elsewhere. Its timeouts, which the kernel keeps for calls that block there, go on
    /// to hold.
    fn adopt(fd: OwnedFd) -> TcpStream {
        let stream = TcpStream(Socket::adopt(fd));
        stream.0.keep_timeout(Direction::Read, stream.read_timeout().unwrap_or(None));
        stream.0.keep_timeout(Direction::Write, stream.write_timeout().unwrap_or(None));
        stream
    }

    /// Opens a connection. Of several addresses the first that answers is taken. A host name is looked up on the blocking
    /// pool.
    ///
    /// # Errors
    /// std's: that of the last address tried, or `InvalidInput` if there is none.
    ///
    /// # Cancellation
    /// While it waits for an answer: the connection is given up. The search for a name's addresses is waited for.
    pub fn connect<A: ToSocketAddrs>(addr: A) -> io::Result<TcpStream> {
        each_addr(addr, |addr| {
            let stream = TcpStream::new(socket::tcp(addr)?);
            if !socket::connect(stream.as_raw_fd(), addr)? {
                stream.0.finish_connect(None)?;
            }
            Ok(stream)
        })
    }

    /// Opens a connection, and gives up after `timeout`.
    ///
    /// # Errors
    /// As [`connect`](Self::connect); `TimedOut`; `InvalidInput` if the timeout is zero.
    ///
    /// # Cancellation
    /// As [`connect`](Self::connect).
    pub fn connect_timeout(addr: &SocketAddr, timeout: Duration) -> io::Result<TcpStream> {
        let stream = TcpStream::new(socket::tcp(addr)?);
        if socket::connect(stream.as_raw_fd(), addr)? {
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

    /// Shuts the reading half, the writing half or both. Threads that wait in a half that is shut come back.
    ///
    /// # Errors
    /// The operating system's, such as `NotConnected`.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.std().shutdown(how)
    }

    /// Another handle to the same stream. Options that are set on one hold for both.
    ///
    /// # Errors
    /// The operating system's, such as too many open files.
    pub fn try_clone(&self) -> io::Result<TcpStream> {
        self.0.try_clone().map(TcpStream)
    }

    /// Sets how long a read waits; `None` is for ever. A read that waited so long gives `WouldBlock`.
    ///
    /// # Errors
    /// `InvalidInput` if the timeout is zero.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.std().set_read_timeout(timeout)?;
        self.0.keep_timeout(Direction::Read, timeout);
        Ok(())
    }

    /// Sets how long a write waits; `None` is for ever. A write that waited so long gives `WouldBlock`.
    ///
    /// # Errors
    /// `InvalidInput` if the timeout is zero.
    pub fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.std().set_write_timeout(timeout)?;
        self.0.keep_timeout(Direction::Write, timeout);
        Ok(())
    }

    /// How long a read waits, as the operating system has rounded it.
    ///
    /// # Errors
    /// The operating system's.
    pub fn read_timeout(&self) -> io::Result<Option<Duration>> {
        self.std().read_timeout()
    }

    /// How long a write waits, as the operating system has rounded it.
    ///
    /// # Errors
    /// The operating system's.
    pub fn write_timeout(&self) -> io::Result<Option<Duration>> {
        self.std().write_timeout()
    }

    /// Reads, and leaves what it has read to be read again. Waits as a read does.
    ///
    /// # Errors
    /// As a read.
    ///
    /// # Cancellation
    /// While it waits, and nothing was read.
    pub fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.perform(Direction::Read, |_| false, |fd| socket::recv(fd, buf, true))
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

    /// Takes the socket's pending error (`SO_ERROR`).
    ///
    /// # Errors
    /// The operating system's.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.std().take_error()
    }

    /// Whether calls give `WouldBlock` instead of waiting.
    ///
    /// # Errors
    /// None: the signature is std's. The descriptor itself is always in non-blocking mode.
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.0.set_nonblocking(nonblocking);
        Ok(())
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

descriptor_traits!(TcpStream, std::net::TcpStream);

impl Read for &TcpStream {
    #[inline]
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let len = buf.len();
        let less = |&moved: &usize| 0 < moved && moved < len;
        self.0.perform(Direction::Read, less, |fd| socket::recv(fd, buf, false))
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let room: usize = bufs.iter().take(socket::MOST_BUFFERS).map(|buf| buf.len()).sum();
        let less = |&moved: &usize| 0 < moved && moved < room;
        self.0.perform(Direction::Read, less, |fd| socket::recv_vectored(fd, bufs))
    }
}

impl Write for &TcpStream {
    #[inline]
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let less = |&moved: &usize| 0 < moved && moved < buf.len();
        self.0.perform(Direction::Write, less, |fd| socket::send(fd, buf))
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        let total: usize = bufs.iter().take(socket::MOST_BUFFERS).map(|buf| buf.len()).sum();
        let less = |&moved: &usize| 0 < moved && moved < total;
        self.0.perform(Direction::Write, less, |fd| socket::send_vectored(fd, bufs))
    }

    #[inline]
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for TcpStream {
    #[inline]
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        (&*self).read(buf)
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        (&*self).read_vectored(bufs)
    }
}

impl Write for TcpStream {
    #[inline]
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        (&*self).write(buf)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        (&*self).write_vectored(bufs)
    }

    #[inline]
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
