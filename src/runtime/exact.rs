//! The current thread, as wait lists see it: its name, and the wait for the one wake that a grant brings (`wake::EXACT`).

use super::{
    clock::now,
    notify::Notify,
    os,
    wait::{self, Ending},
    worker::Worker,
};
use crate::task::{Task, TaskRef, cancel::Mask, wake};
use std::{ptr::NonNull, sync::Arc, task::Waker, time::Instant};

/// Names a thread, green or not, that is in [`Current::wait`] or about to be.
#[derive(Clone, Copy)]
pub(crate) struct Name(NonNull<Task>);

// SAFETY: a name only; whoever wakes answers for the thread's being there.
unsafe impl Send for Name {}
// SAFETY: the same.
unsafe impl Sync for Name {}

impl Name {
    /// Ends the thread's wait.
    ///
    /// # Safety
    /// It is in [`Current::wait`] or about to call it, nobody else ends the same wait, and it does not leave it for good before this.
    #[inline]
    pub(crate) unsafe fn wake(self) {
        // SAFETY: the thread waits for exactly this wake.
        unsafe { wait::wake(self.0, wake::EXACT) };
    }
}

/// Has the threads of this worker that `wakes` wakes run in that order, behind those that are ready. One that is woken alone runs next.
pub(crate) fn in_order(wakes: impl FnOnce()) {
    match Worker::current() {
        Some(worker) => {
            let before = worker.batch.replace(true);
            wakes();
            worker.batch.set(before);
        }
        None => wakes(),
    }
}

/// How a wait ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ended {
    /// By its wake.
    Woken,
    /// The deadline passed; a wake may still come.
    TimedOut,
    /// The thread is cancelled; a wake may still come.
    Cancelled,
}

impl Ended {
    #[inline(always)]
    fn by(ending: Ending) -> Self {
        match ending {
            Ending::Woken(_) => Self::Woken,
            Ending::TimedOut => Self::TimedOut,
            Ending::Cancelled => Self::Cancelled,
        }
    }
}

/// Has a thread wait by a flag instead of by `wake::EXACT`. For one that runs code of strangers between listing itself and its wait: a
/// future's waker, which may itself wait for something here, and must not take the thread's wake for its own.
pub(crate) struct Apart(Arc<Notify>);

impl Apart {
    /// For the current thread.
    pub(crate) fn new() -> Self {
        // SAFETY: the current thread's header, which lives while the thread does anything.
        Self(Notify::new(unsafe { TaskRef::share(Current::get().name.0) }))
    }

    /// What wakes it.
    pub(crate) fn waker(&self) -> Waker {
        self.0.clone().into()
    }

    fn wait(&self, deadline: Option<Instant>) -> Ended {
        loop {
            if self.0.take() {
                return Ended::Woken;
            }
            if deadline.is_some_and(|deadline| deadline <= now()) {
                return Ended::TimedOut;
            }
            let ending = match (Current::get().green, deadline) {
                (Some((worker, task)), None) => wait::wait_or_cancelled(worker, task, wake::EVENT),
                (Some((worker, task)), Some(deadline)) => {
                    wait::wait_until_or_cancelled(worker, task, wake::EVENT, deadline)
                }
                (None, _) => os::wait(wake::EVENT, deadline),
            };
            if let Ending::Cancelled = ending {
                return Ended::Cancelled;
            }
        }
    }

    fn wait_for_wake(&self) {
        while !self.0.take() {
            match Current::get().green {
                Some((worker, task)) => {
                    // SAFETY: the running thread.
                    unsafe { worker.wait(task, wake::EVENT) };
                }
                None => {
                    os::with_current(|current| current.extra().parker.wait(wake::EVENT, None));
                }
            }
        }
    }
}

/// The current thread: looked up once for an operation, since a green thread keeps its worker (rule 1).
#[derive(Clone, Copy)]
pub(crate) struct Current<'a> {
    /// None on an OS thread, and if it waits apart.
    green: Option<(&'a Worker, &'a Task)>,
    name: Name,
    apart: Option<&'a Apart>,
}

impl<'a> Current<'a> {
    #[inline(always)]
    pub(crate) fn get() -> Self {
        match Worker::current().and_then(|worker| Some((worker, worker.current_task()?))) {
            Some((worker, task)) => Self { green: Some((worker, task)), name: Name(NonNull::from(task)), apart: None },
            None => Self { green: None, name: Name(os::current()), apart: None },
        }
    }

    /// The same thread, waiting apart: nodes that are made for it are woken by [`Apart::waker`].
    pub(crate) fn apart(self, apart: &'a Apart) -> Self {
        Self { green: None, apart: Some(apart), ..self }
    }

    #[inline(always)]
    pub(crate) fn waits_apart(&self) -> Option<&'a Apart> {
        self.apart
    }

    #[inline(always)]
    pub(crate) fn name(&self) -> Name {
        self.name
    }

    /// Whether it is a green thread that shares its runtime with no other worker: then whatever it waits for is done by its own worker,
    /// or by another runtime, and it is of no use to spin.
    #[inline]
    pub(crate) fn is_alone(&self) -> bool {
        self.green.is_some_and(|(worker, _)| worker.runtime().workers().len() == 1)
    }

    /// Whether to look again for a moment, before it suspends, whether what it waits for has come: on an OS thread, and where
    /// another worker may bring it while this one has nothing else to run.
    #[inline]
    pub(crate) fn may_spin(&self) -> bool {
        self.green.is_none_or(|(worker, _)| worker.runtime().workers().len() > 1 && worker.has_nothing_ready())
    }

    /// Keeps the thread from being cancelled while the result lives.
    pub(crate) fn mask(&self) -> Mask<'_> {
        // SAFETY: the current thread's header, which lives while the thread does anything.
        unsafe { Mask::of(self.name.0) }
    }

    /// Suspends the thread until its wake comes, the deadline passes or the thread is cancelled. Does not unwind.
    #[inline(always)]
    pub(crate) fn wait(&self, deadline: Option<Instant>) -> Ended {
        match (self.green, deadline) {
            (Some((worker, task)), None) => Ended::by(wait::wait_or_cancelled(worker, task, wake::EXACT)),
            _ => self.wait_slow(deadline),
        }
    }

    /// The same with a deadline, or on an OS thread.
    #[inline(never)]
    fn wait_slow(self, deadline: Option<Instant>) -> Ended {
        if let Some(apart) = self.apart {
            return apart.wait(deadline);
        }
        Ended::by(match (self.green, deadline) {
            (Some((worker, task)), None) => wait::wait_or_cancelled(worker, task, wake::EXACT),
            (Some((worker, task)), Some(deadline)) => {
                wait::wait_until_or_cancelled(worker, task, wake::EXACT, deadline)
            }
            (None, _) => os::wait(wake::EXACT, deadline),
        })
    }

    /// Suspends the thread until its wake comes, which is known to be on its way.
    #[cold]
    pub(crate) fn wait_for_wake(self) {
        if let Some(apart) = self.apart {
            return apart.wait_for_wake();
        }
        match self.green {
            Some((worker, task)) => {
                // SAFETY: the running thread.
                unsafe { worker.wait(task, wake::EXACT) };
            }
            None => {
                os::with_current(|current| current.extra().parker.wait(wake::EXACT, None));
            }
        }
    }

    /// Raises the cancellation that ended a wait. Without asking again whether the thread may be cancelled now: by other threads'
    /// doing the answer may have changed (rule 16), and to return would be to say that the wait was successful.
    #[cold]
    pub(crate) fn raise(self) -> ! {
        // SAFETY: the current thread's header, which lives while the thread does anything.
        wait::raise_now(unsafe { self.name.0.as_ref() })
    }
}
