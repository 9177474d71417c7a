//! The context switch, one file a processor.
//!
//! A port provides:
//!
//! - `Context`: what a suspended thread of control leaves behind, at most 32 bytes, with `const EMPTY`. It does not own
//!   its stack. It may be moved only while it is empty or suspended.
//! - `prepare(context, top, limit, entry, argument)`: makes the first switch to `context` call `entry(argument)` on the
//!   stack `[limit, top)`, with the stack aligned as the processor's C ABI wants it, and with unwind information that
//!   ends a backtrace there.
//! - `switch(save, to)`: suspends the caller in `save` and goes on with `to`. It returns when somebody switches to
//!   `save`. It is inlined, saves the stack pointer, the resume address and the registers that inline assembly cannot
//!   name as clobbered, and declares every other register clobbered, so that the compiler spills only what is alive.
//!   It allocates nothing and takes no lock (rule 7).
//! - `discard(context)`: forgets a prepared or suspended context whose frames hold nothing that needs dropping.
//!
//! - `stack_pointer(context)`: of a suspended context, or null; only to prefetch.
//!
//! What a port need not save: the floating-point control words (like every scheduler of this kind, sinew expects a
//! thread to leave them as it found them when it suspends) and the signal mask.
//!
//! A switch is symmetric: any context may switch to any other of its OS thread. A port whose primitive is asymmetric may
//! bounce through the context that belongs to the OS thread's own stack, as the portable one does.
//!
//! `x86_64.rs` explains everything once; the other native ports say only what differs. `--cfg sinew_switch="portable"`
//! forces the portable one. Under `--cfg sinew_tsan` and `--cfg sinew_asan` each switch is announced to the sanitizer;
//! ThreadSanitizer needs a native port.
//!
//! Coroutines switch asymmetrically: `linked.rs` states the second half of the contract, and each port has a file for it
//! in `linked/`.
//!
//! A port may keep something in the stack itself between `prepare` and `discard`: so `discard` comes before the stack's
//! memory is given back or used again.

#[cfg(any(sinew_tsan, sinew_asan))]
mod sanitizer;

pub(crate) mod linked;

#[cfg_attr(all(target_arch = "x86_64", not(windows), not(sinew_switch = "portable")), path = "x86_64.rs")]
#[cfg_attr(all(target_arch = "aarch64", not(windows), not(sinew_switch = "portable")), path = "aarch64.rs")]
#[cfg_attr(all(target_arch = "riscv64", not(windows), not(sinew_switch = "portable")), path = "riscv64.rs")]
#[cfg_attr(
    any(
        not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")),
        windows,
        sinew_switch = "portable"
    ),
    path = "portable.rs"
)]
mod port;

/// What runs first on a prepared context. It must not return and must not let a panic out.
pub(crate) type Entry = unsafe extern "C" fn(argument: *mut ()) -> !;

/// A suspended thread of control.
pub(crate) struct Context {
    port: port::Context,
    #[cfg(any(sinew_tsan, sinew_asan))]
    fiber: sanitizer::Fiber,
}

impl Context {
    /// A context that can only be switched away from.
    pub(crate) const EMPTY: Self = Self {
        port: port::Context::EMPTY,
        #[cfg(any(sinew_tsan, sinew_asan))]
        fiber: sanitizer::Fiber::EMPTY,
    };

    /// The stack pointer of a suspended context, to fetch what lies there; null if the port does not know.
    #[inline(always)]
    pub(crate) fn stack_pointer(&self) -> *const u8 {
        port::stack_pointer(&self.port)
    }

    /// Makes the first switch to this context call `entry(argument)` on the stack `[limit, top)`.
    ///
    /// # Safety
    /// The stack must be mapped, writable, aligned to 16 bytes at `top`, used by nothing else, and must stay so until
    /// the context is discarded.
    pub(crate) unsafe fn prepare(&mut self, top: *mut u8, limit: *mut u8, entry: Entry, argument: *mut ()) {
        // SAFETY: the caller's promise is the port's requirement.
        unsafe { port::prepare(&mut self.port, top, limit, entry, argument) };
        #[cfg(any(sinew_tsan, sinew_asan))]
        self.fiber.create(top, limit);
    }

    /// Forgets a prepared or suspended context, after which its stack may be used for something else.
    ///
    /// # Safety
    /// The context is not the running one, and none of its frames needs dropping (rule 3).
    pub(crate) unsafe fn discard(&mut self) {
        // SAFETY: the caller's promise is the port's requirement.
        unsafe { port::discard(&mut self.port) };
        #[cfg(any(sinew_tsan, sinew_asan))]
        self.fiber.destroy();
    }
}

/// Suspends the caller in `save` and goes on with `to`; returns when something switches to `save`.
///
/// # Safety
/// - `to` was prepared, or suspended by this function, and not switched to since; it belongs to this OS thread (rule 2),
///   or was only prepared.
/// - `save` is valid for writes until it has been switched to again.
/// - Nothing on the caller's stack is used by anybody in a way that its suspension would break; in particular the
///   caller holds no thread-local address across this call (rules 1 and 8).
#[inline(always)]
pub(crate) unsafe fn switch(save: *mut Context, to: *const Context) {
    #[cfg(any(sinew_tsan, sinew_asan))]
    // SAFETY: both are valid by the caller's promise.
    let leaving = unsafe { sanitizer::leave(&raw mut (*save).fiber, &raw const (*to).fiber) };
    // SAFETY: the caller's promise is the port's requirement.
    unsafe { port::switch(&raw mut (*save).port, &raw const (*to).port) };
    #[cfg(any(sinew_tsan, sinew_asan))]
    sanitizer::arrive(leaving);
}

/// To be called first by every [`Entry`]: completes the switch that started it.
#[inline(always)]
pub(crate) fn entered() {
    #[cfg(any(sinew_tsan, sinew_asan))]
    sanitizer::arrive(sanitizer::Left::NOTHING);
}

#[cfg(test)]
mod tests;
