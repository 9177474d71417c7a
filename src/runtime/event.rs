//! Waiting for events, as the I/O layer sees it: naming the current thread, suspending it, waking it.

#[cfg(all(feature = "io-uring", target_os = "linux"))]
use super::uring::Ring;
use super::{clock, reactor::Reactor, readiness::Wake, wait, worker::Worker};
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

#[cfg(all(feature = "io-uring", target_os = "linux"))]
impl Waker {
    /// Where the thread's header lies.
    pub(super) fn address(self) -> *const Task {
        self.0.as_ptr()
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

/// The current green thread and its worker: looked up once for an operation, since a thread keeps its worker (rule 1).
#[derive(Clone, Copy)]
pub(crate) struct Here<'a> {
    worker: &'a Worker,
    task: &'a Task,
}

impl<'a> Here<'a> {
    /// None on an OS thread.
    #[inline(always)]
    pub(crate) fn current() -> Option<Self> {
        let worker = Worker::current()?;
        Some(Self { worker, task: worker.current_task()? })
    }

    /// The thread's name.
    #[inline(always)]
    pub(crate) fn waker(self) -> Waker {
        Waker(NonNull::from(self.task))
    }

    /// The same where the worker's ring is on.
    #[cfg(all(feature = "io-uring", target_os = "linux"))]
    #[inline(always)]
    pub(crate) fn with_ring() -> Option<(Self, &'a Ring)> {
        let here = Self::current()?;
        let ring = here.worker.reactor.ring();
        ring.is_on().then_some((here, ring))
    }

    #[cfg(all(feature = "io-uring", target_os = "linux"))]
    pub(super) fn worker(self) -> &'a Worker {
        self.worker
    }

    #[cfg(all(feature = "io-uring", target_os = "linux"))]
    pub(super) fn task(self) -> &'a Task {
        self.task
    }

    /// Lets others run, and does not look at cancellation.
    ///
    /// # Safety
    /// This is the running thread.
    #[cfg(all(feature = "io-uring", target_os = "linux"))]
    pub(super) unsafe fn give_way(self) {
        // SAFETY: the running thread is in no queue, and is in one now.
        unsafe {
            self.worker.ready.push(NonNull::from(self.task));
            self.worker.suspend(self.task);
        }
    }

    /// The worker's poller.
    #[inline(always)]
    pub(crate) fn reactor(self) -> &'a Reactor {
        &self.worker.reactor
    }

    /// Lets others run if the thread has had its time slice: called at the start of operations that often succeed at once, so that a
    /// thread which always finds data does not keep its worker to itself. Unwinds if the thread is cancelled.
    #[inline(always)]
    pub(crate) fn breathe(self) {
        if self.worker.attention.load(Ordering::Relaxed) {
            self.breathe_slow();
        }
    }

    #[cold]
    #[inline(never)]
    fn breathe_slow(self) {
        // SAFETY: the running thread.
        unsafe { self.worker.yield_now(self.task) };
    }

    /// Suspends the thread until its [`Waker`] is woken or the deadline passes. Unwinds if the thread is cancelled.
    ///
    /// Inlined into its callers, for fewer lines of a cold stack to touch when many threads wait.
    #[inline(always)]
    pub(crate) fn wait(self, deadline: Option<Instant>) -> Woke {
        match deadline {
            None => {
                wait::wait_here(self.worker, self.task, wake::EVENT);
                Woke::Event
            }
            Some(deadline) => wait_until(deadline),
        }
    }
}

#[inline(never)]
fn wait_until(deadline: Instant) -> Woke {
    if wait::wait_until(wake::EVENT, deadline) == 0 || clock::now() >= deadline { Woke::TimedOut } else { Woke::Event }
}
