//! `Watched`: a descriptor with its readiness, and the loop around each call on it that could block. All sockets and
//! pipes are built on it.
//!
//! The call is tried first while the readiness says that it may succeed; the thread waits only on `WouldBlock`, or when
//! an earlier short transfer has shown that nothing is left. So a message costs its `recv`, its `send` and a share of the
//! poller's call.

use std::{
    fmt,
    fs::File,
    io::{self, IoSlice, IoSliceMut, Read, Write},
    net::TcpStream,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, RawFd},
        unix::net::UnixStream,
    },
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    runtime::{
        clock,
        event::{Here, Woke},
        readiness::Direction,
        source::Source,
    },
    sys::socket,
};

/// A value with a descriptor for which threads can wait: a pipe, a terminal, an `eventfd`, a socket of another library.
///
/// A green thread that waits suspends, and its worker's poller wakes it; an OS thread waits by `poll(2)`. Any number of
/// threads may wait at once, in both directions, on a shared reference.
///
/// Either hand a call over, which is made again whenever it gives `WouldBlock` ([`read_with`](Self::read_with),
/// [`write_with`](Self::write_with), and [`Read`] and [`Write`] over std's files, pipes and streams), or wait until a call may
/// succeed ([`readable`](Self::readable), [`writable`](Self::writable)) and make it elsewhere.
///
/// The value must keep its descriptor for as long as it is watched: else waits are for whatever has its number then. A
/// descriptor can be watched only once by each worker: a second `Watched` over the same one gives `AlreadyExists` when it
/// has to wait. Share the first, or duplicate the descriptor. A regular file is always ready.
///
/// # Cancellation
/// Each call can be cancelled while it waits, and has then moved nothing. What [`Read`] and
/// [`Write`] make of several calls (`read_exact`, `read_to_end`, `write_all`) has moved what the calls before moved: what was read lies at
/// the front of the buffer, and how much was written is not told. But `read_to_string` leaves its string as it was, and loses what it
/// read.
///
/// # Examples
/// ```
/// use sinew::io::Watched;
/// use std::io::{Read, Write};
///
/// let (reader, mut writer) = std::io::pipe()?;
/// let reader = Watched::new(reader)?;
/// let waiting = sinew::spawn(move || {
///     let mut word = [0; 5];
///     (&reader).read_exact(&mut word)?;
///     Ok::<_, std::io::Error>(word)
/// });
/// writer.write_all(b"hello")?;
/// assert_eq!(&waiting.join().unwrap()?, b"hello");
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Watched<T: AsFd> {
    // In this order: a source must be out of its poller before its descriptor is closed.
    source: Registered,
    /// The descriptor was in blocking mode before.
    blocked: bool,
    inner: T,
}

/// Takes its source out of the poller when it goes.
struct Registered(Arc<Source>);

impl Drop for Registered {
    fn drop(&mut self) {
        self.0.deregister();
    }
}

/// How long a call may wait.
pub(crate) trait Patience {
    /// Not at all.
    fn is_none(&self) -> bool;

    /// Until when, if not for ever. Asked once, when the wait begins.
    fn deadline(&self, direction: Direction) -> Option<Instant>;
}

/// For ever.
struct Endless;

impl Patience for Endless {
    fn is_none(&self) -> bool {
        false
    }

    fn deadline(&self, _: Direction) -> Option<Instant> {
        None
    }
}

impl<T: AsFd> Watched<T> {
    /// Watches a descriptor, which is set to non-blocking mode, as all its duplicates are, also those of other processes: that mode is a
    /// property they share. A drop leaves it so; [`into_inner`](Self::into_inner) puts it back.
    ///
    /// # Errors
    /// The operating system's.
    pub fn new(inner: T) -> io::Result<Watched<T>> {
        let fd = inner.as_fd().as_raw_fd();
        let blocked = !socket::is_nonblocking(fd)?;
        if blocked {
            socket::set_nonblocking(fd, true)?;
        }
        Ok(Watched { blocked, ..Watched::new_as_is(inner) })
    }

    /// Watches a descriptor and leaves its mode as it is. Calls on one in blocking mode block the worker when nothing is
    /// there, so wait by [`readable`](Self::readable) and [`writable`](Self::writable) before each. For what is shared with
    /// other processes, such as standard input.
    pub fn new_as_is(inner: T) -> Watched<T> {
        let source = Registered(Source::new(inner.as_fd().as_raw_fd()));
        Watched { source, blocked: false, inner }
    }

    /// [`new`](Self::new) where it cannot fail: a descriptor whose mode cannot be set keeps it.
    pub(crate) fn adopt(inner: T) -> Watched<T> {
        let fd = inner.as_fd().as_raw_fd();
        let blocked = matches!(socket::is_nonblocking(fd), Ok(false)) && socket::set_nonblocking(fd, true).is_ok();
        Watched { blocked, ..Watched::new_as_is(inner) }
    }

    /// The value.
    #[inline]
    pub fn get_ref(&self) -> &T {
        &self.inner
    }

    /// The value back, watched no more, in blocking mode if it was so before [`new`](Self::new).
    pub fn into_inner(self) -> T {
        let Watched { source, blocked, inner } = self;
        drop(source);
        if blocked {
            // It was set so before, by the same call.
            let _ = socket::set_nonblocking(inner.as_fd().as_raw_fd(), false);
        }
        inner
    }

    /// Waits until a read would not block: there are data, or the end, or an error. It asks the operating system, so it may
    /// be used with any way of reading; another thread that reads too can be faster.
    ///
    /// # Errors
    /// Those of watching: no memory, too many watches, a descriptor that cannot be polled.
    pub fn readable(&self) -> io::Result<()> {
        self.ready(Direction::Read, None).map(drop)
    }

    /// The same with a deadline: `false` if it has passed first.
    ///
    /// # Errors
    /// As [`readable`](Self::readable).
    pub fn readable_until(&self, deadline: Instant) -> io::Result<bool> {
        self.ready(Direction::Read, Some(deadline))
    }

    /// The same with a longest time: `false` if it has passed first.
    ///
    /// # Errors
    /// As [`readable`](Self::readable).
    pub fn readable_timeout(&self, timeout: Duration) -> io::Result<bool> {
        self.ready(Direction::Read, clock::now().checked_add(timeout))
    }

    /// Waits until a write would not block: there is room, or an error.
    ///
    /// # Errors
    /// As [`readable`](Self::readable).
    pub fn writable(&self) -> io::Result<()> {
        self.ready(Direction::Write, None).map(drop)
    }

    /// The same with a deadline: `false` if it has passed first.
    ///
    /// # Errors
    /// As [`readable`](Self::readable).
    pub fn writable_until(&self, deadline: Instant) -> io::Result<bool> {
        self.ready(Direction::Write, Some(deadline))
    }

    /// The same with a longest time: `false` if it has passed first.
    ///
    /// # Errors
    /// As [`readable`](Self::readable).
    pub fn writable_timeout(&self, timeout: Duration) -> io::Result<bool> {
        self.ready(Direction::Write, clock::now().checked_add(timeout))
    }

    /// Makes a call that reads, and makes it again, after a wait, as long as it gives `WouldBlock`; at once on
    /// `Interrupted`. `WouldBlock` must mean that the descriptor has nothing to be read.
    ///
    /// # Errors
    /// Others of the call's, and as [`readable`](Self::readable).
    ///
    /// # Examples
    /// ```
    /// use sinew::io::Watched;
    /// use std::os::unix::net::UnixDatagram;
    ///
    /// let (one, two) = UnixDatagram::pair()?;
    /// let one = Watched::new(one)?;
    /// two.send(b"word")?;
    /// let mut buf = [0; 8];
    /// assert_eq!(one.read_with(|socket| socket.recv(&mut buf))?, 4);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn read_with<R>(&self, call: impl FnMut(&T) -> io::Result<R>) -> io::Result<R> {
        self.perform(Direction::Read, &Endless, |_| false, call)
    }

    /// The same with a call that writes.
    ///
    /// # Errors
    /// Others of the call's, and as [`readable`](Self::readable).
    pub fn write_with<R>(&self, call: impl FnMut(&T) -> io::Result<R>) -> io::Result<R> {
        self.perform(Direction::Write, &Endless, |_| false, call)
    }

    /// Makes a call until it does something else than block. `less` tells of a result that it moved fewer bytes than it
    /// had room or data for, which proves that no more is there (see [`readiness`](crate::runtime::readiness)).
    #[inline]
    pub(crate) fn perform<R>(
        &self,
        direction: Direction,
        patience: &impl Patience,
        less: impl Fn(&R) -> bool,
        mut call: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        let here = Here::current();
        if let Some(here) = here {
            here.breathe();
        }
        let readiness = self.source.0.readiness();
        let mut deadline = None;
        let mut last = patience.is_none();
        let mut tries = last;
        loop {
            let seen = readiness.seen();
            if tries || seen.is_ready(direction) {
                match call(&self.inner) {
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
                            if last {
                                return Err(error);
                            }
                        }
                        _ => return Err(error),
                    },
                }
            }
            // When the time is up the call is tried once more: a busy poller may not have told yet what is there.
            last = self.wait_patiently(here, direction, patience, &mut deadline)? == Woke::TimedOut;
            tries = true;
        }
    }

    /// Waits; the deadline is asked for the first time.
    #[inline(never)]
    fn wait_patiently(
        &self,
        here: Option<Here<'_>>,
        direction: Direction,
        patience: &impl Patience,
        deadline: &mut Option<Instant>,
    ) -> io::Result<Woke> {
        if deadline.is_none() {
            *deadline = patience.deadline(direction);
        }
        self.source.0.wait(here, self.as_fd(), direction, *deadline)
    }

    /// Waits until the operating system says that a call would not block; `false` if the deadline passes first.
    pub(crate) fn ready(&self, direction: Direction, deadline: Option<Instant>) -> io::Result<bool> {
        self.source.0.ready(self.as_fd(), direction, deadline)
    }

    /// Watches another descriptor of the same open file, with its mode.
    pub(super) fn another(&self, inner: T) -> Watched<T> {
        Watched { blocked: self.blocked, ..Watched::new_as_is(inner) }
    }

    /// What is known of the descriptor, for who waits in another way.
    pub(crate) fn source(&self) -> &Arc<Source> {
        &self.source.0
    }
}

impl<T: AsFd> AsFd for Watched<T> {
    #[inline]
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }
}

impl<T: AsFd> AsRawFd for Watched<T> {
    #[inline]
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl<T: AsFd + fmt::Debug> fmt::Debug for Watched<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Watched").field(&self.inner).finish()
    }
}

// For std's types one by one: an implementation for all types whose reference has the trait would ask for itself without
// end wherever a function has the bound `for<'a> &'a T: Read` (rust-lang/rust#39959).
macro_rules! read {
    ($($type:ty),*) => {$(
        /// Reads as the value does, and waits where that would block.
        impl Read for &Watched<$type> {
            fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                self.read_with(|mut inner| inner.read(buf))
            }

            fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
                self.read_with(|mut inner| inner.read_vectored(bufs))
            }
        }

        /// Reads as the value does, and waits where that would block.
        impl Read for Watched<$type> {
            fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                (&*self).read(buf)
            }

            fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
                (&*self).read_vectored(bufs)
            }
        }
    )*};
}

macro_rules! write {
    ($($type:ty),*) => {$(
        /// Writes as the value does, and waits where that would block.
        impl Write for &Watched<$type> {
            fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
                self.write_with(|mut inner| inner.write(buf))
            }

            fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
                self.write_with(|mut inner| inner.write_vectored(bufs))
            }

            fn flush(&mut self) -> io::Result<()> {
                self.write_with(|mut inner| inner.flush())
            }
        }

        /// Writes as the value does, and waits where that would block.
        impl Write for Watched<$type> {
            fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
                (&*self).write(buf)
            }

            fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
                (&*self).write_vectored(bufs)
            }

            fn flush(&mut self) -> io::Result<()> {
                (&*self).flush()
            }
        }
    )*};
}

read!(File, io::PipeReader, TcpStream, UnixStream);
write!(File, io::PipeWriter, TcpStream, UnixStream);
