//! Reading and writing streams of bytes: the one core of `TcpStream` and `UnixStream`.

use std::{
    io::{self, IoSlice, IoSliceMut},
    os::fd::RawFd,
};

use super::socket::Socket;
use crate::{runtime::readiness::Direction, sys::socket};

/// How a kind of stream receives: a length, and whether a receive that is short of its buffer by this call proves that no
/// more data are there.
pub(super) trait Kind {
    fn recv(fd: RawFd, buf: &mut [u8]) -> io::Result<(usize, bool)>;
    fn recv_vectored(fd: RawFd, bufs: &mut [IoSliceMut<'_>]) -> io::Result<(usize, bool)>;
}

/// TCP: only urgent data stop a receive short, of which the poller tells.
pub(super) struct Tcp;

impl Kind for Tcp {
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
    let room = buf.len();
    let less = |&(moved, proves): &(usize, bool)| proves && 0 < moved && moved < room;
    socket.perform(Direction::Read, less, |fd| K::recv(fd, buf)).map(|(moved, _)| moved)
}

pub(super) fn read_vectored<K: Kind>(socket: &Socket, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
    let room: usize = bufs.iter().take(socket::MOST_BUFFERS).map(|buf| buf.len()).sum();
    let less = |&(moved, proves): &(usize, bool)| proves && 0 < moved && moved < room;
    socket.perform(Direction::Read, less, |fd| K::recv_vectored(fd, bufs)).map(|(moved, _)| moved)
}

pub(super) fn peek(socket: &Socket, buf: &mut [u8]) -> io::Result<usize> {
    socket.perform(Direction::Read, |_| false, |fd| socket::recv(fd, buf, true))
}

#[inline]
pub(super) fn write(socket: &Socket, buf: &[u8]) -> io::Result<usize> {
    let less = |&moved: &usize| 0 < moved && moved < buf.len();
    socket.perform(Direction::Write, less, |fd| socket::send(fd, buf))
}

pub(super) fn write_vectored(socket: &Socket, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
    let total: usize = bufs.iter().take(socket::MOST_BUFFERS).map(|buf| buf.len()).sum();
    let less = |&moved: &usize| 0 < moved && moved < total;
    socket.perform(Direction::Write, less, |fd| socket::send_vectored(fd, bufs))
}
