//! Waiting for many threads: the count behind a scope.
//!
//! The record lies in the frame of the thread that waits, which must not leave while a child may still touch it. So the
//! wait ends by an exact wake, never by looking at the count: the last of the children and the waiter itself to count down
//! knows that it is last, and if that is a child, it wakes the waiter as its last act, with the waiter's name read before.

use super::{os, wait, worker::Worker};
use crate::{
    primitive::{AtomicBool, AtomicUsize, Ordering},
    task::{Task, wake},
};
use std::ptr::NonNull;

/// See the module's documentation.
pub(crate) struct Children {
    /// The children that have not ended, and one for the waiter until it waits.
    count: AtomicUsize,
    panicked: AtomicBool,
    waiter: NonNull<Task>,
}

// SAFETY: the counters are atomic, and the waiter's header outlives the record.
unsafe impl Sync for Children {}
// SAFETY: the same.
unsafe impl Send for Children {}

impl Children {
    /// To be waited for by the current thread.
    pub(crate) fn new() -> Self {
        Self { count: AtomicUsize::new(1), panicked: AtomicBool::new(false), waiter: current() }
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
        // SAFETY: it lives until the count is down; the waiter lives until the exact wake.
        unsafe {
            let waiter = (*record).waiter;
            if (*record).count.fetch_sub(1, Ordering::AcqRel) == 1 {
                wait::wake(waiter, wake::EXACT);
            }
        }
    }

    /// Waits until all children have ended. The caller masks cancellation (rule 4).
    pub(crate) fn wait(&self) {
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
