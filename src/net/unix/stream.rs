//! `UnixStream`.

use std::{
    fmt,
    io::{self, IoSlice, IoSliceMut, Read, Write},
    mem::ManuallyDrop,
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd},
    path::Path,
    time::Duration,
};

use super::SocketAddr;
use crate::{
    net::{
        Shutdown,
        macros::{common_methods, descriptor_traits, stream_methods, timeout_methods},
        socket::Socket,
        stream,
    },
    runtime::readiness::Direction,
    sys::socket,
    thread,
};

/// A Unix stream socket: [`std::os::unix::net::UnixStream`] whose calls suspend the calling thread only.
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
/// ```
/// use sinew::net::unix::UnixStream;
/// use std::io::{Read, Write};
///
/// let (mut one, mut two) = UnixStream::pair()?;
/// let other = sinew::spawn(move || {
///     let mut word = [0; 5];
///     two.read_exact(&mut word)?;
///     two.write_all(&word)
/// });
/// one.write_all(b"hello")?;
/// let mut answer = String::new();
/// one.read_to_string(&mut answer)?;
/// assert_eq!(answer, "hello");
/// other.join().unwrap()?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct UnixStream(pub(super) Socket);

/// The longest sleep between two looks at a listener whose queue is full.
const LONGEST: Duration = Duration::from_millis(16);

impl UnixStream {
    /// Connects to the socket at a path.
    ///
    /// While the listener's queue is full, of which no poller tells, it tries again every few milliseconds.
    ///
    /// # Errors
    /// std's: `InvalidInput` for a path that is too long or has a zero in it; the operating system's, such as `NotFound` and
    /// `ConnectionRefused`.
    ///
    /// # Cancellation
    /// While the queue is full; then no connection was made.
    pub fn connect<P: AsRef<Path>>(path: P) -> io::Result<UnixStream> {
        Self::connect_addr(&SocketAddr::from_pathname(path)?)
    }

    /// Connects to an address, such as an abstract name. Waits as [`connect`](Self::connect).
    ///
    /// # Errors
    /// The operating system's, such as `ConnectionRefused`.
    ///
    /// # Cancellation
    /// As [`connect`](Self::connect).
    pub fn connect_addr(addr: &SocketAddr) -> io::Result<UnixStream> {
        let stream = UnixStream::new(socket::new(libc::AF_UNIX, libc::SOCK_STREAM)?);
        let addr = addr.into();
        let mut pause = Duration::from_millis(1);
        loop {
            match socket::connect(stream.as_raw_fd(), &addr) {
                Ok(true) => return Ok(stream),
                Ok(false) => {
                    stream.0.finish_connect(None)?;
                    return Ok(stream);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    thread::sleep(pause);
                    pause = LONGEST.min(pause * 2);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Two streams that are connected to each other.
    ///
    /// # Errors
    /// The operating system's, such as too many open files.
    pub fn pair() -> io::Result<(UnixStream, UnixStream)> {
        let (one, two) = socket::pair(libc::SOCK_STREAM)?;
        Ok((UnixStream::new(one), UnixStream::new(two)))
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

    /// Who the other side was when it connected or listened (`SO_PEERCRED`).
    ///
    /// # Errors
    /// The operating system's.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub fn peer_cred(&self) -> io::Result<UCred> {
        let raw = socket::peer_credentials(self.as_raw_fd())?;
        Ok(UCred { uid: raw.uid, gid: raw.gid, pid: Some(raw.pid) })
    }
}

/// Who a process is, made by [`UnixStream::peer_cred`].
#[cfg(any(target_os = "linux", target_os = "android"))]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub struct UCred {
    /// The user's number.
    pub uid: libc::uid_t,
    /// The group's number.
    pub gid: libc::gid_t,
    /// The process's number, where the operating system tells it.
    pub pid: Option<libc::pid_t>,
}

common_methods!(UnixStream, "each call");
timeout_methods!(UnixStream, "read", "write");
stream_methods!(UnixStream, stream::Unix);
descriptor_traits!(UnixStream, std::os::unix::net::UnixStream);
