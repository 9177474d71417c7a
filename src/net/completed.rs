//! Socket calls that the kernel completes, where the worker's ring is on (see [`uring`](crate::runtime::uring)): each is tried
//! as ever while it may succeed at once, and becomes an operation on the caller's memory where it would have to wait.
//!
//! Each function gives none where there is no ring, and the caller goes by readiness.

use std::{
    io::{self, IoSlice, IoSliceMut},
    os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd},
    time::Instant,
};

use io_uring::squeue::Entry;

use super::{socket::Socket, stream::Kind};
use crate::{
    runtime::{
        event::{Here, Woke},
        readiness::Direction,
        uring::{Near, Ring},
    },
    sys::{address::RawAddr, socket, uring as sys},
};

/// Makes a call, or has the kernel complete it: `entry` asks for the same as `call`, and `done` makes its result from what the
/// kernel gave. `less` is as in [`Socket::perform`].
///
/// # Safety
/// What `entry` names stays where it is, and is used by nobody but this, until it returns or unwinds.
#[inline(always)]
unsafe fn perform<T>(
    socket: &Socket,
    (here, ring): (Here<'_>, &Ring),
    direction: Direction,
    less: impl Fn(&T) -> bool,
    mut call: impl FnMut(RawFd) -> io::Result<T>,
    entry: impl Fn(RawFd) -> Entry,
    done: impl FnOnce(u32) -> T,
) -> io::Result<T> {
    here.breathe();
    let fd = socket.as_fd().as_raw_fd();
    let readiness = socket.source().readiness();
    let impatient = socket.is_nonblocking();
    let mut deadline = None;
    loop {
        let seen = readiness.seen();
        if impatient || seen.is_ready(direction) {
            match call(fd) {
                Ok(done) => {
                    if less(&done) {
                        readiness.drained(direction, seen);
                    }
                    return Ok(done);
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted => continue,
                    io::ErrorKind::WouldBlock => {
                        readiness.blocked(direction, seen);
                        if impatient {
                            return Err(error);
                        }
                    }
                    _ => return Err(error),
                },
            }
        }
        if deadline.is_none() {
            deadline = socket.deadline(direction);
        }
        // SAFETY: the running thread; the rest as promised.
        match unsafe { ring.perform(here, Near::source(socket.source()), entry(fd), deadline) } {
            Ok(Some(result)) => {
                let done = done(result);
                if !less(&done) {
                    readiness.ready(direction);
                }
                return Ok(done);
            }
            Ok(None) => return Err(io::Error::from_raw_os_error(libc::EAGAIN)),
            Err(error) => match error.kind() {
                io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock => {}
                _ => return Err(error),
            },
        }
    }
}

#[inline]
pub(super) fn read<K: Kind>(socket: &Socket, buf: &mut [u8]) -> Option<io::Result<usize>> {
    let here = Here::with_ring()?;
    let (at, room) = (&raw mut *buf, buf.len());
    let less = |&(moved, proves): &(usize, bool)| proves && 0 < moved && moved < room;
    // SAFETY: the buffer is borrowed for this call, and `recv` uses it by the same pointer before or after the operation.
    let call = |fd| K::recv(fd, unsafe { &mut *at });
    let done = |moved| (moved as usize, K::PROVES);
    // SAFETY: the same.
    let read = unsafe { perform(socket, here, Direction::Read, less, call, |fd| sys::recv(fd, at), done) };
    Some(read.map(|(moved, _)| moved))
}

pub(super) fn read_vectored<K: Kind>(socket: &Socket, bufs: &mut [IoSliceMut<'_>]) -> Option<io::Result<usize>> {
    let here = Here::with_ring()?;
    let room: usize = bufs.iter().take(socket::MOST_BUFFERS).map(|buf| buf.len()).sum();
    let less = |&(moved, proves): &(usize, bool)| proves && 0 < moved && moved < room;
    let bufs = &raw mut *bufs;
    // SAFETY: they are borrowed for this call, and used by this pointer alone.
    let mut message = sys::message_into(unsafe { &mut *bufs });
    let message = &raw mut message;
    // SAFETY: the same; the kernel does not use them meanwhile.
    let call = |fd| K::recv_vectored(fd, unsafe { &mut *bufs });
    let done = |moved| (moved as usize, K::PROVES);
    // SAFETY: the buffers are borrowed for this call, the message lies in its frame, and `recv_vectored` is called before or after
    // the operation.
    let read = unsafe { perform(socket, here, Direction::Read, less, call, |fd| sys::recv_message(fd, message), done) };
    Some(read.map(|(moved, _)| moved))
}

#[inline]
pub(super) fn write(socket: &Socket, buf: &[u8]) -> Option<io::Result<usize>> {
    let here = Here::with_ring()?;
    let less = |&moved: &usize| 0 < moved && moved < buf.len();
    let (call, entry) = (|fd| socket::send(fd, buf), |fd| sys::send(fd, buf));
    // SAFETY: the buffer is borrowed for this call, and the kernel only reads it.
    Some(unsafe { perform(socket, here, Direction::Write, less, call, entry, |moved| moved as usize) })
}

pub(super) fn write_vectored(socket: &Socket, bufs: &[IoSlice<'_>]) -> Option<io::Result<usize>> {
    let here = Here::with_ring()?;
    let total: usize = bufs.iter().take(socket::MOST_BUFFERS).map(|buf| buf.len()).sum();
    let less = |&moved: &usize| 0 < moved && moved < total;
    let message = sys::message_of(bufs);
    let (call, entry) = (|fd| socket::send_vectored(fd, bufs), |fd| sys::send_message(fd, &raw const message));
    // SAFETY: the buffers are borrowed for this call, the message lies in its frame, and the kernel only reads them.
    Some(unsafe { perform(socket, here, Direction::Write, less, call, entry, |moved| moved as usize) })
}

pub(super) fn accept(socket: &Socket) -> Option<io::Result<(OwnedFd, RawAddr)>> {
    let here = Here::with_ring()?;
    let mut room = RawAddr::empty();
    let at = &raw mut room;
    let entry = |fd| {
        // The kernel has shortened the length if it was asked before.
        // SAFETY: nothing else uses it now.
        unsafe { *at = RawAddr::empty() };
        sys::accept(fd, at)
    };
    let done = |fd| {
        // SAFETY: the kernel has just made this descriptor, and nobody else has it; and it has written the address.
        unsafe { (OwnedFd::from_raw_fd(fd as RawFd), at.read()) }
    };
    // SAFETY: the address lies in this frame, and is used by the closures alone.
    Some(unsafe { perform(socket, here, Direction::Read, |_| false, socket::accept, entry, done) })
}

/// Waits until a socket can be written to, has an error, or the deadline passes: how a connect ends.
pub(super) fn writable(socket: &Socket, deadline: Option<Instant>) -> Option<io::Result<Woke>> {
    let (here, ring) = Here::with_ring()?;
    // SAFETY: the running thread; the entry names no memory.
    let ready = unsafe {
        ring.perform(
            here,
            Near::source(socket.source()),
            sys::poll(socket.as_fd().as_raw_fd(), libc::POLLOUT),
            deadline,
        )
    };
    Some(ready.map(|ready| match ready {
        None => Woke::TimedOut,
        Some(_) => {
            socket.source().readiness().ready(Direction::Write);
            Woke::Event
        }
    }))
}
