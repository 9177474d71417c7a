//! Unwinding: catching a panic at the bottom of a coroutine's stack, raising it in the resumer, and the unwind by which a suspended
//! coroutine is cleared away.

use std::{
    any::Any,
    panic::{self, AssertUnwindSafe},
};

/// What a panic left, on its way from one stack to another.
pub(super) type Caught = Box<dyn Any + Send>;

/// The payload that clears a suspended coroutine away: the address where its stack starts, which tells it from others.
pub(super) struct ForcedUnwind(pub(super) usize);

/// Whether frames can be unwound at all.
pub(super) const POSSIBLE: bool = cfg!(panic = "unwind");

/// Runs what is at the bottom of a stack.
#[inline(always)]
pub(super) fn catch<T>(f: impl FnOnce() -> T) -> Result<T, Caught> {
    panic::catch_unwind(AssertUnwindSafe(f))
}

/// Goes on with a panic of another stack.
#[inline(always)]
pub(super) fn unwrap<T>(result: Result<T, Caught>) -> T {
    match result {
        Ok(value) => value,
        Err(payload) => go_on(payload),
    }
}

#[cold]
pub(super) fn go_on(payload: Caught) -> ! {
    panic::resume_unwind(payload)
}

/// Clears away the coroutine whose stack starts there. No panic hook runs.
#[cold]
pub(super) fn force(start: usize) -> ! {
    panic::resume_unwind(Box::new(ForcedUnwind(start)))
}
