//! Standard output and standard error.
//!
//! They write through std's own, so `println!` and std's handles share their buffer and their order, and what is left in it
//! is written when the process ends. A green thread waits first: for room, where a pipe or a socket is written, and then
//! writes no more than fits; all else (terminals, files) is written on the blocking pool.

use std::{
    fmt,
    fs::File,
    io::{self, IsTerminal, Write},
    marker::PhantomData,
    mem::ManuallyDrop,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, RawFd},
        unix::fs::FileTypeExt,
    },
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use crate::{
    fs::operate::call,
    runtime::{event::Here, readiness::Direction, source::Source},
    sync::raw::mutex::RawMutex,
    thread,
};

/// What surely fits where a pipe has room: a page, less what std's buffer may hold (1 KiB) and write first.
const PART: usize = 2048;

/// A lock that the thread which has it may take again, as std's of its streams.
struct Reentrant {
    raw: RawMutex,
    /// The number of the thread that has it, else 0. Only that thread finds its own number here.
    owner: AtomicU64,
    /// How often it has it; only the owner looks.
    depth: AtomicUsize,
}

impl Reentrant {
    const fn new() -> Reentrant {
        Reentrant { raw: RawMutex::new(), owner: AtomicU64::new(0), depth: AtomicUsize::new(0) }
    }

    fn lock(&self) {
        let me = thread::current().task.id();
        if self.owner.load(Ordering::Relaxed) != me {
            self.raw.lock();
            self.owner.store(me, Ordering::Relaxed);
        }
        self.depth.fetch_add(1, Ordering::Relaxed);
    }

    /// By the owner, once for each `lock`.
    fn unlock(&self) {
        if self.depth.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.owner.store(0, Ordering::Relaxed);
            // SAFETY: this thread has locked it, and has it no more often.
            unsafe { self.raw.unlock() };
        }
    }
}

/// One of the two streams.
struct Output {
    fd: RawFd,
    lock: Reentrant,
    /// Its readiness, if it is a pipe or a socket.
    source: OnceLock<Option<Arc<Source>>>,
}

impl Output {
    const fn new(fd: RawFd) -> Output {
        Output { fd, lock: Reentrant::new(), source: OnceLock::new() }
    }

    /// Makes a call that writes `buf` or the start of it.
    fn write<T: Send>(&self, buf: &[u8], write: impl Fn(&[u8]) -> io::Result<T> + Sync) -> io::Result<T> {
        let Some(here) = Here::current() else { return write(buf) };
        here.breathe();
        // SAFETY: std too takes the descriptor for open as long as the process runs.
        let fd = unsafe { BorrowedFd::borrow_raw(self.fd) };
        let source = self.source.get_or_init(|| {
            // SAFETY: the same; `ManuallyDrop` does not close it.
            let file = ManuallyDrop::new(unsafe { File::from_raw_fd(self.fd) });
            let kind = file.metadata().map(|data| data.file_type());
            kind.is_ok_and(|kind| kind.is_fifo() || kind.is_socket()).then(|| Source::new(self.fd))
        });
        match source {
            Some(source) if source.ready(fd, Direction::Write, None).is_ok() => write(&buf[..buf.len().min(PART)]),
            _ => call(|| write(buf)),
        }
    }
}

macro_rules! stream {
    ($type:ident, $locked:ident, $global:ident, $number:path, $function:ident, $what:literal, $buffer:literal) => {
        static $global: Output = Output::new($number);

        #[doc = concat!("A handle to the process's standard ", $what, ": [`std::io::", stringify!($function), "`] whose ")]
        #[doc = concat!("writes suspend the calling thread only. ", $buffer)]
        ///
        /// The descriptor's mode is left alone. If others write to the same full pipe at the same time, a write can block the
        /// worker, as `print!` and `eprint!` can.
        #[must_use]
        pub fn $function() -> $type {
            $type(())
        }

        #[doc = concat!("A handle to standard ", $what, ". See [`std::io::", stringify!($type), "`].")]
        ///
        /// # Cancellation
        /// A write can be cancelled while it waits, and has then written nothing.
        pub struct $type(());

        #[doc = concat!("Standard ", $what, ", locked. See [`std::io::", stringify!($locked), "`].")]
        ///
        /// Other threads that write through this crate wait for the lock; the thread that has it may lock again.
        pub struct $locked<'a> {
            /// It belongs to the thread that locked it.
            pinned: PhantomData<(*mut (), &'a ())>,
        }

        impl $type {
            /// Locks it, for writes that belong together.
            ///
            /// # Cancellation
            /// While it waits for the lock.
            #[must_use]
            pub fn lock(&self) -> $locked<'static> {
                $global.lock.lock();
                $locked { pinned: PhantomData }
            }

            /// Whether it is a terminal: [`IsTerminal`], which only std may implement.
            #[must_use]
            pub fn is_terminal(&self) -> bool {
                io::$function().is_terminal()
            }
        }

        impl $locked<'_> {
            /// Whether it is a terminal: [`IsTerminal`], which only std may implement.
            #[must_use]
            pub fn is_terminal(&self) -> bool {
                io::$function().is_terminal()
            }
        }

        impl Drop for $locked<'_> {
            fn drop(&mut self) {
                $global.lock.unlock();
            }
        }

        impl Write for $locked<'_> {
            fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
                $global.write(buf, |buf| io::$function().write(buf))
            }

            fn flush(&mut self) -> io::Result<()> {
                $global.write(&[], |_| io::$function().flush())
            }
        }

        impl Write for &$type {
            fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
                self.lock().write(buf)
            }

            fn write_all(&mut self, buf: &[u8]) -> io::Result<()> {
                self.lock().write_all(buf)
            }

            fn write_fmt(&mut self, args: fmt::Arguments<'_>) -> io::Result<()> {
                self.lock().write_fmt(args)
            }

            fn flush(&mut self) -> io::Result<()> {
                self.lock().flush()
            }
        }

        impl Write for $type {
            fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
                (&*self).write(buf)
            }

            fn write_all(&mut self, buf: &[u8]) -> io::Result<()> {
                (&*self).write_all(buf)
            }

            fn write_fmt(&mut self, args: fmt::Arguments<'_>) -> io::Result<()> {
                (&*self).write_fmt(args)
            }

            fn flush(&mut self) -> io::Result<()> {
                (&*self).flush()
            }
        }

        stream!(descriptor $type, $number);
        stream!(descriptor $locked<'_>, $number);
    };
    (descriptor $type:ty, $number:path) => {
        impl AsFd for $type {
            fn as_fd(&self) -> BorrowedFd<'_> {
                // SAFETY: as in `Output::write`.
                unsafe { BorrowedFd::borrow_raw($number) }
            }
        }

        impl AsRawFd for $type {
            fn as_raw_fd(&self) -> RawFd {
                $number
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($type)).finish_non_exhaustive()
            }
        }
    };
}

stream!(
    Stdout,
    StdoutLock,
    OUT,
    libc::STDOUT_FILENO,
    stdout,
    "output",
    "It shares std's buffer, which is written at each end of a line."
);
stream!(Stderr, StderrLock, ERR, libc::STDERR_FILENO, stderr, "error", "It has no buffer.");
