//! What all sockets share: the descriptor with its readiness, and the loop around each call that could block.
//!
//! The call is tried first while the readiness says that it may succeed; the thread waits only on `WouldBlock`, or when
//! an earlier short transfer has shown that nothing is left. So a message costs its `recv`, its `send` and a share of the
//! poller's call. std's modes stand beside that: a socket set non-blocking by its user never waits, and timeouts become
//! deadlines of the wait that end, as on Linux with std, in `WouldBlock`.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{
    runtime::{
        event::{Here, Woke},
        readiness::Direction,
        source::Source,
    },
    sys::socket,
};

/// A descriptor in non-blocking mode, and its readiness.
pub(super) struct Socket {
    // In this order: a source must be out of its poller before its descriptor is closed.
    source: Registered,
    fd: OwnedFd,
    /// Not there: all as it is at first. Shared with clones, as these options are by std's.
    options: OnceLock<Arc<Options>>,
}

/// Takes its source out of the poller when it goes.
struct Registered(Arc<Source>);

impl Drop for Registered {
    fn drop(&mut self) {
        self.0.deregister();
    }
}

/// What the user has set and the descriptor does not keep for us.
#[derive(Default)]
struct Options {
    nonblocking: AtomicBool,
    /// In nanoseconds; 0 is none.
    read_timeout: AtomicU64,
    write_timeout: AtomicU64,
}

impl Options {
    fn timeout(&self, direction: Direction) -> &AtomicU64 {
        match direction {
            Direction::Read => &self.read_timeout,
            Direction::Write => &self.write_timeout,
        }
    }
}

impl Socket {
    /// Over a descriptor that is new and in non-blocking mode.
    pub(super) fn new(fd: OwnedFd) -> Socket {
        let source = Registered(Source::new(fd.as_raw_fd()));
        Socket { source, fd, options: OnceLock::new() }
    }

    /// Over a descriptor that was used elsewhere: its mode is remembered as the user's, and set to non-blocking.
    pub(super) fn adopt(fd: OwnedFd) -> Socket {
        // A call that fails here finds no socket that could be used at all; what is done with it later will say so.
        let nonblocking = socket::is_nonblocking(fd.as_raw_fd()).unwrap_or(false);
        if !nonblocking {
            let _ = socket::set_nonblocking(fd.as_raw_fd(), true);
        }
        #[cfg(target_vendor = "apple")]
        let _ = socket::no_sigpipe(fd.as_raw_fd());
        let socket = Socket::new(fd);
        if nonblocking {
            socket.set_nonblocking(true);
        }
        socket
    }

    /// Takes over the timeouts that the descriptor has.
    pub(super) fn keep_timeout(&self, direction: Direction, timeout: Option<Duration>) {
        if timeout.is_some() || self.options.get().is_some() {
            let nanos = timeout.map_or(0, |time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
            self.options().timeout(direction).store(nanos, Ordering::Relaxed);
        }
    }

    /// Gives the descriptor away, out of the poller, in the mode that the user has set.
    pub(super) fn into_fd(self) -> OwnedFd {
        let Socket { source, fd, options } = self;
        drop(source);
        if options.get().is_none_or(|options| !options.nonblocking.load(Ordering::Relaxed)) {
            let _ = socket::set_nonblocking(fd.as_raw_fd(), false);
        }
        fd
    }

    /// The same open file under another descriptor, with a registration of its own.
    pub(super) fn try_clone(&self) -> io::Result<Socket> {
        let clone = Socket::new(self.fd.try_clone()?);
        let _ = clone.options.set(Arc::clone(self.options()));
        Ok(clone)
    }

    fn options(&self) -> &Arc<Options> {
        self.options.get_or_init(Arc::default)
    }

    pub(super) fn set_nonblocking(&self, nonblocking: bool) {
        if nonblocking || self.options.get().is_some() {
            self.options().nonblocking.store(nonblocking, Ordering::Relaxed);
        }
    }

    /// Makes a call until it does something else than block. `less` tells of a result that it moved fewer bytes than it
    /// had room or data for.
    #[inline]
    pub(super) fn perform<T>(
        &self,
        direction: Direction,
        less: impl Fn(&T) -> bool,
        mut call: impl FnMut(RawFd) -> io::Result<T>,
    ) -> io::Result<T> {
        let here = Here::current();
        if let Some(here) = here {
            here.breathe();
        }
        let readiness = self.source.0.readiness();
        let nonblocking = self.options.get().is_some_and(|options| options.nonblocking.load(Ordering::Relaxed));
        let mut deadline = None;
        let mut last = nonblocking;
        let mut tries = nonblocking;
        loop {
            let seen = readiness.seen();
            if tries || seen.is_ready(direction) {
                match call(self.fd.as_raw_fd()) {
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
            last = self.wait(here, direction, &mut deadline)? == Woke::TimedOut;
            tries = true;
        }
    }

    /// Waits; the deadline is set, from the timeout, the first time.
    #[inline(never)]
    fn wait(&self, here: Option<Here<'_>>, direction: Direction, deadline: &mut Option<Instant>) -> io::Result<Woke> {
        if deadline.is_none()
            && let Some(options) = self.options.get()
        {
            let nanos = options.timeout(direction).load(Ordering::Relaxed);
            if nanos != 0 {
                *deadline = crate::runtime::clock::now().checked_add(Duration::from_nanos(nanos));
            }
        }
        self.source.0.wait(here, self.as_fd(), direction, *deadline)
    }

    /// Waits until a connect that is under way has come to its end; `false` if the deadline passes first.
    pub(super) fn finish_connect(&self, deadline: Option<Instant>) -> io::Result<bool> {
        let readiness = self.source.0.readiness();
        let mut seen = readiness.seen();
        loop {
            readiness.blocked(Direction::Write, seen);
            let woke = self.source.0.wait(Here::current(), self.as_fd(), Direction::Write, deadline)?;
            seen = readiness.seen();
            if socket::connected(self.fd.as_raw_fd())? {
                return Ok(true);
            }
            if woke == Woke::TimedOut {
                return Ok(false);
            }
        }
    }
}

impl AsFd for Socket {
    #[inline]
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
