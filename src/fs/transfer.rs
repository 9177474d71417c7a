//! What a read or write asks for, and each way in which some or all of it can be done. `operate` chooses the way.

use std::{
    fs::File,
    io::{self, IoSlice, IoSliceMut, Read, Write},
    os::unix::fs::FileExt,
};
#[cfg(any(target_os = "linux", target_os = "android"))]
use std::{ops::Deref, os::fd::AsRawFd};

use crate::runtime::readiness::Direction;
#[cfg(any(target_os = "linux", target_os = "android"))]
use crate::sys::cached;
#[cfg(all(feature = "io-uring", target_os = "linux"))]
use {crate::runtime::uring::files, std::os::fd::AsFd};

/// The most bytes that are copied in place, so that others get their turn.
#[cfg(any(target_os = "linux", target_os = "android"))]
const MOST_IN_PLACE: usize = 256 << 10;

/// The most bytes that one operation of a ring moves. The kernel copies those that come by the page cache on the worker, and as long
/// as it finds pages it goes on: beside a read of 384 MiB at once, others waited for up to 1.2 s.
#[cfg(all(feature = "io-uring", target_os = "linux"))]
const MOST_BY_RING: usize = 1 << 20;

/// What a pipe takes at once if it takes anything: `PIPE_BUF`.
const PIPE: usize = 4096;

/// A read or write.
pub(super) trait Transfer: Send {
    const DIRECTION: Direction;

    /// Where it is, if not at the file's position. Only a file has offsets that never waits for another process.
    fn offset(&self) -> Option<u64>;

    /// Has the kernel do it, at this offset; none if it cannot so, and nothing was done.
    #[cfg(all(feature = "io-uring", target_os = "linux"))]
    fn completed(&mut self, file: &File, offset: u64) -> Option<io::Result<usize>>;

    /// Does what can be done without waiting for a disk or another process; `EAGAIN` if that is nothing.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn now(&mut self, file: &File) -> io::Result<usize>;

    /// Does it as the descriptor's mode has it.
    fn whole(&mut self, file: &File) -> io::Result<usize>;

    /// Does what fits into a pipe that has room or data.
    fn part(&mut self, file: &File) -> io::Result<usize>;
}

pub(super) struct Reads<'a, 'b> {
    pub(super) bufs: &'a mut [IoSliceMut<'b>],
    pub(super) offset: Option<u64>,
}

pub(super) struct Writes<'a, 'b> {
    pub(super) bufs: &'a [IoSlice<'b>],
    pub(super) offset: Option<u64>,
}

#[cfg(any(target_os = "linux", target_os = "android"))]
impl Reads<'_, '_> {
    /// Makes a call for the first so many bytes at most.
    fn first<T>(&mut self, most: usize, call: impl FnOnce(&mut [IoSliceMut<'_>]) -> T) -> T {
        let empty = empties(self.bufs);
        match &mut self.bufs[empty..] {
            [buf, ..] if buf.len() > most => call(&mut [IoSliceMut::new(&mut buf[..most])]),
            bufs => {
                let count = fitting(bufs, self.offset, most);
                call(&mut bufs[..count])
            }
        }
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
impl Writes<'_, '_> {
    /// Makes a call for the first so many bytes at most.
    fn first<T>(&self, most: usize, call: impl FnOnce(&[IoSlice<'_>]) -> T) -> T {
        match &self.bufs[empties(self.bufs)..] {
            [buf, ..] if buf.len() > most => call(&[IoSlice::new(&buf[..most])]),
            bufs => call(&bufs[..fitting(bufs, self.offset, most)]),
        }
    }
}

impl Transfer for Reads<'_, '_> {
    const DIRECTION: Direction = Direction::Read;

    fn offset(&self) -> Option<u64> {
        self.offset
    }

    #[cfg(all(feature = "io-uring", target_os = "linux"))]
    fn completed(&mut self, file: &File, offset: u64) -> Option<io::Result<usize>> {
        self.first(MOST_BY_RING, |bufs| files::read(file.as_fd(), bufs, offset))
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn now(&mut self, file: &File) -> io::Result<usize> {
        let offset = self.offset;
        self.first(MOST_IN_PLACE, |bufs| cached::read(file.as_raw_fd(), bufs, offset))
    }

    fn whole(&mut self, mut file: &File) -> io::Result<usize> {
        match (self.offset, &mut *self.bufs) {
            (None, [buf]) => file.read(buf),
            (None, bufs) => file.read_vectored(bufs),
            (Some(offset), [buf, ..]) => file.read_at(buf, offset),
            (Some(_), []) => Ok(0),
        }
    }

    fn part(&mut self, file: &File) -> io::Result<usize> {
        self.whole(file)
    }
}

impl Transfer for Writes<'_, '_> {
    const DIRECTION: Direction = Direction::Write;

    fn offset(&self) -> Option<u64> {
        self.offset
    }

    #[cfg(all(feature = "io-uring", target_os = "linux"))]
    fn completed(&mut self, file: &File, offset: u64) -> Option<io::Result<usize>> {
        self.first(MOST_BY_RING, |bufs| files::write(file.as_fd(), bufs, offset))
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn now(&mut self, file: &File) -> io::Result<usize> {
        self.first(MOST_IN_PLACE, |bufs| cached::write(file.as_raw_fd(), bufs, self.offset))
    }

    fn whole(&mut self, mut file: &File) -> io::Result<usize> {
        match (self.offset, self.bufs) {
            (None, [buf]) => file.write(buf),
            (None, bufs) => file.write_vectored(bufs),
            (Some(offset), [buf, ..]) => file.write_at(buf, offset),
            (Some(_), []) => Ok(0),
        }
    }

    fn part(&mut self, mut file: &File) -> io::Result<usize> {
        let first = self.bufs.iter().find(|buf| !buf.is_empty());
        file.write(first.map_or(&[], |buf| &buf[..buf.len().min(PIPE)]))
    }
}

/// How many of the first buffers have no room: served alone, they would seem to be the file's end.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn empties<B: Deref<Target = [u8]>>(bufs: &[B]) -> usize {
    bufs.iter().take_while(|buf| buf.is_empty()).count()
}

/// How many of the first buffers are served at once: as many as together are not too long, but one at least; with an offset
/// only one.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn fitting<B: Deref<Target = [u8]>>(bufs: &[B], offset: Option<u64>, most: usize) -> usize {
    if offset.is_some() {
        return bufs.len().min(1);
    }
    let mut left = most;
    let fits = |buf: &&B| left.checked_sub(buf.len()).map(|rest| left = rest).is_some();
    bufs.iter().take_while(fits).count()
}

#[cfg(all(test, any(target_os = "linux", target_os = "android")))]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_at_once_has_a_limit() {
        let (long, half) = (vec![0; MOST_IN_PLACE + 1], vec![0; MOST_IN_PLACE / 2]);
        let in_place = |bufs: &[&[u8]], offset| fitting(bufs, offset, MOST_IN_PLACE);
        assert_eq!(in_place(&[], None), 0);
        assert_eq!(in_place(&[&half, &half, &[], &half], None), 3);
        assert_eq!(in_place(&[&half, &long], None), 1);
        assert_eq!(in_place(&[&half, &half], Some(0)), 1);
    }
}
