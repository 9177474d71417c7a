//! Where an operation on files is handed over to be done: the one place that knows how.
//!
//! - On a plain OS thread it is done in place.
//! - A read or write of a green thread is tried in place first, as far as the page cache goes
//!   ([`sys::cached`](crate::sys::cached)): a hit costs about a microsecond, the way to the blocking pool and back ten.
//! - Where the worker's ring is on, the kernel then reads or writes a file on the caller's memory (`completed`).
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
    io::{self, IoSlice, IoSliceMut, IsTerminal, Seek},
    os::{
        fd::{AsFd, AsRawFd},
        unix::fs::{FileTypeExt, MetadataExt},
    },
    path::Path,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU16, Ordering},
    },
};

use super::transfer::{Reads, Transfer, Writes};
use crate::{
    cancel,
    runtime::{blocking::blocking, event::Here, readiness::Direction, source::Source},
    sync::{Semaphore, SemaphorePermit},
    sys::socket,
};

#[cfg(all(feature = "io-uring", target_os = "linux"))]
use {super::completed, crate::runtime::uring::files};

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

/// Waits until a file's data are on the disk; and the rest of what is known of it, unless `data_only`.
pub(super) fn sync(file: &File, data_only: bool) -> io::Result<()> {
    #[cfg(all(feature = "io-uring", target_os = "linux"))]
    if let Some(done) = files::sync(file.as_fd(), data_only) {
        return done;
    }
    call(|| if data_only { file.sync_data() } else { file.sync_all() })
}

/// A first look has told what the file is.
const KNOWN: u16 = 1;
/// It can be polled: neither a regular file nor a folder nor a disk.
const STREAM: u16 = 1 << 1;
/// Reads cannot be tried in place.
const NO_READ: u16 = 1 << 2;
/// Writes cannot be tried in place.
const NO_WRITE: u16 = 1 << 3;
/// A write may be cut: a pipe or a terminal.
const BYTES: u16 = 1 << 4;
/// It is not waited for before it is written: a device that is no terminal.
const DEVICE: u16 = 1 << 5;
/// It has offsets: a regular file or a disk, and no imitation.
const OFFSETS: u16 = 1 << 6;
/// Others may use its position by other ways.
const SHARED: u16 = 1 << 7;
/// It was asked whether it passes the page cache by.
const MODE_KNOWN: u16 = 1 << 8;

/// What is known of a descriptor that is read and written. Of one, as long as it is open; dropped before it is closed.
#[derive(Default)]
pub(crate) struct Transfers {
    flags: AtomicU16,
    source: OnceLock<Arc<Source>>,
    /// Held by who uses the position, where operations of a ring may do so: these do not have it to themselves in the kernel, as
    /// system calls have. None if no ring does, since the position is not known to be ours alone.
    position: Option<Semaphore>,
}

impl Transfers {
    /// For a file that has just been opened: its position is nobody else's yet.
    pub(super) fn opened(file: &File) -> Transfers {
        let mut new = Transfers::default();
        new.learn_opened(file);
        new
    }

    /// For another descriptor of the same open file.
    pub(crate) fn another(&self) -> Transfers {
        self.share();
        // Who uses the position by a ring comes to an end first.
        let _turn = self.turn();
        let flags = AtomicU16::new(self.flags.load(Ordering::Relaxed));
        Transfers { flags, source: OnceLock::new(), position: None }
    }

    /// Has others use the position by other ways: no operation of a ring will, from now on.
    pub(super) fn share(&self) {
        if self.position.is_some() {
            self.flags.fetch_or(SHARED, Ordering::Relaxed);
        }
    }

    /// Waits until nobody else uses the position by this, where that matters.
    pub(super) fn turn(&self) -> Option<SemaphorePermit<'_>> {
        self.position.as_ref().map(|position| position.acquire().expect("nobody closes it"))
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
        if self.flags.load(Ordering::Relaxed) & KNOWN == 0 {
            self.learn(file, file.metadata().ok().map(|data| data.mode()));
        }
        self.flags.load(Ordering::Relaxed) & STREAM != 0
    }

    /// Takes note of what the file is, by the mode that it has if that could be told.
    fn learn(&self, file: &File, mode: Option<u32>) {
        let kind = match mode.map(|mode| mode as libc::mode_t & libc::S_IFMT) {
            Some(libc::S_IFREG | libc::S_IFBLK) if has_offsets(file) => OFFSETS,
            None | Some(libc::S_IFREG | libc::S_IFBLK | libc::S_IFDIR) => 0,
            Some(libc::S_IFIFO) => STREAM | BYTES,
            Some(libc::S_IFCHR) => STREAM | if file.is_terminal() { BYTES } else { DEVICE },
            Some(_) => STREAM,
        };
        self.flags.fetch_or(KNOWN | kind, Ordering::Relaxed);
    }

    fn transfer<T: Transfer>(&self, file: &File, mut transfer: T) -> io::Result<usize> {
        let here = Here::current();
        if let Some(here) = here {
            here.breathe();
        }
        let _turn = if transfer.offset().is_none() { self.turn() } else { None };
        let mut tries = here.is_some() && self.may_try::<T>(file);
        loop {
            if tries {
                match self.attempt(file, &mut transfer) {
                    Attempt::Done(done) => return done,
                    Attempt::WouldBlock => {}
                    Attempt::Impossible => tries = false,
                }
            }
            if let Some(done) = self.completed(file, &mut transfer) {
                return done;
            }
            if transfer.offset().is_some() {
                return call(|| {
                    // For the next time.
                    if cfg!(all(feature = "io-uring", target_os = "linux")) {
                        self.is_stream(file);
                    }
                    transfer.whole(file)
                });
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

    /// Has the kernel do it by the worker's ring, if that is on and can do this; else none, and nothing was done.
    #[cfg(all(feature = "io-uring", target_os = "linux"))]
    #[inline]
    fn completed<T: Transfer>(&self, file: &File, transfer: &mut T) -> Option<io::Result<usize>> {
        let flags = self.flags.load(Ordering::Relaxed);
        if flags & OFFSETS == 0 {
            return None;
        }
        match transfer.offset() {
            Some(offset) => transfer.completed(file, offset),
            None if self.position.is_none() || flags & SHARED != 0 => None,
            None => completed::at_position(file, transfer),
        }
    }

    #[cfg(not(all(feature = "io-uring", target_os = "linux")))]
    fn completed<T: Transfer>(&self, _: &File, _: &mut T) -> Option<io::Result<usize>> {
        None
    }

    #[cfg(all(feature = "io-uring", target_os = "linux"))]
    fn learn_opened(&mut self, file: &File) {
        let Some(mode) = completed::kind(file) else { return };
        self.learn(file, Some(mode));
        if *self.flags.get_mut() & OFFSETS != 0 {
            self.position = Some(Semaphore::new(1));
        }
    }

    #[cfg(not(all(feature = "io-uring", target_os = "linux")))]
    fn learn_opened(&mut self, _: &File) {}

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn may_try<T: Transfer>(&self, file: &File) -> bool {
        let flags = self.flags.load(Ordering::Relaxed);
        if flags & MODE_KNOWN == 0 {
            // There is no page cache to look into then, and the kernel would wait for the disk all the same.
            let direct = socket::mode(file.as_raw_fd()).is_ok_and(|mode| mode & libc::O_DIRECT != 0);
            let never = if direct { NO_READ | NO_WRITE } else { 0 };
            self.flags.fetch_or(MODE_KNOWN | never, Ordering::Relaxed);
        }
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
    fn may_try<T: Transfer>(&self, _: &File) -> bool {
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

/// Whether a regular file or a disk has offsets, which some of `/sys` and `/proc` have not. In place.
fn has_offsets(mut file: &File) -> bool {
    cfg!(all(feature = "io-uring", target_os = "linux")) && file.stream_position().is_ok()
}

/// The flag that says that this direction cannot be tried in place.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn never<T: Transfer>() -> u16 {
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
    fn what_says_that_a_try_is_not_known_leads_to_the_ordinary_call() {
        let file = File::open("Cargo.toml").unwrap();
        struct Refused(i32);
        impl Transfer for Refused {
            const DIRECTION: Direction = Direction::Write;

            fn offset(&self) -> Option<u64> {
                Some(0)
            }

            #[cfg(all(feature = "io-uring", target_os = "linux"))]
            fn completed(&mut self, _: &File, _: u64) -> Option<io::Result<usize>> {
                None
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
