//! Ticks at a fixed distance.

use super::{Duration, Instant, sleep, sleep_until};

/// What an [`Interval`] does about ticks that nobody waited for in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MissedTicks {
    /// Gives them all at once, until it has caught up.
    #[default]
    Burst,
    /// Gives one at once, and starts anew from then.
    Delay,
    /// Gives one at once, leaves out the others, and goes on at the points where it would have been.
    Skip,
}

/// Ticks at a fixed distance, made by [`interval`].
#[derive(Clone, Debug)]
pub struct Interval {
    /// None if that is beyond what the clock can say.
    next: Option<Instant>,
    period: Duration,
    missed: MissedTicks,
}

/// Ticks every `period`, first at once. With a period that the clock cannot add, such as [`Duration::MAX`], the second tick never comes.
///
/// # Panics
/// If the period is zero.
///
/// # Examples
/// ```
/// use sinew::time::{Duration, interval};
///
/// let mut interval = interval(Duration::from_millis(2));
/// let first = interval.tick();
/// assert_eq!(interval.tick() - first, Duration::from_millis(2));
/// ```
#[track_caller]
pub fn interval(period: Duration) -> Interval {
    interval_at(Instant::now(), period)
}

/// Ticks every `period`, first at `start`.
///
/// # Panics
/// If the period is zero.
#[track_caller]
pub fn interval_at(start: impl Into<Instant>, period: Duration) -> Interval {
    assert!(!period.is_zero(), "an interval's period is not zero");
    Interval { next: Some(start.into()), period, missed: MissedTicks::Burst }
}

impl Interval {
    /// Suspends the current thread until the next tick, and gives the time for which that was set.
    ///
    /// # Cancellation
    /// Unwinds, and the tick is still to come.
    pub fn tick(&mut self) -> Instant {
        let Some(due) = self.next else {
            loop {
                sleep(Duration::MAX);
            }
        };
        let mut now = Instant::now();
        if now < due {
            sleep_until(due);
            now = Instant::now();
        } else {
            crate::yield_now();
        }
        let late = now - due;
        let next = due.checked_add(self.period);
        self.next = match self.missed {
            // Woken a little late is not missed.
            _ if late < self.period => next,
            MissedTicks::Burst => next,
            MissedTicks::Delay => now.checked_add(self.period),
            MissedTicks::Skip => {
                let into = late.as_nanos() % self.period.as_nanos();
                // Less than a period, which is a `Duration`.
                let into = Duration::new((into / 1_000_000_000) as u64, (into % 1_000_000_000) as u32);
                now.checked_add(self.period - into)
            }
        };
        due
    }

    /// Makes the next tick come a period from now.
    pub fn reset(&mut self) {
        self.next = Instant::now().checked_add(self.period);
    }

    /// What is done about ticks that were missed. By default [`MissedTicks::Burst`].
    #[must_use]
    pub fn missed_ticks(&self) -> MissedTicks {
        self.missed
    }

    /// Changes that.
    pub fn set_missed_ticks(&mut self, missed: MissedTicks) {
        self.missed = missed;
    }

    /// The distance of the ticks.
    #[must_use]
    pub fn period(&self) -> Duration {
        self.period
    }
}
