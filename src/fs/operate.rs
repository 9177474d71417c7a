//! Where an operation on files is handed over to be done: the one place that knows how.
//!
//! - On a plain OS thread it is done in place.
//! - A read or write of a green thread is tried in place first, as far as the page cache goes
//!   ([`sys::cached`](crate::sys::cached)): a hit costs about a microsecond, the way to the blocking pool and back ten.
//! - Else it goes to the blocking pool, where at most [`MOST`] operations are at once, so that slow disks leave threads of
//!   the pool to others; further ones wait in turn.
//! - A read or write of what can be polled, as a named pipe or a terminal, is waited for first: who waits for another
//!   process holds no thread of the pool, and can be cancelled. Not so a write to a device: a driver may take each as one
//!   message, which must not be cut, and need not tell when it takes one (Linux's `/dev/kmsg` never does).
//! - What may wait for another process on the pool all the same, as what opens a named pipe or writes a device, takes none of the places
//!   of those that wait for disks, but one of [`MOST_WAITING`].
//!
//! What lies on the caller's stack is lent to the pool: the caller is masked from cancellation until it has it back (rule 12).

use std::{
    fs::{self, File},
    io::{self, IoSlice, IoSliceMut, IsTerminal, Read, Write},
    os::{
        fd::{AsFd, AsRawFd},
        unix::fs::{FileExt, FileTypeExt},
    },
    path::Path,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU8, Ordering},
    },
};

use crate::{
    cancel,
    runtime::{blocking::blocking, event::Here, readiness::Direction, source::Source},
    sync::Semaphore,
    sys::socket,
};

#[cfg(any(target_os = "linux", target_os = "android"))]
use crate::sys::cached;

/// How many operations are on the blocking pool at once. More than disks do at once, and an eighth of the pool.
const MOST: usize = 64;

/// A permit for each.
static LANE: Semaphore = Semaphore::new(MOST);

/// How many operations that may wait for another process are on the blocking pool at once: half of it.
const MOST_WAITING: usize = 256;

/// A permit for each.
static WAITING: Semaphore = Semaphore::new(MOST_WAITING);

/// The most bytes that are copied in place, so that others get their turn.
const MOST_IN_PLACE: usize = 256 << 10;

/// What a pipe takes at once if it takes anything: `PIPE_BUF`.
const PIPE: usize = 4096;

/// Has an operation done, and waits for its end.
pub(crate) fn call<T: Send>(operation: impl FnOnce() -> T + Send) -> T {
    call_in(&LANE, operation)
}

/// The same for an operation that opens what these paths lead to.
pub(crate) fn call_at<T: Send>(paths: &[&Path], operation: impl FnOnce() -> T + Send) -> T {
    let mut operation = Some(operation);
    let waits = Here::current().is_some();
    let done = call(|| {
        if waits && paths.iter().any(|path| may_wait(path)) {
            None
        } else {
            operation.take().map(|operation| operation())
        }
    });
    match (done, operation) {
        (Some(done), _) => done,
        (None, Some(operation)) => call_in(&WAITING, operation),
        (None, None) => unreachable!("what was taken was done"),
    }
}

/// Whether opening this path, or what follows, may have to wait for another process. In place.
fn may_wait(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|data| data.file_type().is_fifo() || data.file_type().is_char_device())
}

/// The same as [`call`] in another lane, which nobody closes.
pub(crate) fn call_in<T: Send>(lane: &Semaphore, operation: impl FnOnce() -> T + Send) -> T {
    cancel::checkpoint();
    if Here::current().is_none() {
        return operation();
    }
    let _place = lane.acquire();
    blocking(operation)
}

/// A read or write.
trait Transfer: Send {
    const DIRECTION: Direction;

    /// Whether it is at an offset, which only a file has that never waits for another process.
    fn has_offset(&self) -> bool;

    /// Does what can be done without waiting for a disk or another process; `EAGAIN` if that is nothing.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn now(&mut self, file: &File) -> io::Result<usize>;

    /// Does it as the descriptor's mode has it.
    fn whole(&mut self, file: &File) -> io::Result<usize>;

    /// Does what fits into a pipe that has room or data.
    fn part(&mut self, file: &File) -> io::Result<usize>;
}

struct Reads<'a, 'b> {
    bufs: &'a mut [IoSliceMut<'b>],
    offset: Option<u64>,
}

struct Writes<'a, 'b> {
    bufs: &'a [IoSlice<'b>],
    offset: Option<u64>,
}

impl Transfer for Reads<'_, '_> {
    const DIRECTION: Direction = Direction::Read;

    fn has_offset(&self) -> bool {
        self.offset.is_some()
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn now(&mut self, file: &File) -> io::Result<usize> {
        match &mut *self.bufs {
            [buf, ..] if buf.len() > MOST_IN_PLACE => {
                let start = &mut [IoSliceMut::new(&mut buf[..MOST_IN_PLACE])];
                cached::read(file.as_raw_fd(), start, self.offset)
            }
            bufs => {
                let count = in_place(bufs, self.offset);
                cached::read(file.as_raw_fd(), &mut bufs[..count], self.offset)
            }
        }
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

    fn has_offset(&self) -> bool {
        self.offset.is_some()
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn now(&mut self, file: &File) -> io::Result<usize> {
        match self.bufs {
            [buf, ..] if buf.len() > MOST_IN_PLACE => {
                cached::write(file.as_raw_fd(), &[IoSlice::new(&buf[..MOST_IN_PLACE])], self.offset)
            }
            bufs => cached::write(file.as_raw_fd(), &bufs[..in_place(bufs, self.offset)], self.offset),
        }
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

/// How many of the first buffers are served in place: as many as together are not too long, but one at least; with an offset
/// only one.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn in_place<B: std::ops::Deref<Target = [u8]>>(bufs: &[B], offset: Option<u64>) -> usize {
    if offset.is_some() {
        return bufs.len().min(1);
    }
    let mut left = MOST_IN_PLACE;
    let fits = |buf: &&B| left.checked_sub(buf.len()).map(|rest| left = rest).is_some();
    bufs.iter().take_while(fits).count()
}

/// A first look has told what the file is.
const KNOWN: u8 = 1;
/// It can be polled: neither a regular file nor a folder nor a disk.
const STREAM: u8 = 1 << 1;
/// Reads cannot be tried in place.
const NO_READ: u8 = 1 << 2;
/// Writes cannot be tried in place.
const NO_WRITE: u8 = 1 << 3;
/// A write may be cut: a pipe or a terminal.
const BYTES: u8 = 1 << 4;
/// It is not waited for before it is written: a device that is no terminal.
const DEVICE: u8 = 1 << 5;

/// What is known of a descriptor that is read and written. Of one, as long as it is open; dropped before it is closed.
#[derive(Default)]
pub(crate) struct Transfers {
    flags: AtomicU8,
    source: OnceLock<Arc<Source>>,
}

impl Transfers {
    /// For another descriptor of the same open file.
    pub(crate) fn another(&self) -> Transfers {
        Transfers { flags: AtomicU8::new(self.flags.load(Ordering::Relaxed)), source: OnceLock::new() }
    }

    /// Reads, from the file's position if there is no offset. With an offset only the first buffer counts.
    pub(crate) fn read(&self, file: &File, bufs: &mut [IoSliceMut<'_>], offset: Option<u64>) -> io::Result<usize> {
        self.transfer(file, Reads { bufs, offset })
    }

    /// Writes, at the file's position if there is no offset. With an offset only the first buffer counts.
    pub(crate) fn write(&self, file: &File, bufs: &[IoSlice<'_>], offset: Option<u64>) -> io::Result<usize> {
        self.transfer(file, Writes { bufs, offset })
    }

    /// Has an operation on a file done in one go; none if the file can be polled.
    pub(crate) fn at_once<T: Send>(&self, file: &File, operation: impl FnOnce() -> T + Send) -> Option<T> {
        if self.flags.load(Ordering::Relaxed) & STREAM != 0 {
            return None;
        }
        call(|| (!self.is_stream(file)).then(operation))
    }

    /// Whether the file can be polled. Asks in place.
    fn is_stream(&self, file: &File) -> bool {
        let flags = self.flags.load(Ordering::Relaxed);
        if flags & KNOWN != 0 {
            return flags & STREAM != 0;
        }
        let kind = match file.metadata().map(|data| data.file_type()) {
            Ok(kind) if kind.is_fifo() => STREAM | BYTES,
            Ok(kind) if kind.is_char_device() => STREAM | if file.is_terminal() { BYTES } else { DEVICE },
            Ok(kind) if !kind.is_file() && !kind.is_dir() && !kind.is_block_device() => STREAM,
            _ => 0,
        };
        self.flags.fetch_or(KNOWN | kind, Ordering::Relaxed);
        kind & STREAM != 0
    }

    fn transfer<T: Transfer>(&self, file: &File, mut transfer: T) -> io::Result<usize> {
        let here = Here::current();
        if let Some(here) = here {
            here.breathe();
        }
        let mut tries = here.is_some() && self.may_try::<T>();
        loop {
            if tries {
                match self.attempt(file, &mut transfer) {
                    Attempt::Done(done) => return done,
                    Attempt::WouldBlock => {}
                    Attempt::Impossible => tries = false,
                }
            }
            if transfer.has_offset() {
                return call(|| transfer.whole(file));
            }
            if let Some(done) = self.at_once(file, || transfer.whole(file)) {
                return done;
            }
            if socket::is_nonblocking(file.as_raw_fd()).unwrap_or(false) {
                return transfer.whole(file);
            }
            let flags = self.flags.load(Ordering::Relaxed);
            if T::DIRECTION == Direction::Write && flags & DEVICE != 0 {
                return call_in(&WAITING, || transfer.whole(file));
            }
            let source = self.source.get_or_init(|| Source::new(file.as_raw_fd()));
            match source.ready(file.as_fd(), T::DIRECTION, None) {
                Ok(_) if tries => {}
                Ok(_) if here.is_some() && flags & BYTES != 0 => return call_in(&WAITING, || transfer.part(file)),
                // On an OS thread; or what is written is a message; or it cannot be polled after all, or not once more: all that is
                // left is to be blocked.
                _ => return call_in(&WAITING, || transfer.whole(file)),
            }
        }
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn may_try<T: Transfer>(&self) -> bool {
        self.flags.load(Ordering::Relaxed) & never::<T>() == 0 && cached::is_sound()
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn attempt<T: Transfer>(&self, file: &File, transfer: &mut T) -> Attempt {
        match transfer.now(file) {
            Err(error) => match error.raw_os_error() {
                Some(libc::EAGAIN) => Attempt::WouldBlock,
                // `EINVAL` comes from Linux's `generic_write_checks` where the flag is known for reads only, `EPERM` from filters of
                // system calls. An error of another origin comes again.
                Some(libc::EOPNOTSUPP | libc::ENOSYS | libc::EINVAL | libc::EPERM) => {
                    self.flags.fetch_or(never::<T>(), Ordering::Relaxed);
                    Attempt::Impossible
                }
                _ => Attempt::Done(Err(error)),
            },
            done => Attempt::Done(done),
        }
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn may_try<T: Transfer>(&self) -> bool {
        false
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn attempt<T: Transfer>(&self, _: &File, _: &mut T) -> Attempt {
        Attempt::Impossible
    }
}

impl Drop for Transfers {
    fn drop(&mut self) {
        if let Some(source) = self.source.get() {
            source.deregister();
        }
    }
}

/// The flag that says that this direction cannot be tried in place.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn never<T: Transfer>() -> u8 {
    match T::DIRECTION {
        Direction::Read => NO_READ,
        Direction::Write => NO_WRITE,
    }
}

/// What came of an attempt in place.
enum Attempt {
    Done(io::Result<usize>),
    #[cfg_attr(not(any(target_os = "linux", target_os = "android")), allow(dead_code, reason = "never tried"))]
    WouldBlock,
    Impossible,
}

#[cfg(all(test, any(target_os = "linux", target_os = "android")))]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_in_place_has_a_limit() {
        let (long, half) = (vec![0; MOST_IN_PLACE + 1], vec![0; MOST_IN_PLACE / 2]);
        assert_eq!(in_place::<&[u8]>(&[], None), 0);
        assert_eq!(in_place(&[&half[..], &half, &[], &half], None), 3);
        assert_eq!(in_place(&[&half[..], &long], None), 1);
        assert_eq!(in_place(&[&half[..], &half], Some(0)), 1);
    }

    #[test]
    fn what_says_that_a_try_is_not_known_leads_to_the_ordinary_call() {
        let file = File::open("Cargo.toml").unwrap();
        struct Refused(i32);
        impl Transfer for Refused {
            const DIRECTION: Direction = Direction::Write;

            fn has_offset(&self) -> bool {
                true
            }

            fn now(&mut self, _: &File) -> io::Result<usize> {
                Err(io::Error::from_raw_os_error(self.0))
            }

            fn whole(&mut self, _: &File) -> io::Result<usize> {
                Ok(7)
            }

            fn part(&mut self, _: &File) -> io::Result<usize> {
                unreachable!("it has an offset")
            }
        }
        crate::run(move || {
            for errno in [libc::EOPNOTSUPP, libc::ENOSYS, libc::EINVAL, libc::EPERM, libc::EAGAIN] {
                assert_eq!(Transfers::default().transfer(&file, Refused(errno)).unwrap(), 7, "{errno}");
            }
            let refused = Transfers::default().transfer(&file, Refused(libc::EIO));
            assert_eq!(refused.unwrap_err().raw_os_error(), Some(libc::EIO));
        });
    }
}
