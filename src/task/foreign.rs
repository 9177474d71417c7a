//! The wakers that async code gives to be woken. What they do is not ours to know; if one panics, nothing of it comes out here.

use std::{
    mem::{self, ManuallyDrop},
    panic::{AssertUnwindSafe, catch_unwind},
    task::Waker,
};

/// A waker of foreign make. Its panics, when it is woken or dropped, were told by the panic hook, and end here: whoever wakes may be in
/// the middle of scheduling, or have others to wake. A cancellation that it raises ends here too, and comes again. It is to be used outside of locks all the same.
pub(crate) struct Foreign(ManuallyDrop<Waker>);

impl Foreign {
    pub(crate) fn new(waker: Waker) -> Self {
        Self(ManuallyDrop::new(waker))
    }

    /// As [`Waker::will_wake`].
    pub(crate) fn will_wake(&self, other: &Waker) -> bool {
        self.0.will_wake(other)
    }

    #[inline(never)]
    pub(crate) fn wake(self) {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: taken once, as nothing drops `this`.
        let waker = unsafe { ManuallyDrop::take(&mut this.0) };
        quietly(|| waker.wake());
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        // SAFETY: dropped once.
        quietly(|| unsafe { ManuallyDrop::drop(&mut self.0) });
    }
}

fn quietly(f: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(f))
        && let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(payload)))
    {
        mem::forget(another);
    }
}
