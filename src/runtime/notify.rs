//! A waker of async Rust for a thread: it waits for the flag, and whoever wakes it sets that first.

use super::wait;
use crate::task::{TaskRef, wake};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Wake,
};

/// See the module's head.
pub(crate) struct Notify {
    thread: TaskRef,
    notified: AtomicBool,
}

impl Notify {
    pub(crate) fn new(thread: TaskRef) -> Arc<Self> {
        Arc::new(Self { thread, notified: AtomicBool::new(false) })
    }

    /// Whether it was woken since the last time. If not, the thread waits for `wake::EVENT`, and looks again.
    pub(crate) fn take(&self) -> bool {
        self.notified.swap(false, Ordering::AcqRel)
    }
}

impl Wake for Notify {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.notified.swap(true, Ordering::AcqRel) {
            // SAFETY: the reference keeps the header. Whatever the thread waits for by then, it looks again (rule 14).
            unsafe { wait::wake(self.thread.as_ptr(), wake::EVENT) };
        }
    }
}
