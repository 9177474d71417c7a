//! What all sockets share: a watched descriptor in non-blocking mode, and std's modes beside it. A socket set non-blocking
//! by its user never waits, and timeouts become deadlines of the wait that end, as on Linux with std, in `WouldBlock`.

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
    io::watched::{Patience, Watched},
    runtime::{
        clock,
        event::{Here, Woke},
        readiness::Direction,
        source::Source,
    },
    sys::{address::RawAddr, socket},
};

/// A descriptor in non-blocking mode, and its readiness.
pub(super) struct Socket {
    watched: Watched<OwnedFd>,
    modes: Modes,
}

/// What the user has set and the descriptor does not keep for us. Not there: all as it is at first. Shared with clones, as
/// these options are by std's.
#[derive(Clone, Default)]
struct Modes(OnceLock<Arc<Options>>);

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

impl Patience for Modes {
    #[inline]
    fn is_none(&self) -> bool {
        self.0.get().is_some_and(|options| options.nonblocking.load(Ordering::Relaxed))
    }

    fn deadline(&self, direction: Direction) -> Option<Instant> {
        match self.0.get()?.timeout(direction).load(Ordering::Relaxed) {
            0 => None,
            nanos => clock::now().checked_add(Duration::from_nanos(nanos)),
        }
    }
}

impl Modes {
    fn options(&self) -> &Arc<Options> {
        self.0.get_or_init(Arc::default)
    }
}

impl Socket {
    /// Over a descriptor that is new and in non-blocking mode.
    pub(super) fn new(fd: OwnedFd) -> Socket {
        Socket { watched: Watched::new_as_is(fd), modes: Modes::default() }
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
        if timeout.is_some() || self.modes.0.get().is_some() {
            let nanos = timeout.map_or(0, |time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
            self.modes.options().timeout(direction).store(nanos, Ordering::Relaxed);
        }
    }

    /// Gives the descriptor away, out of the poller, in the mode that the user has set.
    pub(super) fn into_fd(self) -> OwnedFd {
        let fd = self.watched.into_inner();
        if !self.modes.is_none() {
            let _ = socket::set_nonblocking(fd.as_raw_fd(), false);
        }
        fd
    }

    /// The same open file under another descriptor, with a registration of its own.
    pub(super) fn try_clone(&self) -> io::Result<Socket> {
        let fd = self.watched.get_ref().try_clone()?;
        self.modes.options();
        Ok(Socket { watched: Watched::new_as_is(fd), modes: self.modes.clone() })
    }

    pub(super) fn set_nonblocking(&self, nonblocking: bool) {
        if nonblocking || self.modes.0.get().is_some() {
            self.modes.options().nonblocking.store(nonblocking, Ordering::Relaxed);
        }
    }

    /// Whether calls never wait.
    pub(super) fn is_nonblocking(&self) -> bool {
        self.modes.is_none()
    }

    /// Until when a call that begins to wait now waits.
    pub(super) fn deadline(&self, direction: Direction) -> Option<Instant> {
        self.modes.deadline(direction)
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
        self.watched.perform(direction, &self.modes, less, |fd| call(fd.as_raw_fd()))
    }

    /// Waits until a connect that is under way has come to its end; `false` if the deadline passes first.
    pub(super) fn finish_connect(&self, deadline: Option<Instant>) -> io::Result<bool> {
        let source = self.watched.source();
        let readiness = source.readiness();
        let mut seen = readiness.seen();
        loop {
            readiness.blocked(Direction::Write, seen);
            let woke = self.writable(deadline)?;
            seen = readiness.seen();
            if socket::connected(self.as_fd().as_raw_fd())? {
                return Ok(true);
            }
            if woke == Woke::TimedOut {
                return Ok(false);
            }
        }
    }

    /// Waits until a write, or the end of a connect, may succeed, or the deadline passes. May return early for no reason.
    pub(super) fn writable(&self, deadline: Option<Instant>) -> io::Result<Woke> {
        #[cfg(all(feature = "io-uring", target_os = "linux"))]
        if let Some(woke) = super::completed::writable(self, deadline) {
            return woke;
        }
        self.source().wait(Here::current(), self.as_fd(), Direction::Write, deadline)
    }

    /// Takes a connection, and waits for one.
    pub(super) fn accept(&self) -> io::Result<(OwnedFd, RawAddr)> {
        #[cfg(all(feature = "io-uring", target_os = "linux"))]
        if let Some(done) = super::completed::accept(self) {
            return done;
        }
        self.perform(Direction::Read, |_| false, socket::accept)
    }

    /// What is known of the descriptor, for who waits in another way.
    pub(super) fn source(&self) -> &Arc<Source> {
        self.watched.source()
    }

    /// Waits until the operating system says that a call would not block; `false` if the deadline passes first.
    pub(super) fn ready(&self, direction: Direction, deadline: Option<Instant>) -> io::Result<bool> {
        self.watched.ready(direction, deadline)
    }

    /// Whether calls wait for ever: no timeout is set, nor the mode that never waits.
    pub(super) fn is_patient(&self) -> bool {
        let none = |direction| self.modes.deadline(direction).is_none();
        !self.is_nonblocking() && none(Direction::Read) && none(Direction::Write)
    }
}

impl AsFd for Socket {
    #[inline]
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.watched.as_fd()
    }
}
