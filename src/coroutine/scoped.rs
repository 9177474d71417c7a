//! The form that may borrow: the coroutine lives inside a call, so nobody can forget it.

use super::{
    coroutine::{Coroutine, CoroutineResult},
    stack::{self, DefaultStack},
    trap::CoroutineTrapHandler,
    yielder::Yielder,
};
use crate::sys::report::write_stderr;
use std::{marker::PhantomData, process};

/// A [`Coroutine`] that may borrow: its closure, its values and its stack need not be `'static`.
///
/// It runs only inside [`scope`](Self::scope), which clears it away before it returns, however that comes about.
///
/// # Examples
/// ```
/// use sinew::coroutine::ScopedCoroutine;
///
/// let words = ["one", "two"];
/// let mut lengths = Vec::new();
/// let coroutine = ScopedCoroutine::new(|yielder, ()| {
///     for word in &words {
///         lengths.push(word.len());
///         yielder.suspend(*word);
///     }
/// });
/// coroutine.scope(|mut coroutine| {
///     assert_eq!(coroutine.resume(()).as_yield(), Some("one"));
///     assert_eq!(coroutine.resume(()).as_yield(), Some("two"));
/// });
/// assert_eq!(lengths, [3, 3]);
/// ```
///
/// The coroutine cannot leave its scope:
/// ```compile_fail
/// use sinew::coroutine::ScopedCoroutine;
///
/// let coroutine = ScopedCoroutine::<(), (), ()>::new(|_, ()| ());
/// let mut kept = None;
/// coroutine.scope(|inner| kept = Some(inner));
/// ```
///
/// nor what it borrows go before it:
/// ```compile_fail,E0505
/// use sinew::coroutine::ScopedCoroutine;
///
/// let text = String::from("mine");
/// let coroutine = ScopedCoroutine::<(), (), ()>::new(|_, ()| println!("{text}"));
/// drop(text);
/// coroutine.scope(|mut inner| inner.resume(()));
/// ```
#[derive(Debug)]
pub struct ScopedCoroutine<'a, Input, Yield, Return, Stack: stack::Stack = DefaultStack> {
    inner: Coroutine<Input, Yield, Return, Stack>,
    /// What the closure borrows outlives this.
    marker: PhantomData<&'a mut ()>,
}

impl<'a, Input, Yield, Return> ScopedCoroutine<'a, Input, Yield, Return, DefaultStack> {
    /// A coroutine that will run `func` on a stack from the pool.
    ///
    /// # Panics
    /// If no stack can be had; [`DefaultStack::new`] returns that as an error.
    #[inline]
    pub fn new<F>(func: F) -> Self
    where
        F: FnOnce(&Yielder<Input, Yield>, Input) -> Return + 'a,
    {
        Self::with_stack(Default::default(), func)
    }
}

impl<'a, Input, Yield, Return, Stack: stack::Stack> ScopedCoroutine<'a, Input, Yield, Return, Stack> {
    /// A coroutine that will run `func` on the given stack, which may be borrowed.
    ///
    /// # Panics
    /// If the closure is too large for the stack.
    #[inline]
    pub fn with_stack<F>(stack: Stack, func: F) -> Self
    where
        F: FnOnce(&Yielder<Input, Yield>, Input) -> Return + 'a,
    {
        // SAFETY: what the closure borrows outlives this value. It is resumed only while `scope` keeps it in its own frame, from where
        // nobody can forget it; before, there is nothing on its stack to be unwound.
        Self { inner: unsafe { Coroutine::with_stack_unchecked(stack, func) }, marker: PhantomData }
    }

    /// The stack of a coroutine that has finished.
    ///
    /// # Panics
    /// If it has not finished; it cannot have, as it runs only in its [`scope`](Self::scope).
    pub fn into_stack(self) -> Stack {
        self.inner.into_stack()
    }

    /// Calls `f` with the coroutine, then clears it away as [`Coroutine::force_unwind`] does, also if `f` unwinds.
    ///
    /// # Panics
    /// If `f` does, or the coroutine as it unwinds.
    ///
    /// # Aborts
    /// If the coroutine is left suspended in a program built with `panic = "abort"`.
    #[inline]
    pub fn scope<F, T>(self, f: F) -> T
    where
        F: FnOnce(ScopedCoroutineRef<'_, Input, Yield, Return, Stack>) -> T,
    {
        /// Comes before the coroutine's own destructor.
        struct Inside<Input, Yield, Return, Stack: stack::Stack>(Coroutine<Input, Yield, Return, Stack>);
        impl<Input, Yield, Return, Stack: stack::Stack> Drop for Inside<Input, Yield, Return, Stack> {
            #[inline(always)]
            fn drop(&mut self) {
                if self.0.is_stuck() {
                    abort();
                }
            }
        }

        let mut inside = Inside(self.inner);
        f(ScopedCoroutineRef { inner: &mut inside.0 })
    }
}

/// It may borrow what is about to go (rule 3).
#[cold]
fn abort() -> ! {
    write_stderr(
        b"sinew: a scoped coroutine was left suspended, and cannot be unwound in a program built with panic = \"abort\": aborting\n",
    );
    process::abort()
}

/// The coroutine inside [`ScopedCoroutine::scope`].
///
/// It is a mutable reference in all but name; where one would be reborrowed by itself, this takes [`as_mut`](Self::as_mut).
#[derive(Debug)]
pub struct ScopedCoroutineRef<'a, Input, Yield, Return, Stack: stack::Stack> {
    inner: &'a mut Coroutine<Input, Yield, Return, Stack>,
}

impl<Input, Yield, Return, Stack: stack::Stack> ScopedCoroutineRef<'_, Input, Yield, Return, Stack> {
    /// Reborrows it.
    #[allow(clippy::should_implement_trait, reason = "corosensei's name")]
    pub fn as_mut(&mut self) -> ScopedCoroutineRef<'_, Input, Yield, Return, Stack> {
        ScopedCoroutineRef { inner: self.inner }
    }

    /// As [`Coroutine::resume`].
    ///
    /// # Panics
    /// As there.
    #[inline]
    #[track_caller]
    pub fn resume(&mut self, val: Input) -> CoroutineResult<Yield, Return> {
        self.inner.resume(val)
    }

    /// As [`Coroutine::started`].
    pub fn started(&self) -> bool {
        self.inner.started()
    }

    /// As [`Coroutine::done`].
    pub fn done(&self) -> bool {
        self.inner.done()
    }

    /// As [`Coroutine::force_reset`].
    ///
    /// # Safety
    /// As there.
    pub unsafe fn force_reset(&mut self) {
        // SAFETY: the caller's promise.
        unsafe { self.inner.force_reset() }
    }

    /// As [`Coroutine::force_unwind`].
    ///
    /// # Panics
    /// As there.
    pub fn force_unwind(&mut self) {
        self.inner.force_unwind()
    }

    /// As [`Coroutine::trap_handler`].
    pub fn trap_handler(&self) -> CoroutineTrapHandler<Return> {
        self.inner.trap_handler()
    }
}
