//! Waiting for events, as the I/O layer sees it: naming the current thread, suspending it, waking it.

use super::{children, reactor::Reactor, readiness::Wake, wait, worker::Worker};
use crate::{
    primitive::Ordering,
    task::{Task, wake},
};
use std::{ptr::NonNull, time::Instant};

/// Names a blocked thread.
#[derive(Clone, Copy)]
pub(crate) struct Waker(NonNull<Task>);

// SAFETY: a name only; whoever wakes answers for the thread's being there.
unsafe impl Send for Waker {}
// SAFETY: the same.
unsafe impl Sync for Waker {}

impl Waker {
    /// The name of the current thread.
    #[inline]
    pub(crate) fn current() -> Self {
        Self(children::current())
    }
}

impl Wake for Waker {
    unsafe fn wake(self) {
        // SAFETY: the thread is still in its wait, by the caller's promise.
        unsafe { wait::wake(self.0, wake::EVENT) };
    }
}

/// How a wait ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Woke {
    /// Woken, or for no reason.
    Event,
    /// The deadline has passed.
    TimedOut,
}

/// Suspends the current thread until its [`Waker`] is woken or the deadline passes. Unwinds if the thread is cancelled.
///
/// Inlined into its callers, for fewer lines of a cold stack to touch when many threads wait.
#[inline(always)]
pub(crate) fn wait(deadline: Option<Instant>) -> Woke {
    match deadline {
        None => {
            wait::wait_inline(wake::EVENT);
            Woke::Event
        }
        Some(deadline) => wait_until(deadline),
    }
}

#[inline(never)]
fn wait_until(deadline: Instant) -> Woke {
    if wait::wait_until(wake::EVENT, deadline) == 0 || Instant::now() >= deadline {
        Woke::TimedOut
    } else {
        Woke::Event
    }
}

/// The current worker's reactor; none on an OS thread.
#[inline]
pub(crate) fn with_reactor<R>(f: impl FnOnce(Option<&Reactor>) -> R) -> R {
    f(Worker::current().filter(|worker| worker.current_task().is_some()).map(|worker| &worker.reactor))
}

/// Lets others run if the current thread has had its time slice: called at the start of operations that often succeed at once, so
/// that a thread which always finds data does not keep its worker to itself. Unwinds if the thread is cancelled.
#[inline]
pub(crate) fn breathe() {
    if let Some(worker) = Worker::current()
        && worker.attention.load(Ordering::Relaxed)
        && let Some(current) = worker.current_task()
    {
        // SAFETY: the running thread.
        unsafe { worker.yield_now(current) };
    }
}
