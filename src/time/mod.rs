//! Sleeping, deadlines, intervals, and a clock that tests can stop.
//!
//! Green threads share their workers' timers, which have a grain of one millisecond and never fire early. On OS threads everything works
//! as well, with the machine's grain.
//!
//! # A clock for tests
//!
//! In a runtime that was built with [`start_paused`](crate::runtime::Builder::start_paused) time stands still while any thread
//! works. When every thread waits, for one another or for a deadline, the clock jumps to the earliest deadline. So a test of an hour's
//! timeouts takes no time, and gives the same result each time. [`advance`] moves the clock by hand.
//!
//! ```
//! use sinew::time::{Duration, Instant, sleep};
//!
//! let runtime = sinew::Runtime::builder().workers(1).start_paused(true).build()?;
//! runtime.run(|| {
//!     let start = Instant::now();
//!     sleep(Duration::from_secs(3600));
//!     assert_eq!(start.elapsed(), Duration::from_secs(3600));
//! });
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! - All deadlines and timeouts of that runtime's threads are on its clock, also in `sinew::sync`, `sinew::thread` and `sinew::net`. Ask
//!   [`Instant::now`] for the time: a [`std::time::Instant`] that std gave is taken for a point on the paused clock, and that one
//!   has moved otherwise than the machine's since the runtime was built.
//! - The clock waits for calls on the blocking pool, and until threads have been told of all that has reached their sockets. It gives
//!   the network a millisecond to bring more; beyond that, it does not wait for it, nor for OS threads outside of the runtime.
//! - OS threads keep the machine's time.

mod instant;
mod interval;
mod timeout;

pub use instant::{Instant, advance};
pub use interval::{Interval, MissedTicks, interval, interval_at};
#[doc(no_inline)]
pub use std::time::Duration;
pub use timeout::{Elapsed, Timeout, timeout, timeout_at, timeout_with};

use crate::thread;

/// Suspends the current thread for at least this long. See [`thread::sleep`].
///
/// # Cancellation
/// Unwinds at once.
///
/// # Examples
/// ```
/// use sinew::time::{Duration, Instant, sleep};
///
/// let start = Instant::now();
/// sleep(Duration::from_millis(2));
/// assert!(start.elapsed() >= Duration::from_millis(2));
/// ```
pub fn sleep(duration: Duration) {
    thread::sleep(duration);
}

/// Suspends the current thread until a point in time; one that has passed only lets others run.
///
/// # Cancellation
/// Unwinds at once.
pub fn sleep_until(deadline: impl Into<Instant>) {
    thread::sleep_until(deadline.into().into());
}
