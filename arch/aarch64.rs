//! The port for 64-bit Arm with the standard procedure call (AAPCS64, and Apple's variant). `x86_64.rs` explains the
//! scheme; this says what differs.
//!
//! # A suspended context
//!
//! ```text
//!   +0   resume      +8   sp      +16  x29 (frame pointer)      +24  x19
//! ```
//!
//! # What is saved and what is clobbered
//!
//! `x19` is saved because LLVM may use it as a base pointer, so inline assembly cannot name it; `x29` is the frame
//! pointer. The callee-saved `x20` to `x28` are declared one by one. `clobber_abi` covers the rest: the link register
//! `x30`, the scratch registers, and all of `v0` to `v31`, with `d8` to `d15`, of which a C function would keep the
//! lower half. `x18` is a scratch register or the platform's own, which nothing here touches. FPCR stays as it is.
//!
//! # The jump
//!
//! `br`, never `ret`. The resume label and [`start`] begin with `bti j` (as a hint, which older processors pass over),
//! so that the jump is lawful in a program built with branch target identification.

use super::Entry;
use std::arch::{asm, naked_asm};

#[cfg(test)]
pub(super) const NAME: &str = "aarch64";

/// Four words; the order is known to the assembly.
#[repr(C)]
pub(super) struct Context {
    resume: usize,
    sp: usize,
    x29: usize,
    x19: usize,
}

impl Context {
    pub(super) const EMPTY: Self = Self { resume: 0, sp: 0, x29: 0, x19: 0 };
}

/// See the contract in the parent module.
///
/// # Safety
/// As `Context::prepare` there.
pub(super) unsafe fn prepare(context: &mut Context, top: *mut u8, _limit: *mut u8, entry: Entry, argument: *mut ()) {
    debug_assert!(top.addr().is_multiple_of(16));
    *context = Context {
        resume: start as *const () as usize,
        sp: top.expose_provenance(),
        x29: entry as *const () as usize,
        x19: argument.expose_provenance(),
    };
}

/// Nothing to give back: the context owns nothing.
///
/// # Safety
/// As `Context::discard` in the parent module.
pub(super) unsafe fn discard(context: &mut Context) {
    *context = Context::EMPTY;
}

/// The outermost frame of every stack.
///
/// On arrival: `sp` = top of the stack (aligned to 16), `x29` = entry, `x19` = argument. The unwind information calls
/// the return address (`x30`) undefined, which ends the walk here.
#[unsafe(naked)]
unsafe extern "C" fn start() -> ! {
    naked_asm!(
        ".cfi_startproc",
        ".cfi_undefined x30",
        "hint #36", // bti j
        "mov x8, x29",
        "mov x0, x19",
        "mov x29, xzr",
        "mov x30, xzr",
        "blr x8",
        "brk #1",
        ".cfi_endproc",
    )
}

/// See the contract in the parent module.
#[inline(always)]
pub(super) fn stack_pointer(context: &Context) -> *const u8 {
    std::ptr::without_provenance(context.sp)
}

/// See the contract in the parent module.
///
/// # Safety
/// As `switch` there.
#[inline(always)]
pub(super) unsafe fn switch(save: *mut Context, to: *const Context) {
    // SAFETY: `to` is a suspended context by the caller's promise, so its words are a stack and an address inside this
    // very block (or `start`). Registers other than sp, x29 and x19 are declared clobbered; those three are as they
    // were at the label, since whoever switches here loads them from `save`.
    unsafe {
        asm!(
            "adr x2, 2f",
            "mov x3, sp",
            "stp x2, x3, [x0]",
            "stp x29, x19, [x0, #16]",
            "ldp x2, x3, [x1]",
            "ldp x29, x19, [x1, #16]",
            "mov sp, x3",
            "br x2",
            "2:",
            "hint #36", // bti j
            inlateout("x0") save => _,
            inlateout("x1") to => _,
            lateout("x20") _,
            lateout("x21") _,
            lateout("x22") _,
            lateout("x23") _,
            lateout("x24") _,
            lateout("x25") _,
            lateout("x26") _,
            lateout("x27") _,
            lateout("x28") _,
            clobber_abi("C"),
        );
    }
}
