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

    /// Says when a worker's next timer is due, while it sleeps.
    pub(crate) fn announce(&self, to: &AtomicU64, deadline: Option<Instant>) {
        to.store(deadline.map_or(u64::MAX, |deadline| self.nanos(deadline)), Ordering::SeqCst);
    }

    fn nanos(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.origin).as_nanos()).unwrap_or(u64::MAX)
    }

    /// How far a paused clock has come.
    pub(crate) fn advanced(&self) -> u64 {
        self.advanced.load(Ordering::Acquire)
    }

    /// Moves a paused clock on by so much, also if others move it at the same time; false if it would come further than it can.
    fn advance(&self, by: Duration) -> bool {
        let Ok(by) = u64::try_from(by.as_nanos()) else { return false };
        // The last point is for what never comes.
        let sum = |advanced: u64| advanced.checked_add(by).filter(|&sum| sum != u64::MAX);
        self.advanced.fetch_update(Ordering::AcqRel, Ordering::Relaxed, sum).is_ok()
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
    /// Moves the paused clock on to an announced deadline, unless another worker has moved it from where it was; false if there is none.
    pub(crate) fn jump(&self, from: u64, alarm: u64) -> bool {
        if alarm == u64::MAX {
            return false;
        }
        let to = alarm.max(from);
        if self.clock.advanced.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
            self.look_at_timers();
        }
        true
    }

    /// Moves the paused clock on and has every worker look at its timers; false if the clock cannot go so far.
    pub(crate) fn advance_clock(&self, by: Duration) -> bool {
        let advanced = self.clock.advance(by);
        self.look_at_timers();
        advanced
    }

    fn look_at_timers(&self) {
        for worker in self.workers() {
            worker.attention.store(true, Ordering::SeqCst);
            worker.nudge();
        }
    }
}
