//! The asymmetric switch: a stack that is linked to whoever resumed it, one file a processor in `linked/`.
//!
//! A port provides:
//!
//! - `Link`: what lies at the very top of a linked stack, at most 16 bytes. While the stack runs, it leads to its resumer.
//! - `prepare(link, start, limit, entry)`: makes the first `resume` call `entry(word, link, start)` on the stack
//!   `[limit, start)`, and gives a token for it, which is `first_token(start)`.
//! - `resume(token, link, word, throw)`: goes on with a suspended stack, and hands it a word and a flag. It returns when that
//!   stack suspends or finishes, with a word and the new token; `None` after `finish`.
//! - `suspend(link, word)`: from the linked stack, or from one that it resumed or called, returns to the resumer, and
//!   returns with what the next `resume` hands in.
//! - `finish(link, word)`: the same for the last time.
//! - `call_on(top, limit, function, argument)`: calls a function on another stack, and `call_on_parent` on the resumer's,
//!   below what lies there.
//! - `TrapHandlerRegs`, `Trap`: for a signal handler that makes a linked stack finish.
//! - `forget(token)`: gives up a stack that is not to be resumed again, whose frames hold nothing that needs dropping.
//!
//! A symmetric `switch` in between is lawful: it leaves the linked stack in the middle and comes back to it, with the resumer's
//! frames untouched.
//!
//! Calls and returns stay paired for the processor's return-stack predictor: `resume` is a `call`, `suspend` and `finish` are
//! the `ret` that answers it. The unwind information of the first frame on a linked stack leads through the link to
//! the frame that resumed it, so backtraces and debuggers walk on. Unwinding itself does not cross: an entry lets no
//! unwind out, and whoever resumes raises it anew.
//!
//! `linked/x86_64.rs` explains everything once.

#[cfg(any(sinew_tsan, sinew_asan))]
use super::sanitizer;
use std::{cell::Cell, mem::MaybeUninit, num::NonZeroUsize, ptr};

#[cfg_attr(all(target_arch = "x86_64", not(windows), not(sinew_switch = "portable")), path = "linked/x86_64.rs")]
#[cfg_attr(all(target_arch = "aarch64", not(windows), not(sinew_switch = "portable")), path = "linked/aarch64.rs")]
#[cfg_attr(all(target_arch = "riscv64", not(windows), not(sinew_switch = "portable")), path = "linked/riscv64.rs")]
#[cfg_attr(
    any(
        not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")),
        windows,
        sinew_switch = "portable"
    ),
    path = "linked/portable.rs"
)]
mod port;

pub use port::TrapHandlerRegs;

/// What is handed over by a switch: a small value, or the address of a larger one on the stack that is left.
pub(crate) type Word = MaybeUninit<*mut ()>;

/// A suspended stack: an address in the stack that ran when it suspended itself, its own or one that it had resumed or called.
pub(crate) type Token = NonZeroUsize;

/// What runs first on a linked stack: with the first word, the stack's link, and the address where the stack starts. It leaves by
/// [`finish`] and lets no unwind out.
pub(crate) type Entry = unsafe extern "C" fn(word: Word, link: *const Link, start: *mut ()) -> !;

/// What a signal handler makes a linked stack go on with: `function(argument, link)`, which leaves as an [`Entry`] does.
pub(crate) type Landing = unsafe extern "C" fn(argument: *mut (), link: *const Link) -> !;

/// What lies at the top of a linked stack.
#[repr(C, align(16))]
pub(crate) struct Link {
    port: port::Link,
    /// The user's. `prepare` makes it null.
    pub(crate) baggage: Cell<*const ()>,
    #[cfg(any(sinew_tsan, sinew_asan))]
    fibers: std::cell::UnsafeCell<Fibers>,
}

/// The two sides of a switch, as the sanitizer knows them.
#[cfg(any(sinew_tsan, sinew_asan))]
struct Fibers {
    own: sanitizer::Fiber,
    resumer: sanitizer::Fiber,
}

impl Link {
    /// The link of the stack that ends at `top`.
    #[inline(always)]
    pub(crate) fn of(top: usize) -> *mut Self {
        ptr::with_exposed_provenance_mut::<Self>(top).wrapping_sub(1)
    }
}

/// An address in the stack that runs. (That of a local variable need not be one where AddressSanitizer keeps it elsewhere.)
#[inline(always)]
pub(crate) fn here() -> usize {
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"))]
    {
        let pointer;
        // SAFETY: it reads a register.
        unsafe {
            #[cfg(target_arch = "x86_64")]
            std::arch::asm!("mov {}, rsp", out(reg) pointer, options(nomem, nostack, preserves_flags));
            #[cfg(target_arch = "aarch64")]
            std::arch::asm!("mov {}, sp", out(reg) pointer, options(nomem, nostack, preserves_flags));
            #[cfg(target_arch = "riscv64")]
            std::arch::asm!("mv {}, sp", out(reg) pointer, options(nomem, nostack, preserves_flags));
        }
        pointer
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")))]
    {
        let local = 0_u8;
        (&raw const local).addr()
    }
}

/// Makes a stack ready for its first [`resume`]. `start` is where the stack of the entry begins; what lies from there up to the
/// link is the caller's.
///
/// # Safety
/// `[limit, top)` is mapped, writable and used by nothing else until the token was used up; `start` is aligned to 16, below
/// the link of `top`, and leaves the entry room.
#[inline(always)]
pub(crate) unsafe fn prepare(top: usize, start: *mut u8, limit: usize, entry: Entry) -> Token {
    let link = Link::of(top);
    // SAFETY: the caller's memory.
    #[cfg(any(sinew_tsan, sinew_asan))]
    unsafe {
        let mut fibers = Fibers { own: sanitizer::Fiber::EMPTY, resumer: sanitizer::Fiber::EMPTY };
        fibers.own.create(ptr::with_exposed_provenance_mut(top), ptr::with_exposed_provenance_mut(limit));
        (&raw mut (*link).fibers).write(fibers.into());
    }
    // SAFETY: the caller's memory; and its promise is the port's requirement.
    unsafe {
        (&raw mut (*link).baggage).write(Cell::new(ptr::null()));
        port::prepare(link, start, limit, entry)
    }
}

/// The token that [`prepare`] gives, by which one can tell whether the stack was ever resumed.
#[inline(always)]
pub(crate) fn first_token(start: usize) -> usize {
    port::first_token(start)
}

/// Goes on with a suspended stack until it suspends or finishes.
///
/// # Safety
/// The token is the one that the stack's last `prepare` or `resume` gave, `link` is its link, the word is what it expects,
/// and everything on it may run on this OS thread.
#[inline(always)]
pub(crate) unsafe fn resume(token: Token, link: *mut Link, word: Word, throw: bool) -> (Word, Option<Token>) {
    #[cfg(any(sinew_tsan, sinew_asan))]
    // SAFETY: the link is alive, and its fibers are used by the side that leaves.
    let leaving = unsafe {
        let fibers = (*link).fibers.get();
        sanitizer::leave(&raw mut (*fibers).resumer, &raw const (*fibers).own)
    };
    // SAFETY: the caller's promise is the port's requirement.
    let result = unsafe { port::resume(token, link, word, throw) };
    #[cfg(any(sinew_tsan, sinew_asan))]
    sanitizer::arrive(leaving);
    result
}

/// Returns to whoever resumed the stack; returns with the next [`resume`]'s word and flag.
///
/// # Safety
/// The stack of `link` runs, or has resumed or called the one that runs, with no resume of this link in between.
#[inline(always)]
pub(crate) unsafe fn suspend(link: *const Link, word: Word) -> (Word, bool) {
    #[cfg(any(sinew_tsan, sinew_asan))]
    // SAFETY: as in `resume`.
    let leaving = unsafe {
        let fibers = (*link).fibers.get();
        sanitizer::leave(&raw mut (*fibers).own, &raw const (*fibers).resumer)
    };
    // SAFETY: the caller's promise is the port's requirement.
    let result = unsafe { port::suspend(link, word) };
    #[cfg(any(sinew_tsan, sinew_asan))]
    sanitizer::arrive(leaving);
    result
}

/// Returns to whoever resumed the stack for the last time. The word may point into the stack, which stays as it is.
///
/// # Safety
/// As [`suspend`]; and no frame of the stack holds anything that needs dropping.
#[inline(always)]
pub(crate) unsafe fn finish(link: *const Link, word: Word) -> ! {
    #[cfg(any(sinew_tsan, sinew_asan))]
    // SAFETY: as in `resume`.
    let _ = unsafe {
        let fibers = (*link).fibers.get();
        sanitizer::leave(&raw mut (*fibers).own, &raw const (*fibers).resumer)
    };
    // SAFETY: the caller's promise is the port's requirement.
    unsafe { port::finish(link, word) }
}

/// To be called first by every [`Entry`]: completes the switch that started it.
#[inline(always)]
pub(crate) fn entered() {
    super::entered();
}

/// Gives up a stack: one that finished (no token), or one whose frames hold nothing that needs dropping (rule 3).
///
/// # Safety
/// The stack was prepared, does not run, and is not resumed again.
#[inline(always)]
pub(crate) unsafe fn forget(link: *mut Link, token: Option<Token>) {
    // SAFETY: the caller's promise is the port's requirement.
    unsafe { port::forget(link, token) };
    #[cfg(any(sinew_tsan, sinew_asan))]
    // SAFETY: no side of the switch is under way.
    unsafe {
        (*(*link).fibers.get()).own.destroy();
    }
}

/// Calls `function(argument)` on the stack `[limit, top)`.
///
/// # Safety
/// The stack is mapped, writable and used by nothing else, and `top` is aligned to 16. The function lets no unwind out.
#[inline]
pub(crate) unsafe fn call_on(top: usize, limit: usize, function: Function, argument: *mut ()) {
    #[cfg(any(sinew_tsan, sinew_asan))]
    // SAFETY: the caller's promise.
    unsafe {
        let mut callee = sanitizer::Fiber::EMPTY;
        callee.create(ptr::with_exposed_provenance_mut(top), ptr::with_exposed_provenance_mut(limit));
        sanitizer::call(callee, function, argument, |function, argument| port::call_on(top, limit, function, argument));
    }
    #[cfg(not(any(sinew_tsan, sinew_asan)))]
    // SAFETY: the caller's promise is the port's requirement.
    unsafe {
        port::call_on(top, limit, function, argument)
    }
}

/// Calls `function(argument)` on the resumer's stack, below what lies there.
///
/// # Safety
/// The stack of `link` runs. The function lets no unwind out, and does not suspend the stack of `link`.
#[inline]
pub(crate) unsafe fn call_on_parent(link: *const Link, function: Function, argument: *mut ()) {
    #[cfg(any(sinew_tsan, sinew_asan))]
    // SAFETY: the caller's promise; the resumer's fiber is not in use while it is suspended.
    unsafe {
        let callee = (*(*link).fibers.get()).resumer.below();
        sanitizer::call(callee, function, argument, |function, argument| {
            port::call_on_parent(link, function, argument)
        });
    }
    #[cfg(not(any(sinew_tsan, sinew_asan)))]
    // SAFETY: the caller's promise is the port's requirement.
    unsafe {
        port::call_on_parent(link, function, argument)
    }
}

/// What is called on another stack.
pub(crate) type Function = unsafe extern "C" fn(argument: *mut ());

/// What a signal handler needs to make the stack of a link finish.
#[derive(Clone, Copy)]
pub(crate) struct Trap(port::Trap);

impl Trap {
    /// For the stack whose link this is.
    ///
    /// # Safety
    /// The stack was prepared and not forgotten.
    pub(crate) unsafe fn new(link: *const Link) -> Self {
        // SAFETY: the caller's promise is the port's requirement.
        Self(unsafe { port::Trap::new(link) })
    }

    /// The registers with which the interrupted stack goes on in `landing(argument, link)`, from its start, with the value in its
    /// first bytes. All that lay on the stack is lost.
    ///
    /// # Safety
    /// The stack runs, interrupted by a signal; the registers are put into its context before the handler returns.
    pub(crate) unsafe fn land<T: 'static>(self, top: usize, value: T, landing: Landing) -> TrapHandlerRegs {
        // SAFETY: the caller's promise is the port's requirement.
        unsafe { self.0.land(Link::of(top), value, landing) }
    }
}
