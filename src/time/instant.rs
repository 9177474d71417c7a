//! Points in time on the current thread's clock.

use crate::runtime::{clock, worker::Worker};
use std::{
    ops::{Add, AddAssign, Sub, SubAssign},
    time::{self, Duration},
};

/// A point in time. As [`std::time::Instant`], and can be made into that and back, but [`now`](Self::now) asks the clock of the
/// current thread's runtime, which can be [paused](super#a-clock-for-tests).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(time::Instant);

impl Instant {
    /// The present.
    #[must_use]
    pub fn now() -> Self {
        Self(clock::now())
    }

    /// The time from `earlier` to this point; zero if it is later.
    #[must_use]
    pub fn duration_since(&self, earlier: Self) -> Duration {
        self.0.duration_since(earlier.0)
    }

    /// The same, none if `earlier` is later.
    #[must_use]
    pub fn checked_duration_since(&self, earlier: Self) -> Option<Duration> {
        self.0.checked_duration_since(earlier.0)
    }

    /// The same as [`duration_since`](Self::duration_since).
    #[must_use]
    pub fn saturating_duration_since(&self, earlier: Self) -> Duration {
        self.0.saturating_duration_since(earlier.0)
    }

    /// The time since this point; zero if it is to come.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        Self::now().duration_since(*self)
    }

    /// A later point, none if the clock cannot say it.
    #[must_use]
    pub fn checked_add(&self, duration: Duration) -> Option<Self> {
        self.0.checked_add(duration).map(Self)
    }

    /// An earlier point, none if the clock cannot say it.
    #[must_use]
    pub fn checked_sub(&self, duration: Duration) -> Option<Self> {
        self.0.checked_sub(duration).map(Self)
    }
}

impl From<time::Instant> for Instant {
    fn from(instant: time::Instant) -> Self {
        Self(instant)
    }
}

impl From<Instant> for time::Instant {
    fn from(instant: Instant) -> Self {
        instant.0
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0 + duration)
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, duration: Duration) {
        self.0 += duration;
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(self.0 - duration)
    }
}

impl SubAssign<Duration> for Instant {
    fn sub_assign(&mut self, duration: Duration) {
        self.0 -= duration;
    }
}

impl Sub for Instant {
    type Output = Duration;

    fn sub(self, other: Self) -> Duration {
        self.0 - other.0
    }
}

/// Moves a [paused](super#a-clock-for-tests) clock on by so much, and lets what is due by then run, as far as it comes without more time
/// passing. Threads that do so at the same time move it by the sum. What other workers have to run is not waited for.
///
/// A thread that was just spawned has not started, and would begin its sleep after the move: let it start by
/// [`yield_now`](crate::yield_now()) first.
///
/// # Panics
/// Outside of a runtime with a paused clock, or if that is moved on by more than five centuries in all.
///
/// # Cancellation
/// Unwinds after the others have run.
///
/// # Examples
/// ```
/// use sinew::time::{self, Duration, Instant};
///
/// let runtime = sinew::Runtime::builder().workers(1).start_paused(true).build()?;
/// runtime.run(|| {
///     let start = Instant::now();
///     time::advance(Duration::from_secs(5));
///     assert_eq!(start.elapsed(), Duration::from_secs(5));
///
///     let sleeper = sinew::spawn(|| time::sleep(Duration::from_secs(2)));
///     sinew::yield_now();
///     time::advance(Duration::from_secs(1));
///     assert!(!sleeper.is_finished());
///     time::advance(Duration::from_secs(1));
///     assert!(sleeper.is_finished());
/// });
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn advance(duration: Duration) {
    let worker = Worker::current().filter(|worker| worker.runtime().clock.is_paused());
    let worker =
        worker.expect("only a paused clock can be moved: in a thread of a runtime built with `start_paused(true)`");
    let runtime = worker.runtime();
    assert!(runtime.advance_clock(duration), "a paused clock can be moved on by five centuries in all");
    // In the first yield the timers are looked at; what they wake is queued behind this thread, and runs in the second.
    crate::yield_now();
    crate::yield_now();
}
