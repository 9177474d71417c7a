//! The port for 64-bit RISC-V with the standard calling convention (lp64 and its floating-point variants).
//! `x86_64.rs` explains the scheme; this says what differs.
//!
//! # A suspended context
//!
//! ```text
//!   +0   resume      +8   sp      +16  s0 (frame pointer)      +24  s1
//! ```
//!
//! # What is saved and what is clobbered
//!
//! `s1` is saved because LLVM may use it as a base pointer, so inline assembly cannot name it; `s0` is the frame pointer.
//! The callee-saved `s2` to `s11` and `fs0` to `fs11` are declared one by one. The latter without asking for the D
//! extension: the compiler passes over the clobber of a register that the target lacks, whereas a `cfg` would be false
//! on stable toolchains even where the registers exist. `clobber_abi` covers the rest: `ra`, the scratch registers and
//! the vector registers. `gp` and `tp` belong to the program and the OS thread; fcsr stays as it is.
//!
//! # The jump
//!
//! By `t2`: a jump by `ra` or `t0` pops the return-address predictor (the unprivileged specification's table of hints
//! for `jalr`), and by `t2` it needs no landing pad where control-flow integrity (Zicfilp) is on.

use super::Entry;
use std::arch::{asm, naked_asm};

#[cfg(test)]
pub(super) const NAME: &str = "riscv64";

/// Four words; the order is known to the assembly.
#[repr(C)]
pub(super) struct Context {
    resume: usize,
    sp: usize,
    s0: usize,
    s1: usize,
}

impl Context {
    pub(super) const EMPTY: Self = Self { resume: 0, sp: 0, s0: 0, s1: 0 };
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
        s0: entry as *const () as usize,
        s1: argument.expose_provenance(),
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
/// On arrival: `sp` = top of the stack (aligned to 16), `s0` = entry, `s1` = argument. The unwind information calls the
/// return address (`ra`) undefined, which ends the walk here.
#[unsafe(naked)]
unsafe extern "C" fn start() -> ! {
    naked_asm!(
        ".cfi_startproc",
        ".cfi_undefined ra",
        "mv t2, s0",
        "mv a0, s1",
        "li s0, 0",
        "jalr t2",
        "unimp",
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
    // very block (or `start`). Registers other than sp, s0 and s1 are declared clobbered; those three are as they were
    // at the label, since whoever switches here loads them from `save`.
    unsafe {
        asm!(
            "lla t2, 2f",
            "sd t2, 0(a0)",
            "sd sp, 8(a0)",
            "sd s0, 16(a0)",
            "sd s1, 24(a0)",
            "ld t2, 0(a1)",
            "ld sp, 8(a1)",
            "ld s0, 16(a1)",
            "ld s1, 24(a1)",
            "jr t2",
            "2:",
            inlateout("a0") save => _,
            inlateout("a1") to => _,
            lateout("s2") _,
            lateout("s3") _,
            lateout("s4") _,
            lateout("s5") _,
            lateout("s6") _,
            lateout("s7") _,
            lateout("s8") _,
            lateout("s9") _,
            lateout("s10") _,
            lateout("s11") _,
            lateout("fs0") _,
            lateout("fs1") _,
            lateout("fs2") _,
            lateout("fs3") _,
            lateout("fs4") _,
            lateout("fs5") _,
            lateout("fs6") _,
            lateout("fs7") _,
            lateout("fs8") _,
            lateout("fs9") _,
            lateout("fs10") _,
            lateout("fs11") _,
            clobber_abi("C"),
        );
    }
}
