//! Channels to which time sends: once, at intervals, or never.

use super::buffered::Unreceived;
use crate::runtime::{
    clock::now,
    exact::{Current, Ended},
};
use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// Suspends the current thread until then; for ever without a point in time. Unwinds if it is cancelled.
fn sleep_until(until: Option<Instant>) {
    let current = Current::get();
    match current.wait(until) {
        Ended::Cancelled => current.raise(),
        Ended::TimedOut => {}
        Ended::Woken => unreachable!("nobody knows of it"),
    }
}

/// The earlier of the two; none is never.
pub(crate) fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// Sends once.
pub(crate) struct Once {
    at: Instant,
    received: AtomicBool,
}

impl Once {
    pub(crate) fn new(at: Instant) -> Self {
        Self { at, received: AtomicBool::new(false) }
    }

    pub(crate) fn due(&self) -> Option<Instant> {
        (!self.received.load(Ordering::Relaxed)).then_some(self.at)
    }

    pub(crate) fn try_recv(&self) -> Result<Instant, Unreceived> {
        let due = self.due().is_some_and(|at| at <= now());
        if due && !self.received.swap(true, Ordering::Relaxed) { Ok(self.at) } else { Err(Unreceived::TimedOut) }
    }
}

/// Sends at intervals, at most one message at a time: what was not received in time is left out.
pub(crate) struct Tick {
    start: Instant,
    interval: Duration,
    /// Nanoseconds from the start to the next message.
    next: AtomicU64,
}

impl Tick {
    pub(crate) fn new(start: Instant, interval: Duration) -> Self {
        Self { start, interval, next: AtomicU64::new(nanos(interval)) }
    }

    pub(crate) fn due(&self) -> Option<Instant> {
        self.start.checked_add(Duration::from_nanos(self.next.load(Ordering::Relaxed)))
    }

    pub(crate) fn try_recv(&self) -> Result<Instant, Unreceived> {
        loop {
            let next = self.next.load(Ordering::Relaxed);
            let (Some(due), now) = (self.start.checked_add(Duration::from_nanos(next)), now()) else {
                return Err(Unreceived::TimedOut);
            };
            if now < due {
                return Err(Unreceived::TimedOut);
            }
            let after = nanos((now - self.start).saturating_add(self.interval));
            if self.next.compare_exchange(next, after, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
                return Ok(due);
            }
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Receives what `attempt` gives, waiting until it is `due`.
pub(crate) fn recv<T>(
    deadline: Option<Instant>,
    attempt: impl Fn() -> Result<T, Unreceived>,
    due: impl Fn() -> Option<Instant>,
) -> Result<T, Unreceived> {
    loop {
        if let Ok(message) = attempt() {
            return Ok(message);
        }
        if deadline.is_some_and(|deadline| deadline <= now()) {
            return Err(Unreceived::TimedOut);
        }
        sleep_until(earlier(deadline, due()));
    }
}
