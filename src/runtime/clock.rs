//! The time that a runtime's threads live in: the machine's, or for tests one that stands still while anybody works.
//!
//! A paused clock starts at the machine's time and moves only when it is told to, or when every worker sleeps and nothing else can
//! wake one: then it jumps to the earliest deadline (`park`). So all that takes deadlines asks here for the time, and not std.

use super::{Inner, worker::Worker};
use crate::primitive::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A runtime's clock.
pub(crate) struct Clock {
    origin: Instant,
    paused: bool,
    /// Nanoseconds since `origin`, while paused.
    advanced: AtomicU64,
}

impl Clock {
    pub(crate) fn new(origin: Instant, paused: bool) -> Self {
        Self { origin, paused, advanced: AtomicU64::new(0) }
    }

    #[inline]
    pub(crate) fn is_paused(&self) -> bool {
        self.paused
    }

    #[inline]
    pub(crate) fn now(&self) -> Instant {
        if self.paused { self.paused_now() } else { Instant::now() }
    }

    #[cold]
    fn paused_now(&self) -> Instant {
        self.origin + Duration::from_nanos(self.advanced.load(Ordering::Acquire))
    }

    /// Moves a paused clock on to a point in time, unless that has passed.
    pub(crate) fn advance_to(&self, to: Instant) {
        let nanos = to.saturating_duration_since(self.origin).as_nanos();
        self.advanced.fetch_max(u64::try_from(nanos).unwrap_or(u64::MAX), Ordering::AcqRel);
    }
}

impl Worker {
    /// The time, for threads of this worker.
    #[inline]
    pub(crate) fn now(&self) -> Instant {
        self.runtime().clock.now()
    }
}

/// The time, for the current thread.
#[inline]
pub(crate) fn now() -> Instant {
    match Worker::current() {
        Some(worker) => worker.now(),
        None => Instant::now(),
    }
}

impl Inner {
    /// Moves the paused clock on and has every worker look at its timers.
    pub(crate) fn advance_clock(&self, to: Instant) {
        self.clock.advance_to(to);
        for worker in self.workers() {
            worker.attention.store(true, Ordering::SeqCst);
            worker.nudge();
        }
    }
}
