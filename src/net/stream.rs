//! Reading and writing streams of bytes: the one core of `TcpStream` and `UnixStream`.

use std::{
    io::{self, IoSlice, IoSliceMut},
    os::fd::RawFd,
};

#[cfg(all(feature = "io-uring", target_os = "linux"))]
use super::completed;
use super::socket::Socket;
use crate::{runtime::readiness::Direction, sys::socket};

/// How a kind of stream receives: a length, and whether a receive that is short of its buffer by this call proves that no
/// more data are there.
pub(super) trait Kind {
    /// The same of a plain receive, which tells nothing but the length.
    #[cfg(all(feature = "io-uring", target_os = "linux"))]
    const PROVES: bool;

    fn recv(fd: RawFd, buf: &mut [u8]) -> io::Result<(usize, bool)>;
    fn recv_vectored(fd: RawFd, bufs: &mut [IoSliceMut<'_>]) -> io::Result<(usize, bool)>;
}

/// TCP: only urgent data stop a receive short, of which the poller tells.
pub(super) struct Tcp;

impl Kind for Tcp {
    #[cfg(all(feature = "io-uring", target_os = "linux"))]
    const PROVES: bool = true;

    #[inline]
    fn recv(fd: RawFd, buf: &mut [u8]) -> io::Result<(usize, bool)> {
        socket::recv(fd, buf, false).map(|len| (len, true))
    }

    fn recv_vectored(fd: RawFd, bufs: &mut [IoSliceMut<'_>]) -> io::Result<(usize, bool)> {
        socket::recv_vectored(fd, bufs).map(|len| (len, true))
    }
}

/// Unix streams: a descriptor that is passed, or credentials, stop a receive short although more data follow.
pub(super) struct Unix;

impl Kind for Unix {
    #[cfg(all(feature = "io-uring", target_os = "linux"))]
    const PROVES: bool = false;

    #[inline]
    fn recv(fd: RawFd, buf: &mut [u8]) -> io::Result<(usize, bool)> {
        Self::recv_vectored(fd, &mut [IoSliceMut::new(buf)])
    }

    fn recv_vectored(fd: RawFd, bufs: &mut [IoSliceMut<'_>]) -> io::Result<(usize, bool)> {
        socket::recv_message(fd, bufs).map(|(len, more)| (len, !more))
    }
}

#[inline]
pub(super) fn read<K: Kind>(socket: &Socket, buf: &mut [u8]) -> io::Result<usize> {
    #[cfg(all(feature = "io-uring", target_os = "linux"))]
    if let Some(done) = completed::read::<K>(socket, buf) {
        return done;
    }
    let room = buf.len();
    let less = |&(moved, proves): &(usize, bool)| proves && 0 < moved && moved < room;
    socket.perform(Direction::Read, less, |fd| K::recv(fd, buf)).map(|(moved, _)| moved)
}

pub(super) fn read_vectored<K: Kind>(socket: &Socket, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
    #[cfg(all(feature = "io-uring", target_os = "linux"))]
    if let Some(done) = completed::read_vectored::<K>(socket, bufs) {
        return done;
    }
    let room: usize = bufs.iter().take(socket::MOST_BUFFERS).map(|buf| buf.len()).sum();
    let less = |&(moved, proves): &(usize, bool)| proves && 0 < moved && moved < room;
    socket.perform(Direction::Read, less, |fd| K::recv_vectored(fd, bufs)).map(|(moved, _)| moved)
}

pub(super) fn peek(socket: &Socket, buf: &mut [u8]) -> io::Result<usize> {
    socket.perform(Direction::Read, |_| false, |fd| socket::recv(fd, buf, true))
}

#[inline]
pub(super) fn write(socket: &Socket, buf: &[u8]) -> io::Result<usize> {
    #[cfg(all(feature = "io-uring", target_os = "linux"))]
    if let Some(done) = completed::write(socket, buf) {
        return done;
    }
    let less = |&moved: &usize| 0 < moved && moved < buf.len();
    socket.perform(Direction::Write, less, |fd| socket::send(fd, buf))
}

pub(super) fn write_vectored(socket: &Socket, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
    #[cfg(all(feature = "io-uring", target_os = "linux"))]
    if let Some(done) = completed::write_vectored(socket, bufs) {
        return done;
    }
    let total: usize = bufs.iter().take(socket::MOST_BUFFERS).map(|buf| buf.len()).sum();
    let less = |&moved: &usize| 0 < moved && moved < total;
    socket.perform(Direction::Write, less, |fd| socket::send_vectored(fd, bufs))
}
