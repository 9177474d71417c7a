//! Making a coroutine return from inside a signal handler. See [`Coroutine::trap_handler`](super::Coroutine::trap_handler).

use super::{stack::StackPointer, unwind, word};
pub use crate::arch::linked::TrapHandlerRegs;
use crate::arch::linked::{self, Link, Trap};
use std::{fmt, marker::PhantomData, mem::ManuallyDrop};

/// What makes a coroutine that trapped return. It borrows nothing, so that it can lie where a signal handler finds it; it must not be used
/// once the coroutine is gone.
pub struct CoroutineTrapHandler<Return> {
    base: StackPointer,
    limit: StackPointer,
    trap: Trap,
    marker: PhantomData<fn(Return)>,
}

impl<Return> Clone for CoroutineTrapHandler<Return> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<Return> Copy for CoroutineTrapHandler<Return> {}

impl<Return> CoroutineTrapHandler<Return> {
    /// # Safety
    /// The stack is one that a coroutine was made on.
    pub(super) unsafe fn new(base: StackPointer, limit: StackPointer) -> Self {
        // SAFETY: the caller's promise.
        let trap = unsafe { Trap::new(Link::of(base.get())) };
        Self { base, limit, trap, marker: PhantomData }
    }

    /// Whether the stack pointer at the trap lies in the coroutine's stack, its guard included: so also after an overflow. It says
    /// nothing of a coroutine that is gone.
    pub fn stack_ptr_in_bounds(&self, stack_ptr: usize) -> bool {
        (self.limit.get()..self.base.get()).contains(&stack_ptr)
    }

    /// Prepares the coroutine to run `f`, once the handler has returned, and to finish with what `f` returns. The registers that are
    /// returned must be put into the interrupted context.
    ///
    /// All that was on the coroutine's stack is given up without being dropped, and `f` has the whole stack.
    ///
    /// `f` may panic: the panic goes on in whoever resumed the coroutine. It must not trap again.
    ///
    /// # Safety
    /// - The coroutine lives, and was interrupted while it ran on its own stack, as
    ///   [`stack_ptr_in_bounds`](Self::stack_ptr_in_bounds) tells.
    /// - All of the registers are put in place, and the handler returns.
    /// - The frames that are given up hold nothing that must be dropped, nobody refers into them, and what they were writing outside
    ///   may be left half written: as after `longjmp`, and from any instruction that can trap.
    pub unsafe fn setup_trap_handler<F>(&self, f: F) -> TrapHandlerRegs
    where
        F: FnOnce() -> Return,
        F: 'static,
    {
        unsafe extern "C" fn landing<F: FnOnce() -> Return, Return>(f: *mut (), link: *const Link) -> ! {
            // SAFETY: the closure was written there for this call.
            let f = unsafe { f.cast::<F>().read() };
            let mut result = ManuallyDrop::new(unwind::catch(f));
            // SAFETY: the frames hold nothing but the result, which the resumer takes from here.
            unsafe { linked::finish(link, word::give(&mut result)) }
        }

        // SAFETY: the caller's promise; what the landing finishes with is what the resumer takes.
        unsafe { self.trap.land(self.base.get(), f, landing::<F, Return>) }
    }
}

impl<Return> fmt::Debug for CoroutineTrapHandler<Return> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CoroutineTrapHandler")
            .field("base", &self.base)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}
