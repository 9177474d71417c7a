//! The coroutine as a value: creating, resuming, clearing away.
//!
//! # State
//!
//! | `token` | the coroutine |
//! |---|---|
//! | the first one | has not started: its stack holds the closure, and nothing else |
//! | another | is suspended, or runs |
//! | none | has finished: its stack holds nothing |
//!
//! # Layout of the stack
//!
//! From the top down: the link, the closure, and from `start` on the frames. A result too large for a register is read
//! by the resumer from the frames of a finished coroutine, before anybody can give the stack away.

use super::{
    baggage,
    stack::{self, DefaultStack},
    trap::CoroutineTrapHandler,
    unwind, word,
    yielder::Yielder,
};
use crate::{
    arch::linked::{self, Link, Token, Word},
    sys::report::write_stderr,
};
use std::{
    fmt,
    marker::PhantomData,
    mem::{self, ManuallyDrop},
    ops::Range,
    ptr,
    sync::atomic::{AtomicBool, Ordering},
};

/// What [`Coroutine::resume`] returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CoroutineResult<Yield, Return> {
    /// The coroutine suspended itself with this value.
    Yield(Yield),

    /// The coroutine returned this value and has finished.
    Return(Return),
}

impl<Yield, Return> CoroutineResult<Yield, Return> {
    /// The value of a suspension, if it is one.
    pub fn as_yield(self) -> Option<Yield> {
        match self {
            Self::Yield(value) => Some(value),
            Self::Return(_) => None,
        }
    }

    /// The value returned, if it is one.
    pub fn as_return(self) -> Option<Return> {
        match self {
            Self::Yield(_) => None,
            Self::Return(value) => Some(value),
        }
    }
}

/// A function with a stack of its own, which can suspend itself and be resumed. See the [module](super).
///
/// # Dropping
///
/// One that has not started drops its closure. One that is suspended is unwound, so that everything on its stack is dropped; see
/// [`force_unwind`](Self::force_unwind). One that is forgotten keeps its stack for ever.
///
/// One that is suspended in a destructor which runs because of an unwind (its body has panicked, or it was being unwound) cannot be
/// unwound again: dropping it then aborts the process, with std's line about a panic in a destructor during cleanup. Resume it, or
/// forget it.
///
/// # Threads
///
/// A coroutine is neither `Send` nor `Sync`, since its stack may hold anything: send the closure, and make the coroutine there.
/// ```compile_fail,E0277
/// let coroutine = sinew::coroutine::Coroutine::<(), (), ()>::new(|_, ()| ());
/// std::thread::spawn(move || drop(coroutine));
/// ```
/// ```compile_fail,E0277
/// let coroutine = sinew::coroutine::Coroutine::<(), (), ()>::new(|_, ()| ());
/// std::thread::scope(|scope| {
///     scope.spawn(|| coroutine.done());
/// });
/// ```
///
/// Nor may it borrow, because it could be forgotten with the borrow still in use on its stack; that is what
/// [`ScopedCoroutine`](super::ScopedCoroutine) is for.
/// ```compile_fail,E0373
/// let text = String::from("mine");
/// let coroutine = sinew::coroutine::Coroutine::<(), (), ()>::new(|_, ()| println!("{text}"));
/// ```
/// ```compile_fail,E0597
/// use sinew::coroutine::Coroutine;
///
/// let mut coroutine = Coroutine::<&String, (), ()>::new(|yielder, mut text| loop { text = yielder.suspend(()); });
/// let text = String::from("mine");
/// coroutine.resume(&text);
/// ```
pub struct Coroutine<Input, Yield, Return, Stack: stack::Stack = DefaultStack> {
    token: Option<Token>,
    stack: ManuallyDrop<Stack>,
    /// Where the frames start; until the first resume the closure lies there.
    start: *mut u8,
    drop_closure: unsafe fn(*mut u8),
    /// Contravariant in `Input`, covariant in the others. (By `start` it is neither `Send` nor `Sync`.)
    marker: PhantomData<fn(Input) -> CoroutineResult<Yield, Return>>,
}

impl<Input, Yield, Return> Coroutine<Input, Yield, Return, DefaultStack> {
    /// A coroutine that will run `func` on a stack from the pool.
    ///
    /// # Panics
    /// If no stack can be had; [`DefaultStack::new`] returns that as an error.
    #[inline]
    pub fn new<F>(func: F) -> Self
    where
        F: FnOnce(&Yielder<Input, Yield>, Input) -> Return,
        F: 'static,
        Input: 'static,
        Yield: 'static,
        Return: 'static,
    {
        Self::with_stack(Default::default(), func)
    }
}

impl<Input, Yield, Return, Stack: stack::Stack> Coroutine<Input, Yield, Return, Stack> {
    /// A coroutine that will run `func` on the given stack.
    ///
    /// # Panics
    /// If the closure is too large for the stack.
    #[inline]
    pub fn with_stack<F>(stack: Stack, func: F) -> Self
    where
        F: FnOnce(&Yielder<Input, Yield>, Input) -> Return,
        F: 'static,
        Input: 'static,
        Yield: 'static,
        Return: 'static,
        Stack: 'static,
    {
        // SAFETY: nothing is borrowed.
        unsafe { Self::with_stack_unchecked(stack, func) }
    }

    /// The same without the bounds.
    ///
    /// # Safety
    /// What `func`, the stack and the values borrow must live until the coroutine has finished or was dropped; for ever, if it is
    /// forgotten, or leaked because it cannot be unwound.
    ///
    /// # Panics
    /// As [`with_stack`](Self::with_stack).
    #[inline]
    pub unsafe fn with_stack_unchecked<F>(stack: Stack, func: F) -> Self
    where
        F: FnOnce(&Yielder<Input, Yield>, Input) -> Return,
    {
        let (top, limit) = (stack.base().get(), stack.limit().get());
        let start = place::<F>(top, &stack);
        // SAFETY: `Stack` promises memory that is its own; the place lies in it, below the link, aligned for the closure.
        let token = unsafe {
            start.cast::<F>().write(func);
            linked::prepare(top, start, limit, body::<Input, Yield, Return, F>)
        };
        Self {
            token: Some(token),
            stack: ManuallyDrop::new(stack),
            start,
            drop_closure: drop_closure::<F>,
            marker: PhantomData,
        }
    }

    /// Runs the coroutine until it suspends itself or returns, and gives it `val`: as its argument the first time, then as what its
    /// [`suspend`](Yielder::suspend) returns.
    ///
    /// # Panics
    /// If it has finished. If it panics, the panic goes on here, and it has finished.
    ///
    /// # Cancellation
    /// A green thread that is cancelled while it waits inside the coroutine unwinds from there through this call.
    #[inline]
    #[track_caller]
    pub fn resume(&mut self, val: Input) -> CoroutineResult<Yield, Return> {
        let Some(token) = self.token else { completed() };
        let mut value = ManuallyDrop::new(val);
        // SAFETY: suspended, and it takes an `Input`, before this frame goes on.
        unsafe {
            let word = word::give(&mut value);
            match self.go_on(token, word, false) {
                CoroutineResult::Yield(value) => CoroutineResult::Yield(value),
                CoroutineResult::Return(result) => CoroutineResult::Return(unwind::unwrap(result)),
            }
        }
    }

    /// # Safety
    /// The coroutine is suspended with this token; the word is what it takes.
    #[inline(always)]
    unsafe fn go_on(
        &mut self,
        token: Token,
        word: Word,
        throw: bool,
    ) -> CoroutineResult<Yield, Result<Return, unwind::Caught>> {
        // SAFETY: by the caller's promise, and this type is not sent to another OS thread. What comes back is a `Yield`, or after the end a
        // result, taken at once.
        unsafe {
            let (word, next) = if baggage::in_use() {
                baggage::resume(token, self.link(), word, throw, self.range())
            } else {
                let (word, next) = linked::resume(token, self.link(), word, throw);
                if baggage::in_use() {
                    baggage::suspended(self.link(), next, baggage::Note::NONE, self.range());
                }
                (word, next)
            };
            self.token = next;
            match next {
                Some(_) => CoroutineResult::Yield(word::take(word)),
                None => CoroutineResult::Return(word::take(word)),
            }
        }
    }

    /// The stack's addresses.
    #[inline(always)]
    fn range(&self) -> Range<usize> {
        self.stack.limit().get()..self.stack.base().get()
    }

    #[inline(always)]
    fn link(&self) -> *mut Link {
        Link::of(self.stack.base().get())
    }

    /// Whether it was resumed at least once, or has finished.
    #[inline]
    pub fn started(&self) -> bool {
        self.token.is_none_or(|token| token.get() != linked::first_token(self.start.addr()))
    }

    /// Whether it has finished, so that it cannot be resumed.
    #[inline]
    pub fn done(&self) -> bool {
        self.token.is_none()
    }

    /// Makes it count as finished, wherever it is suspended. What lies on its stack is forgotten.
    ///
    /// # Safety
    /// As with `longjmp` out of all of its frames: none may hold anything that must be dropped, and nobody may hold a
    /// reference into them.
    pub unsafe fn force_reset(&mut self) {
        if self.token.is_some() {
            // SAFETY: suspended, and by the caller's promise nothing needs dropping.
            unsafe { linked::forget(self.link(), self.token) };
            self.token = None;
        }
    }

    /// Clears away a suspended coroutine: its [`suspend`](Yielder::suspend) unwinds, and everything on its stack is dropped. One
    /// that has not started drops its closure; one that has finished is left alone. Dropping a coroutine does the same.
    ///
    /// One that catches the unwind and suspends itself again is thrown into again, until it has unwound or returned. What it
    /// returns, and what it suspends itself with, is dropped.
    ///
    /// A coroutine that is suspended in a destructor which runs because of an unwind cannot be unwound again: that aborts the
    /// process, as every panic does that leaves a destructor then.
    ///
    /// # Panics
    /// If the coroutine panics on the way, or what is dropped does, the first such panic goes on here once it has unwound. If the program is built with `panic = "abort"` and the coroutine is
    /// suspended.
    pub fn force_unwind(&mut self) {
        if let Some(token) = self.token {
            self.unwind(token);
        }
    }

    #[cold]
    fn unwind(&mut self, mut token: Token) {
        if !self.started() {
            // SAFETY: the closure lies there, and is dropped once, as the token is gone.
            unsafe {
                linked::forget(self.link(), self.token.take());
                (self.drop_closure)(self.start);
            }
            return;
        }
        if !unwind::POSSIBLE {
            panic!("a suspended coroutine cannot be unwound in a program built with panic = \"abort\"");
        }
        let start = self.start.addr();
        let mut first = None;
        let last = loop {
            // SAFETY: suspended with this token, and the word is what a throw hands in.
            match unsafe { self.go_on(token, word::give(&mut ManuallyDrop::new(start)), true) } {
                CoroutineResult::Yield(value) => {
                    token = self.token.expect("it has yielded");
                    // It is suspended still: a panic waits until it has unwound (rule 3).
                    keep_first(&mut first, unwind::catch(|| drop(value)));
                }
                CoroutineResult::Return(Ok(value)) => break unwind::catch(|| drop(value)),
                CoroutineResult::Return(Err(payload)) => match payload.downcast_ref() {
                    Some(unwind::ForcedUnwind(of)) if *of == start => break Ok(()),
                    _ => break Err(payload),
                },
            }
        };
        keep_first(&mut first, last);
        first.map_or((), |payload| unwind::go_on(payload))
    }

    /// The stack of a coroutine that has finished, for another one.
    ///
    /// # Panics
    /// If it has not finished.
    #[track_caller]
    pub fn into_stack(self) -> Stack {
        assert!(self.done(), "a coroutine that has not finished keeps its stack");
        let mut this = ManuallyDrop::new(self);
        // SAFETY: finished, so nothing lives on the stack; it is taken out once, and not dropped with the rest.
        unsafe {
            linked::forget(this.link(), None);
            ManuallyDrop::take(&mut this.stack)
        }
    }

    /// What a signal handler needs to make this coroutine return, for one that runs code which may fault.
    ///
    /// This is dangerous; see [`CoroutineTrapHandler::setup_trap_handler`] for what it asks.
    pub fn trap_handler(&self) -> CoroutineTrapHandler<Return> {
        // SAFETY: the stack was prepared; that it still is when the handler runs is the user's promise.
        unsafe { CoroutineTrapHandler::new(self.stack.base(), self.stack.limit()) }
    }

    /// Whether a drop could not unwind it.
    pub(super) fn is_stuck(&self) -> bool {
        !unwind::POSSIBLE && self.started() && !self.done()
    }
}

impl<Input, Yield, Return, Stack: stack::Stack> Drop for Coroutine<Input, Yield, Return, Stack> {
    #[inline]
    fn drop(&mut self) {
        /// Gives the stack back, also if the coroutine panics as it unwinds: then too it has finished.
        struct Finally<'a, Input, Yield, Return, Stack: stack::Stack>(&'a mut Coroutine<Input, Yield, Return, Stack>);
        impl<Input, Yield, Return, Stack: stack::Stack> Drop for Finally<'_, Input, Yield, Return, Stack> {
            #[inline(always)]
            fn drop(&mut self) {
                // SAFETY: finished, so nothing lives on the stack (rule 3), and it is used for the last time.
                unsafe {
                    linked::forget(self.0.link(), None);
                    ManuallyDrop::drop(&mut self.0.stack);
                }
            }
        }

        if let Some(token) = self.token {
            if self.is_stuck() {
                return leak();
            }
            Finally(self).0.unwind(token);
        } else {
            drop(Finally(self));
        }
    }
}

impl<Input, Yield, Return, Stack: stack::Stack> fmt::Debug for Coroutine<Input, Yield, Return, Stack> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coroutine")
            .field("started", &self.started())
            .field("done", &self.done())
            .finish_non_exhaustive()
    }
}

/// Of several panics one goes on. The others are dropped, or forgotten if they panic at that.
fn keep_first(first: &mut Option<unwind::Caught>, result: Result<(), unwind::Caught>) {
    match (&first, result) {
        (None, Err(payload)) => *first = Some(payload),
        (Some(_), Err(another)) => unwind::catch(|| drop(another)).unwrap_or_else(mem::forget),
        (_, Ok(())) => {}
    }
}

/// The stack stays as it is for ever (rule 3), and a line says so the first time.
#[cold]
fn leak() {
    static SAID: AtomicBool = AtomicBool::new(false);
    if !SAID.swap(true, Ordering::Relaxed) {
        write_stderr(
            b"sinew: a coroutine was dropped while it was suspended, and cannot be unwound in a program built with \
              panic = \"abort\": it is leaked with its stack\n",
        );
    }
}

#[cold]
#[track_caller]
fn completed() -> ! {
    panic!("attempt to resume a completed coroutine")
}

/// Where a closure goes on a stack, and its frames start.
#[inline(always)]
fn place<F>(top: usize, stack: &impl stack::Stack) -> *mut u8 {
    /// What a stack has in any case room for, beside the frames of the entry.
    const SURE: usize = stack::MIN_STACK_SIZE / 4;
    let align = if align_of::<F>() > 16 { align_of::<F>() } else { 16 };
    let link = Link::of(top);
    if const { size_of::<F>() + align_of::<F>() > SURE } {
        let room = link.addr().saturating_sub(stack.lowest().get()).saturating_sub(stack::MIN_STACK_SIZE + align);
        assert!(
            size_of::<F>() <= room,
            "a coroutine's closure is too large for its stack: box what it captures, or use a larger stack"
        );
    }
    link.cast::<u8>().wrapping_sub(size_of::<F>()).map_addr(|address| address & !(align - 1))
}

/// # Safety
/// A value of this type lies there, and is dropped here.
unsafe fn drop_closure<F>(at: *mut u8) {
    // SAFETY: by the caller's promise.
    unsafe { at.cast::<F>().drop_in_place() }
}

/// The first function on a coroutine's stack.
unsafe extern "C" fn body<Input, Yield, Return, F>(word: Word, link: *const Link, start: *mut ()) -> !
where
    F: FnOnce(&Yielder<Input, Yield>, Input) -> Return,
{
    linked::entered();
    // SAFETY: a yielder is its stack's link, which stays there as long as the body runs. The closure was written by whoever prepared the
    // stack, and the first word is an `Input`: one that has not started is not thrown into.
    let result = unsafe {
        let yielder = &*link.cast::<Yielder<Input, Yield>>();
        let func = ptr::read(start.cast::<F>());
        unwind::catch(move || func(yielder, word::take(word)))
    };
    let mut result = ManuallyDrop::new(result);
    // SAFETY: the frames hold nothing but the result, which the resumer takes from here.
    unsafe { linked::finish(link, word::give(&mut result)) }
}
