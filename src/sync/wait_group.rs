//! [`WaitGroup`].

use crate::{
    primitive::{AtomicUsize, Ordering},
    runtime::waiters::{Waiters, Want},
};
use std::{fmt, mem::ManuallyDrop, ptr, sync::Arc};

/// Waits until all its clones are gone; as crossbeam's `WaitGroup`.
///
/// # Examples
/// ```
/// use sinew::{sync::WaitGroup, thread};
///
/// let group = WaitGroup::new();
/// for _ in 0..4 {
///     let group = group.clone();
///     thread::spawn(move || {
///         // Some work, then:
///         drop(group);
///     });
/// }
/// group.wait();
/// ```
pub struct WaitGroup {
    shared: Arc<Shared>,
}

struct Shared {
    /// How many clones live. None come once there are none.
    count: AtomicUsize,
    waiters: Waiters,
}

impl WaitGroup {
    /// A group of this one.
    #[must_use]
    pub fn new() -> Self {
        Self { shared: Arc::new(Shared { count: AtomicUsize::new(1), waiters: Waiters::new() }) }
    }

    /// Drops this one, and suspends the current thread until all others have been dropped, or wait too.
    ///
    /// # Cancellation
    /// A thread that waits unwinds; this one has been dropped.
    pub fn wait(self) {
        // SAFETY: the field is read once, since `drop` does not run.
        let shared = unsafe { ptr::read(&ManuallyDrop::new(self).shared) };
        if !shared.leave() {
            shared.waiters.wait(Want::amount(0), None, |_| shared.count.load(Ordering::Acquire) == 0, drop);
        }
    }
}

impl Shared {
    /// True for the last.
    fn leave(&self) -> bool {
        let last = self.count.fetch_sub(1, Ordering::AcqRel) == 1;
        if last {
            self.waiters.lock().grant_all(0);
        }
        last
    }
}

impl Drop for WaitGroup {
    fn drop(&mut self) {
        self.shared.leave();
    }
}

impl Clone for WaitGroup {
    fn clone(&self) -> Self {
        self.shared.count.fetch_add(1, Ordering::Relaxed);
        Self { shared: self.shared.clone() }
    }
}

impl Default for WaitGroup {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for WaitGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitGroup").field("count", &self.shared.count.load(Ordering::Relaxed)).finish()
    }
}

#[cfg(all(test, loom))]
mod loom_tests;
