//! The port for x86-64 with the System V ABI: the canonical one, where each choice is explained.
//!
//! # A suspended context
//!
//! ```text
//!   Context                       the suspended stack
//!   +0   resume  -> 2: below      | ...                      | higher addresses
//!   +8   rsp     ---------------> | frame that called switch |
//!   +16  rbp                      | (whatever it spilled)    | lower addresses
//!   +24  rbx                      +--------------------------+
//! ```
//!
//! Nothing is pushed: the four words go straight into the context. So the stack pointer at the resume label is the one
//! that the enclosing function's unwind information describes, and a debugger that loads the four words of a suspended
//! thread can walk its stack.
//!
//! # What is saved and what is clobbered
//!
//! `rsp` and the resume address for obvious reasons; `rbx` and `rbp` because LLVM reserves them and inline assembly can
//! name neither as clobbered. Every other register is declared clobbered, the callee-saved `r12` to `r15` one by one, the
//! rest by `clobber_abi`. The compiler then spills what is alive across the switch and nothing else. MXCSR and the x87
//! control word stay as they are.
//!
//! # The jump
//!
//! The switch ends in `jmp` to the stored address, never in `ret`: a `ret` that no `call` pushed makes the processor's
//! return-stack predictor miss, here and for every frame above (measured: 23 ns for a round trip with `ret`, 2.7 with
//! this).
//!
//! # The first switch
//!
//! [`prepare`] writes a context whose resume address is [`start`], with the entry function in the place of `rbp` and
//! its argument in that of `rbx`.

use super::Entry;
use std::arch::{asm, naked_asm};

#[cfg(test)]
pub(super) const NAME: &str = "x86_64";

/// Four words; the order is known to the assembly.
#[repr(C)]
pub(super) struct Context {
    resume: usize,
    rsp: usize,
    rbp: usize,
    rbx: usize,
}

impl Context {
    pub(super) const EMPTY: Self = Self { resume: 0, rsp: 0, rbp: 0, rbx: 0 };
}

/// See the contract in the parent module.
///
/// # Safety
/// As `Context::prepare` there.
pub(super) unsafe fn prepare(context: &mut Context, top: *mut u8, _limit: *mut u8, entry: Entry, argument: *mut ()) {
    debug_assert!(top.addr().is_multiple_of(16));
    *context = Context {
        resume: start as *const () as usize,
        rsp: top.expose_provenance(),
        rbp: entry as *const () as usize,
        rbx: argument.expose_provenance(),
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
/// On arrival: `rsp` = top of the stack (aligned to 16), `rbp` = entry, `rbx` = argument. The frame pointer is
/// cleared for walkers that follow frame pointers, and the unwind information calls the return address undefined, which
/// DWARF unwinders and debuggers take as the end of the stack. `call`, not `jmp`: the address that it pushes lies inside
/// this function, so the unwinder finds that information.
#[unsafe(naked)]
unsafe extern "C" fn start() -> ! {
    naked_asm!(
        ".cfi_startproc",
        ".cfi_undefined rip",
        "mov rax, rbp",
        "mov rdi, rbx",
        "xor ebp, ebp",
        "call rax",
        "ud2",
        ".cfi_endproc",
    )
}

/// See the contract in the parent module.
#[inline(always)]
pub(super) fn stack_pointer(context: &Context) -> *const u8 {
    std::ptr::without_provenance(context.rsp)
}

/// See the contract in the parent module.
///
/// # Safety
/// As `switch` there.
#[inline(always)]
pub(super) unsafe fn switch(save: *mut Context, to: *const Context) {
    // SAFETY: `to` is a suspended context by the caller's promise, so its words are a stack and an address inside this
    // very block (or `start`). Registers other than rsp, rbp and rbx are declared clobbered; those three are as they
    // were at the label, since whoever switches here loads them from `save`.
    unsafe {
        asm!(
            "lea rax, [rip + 2f]",
            "mov [rdi], rax",
            "mov [rdi + 8], rsp",
            "mov [rdi + 16], rbp",
            "mov [rdi + 24], rbx",
            "mov rsp, [rsi + 8]",
            "mov rbp, [rsi + 16]",
            "mov rbx, [rsi + 24]",
            "jmp [rsi]",
            "2:",
            inlateout("rdi") save => _,
            inlateout("rsi") to => _,
            lateout("r12") _,
            lateout("r13") _,
            lateout("r14") _,
            lateout("r15") _,
            clobber_abi("sysv64"),
        );
    }
}
