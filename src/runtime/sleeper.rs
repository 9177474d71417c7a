//! A deadline of a suspended thread: a timer of its worker.

use super::{
    timer::{Alarm, Key},
    worker::Worker,
};
use crate::task::Task;
use std::{ptr::NonNull, time::Instant};

/// A timer that is set for no longer than this lives.
pub(crate) struct Sleeper<'a> {
    worker: &'a Worker,
    key: Key,
}

impl<'a> Sleeper<'a> {
    /// Has the running thread of `worker` woken with `wake::EVENT` once the deadline has passed.
    pub(crate) fn new(worker: &'a Worker, current: &'a Task, deadline: Instant) -> Self {
        let alarm = Alarm::Thread(NonNull::from(current));
        // SAFETY: the owner.
        let key = unsafe { (*worker.wheel.get()).insert(alarm, deadline) };
        Self { worker, key }
    }

    pub(crate) fn has_fired(&self) -> bool {
        // SAFETY: the owner, since a thread never changes its worker (rule 1).
        unsafe { !(*self.worker.wheel.get()).is_set(self.key) }
    }
}

impl Drop for Sleeper<'_> {
    fn drop(&mut self) {
        // SAFETY: the owner, since a thread never changes its worker (rule 1).
        unsafe { (*self.worker.wheel.get()).remove(self.key) };
    }
}
