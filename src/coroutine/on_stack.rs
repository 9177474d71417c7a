//! A call on another stack.

use super::{stack::Stack, unwind};
use crate::arch::linked::{self, Function};
use std::mem::ManuallyDrop;

/// Runs `f` on the given stack, and returns what it returns: for calls that need more stack than is left.
///
/// # Panics
/// If `f` does.
///
/// # Examples
/// ```
/// use sinew::coroutine::{on_stack, stack::DefaultStack};
///
/// fn depth(n: u64) -> u64 {
///     if n == 0 { 0 } else { 1 + std::hint::black_box(depth(n - 1)) }
/// }
/// assert_eq!(on_stack(DefaultStack::new(64 << 20)?, || depth(100_000)), 100_000);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn on_stack<F, R>(stack: impl Stack, f: F) -> R
where
    F: FnOnce() -> R,
{
    let (top, limit) = (stack.base().get(), stack.limit().get());
    // SAFETY: `Stack` promises memory that is its own, and this call has it until it returns.
    call_with(f, |function, argument| unsafe { linked::call_on(top, limit, function, argument) })
}

/// Packs a closure and its result for `call`, which calls what it is given, with what it is given, once.
pub(super) fn call_with<F: FnOnce() -> R, R>(f: F, call: impl FnOnce(Function, *mut ())) -> R {
    union Slot<F, R> {
        function: ManuallyDrop<F>,
        result: ManuallyDrop<Result<R, unwind::Caught>>,
    }

    unsafe extern "C" fn run<F: FnOnce() -> R, R>(slot: *mut ()) {
        let slot = slot.cast::<Slot<F, R>>();
        // SAFETY: the slot holds the closure, which is taken, and then the result.
        unsafe {
            let function = ManuallyDrop::take(&mut (*slot).function);
            (*slot).result = ManuallyDrop::new(unwind::catch(function));
        }
    }

    let mut slot = Slot { function: ManuallyDrop::new(f) };
    call(run::<F, R>, (&raw mut slot).cast());
    // SAFETY: `run` left the result.
    unwind::unwrap(unsafe { ManuallyDrop::take(&mut slot.result) })
}
