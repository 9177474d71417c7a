//! The coroutine's own side: suspending, and borrowing the resumer's stack.

use super::{on_stack::call_with, unwind, word};
use crate::arch::linked::{self, Link};
use std::{cell::Cell, marker::PhantomData, mem::ManuallyDrop};

/// What a coroutine suspends itself by. Its body gets a reference.
///
/// It may be shared freely within the coroutine, and with coroutines inside it, but not with another OS thread:
/// ```compile_fail,E0277
/// use sinew::coroutine::Coroutine;
///
/// let _ = Coroutine::<(), (), ()>::new(|yielder, ()| {
///     std::thread::scope(|scope| {
///         scope.spawn(|| yielder.suspend(()));
///     });
/// });
/// ```
// The type's address is all that there is to it: it lies where the stack's link lies.
#[repr(transparent)]
pub struct Yielder<Input, Yield> {
    link: Link,
    marker: PhantomData<fn(Yield) -> Input>,
    not_sync: PhantomData<Cell<()>>,
}

impl<Input, Yield> Yielder<Input, Yield> {
    /// Returns to whoever resumed this coroutine, with a value for it; returns with the value of the next resume.
    ///
    /// In a green thread this is no suspension of the thread: it goes on with what called [`resume`](super::Coroutine::resume).
    ///
    /// # Panics
    /// Unwinds, without a panic's message, if the coroutine is dropped or [unwound](super::Coroutine::force_unwind). Whoever catches that and
    /// suspends again is thrown into again. A destructor that suspends during the unwind aborts the process, as one that
    /// panics does.
    ///
    /// # Aborts
    /// If four or more coroutines are in each other, of which some are suspended from several levels further in, and it cannot be told whose the
    /// timeouts, shields and tokens are that are open. It never happens if each is suspended from its own body, or by one that this
    /// has resumed.
    #[inline]
    pub fn suspend(&self, val: Yield) -> Input {
        let mut value = ManuallyDrop::new(val);
        // SAFETY: a yielder is borrowed by its coroutine's body, which cannot pass it to another OS thread, so its stack, or one that
        // it resumed or called, is the running one. The word is taken before this frame goes on.
        let (word, throw) = unsafe { linked::suspend(&raw const self.link, word::give(&mut value)) };
        if throw {
            // SAFETY: what throws hands in the address of the stack's start.
            unwind::force(unsafe { word::take::<usize>(word) });
        }
        // SAFETY: `resume` gives an `Input` where it does not throw.
        unsafe { word::take(word) }
    }

    /// Runs `f` on the stack of whoever resumed this coroutine, and returns what it returns: for calls that need more stack than
    /// the coroutine has.
    ///
    /// `f` must be `Send` so that it cannot reach this yielder: the coroutine cannot suspend while it is on another's stack.
    /// ```compile_fail,E0277
    /// use sinew::coroutine::Coroutine;
    ///
    /// let _ = Coroutine::<(), (), ()>::new(|yielder, ()| yielder.on_parent_stack(|| yielder.suspend(())));
    /// ```
    ///
    /// # Panics
    /// If `f` does.
    pub fn on_parent_stack<F, R>(&self, f: F) -> R
    where
        F: FnOnce() -> R,
        F: Send,
    {
        // SAFETY: as in `suspend`, the stack runs; `f` has no yielder of it. What `call_with` passes lets no unwind out.
        call_with(f, |function, argument| unsafe { linked::call_on_parent(&raw const self.link, function, argument) })
    }
}
