//! `UnixDatagram`.

use std::{
    fmt, io,
    mem::ManuallyDrop,
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd},
    path::Path,
    time::{Duration, Instant},
};

use super::SocketAddr;
use crate::{
    net::{
        Shutdown,
        macros::{common_methods, descriptor_traits, timeout_methods},
        socket::Socket,
    },
    runtime::{clock, readiness::Direction},
    sys::{address::RawAddr, socket},
    thread,
};

/// A Unix datagram socket: [`std::os::unix::net::UnixDatagram`] whose calls suspend the calling thread only.
///
/// Several threads may send and receive at once; each datagram goes to one of them. What of a datagram does not fit into
/// the buffer is lost.
///
/// # Cancellation
/// Each call that waits can be cancelled while it waits, and has then neither sent nor received.
///
/// # Examples
/// ```
/// use sinew::net::unix::UnixDatagram;
///
/// let (one, two) = UnixDatagram::pair()?;
/// let other = sinew::spawn(move || {
///     let mut buf = [0; 16];
///     two.recv(&mut buf)
/// });
/// one.send(b"hello")?;
/// assert_eq!(other.join().unwrap()?, 5);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct UnixDatagram(pub(super) Socket);

impl UnixDatagram {
    fn new(fd: OwnedFd) -> UnixDatagram {
        UnixDatagram(Socket::new(fd))
    }

    /// Binds to a path, where it makes the socket's file. The file stays when the socket goes.
    ///
    /// # Errors
    /// std's: `InvalidInput` for a path that is too long or has a zero in it; the operating system's, such as
    /// `AddrInUse`.
    pub fn bind<P: AsRef<Path>>(path: P) -> io::Result<UnixDatagram> {
        Self::bind_addr(&SocketAddr::from_pathname(path)?)
    }

    /// Binds to an address, such as an abstract name.
    ///
    /// # Errors
    /// The operating system's, such as `AddrInUse`.
    pub fn bind_addr(addr: &SocketAddr) -> io::Result<UnixDatagram> {
        let socket = Self::unbound()?;
        socket::bind(socket.as_raw_fd(), &addr.into())?;
        Ok(socket)
    }

    /// A socket without a name: it can send, and receive once it is connected by the other side.
    ///
    /// # Errors
    /// The operating system's, such as too many open files.
    pub fn unbound() -> io::Result<UnixDatagram> {
        socket::new(libc::AF_UNIX, libc::SOCK_DGRAM).map(Self::new)
    }

    /// Two sockets that are connected to each other.
    ///
    /// # Errors
    /// The operating system's, such as too many open files.
    pub fn pair() -> io::Result<(UnixDatagram, UnixDatagram)> {
        let (one, two) = socket::pair(libc::SOCK_DGRAM)?;
        Ok((Self::new(one), Self::new(two)))
    }

    /// Sets the other side to the socket at a path: [`send`](Self::send) sends there, and only from there is received.
    ///
    /// # Errors
    /// std's: `InvalidInput` for a path that is too long or has a zero in it; the operating system's, such as `NotFound`.
    pub fn connect<P: AsRef<Path>>(&self, path: P) -> io::Result<()> {
        self.connect_addr(&SocketAddr::from_pathname(path)?)
    }

    /// Sets the other side to an address. See [`connect`](Self::connect).
    ///
    /// # Errors
    /// The operating system's, such as `ConnectionRefused`.
    pub fn connect_addr(&self, addr: &SocketAddr) -> io::Result<()> {
        socket::connect_datagram(self.as_raw_fd(), &addr.into())
    }

    /// The address of this side.
    ///
    /// # Errors
    /// The operating system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.std().local_addr()
    }

    /// The address of the other side.
    ///
    /// # Errors
    /// The operating system's, such as `NotConnected`.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.std().peer_addr()
    }

    /// Receives a datagram, and waits for one: its length and its sender's address.
    ///
    /// # Errors
    /// The operating system's; `WouldBlock` at the end of the timeout.
    pub fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let (len, from) = self.receive(|fd| socket::recv_from(fd, buf, false), || (0, RawAddr::none()))?;
        Ok((len, from.unix()?))
    }

    /// The same, and the datagram stays to be received again.
    ///
    /// # Errors
    /// As [`recv_from`](Self::recv_from).
    pub fn peek_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let (len, from) = self.receive(|fd| socket::recv_from(fd, buf, true), || (0, RawAddr::none()))?;
        Ok((len, from.unix()?))
    }

    /// Receives a datagram, and waits for one: its length.
    ///
    /// # Errors
    /// The operating system's; `WouldBlock` at the end of the timeout.
    pub fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.receive(|fd| socket::recv(fd, buf, false), || 0)
    }

    /// The same, and the datagram stays to be received again.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.receive(|fd| socket::recv(fd, buf, true), || 0)
    }

    /// Sends a datagram to the socket at a path. Waits while that one's queue is full.
    ///
    /// # Errors
    /// std's: `InvalidInput` for a path that is too long or has a zero in it; the operating system's, such as `NotFound` and
    /// `ConnectionRefused`; `WouldBlock` at the end of the timeout.
    pub fn send_to<P: AsRef<Path>>(&self, buf: &[u8], path: P) -> io::Result<usize> {
        self.send_to_addr(buf, &SocketAddr::from_pathname(path)?)
    }

    /// Sends a datagram to an address. Waits while the receiver's queue is full.
    ///
    /// # Errors
    /// The operating system's, such as `ConnectionRefused`; `WouldBlock` at the end of the timeout.
    pub fn send_to_addr(&self, buf: &[u8], addr: &SocketAddr) -> io::Result<usize> {
        let to = addr.into();
        let mut deadline = None;
        loop {
            // Only our own room has readiness, so the call is made without a look at it.
            match socket::send_to(self.as_raw_fd(), buf, &to) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && !self.0.is_nonblocking() => {
                    deadline = deadline.or_else(|| self.0.deadline(Direction::Write));
                    if deadline.is_some_and(|at| at <= clock::now()) {
                        return Err(error);
                    }
                    self.await_room(&to, deadline)?;
                }
                done => return done,
            }
        }
    }

    /// Sends a datagram to the other side. Waits while that one's queue is full.
    ///
    /// # Errors
    /// The operating system's, such as `NotConnected` and `ConnectionRefused`; `WouldBlock` at the end of the timeout.
    pub fn send(&self, buf: &[u8]) -> io::Result<usize> {
        self.0.perform(Direction::Write, |_| false, |fd| socket::send(fd, buf))
    }

    /// Shuts the reading half, the writing half or both. Threads that wait in a half that is shut come back.
    ///
    /// # Errors
    /// The operating system's, such as `NotConnected`.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.std().shutdown(how)
    }

    /// Receives by a call. Linux's call that does not wait says of a shut socket that it would block, for ever; one that waits
    /// receives nothing there, which is made by `nothing`.
    pub(super) fn receive<T>(
        &self,
        mut call: impl FnMut(RawFd) -> io::Result<T>,
        nothing: impl Fn() -> T,
    ) -> io::Result<T> {
        let shut = |fd| !self.0.is_nonblocking() && socket::is_read_shut(fd);
        self.0.perform(
            Direction::Read,
            |_| false,
            |fd| match call(fd) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && shut(fd) => Ok(nothing()),
                done => done,
            },
        )
    }

    /// Waits until there is perhaps room for a datagram to an address, or the deadline passes.
    ///
    /// A poller tells of our own room, and of the receiver's only to who is connected to it. So the wait is on another
    /// socket that is. If that cannot be had, a short sleep takes its place.
    #[cold]
    fn await_room(&self, to: &RawAddr, deadline: Option<Instant>) -> io::Result<()> {
        if !self.0.ready(Direction::Write, deadline)? {
            return Ok(());
        }
        let other = Self::unbound().and_then(|other| {
            socket::connect_datagram(other.as_raw_fd(), to)?;
            Ok(other)
        });
        match other {
            Ok(other) => other.0.ready(Direction::Write, deadline).map(drop),
            Err(_) => {
                thread::sleep(Duration::from_millis(1));
                Ok(())
            }
        }
    }
}

common_methods!(UnixDatagram, "each call");
timeout_methods!(UnixDatagram, "receive", "send");
descriptor_traits!(UnixDatagram, std::os::unix::net::UnixDatagram);
