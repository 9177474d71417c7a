//! A counted reference to a header: what `Thread` and `JoinHandle` hold.

use super::{Task, payload};
use std::{ops::Deref, ptr::NonNull};

/// Keeps a header's memory. Says nothing about whether the thread has ended.
pub(crate) struct TaskRef(NonNull<Task>);

// SAFETY: through a shared header others use only its atomic fields (see the table in the parent module); the owner's cells are
// reached through code that runs on the owner.
unsafe impl Send for TaskRef {}
// SAFETY: the same.
unsafe impl Sync for TaskRef {}

impl TaskRef {
    /// Takes over one reference.
    ///
    /// # Safety
    /// The caller owns a reference that is counted in the state word, and gives it up.
    #[inline(always)]
    pub(crate) unsafe fn from_raw(task: NonNull<Task>) -> Self {
        Self(task)
    }

    /// A further reference.
    ///
    /// # Safety
    /// The header lives during the call.
    pub(crate) unsafe fn share(task: NonNull<Task>) -> Self {
        // SAFETY: it lives.
        unsafe { task.as_ref() }.state.add_reference();
        Self(task)
    }

    #[inline(always)]
    pub(crate) fn as_ptr(&self) -> NonNull<Task> {
        self.0
    }
}

impl Deref for TaskRef {
    type Target = Task;

    #[inline(always)]
    fn deref(&self) -> &Task {
        // SAFETY: a reference keeps the header.
        unsafe { self.0.as_ref() }
    }
}

impl Clone for TaskRef {
    fn clone(&self) -> Self {
        self.state.add_reference();
        Self(self.0)
    }
}

impl Drop for TaskRef {
    #[inline(always)]
    fn drop(&mut self) {
        if self.state.drop_reference() {
            // SAFETY: it was the last one. The payload is empty: the result was taken or dropped by whoever cleared the handle.
            unsafe { crate::task::block::with_cache(|cache| payload::free(cache, self.0)) };
        }
    }
}
