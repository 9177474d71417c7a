//! Waiting for many threads: the count behind a scope.
//!
//! The record lies in the frame of the thread that waits, which must not leave while a child may still touch it. So the
//! wait ends by an exact wake, never by looking at the count: the last of the children and the waiter itself to count down
//! knows that it is last, and if that is a child, it wakes the waiter as its last act. Who waits is known only then: a
//! coroutine may open a scope in one thread and leave it in another.

use super::{os, wait, worker::Worker};
use crate::{
    primitive::{AtomicBool, AtomicPtr, AtomicUsize, Ordering},
    task::{Task, wake},
};
use std::ptr::NonNull;

/// See the module's documentation.
pub(crate) struct Children {
    /// The children that have not ended, and one for the waiter until it waits.
    count: AtomicUsize,
    panicked: AtomicBool,
    /// Set before the waiter counts down, and read only by a child that counted down after it.
    waiter: AtomicPtr<Task>,
}

impl Children {
    /// None yet.
    pub(crate) fn new() -> Self {
        Self {
            count: AtomicUsize::new(1),
            panicked: AtomicBool::new(false),
            waiter: AtomicPtr::new(std::ptr::null_mut()),
        }
    }

    pub(crate) fn add(&self) {
        // As in std: far beyond any number of threads, and caught before it overflows.
        if self.count.fetch_add(1, Ordering::Relaxed) > usize::MAX / 2 {
            self.count.fetch_sub(1, Ordering::Relaxed);
            panic!("too many running threads in a scope");
        }
    }

    pub(crate) fn note_panic(&self) {
        self.panicked.store(true, Ordering::Relaxed);
    }

    pub(crate) fn any_panicked(&self) -> bool {
        self.panicked.load(Ordering::Relaxed)
    }

    /// A child has ended.
    ///
    /// # Safety
    /// `record` lives: the child was added and did not call this before.
    pub(crate) unsafe fn child_ended(record: *const Self) {
        // SAFETY: it lives until the count is down, and if that is this child's doing, until the exact wake, as does the waiter, who
        // has counted down before and named itself before that.
        unsafe {
            if (*record).count.fetch_sub(1, Ordering::AcqRel) == 1 {
                let waiter = (*record).waiter.load(Ordering::Relaxed);
                wait::wake(NonNull::new_unchecked(waiter), wake::EXACT);
            }
        }
    }

    /// Waits, in the current thread, until all children have ended. The caller masks cancellation (rule 4).
    pub(crate) fn wait(&self) {
        self.waiter.store(current().as_ptr(), Ordering::Relaxed);
        if self.count.fetch_sub(1, Ordering::AcqRel) != 1 {
            wait::wait(wake::EXACT);
        }
    }
}

/// The current thread's header, green or not.
pub(crate) fn current() -> NonNull<Task> {
    match Worker::current().and_then(Worker::current_task) {
        Some(task) => NonNull::from(task),
        None => os::current(),
    }
}
