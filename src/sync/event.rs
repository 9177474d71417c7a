//! [`Event`].

use crate::{
    primitive::{AtomicU32, Ordering, const_unless_loom},
    runtime::waiters::{Locked, Waited, Waiters, Want},
};
use std::{
    fmt,
    time::{Duration, Instant},
};

/// It has happened.
const SET: u32 = 1;
/// The list is not empty: changes under its lock, and says so whenever that is free.
const WAITERS: u32 = 1 << 1;

/// Something that happens, for which threads wait: a flag that is set and cleared, as Python's `threading.Event`.
///
/// # Examples
/// ```
/// use sinew::{sync::Event, thread};
///
/// let started = Event::new();
/// thread::scope(|scope| {
///     scope.spawn(|| started.wait());
///     started.set();
/// });
/// assert!(started.is_set());
/// ```
pub struct Event {
    state: AtomicU32,
    waiters: Waiters,
}

impl Event {
    const_unless_loom! {
        /// An event that has not happened.
        #[must_use]
        pub const fn new() -> Self {
            Self { state: AtomicU32::new(0), waiters: Waiters::new() }
        }
    }

    /// Whether it is set. What came before the [`set`](Self::set) is seen.
    #[inline]
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.state.load(Ordering::Acquire) & SET != 0
    }

    /// Sets it, and wakes all who wait, even if it is cleared at once.
    pub fn set(&self) {
        let mut state = self.state.load(Ordering::Relaxed);
        while state & WAITERS == 0 {
            match self.state.compare_exchange_weak(state, SET, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => state = now,
            }
        }
        let locked = self.waiters.lock();
        // Nobody waits any more when the lock is released.
        self.state.store(SET, Ordering::Release);
        locked.grant_all(0);
    }

    /// Clears it.
    pub fn clear(&self) {
        self.state.fetch_and(!SET, Ordering::Relaxed);
    }

    /// Suspends the current thread until it is set; not at all if it is.
    ///
    /// # Cancellation
    /// A thread that waits unwinds.
    #[inline]
    pub fn wait(&self) {
        if !self.is_set() {
            self.wait_slow(None);
        }
    }

    /// [`wait`](Self::wait) for a limited time, which on a green thread is rounded up to whole milliseconds. False if that was over.
    ///
    /// # Cancellation
    /// As [`wait`](Self::wait).
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        self.is_set() || self.wait_slow(crate::runtime::clock::now().checked_add(timeout))
    }

    /// [`wait`](Self::wait) until a point in time. False if that has passed.
    ///
    /// # Cancellation
    /// As [`wait`](Self::wait).
    pub fn wait_until(&self, deadline: Instant) -> bool {
        self.is_set() || self.wait_slow(Some(deadline))
    }

    #[cold]
    fn wait_slow(&self, deadline: Option<Instant>) -> bool {
        let left = |locked: Locked<'_>| {
            if locked.is_empty() {
                self.state.fetch_and(!WAITERS, Ordering::Relaxed);
            }
        };
        self.waiters.wait(Want::amount(0), deadline, |_| self.is_set_or_announce(), left) != Waited::TimedOut
    }

    fn is_set_or_announce(&self) -> bool {
        let mut state = self.state.load(Ordering::Acquire);
        while state & SET == 0 {
            match self.state.compare_exchange_weak(state, state | WAITERS, Ordering::Relaxed, Ordering::Acquire) {
                Ok(_) => return false,
                Err(now) => state = now,
            }
        }
        true
    }
}

impl Default for Event {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event").field("is_set", &self.is_set()).finish_non_exhaustive()
    }
}

#[cfg(all(test, loom))]
mod loom_tests;
