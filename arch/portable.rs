//! The port for every processor without one of its own, over the coroutines of the `corosensei` crate. It is also what
//! `--cfg sinew_switch="portable"` forces.
//!
//! # Symmetric over asymmetric
//!
//! corosensei's coroutines go back to whoever resumed them. So all of them are resumed from one place, the *root*: a
//! loop on the OS thread's own stack, which runs while that stack is suspended by a switch. A fiber suspends with the
//! fiber that is to go on; the loop resumes it, or, when that is the OS thread's own stack, returns:
//!
//! ```text
//!   own stack                root loop               A                B
//!   switch(_, A) ----------> resume A -------------> switch(_, B)
//!                            resume B <--- suspend(B)
//!                                     ---------------------------->   switch(_, own)
//!   switch returns <-------- return   <------------------------------ suspend(null)
//! ```
//!
//! # Where things are
//!
//! A context is a pointer to a [`Fiber`]; null stands for the OS thread's own stack. The fiber lies at the top of
//! the stack that it runs on, so neither a switch nor a preparation allocates. Which fiber runs is the OS thread's
//! affair ([`current`]), so a context may be prepared on one thread and run on another.
//!
//! Invariants: (a) while a fiber runs, and only then, the root loop holds its `coroutine` borrowed; (b) `yielder` is set
//! before the entry runs, and stays valid until the fiber is discarded; (c) a coroutine never returns, and is never
//! dropped while it is suspended, which would unwind it.

use super::Entry;
use corosensei::{
    Coroutine, CoroutineResult, Yielder,
    stack::{MIN_STACK_SIZE, STACK_ALIGNMENT, Stack, StackPointer},
};
use std::{cell::Cell, convert::Infallible, mem::size_of, ptr};

#[cfg(test)]
pub(super) const NAME: &str = "portable";

#[cfg(sinew_tsan)]
compile_error!(
    "ThreadSanitizer needs a native port of the switch: the portable one passes through the OS thread's own stack, which \
     the sanitizer's calls cannot describe. Build without --cfg sinew_tsan or without --cfg sinew_switch=\"portable\"."
);

/// Null: the OS thread's own stack.
pub(super) struct Context {
    fiber: *mut Fiber,
}

impl Context {
    pub(super) const EMPTY: Self = Self { fiber: ptr::null_mut() };
}

/// What runs on a prepared stack; it lies at the top of that stack.
struct Fiber {
    /// Yields the fiber to go on with.
    coroutine: Coroutine<(), *mut Fiber, Infallible, Range>,
    yielder: *const Yielder<(), *mut Fiber>,
}

/// What a fiber takes at the top of its stack.
const FIBER: usize = size_of::<Fiber>().next_multiple_of(16);

/// The memory that a coroutine runs on, which belongs to whoever prepared it.
pub(in crate::arch) struct Range {
    base: StackPointer,
    limit: StackPointer,
    #[cfg(windows)]
    committed: usize,
    #[cfg(windows)]
    guaranteed: usize,
}

impl Range {
    pub(in crate::arch) fn new(base: usize, limit: usize) -> Self {
        Self {
            base: StackPointer::new(base).expect("not null"),
            limit: StackPointer::new(limit).expect("not null"),
            #[cfg(windows)]
            committed: limit,
            #[cfg(windows)]
            guaranteed: 0,
        }
    }
}

// SAFETY: `prepare`'s caller promises a mapped range that is this context's alone, and is answerable for its guard.
unsafe impl Stack for Range {
    fn base(&self) -> StackPointer {
        self.base
    }

    fn limit(&self) -> StackPointer {
        self.limit
    }

    #[cfg(windows)]
    fn teb_fields(&self) -> corosensei::stack::StackTebFields {
        corosensei::stack::StackTebFields {
            StackBase: self.base.get(),
            StackLimit: self.committed,
            DeallocationStack: self.limit.get(),
            GuaranteedStackBytes: self.guaranteed,
        }
    }

    #[cfg(windows)]
    fn update_teb_fields(&mut self, stack_limit: usize, guaranteed_stack_bytes: usize) {
        self.committed = stack_limit;
        self.guaranteed = guaranteed_stack_bytes;
    }
}

std::thread_local! {
    /// The fiber that runs on this OS thread; null: none. Written by the root loop alone.
    static CURRENT: Cell<*mut Fiber> = const { Cell::new(ptr::null_mut()) };
}

/// Never inlined, so that no caller keeps the variable's address across a switch (rule 8).
#[inline(never)]
fn current() -> *mut Fiber {
    CURRENT.get()
}

/// As [`current`].
#[inline(never)]
fn set_current(fiber: *mut Fiber) {
    CURRENT.set(fiber);
}

/// See the contract in the parent module.
///
/// # Safety
/// As `Context::prepare` there.
pub(super) unsafe fn prepare(context: &mut Context, top: *mut u8, limit: *mut u8, entry: Entry, argument: *mut ()) {
    let base = top.addr() - FIBER;
    assert!(base.is_multiple_of(STACK_ALIGNMENT), "the top of a stack must be aligned");
    let least = limit.addr().saturating_add(MIN_STACK_SIZE);
    assert!(!limit.is_null() && base >= least, "a stack is smaller than the least possible");
    let fiber = top.wrapping_sub(FIBER).cast::<Fiber>();
    let range = Range::new(fiber.expose_provenance(), limit.expose_provenance());
    let coroutine = Coroutine::with_stack(range, move |yielder: &Yielder<(), *mut Fiber>, ()| -> Infallible {
        // SAFETY: the fiber was written before the first resume. The root loop borrows its other field (invariant a).
        unsafe { (&raw mut (*fiber).yielder).write(yielder) };
        // SAFETY: `prepare`'s caller handed over this pair to be called so, once.
        unsafe { entry(argument) }
    });
    // SAFETY: the caller's memory, at least FIBER bytes, aligned, and above the coroutine's part of the stack.
    unsafe { fiber.write(Fiber { coroutine, yielder: ptr::null() }) };
    context.fiber = fiber;
}

/// Makes the coroutine forget its frames, then drops it, which so unwinds nothing (invariant c).
///
/// # Safety
/// As `Context::discard` in the parent module.
pub(super) unsafe fn discard(context: &mut Context) {
    if !context.fiber.is_null() {
        // SAFETY: prepared or suspended by the caller's promise, so nobody borrows the coroutine (invariant a), and
        // its frames, like the closure of one that never ran, hold nothing to drop. The memory is still the context's.
        unsafe {
            (*context.fiber).coroutine.force_reset();
            context.fiber.drop_in_place();
        }
        *context = Context::EMPTY;
    }
}

/// See the contract in the parent module.
#[inline(always)]
pub(super) fn stack_pointer(_: &Context) -> *const u8 {
    std::ptr::null()
}

/// See the contract in the parent module.
///
/// # Safety
/// As `switch` there.
#[inline]
pub(super) unsafe fn switch(save: *mut Context, to: *const Context) {
    let current = current();
    // SAFETY: both are valid, and `to` is suspended, by the caller's promise. The running fiber's yielder is its own
    // (invariant b), and it goes on from `suspend` on the same OS thread (rule 2).
    unsafe {
        let next = (*to).fiber;
        (*save).fiber = current;
        if current.is_null() {
            run_from_root(next);
        } else {
            let yielder = (*current).yielder;
            (*yielder).suspend(next);
        }
    }
}

/// The root loop: runs `next`, and whatever fiber that suspends for, until one suspends for this OS thread's own stack.
///
/// # Safety
/// `next`, and every fiber that a fiber suspends for, is prepared or suspended and belongs to this OS thread.
unsafe fn run_from_root(mut next: *mut Fiber) {
    while !next.is_null() {
        set_current(next);
        // SAFETY: suspended by the caller's promise, so no other borrow of the coroutine exists (invariant a); it is
        // discarded only once this borrow has ended, by whatever the loop resumes next.
        match unsafe { (*next).coroutine.resume(()) } {
            CoroutineResult::Yield(following) => next = following,
            CoroutineResult::Return(never) => match never {},
        }
    }
    set_current(ptr::null_mut());
}
