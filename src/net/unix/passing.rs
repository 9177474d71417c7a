//! Passing descriptors over Unix sockets.

use std::{
    io,
    os::fd::{BorrowedFd, OwnedFd},
};

use super::{UnixDatagram, UnixStream};
use crate::{runtime::readiness::Direction, sys::ancillary};

/// What `recv_with_fds` of a [`UnixStream`] or [`UnixDatagram`] has received.
#[derive(Debug)]
#[non_exhaustive]
#[must_use = "dropped, it closes the descriptors"]
pub struct ReceivedFds {
    /// How many bytes of data, which are in the buffer.
    pub len: usize,
    /// The descriptors that came with them, in the order in which they were sent. `exec` closes them.
    pub fds: Vec<OwnedFd>,
    /// More descriptors came than there was room for, be it in the call or in the process's table. The operating system has
    /// closed the rest.
    pub truncated: bool,
}

impl From<ancillary::Received> for ReceivedFds {
    fn from(received: ancillary::Received) -> Self {
        let ancillary::Received { len, fds, truncated } = received;
        Self { len, fds, truncated }
    }
}

impl UnixStream {
    /// Sends bytes with copies of descriptors beside them: how many bytes. Waits as a write does.
    ///
    /// The descriptors go with the first of the bytes, whole or not at all. Whoever reads without asking for them
    /// has the operating system close them. A copy shares the mode of what it is a copy of: sockets and pipes of this crate are in
    /// non-blocking mode, and a receiver that expects another is sent an [`OwnedFd`] that they were turned into.
    ///
    /// # Errors
    /// As a write; `InvalidInput` for descriptors without a byte, which a stream cannot carry, and for more than the operating
    /// system passes at once (253 on Linux).
    ///
    /// # Cancellation
    /// While it waits; then nothing was sent.
    ///
    /// # Examples
    /// ```
    /// use sinew::net::unix::UnixStream;
    /// use std::{fs::File, io::{self, Read}, os::fd::AsFd};
    ///
    /// let (one, two) = UnixStream::pair()?;
    /// one.send_with_fds(b"a file", &[File::open("Cargo.toml")?.as_fd()])?;
    ///
    /// let mut buf = [0; 16];
    /// let received = two.recv_with_fds(&mut buf, 1)?;
    /// assert_eq!(&buf[..received.len], b"a file");
    /// let mut text = String::new();
    /// for fd in received.fds {
    ///     File::from(fd).read_to_string(&mut text)?;
    /// }
    /// assert!(text.contains("sinew"));
    /// # Ok::<(), io::Error>(())
    /// ```
    pub fn send_with_fds(&self, buf: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
        if buf.is_empty() && !fds.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a stream carries descriptors with a byte at least",
            ));
        }
        let less = |&moved: &usize| 0 < moved && moved < buf.len();
        self.0.perform(Direction::Write, less, |fd| ancillary::send(fd, buf, fds))
    }

    /// Receives bytes, and at most `most` descriptors that were sent with them. Waits as a read does.
    ///
    /// It receives no further than to the next bytes that have descriptors of their own.
    ///
    /// # Errors
    /// As a read.
    ///
    /// # Cancellation
    /// While it waits; then nothing was received.
    pub fn recv_with_fds(&self, buf: &mut [u8], most: usize) -> io::Result<ReceivedFds> {
        // Nothing suspends between the system call and the return, so a cancellation loses none.
        self.0.perform(Direction::Read, |_| false, |fd| ancillary::recv(fd, buf, most)).map(ReceivedFds::from)
    }
}

impl UnixDatagram {
    /// Sends a datagram with copies of descriptors beside it to the other side. Waits while that one's queue is full.
    ///
    /// # Errors
    /// As [`send`](Self::send); `InvalidInput` for more descriptors than the operating system passes at once (253 on Linux).
    ///
    /// # Cancellation
    /// While it waits; then nothing was sent.
    pub fn send_with_fds(&self, buf: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
        self.0.perform(Direction::Write, |_| false, |fd| ancillary::send(fd, buf, fds))
    }

    /// Receives a datagram, and at most `most` descriptors that were sent with it. Waits for one. What of the datagram does not fit
    /// into the buffer is lost.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    ///
    /// # Cancellation
    /// While it waits; then nothing was received.
    pub fn recv_with_fds(&self, buf: &mut [u8], most: usize) -> io::Result<ReceivedFds> {
        let nothing = || ancillary::Received { len: 0, fds: Vec::new(), truncated: false };
        self.receive(|fd| ancillary::recv(fd, buf, most), nothing).map(ReceivedFds::from)
    }
}
