//! Poison: whether a thread panicked while it held a lock, as std has it, but asked of the current thread, not of its OS thread
//! (rule 16), and not for a cancellation's unwind.

use crate::thread;
use std::sync::{LockResult, PoisonError, atomic::AtomicBool, atomic::Ordering};

/// Whether a lock is poisoned.
pub(crate) struct Poison(AtomicBool);

/// Whether the thread was unwinding already when it took the lock: then its unwind is not the lock's affair.
#[derive(Clone, Copy)]
pub(crate) struct Held {
    unwinding: bool,
}

impl Poison {
    pub(crate) const fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    #[inline]
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn clear(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    /// The lock was taken.
    #[inline]
    pub(crate) fn hold() -> Held {
        Held { unwinding: thread::panicking() }
    }

    /// The lock is about to be released.
    #[inline]
    pub(crate) fn release(&self, held: Held) {
        if !held.unwinding && std::thread::panicking() {
            self.release_slow();
        }
    }

    #[cold]
    fn release_slow(&self) {
        if thread::panicking_by_panic() {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    #[inline]
    pub(crate) fn wrap<G>(&self, guard: G) -> LockResult<G> {
        if self.is_set() { Err(PoisonError::new(guard)) } else { Ok(guard) }
    }
}
