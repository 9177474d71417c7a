//! Ending what runs in a thread from outside, wholly or in part.
//!
//! A green thread that is cancelled unwinds at its next suspension: its destructors run, no panic hook does, and
//! [`join`](crate::JoinHandle::join) gives [`Cancelled`]. What can be cancelled:
//!
//! | what | by | ends at | gives |
//! |---|---|---|---|
//! | a thread | [`Thread::cancel`](crate::thread::Thread::cancel) | its end, or [`catch`] | `Err` with [`Cancelled`] |
//! | a part of a thread | its deadline | [`timeout`](crate::time::timeout) | [`Elapsed`](crate::time::Elapsed) |
//! | a part of a thread | a [`CancelToken`] | [`run_until_cancelled`](CancelToken::run_until_cancelled) | [`Cancelled`] |
//! | a group's body and threads | an error of one of them | [`group`](crate::group::group) | the errors |
//!
//! Parts nest, and each ends only its own: a timeout that is cancelled with its thread does not say that its time was up. If several
//! parts are cancelled at once, the outermost ends, and the thread goes before all of them.
//!
//! # It stays
//!
//! Cancellation is a state, not an event. An unwind that was swallowed by [`catch_unwind`] comes again at the
//! next suspension, until the request was acknowledged by [`catch`] or taken back by
//! [`uncancel`](crate::thread::Thread::uncancel). The request that a [shutdown](crate::Runtime::shutdown) makes to each thread of its
//! runtime can be neither.
//!
//! # Where it does not come
//!
//! - In a [`shield`], for what is asked outside of it.
//! - In destructors that run during an unwind, of a panic or of a cancellation: one raised there would abort the process. So a
//!   [`timeout`](crate::time::timeout) or a token inside such a destructor ends nothing either, and what waits there waits to its
//!   end; give it a limit of its own (`recv_timeout`, `wait_timeout`, a socket's timeout), which is no cancellation and works there.
//! - Between two suspensions: a loop that computes calls [`checkpoint`] now and then.
//! - In the wait of a [`scope`](crate::scope), [`run`](crate::run) or [`blocking`](crate::thread::blocking), whose closures
//!   may use what the caller lent.
//! - On an OS thread, as a whole. But parts of its run can be cancelled, where it waits in a function of this crate.

mod token;

pub use crate::{task::cancel::Cancelled, thread::CancelOnDrop};
pub use token::{CancelGuard, CancelToken};

use crate::{
    runtime::{
        children::current,
        region::{self, Region},
        wait,
        worker::Worker,
    },
    task::flag,
};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Runs `f` to its end, whatever is asked of the current thread meanwhile from outside of `f`.
///
/// A cancellation that comes meanwhile takes effect at the next suspension after it. A timeout or a token inside of `f` works as ever.
///
/// # Examples
/// ```
/// let worker = sinew::spawn(|| {
///     sinew::current().cancel();
///     sinew::cancel::shield(|| sinew::yield_now());
///     println!("this is reached");
///     sinew::yield_now();
///     unreachable!("this is not");
/// });
/// assert!(worker.join().unwrap_err().is::<sinew::Cancelled>());
/// ```
pub fn shield<T>(f: impl FnOnce() -> T) -> T {
    let region = Region::shield();
    match region.run(f) {
        Ok(value) => value,
        Err(_) => unreachable!("a shield is not cancelled"),
    }
}

/// Runs `f`, and if it is ended by the cancellation of the whole thread, acknowledges that: all requests so far are done with, and
/// the thread goes on.
///
/// Panics, and the ends of parts of the thread that lie outside of this call, go on through it. So does the cancellation by which a
/// runtime's [shutdown](crate::Runtime::shutdown) ends its threads: nobody acknowledges that, and a loop that calls this again and
/// again ends with the runtime.
///
/// # Errors
/// `f` was ended by a cancellation of the thread, and the runtime is not shutting down.
///
/// # Examples
/// ```
/// let worker = sinew::spawn(|| {
///     let result = sinew::cancel::catch(|| sinew::park());
///     assert!(result.is_err());
///     sinew::yield_now();
///     "tidied up"
/// });
/// worker.cancel();
/// # let _ = worker.join();
/// ```
pub fn catch<T>(f: impl FnOnce() -> T) -> Result<T, Cancelled> {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(value) => Ok(value),
        Err(payload) => {
            let cancelled = payload.downcast::<Cancelled>().unwrap_or_else(|panic| resume_unwind(panic));
            // SAFETY: the current thread's header.
            let thread = unsafe { current().as_ref() };
            if !cancelled.ends_thread(thread.id()) || !thread.extra().requests.acknowledge() {
                // It is known to unwind, as before.
                thread.set_flag(flag::UNWINDING);
                resume_unwind(cancelled);
            }
            thread.clear_flag(flag::UNWINDING | flag::CANCELLING);
            Err(cancelled.settled())
        }
    }
}

/// Whether the current thread, or a part of it that the caller is in, was asked to end; also in a [`shield`], so that work there may be
/// cut short.
///
/// Looks at the clock too, if there is a deadline. Never unwinds.
#[must_use]
pub fn is_cancelled() -> bool {
    // SAFETY: the current thread's header.
    let thread = unsafe { current().as_ref() };
    region::look_at_clock(thread);
    region::is_asked(thread)
}

/// Unwinds if the current thread, or a part of it that the caller is in, was cancelled; does nothing otherwise. For loops that
/// compute for long without a suspension. Costs a few nanoseconds, and a look at the clock if there is a deadline.
///
/// # Cancellation
/// Unwinds, unless it is masked.
///
/// # Examples
/// ```
/// use sinew::{cancel, time};
///
/// let result = time::timeout(time::Duration::from_millis(2), || {
///     loop {
///         cancel::checkpoint();
///     }
/// });
/// assert!(result.is_err());
/// ```
#[inline]
pub fn checkpoint() {
    // SAFETY: the current thread's header.
    let thread = unsafe { current().as_ref() };
    if thread.try_extra().is_some() {
        wait::checkpoint(thread);
    }
}

/// A thread whose result the current one cannot do without was cancelled, alone, by whoever knew it. That is a panic. But if its
/// runtime shuts down, the current thread ends by that as well, and no other way.
pub(crate) fn lost(what: &str, cancelled: Option<&Cancelled>) -> ! {
    if let Some(worker) = Worker::current() {
        worker.look_whether_closing();
    }
    checkpoint();
    match cancelled.and_then(Cancelled::reason) {
        None => panic!("{what} was cancelled"),
        Some(reason) => panic!("{what} was cancelled: {reason}"),
    }
}
