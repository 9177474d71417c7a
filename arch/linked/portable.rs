//! The asymmetric port for every other processor, over corosensei's coroutines, which are asymmetric themselves.
//!
//! The coroutine's record lies below the caller's value; [`Link`] leads to it. The first token is the record's address; each later one is
//! an address in the stack that ran. `finish` is a last suspension, of which the resumer is told:
//! so the coroutine never returns, and nothing of it needs dropping when the stack is given up.

use super::{super::port::Range, Entry, Function, Landing, Link as Whole, Token, Word, here};
use corosensei::{Coroutine, CoroutineResult, Yielder, trap::CoroutineTrapHandler};
use std::{cell::Cell, convert::Infallible, ptr};

pub use corosensei::trap::TrapHandlerRegs;

/// Leads from the top of the stack to the record.
pub(super) struct Link {
    fiber: Cell<*mut Fiber>,
}

/// A word, and a flag: in, whether to throw; out, whether it was the last.
type Message = (Word, bool);

struct Fiber {
    coroutine: Coroutine<Message, Message, Infallible, Range>,
    yielder: Cell<*const Yielder<Message, Message>>,
    /// The last token.
    suspended: Cell<usize>,
}

fn record(start: usize) -> usize {
    (start - size_of::<Fiber>()) & !15
}

/// See the contract in the parent module.
#[inline]
pub(super) fn first_token(start: usize) -> usize {
    record(start)
}

/// See the contract in the parent module.
///
/// # Safety
/// As `prepare` there.
pub(super) unsafe fn prepare(link: *mut Whole, start: *mut u8, limit: usize, entry: Entry) -> Token {
    let base = record(start.addr());
    let fiber = ptr::with_exposed_provenance_mut::<Fiber>(base);
    let (at, start) = (link, start.cast::<()>());
    let coroutine = Coroutine::with_stack(
        Range::new(base, limit),
        move |yielder: &Yielder<Message, Message>, (word, _): Message| -> Infallible {
            // SAFETY: the record was written before the first resume; the entry gets what it was prepared with.
            unsafe {
                (*fiber).yielder.set(yielder);
                entry(word, at, start)
            }
        },
    );
    // SAFETY: the caller's memory, with room for the record below `start`.
    unsafe {
        fiber.write(Fiber { coroutine, yielder: Cell::new(ptr::null()), suspended: Cell::new(base) });
        (&raw mut (*link).port.fiber).write(Cell::new(fiber));
        Token::new_unchecked(base)
    }
}

/// See the contract in the parent module.
///
/// # Safety
/// As `resume` there.
pub(super) unsafe fn resume(_: Token, link: *mut Whole, word: Word, throw: bool) -> (Word, Option<Token>) {
    // SAFETY: the record of a suspended stack by the caller's promise; while it runs nobody else borrows the coroutine.
    unsafe {
        let fiber = (*link).port.fiber.get();
        match (*fiber).coroutine.resume((word, throw)) {
            CoroutineResult::Yield((word, true)) => (word, None),
            CoroutineResult::Yield((word, false)) => (word, Token::new((*fiber).suspended.get())),
            CoroutineResult::Return(never) => match never {},
        }
    }
}

/// See the contract in the parent module.
///
/// # Safety
/// As `suspend` there.
pub(super) unsafe fn suspend(link: *const Whole, word: Word) -> (Word, bool) {
    // SAFETY: the stack runs, so its record and its yielder are there.
    unsafe {
        let fiber = (*link).port.fiber.get();
        (*fiber).suspended.set(here());
        (*(*fiber).yielder.get()).suspend((word, false))
    }
}

/// See the contract in the parent module.
///
/// # Safety
/// As `finish` there.
pub(super) unsafe fn finish(link: *const Whole, word: Word) -> ! {
    // SAFETY: as in `suspend`.
    unsafe { (*(*(*link).port.fiber.get()).yielder.get()).suspend((word, true)) };
    unreachable!("a finished stack is not resumed")
}

/// The record owns nothing but the right to the stack's memory.
///
/// # Safety
/// As `forget` in the parent module.
pub(super) unsafe fn forget(_: *mut Whole, _: Option<Token>) {}

/// See the contract in the parent module.
///
/// # Safety
/// As `call_on` there.
pub(super) unsafe fn call_on(top: usize, limit: usize, function: Function, argument: *mut ()) {
    // SAFETY: the caller's promise.
    corosensei::on_stack(Range::new(top, limit), || unsafe { function(argument) });
}

/// See the contract in the parent module.
///
/// # Safety
/// As `call_on_parent` there.
pub(super) unsafe fn call_on_parent(link: *const Whole, function: Function, argument: *mut ()) {
    struct Call(Function, *mut ());
    // SAFETY: the caller promises that the call does not suspend this stack, which is all that the bound is for.
    unsafe impl Send for Call {}
    let call = Call(function, argument);
    // SAFETY: as in `suspend`; and the caller's promise.
    unsafe {
        (*(*(*link).port.fiber.get()).yielder.get()).on_parent_stack(move || {
            let Call(function, argument) = { call };
            function(argument)
        });
    }
}

#[derive(Clone, Copy)]
pub(super) struct Trap(CoroutineTrapHandler<Infallible>);

impl Trap {
    /// # Safety
    /// As in the parent module.
    pub(super) unsafe fn new(link: *const Whole) -> Self {
        // SAFETY: the record lies there from `prepare` on.
        Self(unsafe { (*(*link).port.fiber.get()).coroutine.trap_handler() })
    }

    /// # Safety
    /// As in the parent module.
    pub(super) unsafe fn land<T: 'static>(self, link: *mut Whole, mut value: T, landing: Landing) -> TrapHandlerRegs {
        // SAFETY: the caller's promise is corosensei's requirement, and the landing's.
        unsafe { self.0.setup_trap_handler(move || landing((&raw mut value).cast(), link)) }
    }
}
