//! Deadlines for what is done in a thread.

use super::{Duration, Instant};
use crate::runtime::{clock, region::Region};
use std::{fmt, io, time};

/// The time was up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed(());

impl Elapsed {
    pub(crate) fn new() -> Self {
        Self(())
    }
}

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the deadline has passed")
    }
}

impl std::error::Error for Elapsed {}

impl From<Elapsed> for io::Error {
    fn from(elapsed: Elapsed) -> Self {
        Self::new(io::ErrorKind::TimedOut, elapsed)
    }
}

/// Runs `f` in the current thread for at most so long: if it has not ended by then, it unwinds at its next suspension, from whatever
/// depth, and this returns.
///
/// Timeouts nest, and each is told only of its own time. Only what suspends is interrupted: computations call
/// [`checkpoint`](crate::cancel::checkpoint), and [`blocking`](crate::thread::blocking) calls are waited for. If `f` swallows
/// the unwind and returns, its result counts.
///
/// A green thread whose reads and writes of sockets, pipes and files always find data or room suspends now and then all the same, and
/// is interrupted there. Not so one that always finds a message in a channel, or a lock free.
///
/// On an OS thread the waits of this crate are interrupted too, reads and writes included; but only those that do wait. A loop whose
/// reads and writes always find data or room calls [`checkpoint`](crate::cancel::checkpoint) there.
///
/// **In a destructor that runs during an unwind it does nothing**: no cancellation is raised there, since it would abort the process, so
/// `f` runs to its end however long that takes. What must not wait for ever there takes a limit of its own, as `recv_timeout` does.
///
/// A duration that the clock cannot add to the present, such as [`Duration::MAX`], is no limit.
///
/// # Errors
/// The time was up, and `f` did not run to its end.
///
/// # Cancellation
/// A cancellation of the thread, or of a part of it further out, goes on through this and is no [`Elapsed`].
///
/// # Examples
/// ```
/// use sinew::time::{Duration, sleep, timeout};
///
/// assert_eq!(timeout(Duration::from_secs(60), || 5), Ok(5));
/// let late = timeout(Duration::from_millis(1), || {
///     timeout(Duration::from_secs(60), || sleep(Duration::from_secs(60)))
/// });
/// assert!(late.is_err(), "the outer one's time was up");
/// ```
pub fn timeout<T>(duration: Duration, f: impl FnOnce() -> T) -> Result<T, Elapsed> {
    run(clock::now().checked_add(duration), |_| f())
}

/// [`timeout`] with a point in time.
///
/// # Errors
/// As [`timeout`]. If the deadline has passed already, `f` runs as far as its first suspension.
///
/// # Cancellation
/// As [`timeout`].
pub fn timeout_at<T>(deadline: impl Into<Instant>, f: impl FnOnce() -> T) -> Result<T, Elapsed> {
    run(Some(deadline.into().into()), |_| f())
}

/// [`timeout`] for an `f` that may look at its deadline and move it.
///
/// # Errors
/// As [`timeout`].
///
/// # Cancellation
/// As [`timeout`].
///
/// # Examples
/// ```
/// use sinew::time::{Duration, Instant, sleep, timeout_with};
///
/// // As long as something comes every minute, it may go on.
/// let minute = Duration::from_secs(60);
/// let count = timeout_with(minute, |timeout| {
///     let mut count = 0;
///     while count < 3 {
///         sleep(Duration::from_millis(1));
///         timeout.reschedule(Instant::now() + minute);
///         count += 1;
///     }
///     count
/// });
/// assert_eq!(count, Ok(3));
/// ```
pub fn timeout_with<T>(duration: Duration, f: impl FnOnce(&Timeout<'_>) -> T) -> Result<T, Elapsed> {
    run(clock::now().checked_add(duration), |region| f(&Timeout(region)))
}

fn run<T>(deadline: Option<time::Instant>, f: impl FnOnce(&Region) -> T) -> Result<T, Elapsed> {
    let region = Region::with_deadline(deadline);
    region.run(|| f(&region)).map_err(|_| Elapsed::new())
}

/// The deadline of a [`timeout_with`], for the thread that runs in it.
pub struct Timeout<'a>(&'a Region);

impl Timeout<'_> {
    /// When the time will be up; none if never.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.0.deadline().map(Instant::from)
    }

    /// Sets another deadline, from which on the last one does not count, even if it has passed and nothing was suspended since.
    /// False if it is too late: the thread unwinds, or has swallowed that.
    pub fn reschedule(&self, deadline: impl Into<Instant>) -> bool {
        self.0.reschedule(Some(deadline.into().into()))
    }

    /// Has no deadline any more; gives the same.
    pub fn disable(&self) -> bool {
        self.0.reschedule(None)
    }

    /// Whether the time is up.
    #[must_use]
    pub fn has_elapsed(&self) -> bool {
        self.0.is_cancelled() || self.0.deadline().is_some_and(|deadline| deadline <= clock::now())
    }
}

impl fmt::Debug for Timeout<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timeout").field("deadline", &self.deadline()).finish()
    }
}
