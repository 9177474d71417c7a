//! Many datagrams in few calls of the kernel: [`Datagrams`] to receive into, and the loop that sends.
//!
//! What a datagram costs is its way through the kernel's layers, not the system call: on one x86-64 machine, by loopback,
//! 4.3 µs of a processor to receive one and send it back, of which `recvmmsg` and `sendmmsg` in place of `recvfrom` and `sendto`
//! save nothing that can be measured (less than 2 %). So a run of datagrams of one length to one address goes down as
//! one, and is cut at the end of the way (`UDP_SEGMENT`; the network card does it if it can): 2.4 µs. To receive goes by
//! `recvmmsg`, which finds such runs together.
//!
//! Rejected: `sendmmsg`, which gains nothing and, when a datagram fails after others have gone, drops the error;
//! `UDP_GRO`, which joins what is received: it is a property of the socket, so that each plain receive would get datagrams that
//! are stuck together.

use std::{
    error::Error,
    fmt, io,
    iter::FusedIterator,
    net::SocketAddr,
    os::fd::{AsFd, AsRawFd},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    slice,
};

use super::socket::Socket;
use crate::{
    cancel,
    runtime::readiness::Direction,
    sys::{
        address::RawAddr,
        datagrams::{self as sys, Headers, MOST_SEGMENTED, MOST_SEGMENTS},
    },
};

/// Room for a number of datagrams, which [`UdpSocket::recv_many`](super::UdpSocket::recv_many) fills again and again. All of it
/// is allocated at once, by [`new`](Self::new).
///
/// # Examples
/// See [`UdpSocket::recv_many`](super::UdpSocket::recv_many).
pub struct Datagrams {
    bytes: Box<[u8]>,
    /// Of each place.
    size: usize,
    headers: Headers,
    /// As many as were received; never more than there are places.
    received: Vec<Received>,
}

struct Received {
    len: usize,
    truncated: bool,
    from: SocketAddr,
}

/// One of the datagrams in a [`Datagrams`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Datagram<'a> {
    /// What it holds, as far as there was room.
    pub data: &'a [u8],
    /// Who sent it.
    pub from: SocketAddr,
    /// It was longer than the room for it, and the rest is lost.
    pub truncated: bool,
}

impl Datagrams {
    /// Room for `count` datagrams of `size` bytes each. What is longer is cut off, and [marked](Datagram::truncated); none is
    /// longer than 65,535 bytes. At most 1,024 are received at once, and more room stays empty.
    ///
    /// # Panics
    /// If `count` is zero, or so much room overflows the address space. As elsewhere, the process aborts if there is no memory.
    #[track_caller]
    pub fn new(count: usize, size: usize) -> Datagrams {
        assert!(count != 0, "`Datagrams` need room for one datagram at least");
        let bytes = count.checked_mul(size).expect("room for datagrams overflows the address space");
        Datagrams {
            bytes: vec![0; bytes].into(),
            size,
            headers: Headers::new(count),
            received: Vec::with_capacity(count),
        }
    }

    /// How many datagrams it has room for.
    pub fn capacity(&self) -> usize {
        self.headers.count()
    }

    /// How many datagrams are in it: those that the last receive took.
    pub fn len(&self) -> usize {
        self.received.len()
    }

    /// Whether no datagram is in it.
    pub fn is_empty(&self) -> bool {
        self.received.is_empty()
    }

    /// The datagrams in the order in which they came.
    pub fn iter(&self) -> Iter<'_> {
        Iter { bytes: &self.bytes, size: self.size, received: self.received.iter() }
    }
}

impl fmt::Debug for Datagrams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

impl<'a> IntoIterator for &'a Datagrams {
    type Item = Datagram<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// The datagrams in a [`Datagrams`].
#[derive(Clone)]
pub struct Iter<'a> {
    /// From the next one's place on.
    bytes: &'a [u8],
    size: usize,
    received: slice::Iter<'a, Received>,
}

impl<'a> Iterator for Iter<'a> {
    type Item = Datagram<'a>;

    fn next(&mut self) -> Option<Datagram<'a>> {
        let &Received { len, truncated, from } = self.received.next()?;
        let (place, rest) = self.bytes.split_at(self.size);
        self.bytes = rest;
        Some(Datagram { data: &place[..len], from, truncated })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.received.size_hint()
    }
}

impl ExactSizeIterator for Iter<'_> {}
impl FusedIterator for Iter<'_> {}

impl fmt::Debug for Iter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

/// Why not all datagrams were sent, and how many were.
#[derive(Debug)]
pub struct SendManyError {
    sent: usize,
    error: io::Error,
}

impl SendManyError {
    /// How many datagrams have gone: the first ones. The next one has met the error.
    pub fn sent(&self) -> usize {
        self.sent
    }

    /// The error that the one after these has met.
    pub fn error(&self) -> &io::Error {
        &self.error
    }

    /// The error alone.
    pub fn into_error(self) -> io::Error {
        self.error
    }
}

impl fmt::Display for SendManyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (datagrams sent before: {})", self.error, self.sent)
    }
}

impl Error for SendManyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}

impl From<SendManyError> for io::Error {
    /// The error alone; how many have gone is lost with the rest, so [`sent`](SendManyError::sent) is asked before.
    fn from(error: SendManyError) -> io::Error {
        error.error
    }
}

/// Waits for a datagram, and takes it and what else is there.
pub(super) fn recv_many(socket: &Socket, into: &mut Datagrams) -> io::Result<usize> {
    let Datagrams { bytes, size, headers, received } = into;
    received.clear();
    let room = headers.most();
    let count = socket.perform(Direction::Read, |&count| count < room, |fd| headers.recv(fd, bytes, *size))?;
    for index in 0..count {
        let found = headers.found(index);
        let from = found.from.inet().inspect_err(|_| received.clear())?;
        received.push(Received { len: found.len.min(*size), truncated: found.truncated, from });
    }
    Ok(count)
}

/// Sends datagrams, each to its address or to the other side of a connected socket, in runs if the kernel cuts these.
pub(super) fn send_many<'a>(
    socket: &Socket,
    datagrams: impl Iterator<Item = (&'a [u8], Option<SocketAddr>)>,
) -> Result<usize, SendManyError> {
    let mut datagrams = datagrams.fuse();
    // Asked only for the first two that could go together, beside whose cost a getsockopt is small; and of each socket, since they differ.
    let mut segmented = None;
    let mut sent = 0;
    let mut next = datagrams.next();
    while let Some((first, to)) = next.take() {
        let mut run = [io::IoSlice::new(&[]); MOST_SEGMENTS];
        run[0] = io::IoSlice::new(first);
        let (mut count, mut bytes) = (1, first.len());
        for (data, address) in datagrams.by_ref() {
            let fits = count < MOST_SEGMENTS
                && (1..=first.len()).contains(&data.len())
                && run[count - 1].len() == first.len()
                && bytes + data.len() <= MOST_SEGMENTED
                && address == to
                && *segmented.get_or_insert_with(|| sys::can_segment(socket.as_fd().as_raw_fd()));
            if !fits {
                next = Some((data, address));
                break;
            }
            run[count] = io::IoSlice::new(data);
            (count, bytes) = (count + 1, bytes + data.len());
        }
        let run = &run[..count];
        let to = to.as_ref().map(RawAddr::from);
        if let [_, _, ..] = run {
            // No longer than `MOST_SEGMENTED`, there being two.
            match send(socket, sent, run, to.as_ref(), Some(first.len() as u16)) {
                Err(failed) if sys::is_unsegmentable(&failed.error) => segmented = Some(false),
                done => {
                    sent = done?;
                    continue;
                }
            }
        }
        for datagram in run {
            sent = send(socket, sent, slice::from_ref(datagram), to.as_ref(), None)?;
        }
    }
    Ok(sent)
}

/// Sends one run after so many datagrams: how many have gone then.
fn send(
    socket: &Socket,
    sent: usize,
    run: &[io::IoSlice<'_>],
    to: Option<&RawAddr>,
    segment: Option<u16>,
) -> Result<usize, SendManyError> {
    let call = || {
        socket.perform(Direction::Write, |()| false, |fd| sys::send(fd, run, to, segment)).map(|()| sent + run.len())
    };
    let done = if sent == 0 {
        call()
    } else {
        // A cancellation must not hide how many have gone. It is raised again wherever the thread waits next.
        catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|payload| {
            if !cancel::is_cancelled() {
                resume_unwind(payload);
            }
            Err(io::Error::new(io::ErrorKind::Interrupted, "the thread was cancelled, or its time was up"))
        })
    };
    done.map_err(|error| SendManyError { sent, error })
}

#[cfg(test)]
#[path = "datagrams_tests.rs"]
mod tests;
