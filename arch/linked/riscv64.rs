//! The asymmetric port for 64-bit RISC-V. `x86_64.rs` explains the scheme; this says what differs.
//!
//! # Layout
//!
//! ```text
//!   a suspended stack                                    its resumer, while it runs
//!   top - 8    entry                                     parent        s1
//!   top - 16   parent  <- Link                           parent - 8    return address
//!   ...                                                  parent - 16   s0
//!   token + 16 resume address
//!   token + 8  s1
//!   token      s0    (both unused before the first resume)
//! ```
//!
//! `parent` lies above the pair of s0 and return address, because a frame pointer does here; so too the first frame's s0 is at the
//! top of the stack, 16 bytes above `parent`.
//!
//! # Registers
//!
//! | | to the linked stack | to the resumer |
//! |---|---|---|
//! | a0 | word | word |
//! | a1 | link | token, 0 after `finish` |
//! | a2 | token | parent |
//! | a3 | flag | – |
//!
//! `jalr` by t2 pushes ra on the return-address predictor, and `ret` pops it; a jump by t2 does neither.

use super::{Entry, Function, Landing, Link as Whole, Token, Word};
use std::{
    arch::{asm, naked_asm},
    cell::Cell,
    ptr,
};

/// Two words; the order is known to the assembly.
#[repr(C)]
pub(super) struct Link {
    /// 16 more than the resumer's stack pointer while the stack runs.
    parent: Cell<usize>,
    entry: Cell<usize>,
}

/// See the contract in the parent module.
#[inline(always)]
pub(super) fn first_token(start: usize) -> usize {
    start - 32
}

/// See the contract in the parent module.
///
/// # Safety
/// As `prepare` there.
#[inline(always)]
pub(super) unsafe fn prepare(link: *mut Whole, start: *mut u8, _limit: usize, entry: Entry) -> Token {
    let token = start.cast::<usize>().wrapping_sub(4);
    // SAFETY: the caller's memory.
    unsafe {
        (&raw mut (*link).port.entry).write(Cell::new(entry as *const () as usize));
        token.wrapping_add(2).write(begin as *const () as usize);
        Token::new_unchecked(token.expose_provenance())
    }
}

/// What the first `resume` calls, and the first frame of the stack: its s0 stays above the link. The bytes of the expression are
/// DW_CFA_def_cfa_expression, its length, DW_OP_breg8 -16, DW_OP_deref, DW_OP_plus_uconst 16.
///
/// The entry's stack begins 16 bytes below the start, as in the port for Arm.
#[unsafe(naked)]
unsafe extern "C" fn begin() -> ! {
    naked_asm!(
        ".cfi_startproc",
        ".cfi_signal_frame",
        "addi sp, sp, -32",
        "sd s1, 16(sp)",
        "sd ra, 8(sp)",
        "sd s0, 0(sp)",
        "addi t2, sp, 16",
        "sd t2, 0(a1)",
        "addi s0, a1, 16",
        "addi sp, a2, 16",
        ".cfi_escape 0x0f, 5, 0x78, 0x70, 0x06, 0x23, 0x10",
        ".cfi_offset s1, -16",
        ".cfi_offset ra, -24",
        ".cfi_offset s0, -32",
        "addi a2, a2, 32",
        "lla ra, 2f",
        "ld t2, 8(a1)",
        "jr t2",
        "2:",
        "unimp",
        ".cfi_endproc",
    )
}

/// See the contract in the parent module.
///
/// # Safety
/// As `resume` there.
#[inline(always)]
pub(super) unsafe fn resume(token: Token, link: *mut Whole, word: Word, throw: bool) -> (Word, Option<Token>) {
    let (result, next);
    // SAFETY: the token is a suspended stack by the caller's promise. s0 and s1 are restored by whoever returns, the stack
    // pointer here; the others are declared clobbered.
    unsafe {
        asm!(
            "ld t2, 16(a2)",
            "jalr t2",
            "addi sp, a2, 16",
            inlateout("a0") word => result,
            inlateout("a1") link => next,
            inlateout("a2") token.get() => _,
            inlateout("a3") usize::from(throw) => _,
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
    let next: *mut Whole = next;
    (result, Token::new(next.addr()))
}

/// See the contract in the parent module.
///
/// # Safety
/// As `suspend` there.
#[inline(always)]
pub(super) unsafe fn suspend(link: *const Whole, word: Word) -> (Word, bool) {
    let (result, throw): (Word, usize);
    // SAFETY: the link leads to a resumer by the caller's promise. Whoever resumes comes to the label with the registers of the
    // table; s0 and s1 are restored from where they were stored; the others are declared clobbered.
    unsafe {
        asm!(
            "addi sp, sp, -32",
            "lla t2, 2f",
            "sd s0, 0(sp)",
            "sd s1, 8(sp)",
            "sd t2, 16(sp)",
            "ld a2, 0(a2)",
            "mv a1, sp",
            "ld s1, 0(a2)",
            "ld ra, -8(a2)",
            "ld s0, -16(a2)",
            "ret",
            "2:",
            "addi sp, sp, -32",
            "sd s1, 16(sp)",
            "sd ra, 8(sp)",
            "sd s0, 0(sp)",
            "addi t2, sp, 16",
            "sd t2, 0(a1)",
            "ld s0, 0(a2)",
            "ld s1, 8(a2)",
            "addi sp, a2, 32",
            inlateout("a0") word => result,
            inlateout("a2") link => _,
            lateout("a3") throw,
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
    (result, throw != 0)
}

/// See the contract in the parent module.
///
/// # Safety
/// As `finish` there.
#[inline(always)]
pub(super) unsafe fn finish(link: *const Whole, word: Word) -> ! {
    // SAFETY: as `suspend`, of which this is the first half.
    unsafe {
        asm!(
            "ld a2, 0(a2)",
            "li a1, 0",
            "ld s1, 0(a2)",
            "ld ra, -8(a2)",
            "ld s0, -16(a2)",
            "ret",
            in("a0") word,
            in("a2") link,
            options(noreturn),
        );
    }
}

/// Nothing to give back.
///
/// # Safety
/// As `forget` in the parent module.
#[inline(always)]
pub(super) unsafe fn forget(_: *mut Whole, _: Option<Token>) {}

/// See the contract in the parent module.
///
/// # Safety
/// As `call_on` there.
#[inline]
pub(super) unsafe fn call_on(top: usize, _limit: usize, function: Function, argument: *mut ()) {
    // SAFETY: a call like any other, but for the stack, which is the caller's.
    unsafe { call_on_stack(argument, top, function) }
}

/// See the contract in the parent module.
///
/// # Safety
/// As `call_on_parent` there.
#[inline]
pub(super) unsafe fn call_on_parent(link: *const Whole, function: Function, argument: *mut ()) {
    // SAFETY: the resumer's lowest word is 16 bytes below `parent`; below that the stack is free.
    unsafe { call_on_stack(argument, ((*link).port.parent.get() - 16) & !15, function) }
}

/// Calls `function` (a2) with a0 on the stack that ends at a1.
#[unsafe(naked)]
unsafe extern "C" fn call_on_stack(argument: *mut (), top: usize, function: Function) {
    naked_asm!(
        ".cfi_startproc",
        ".cfi_signal_frame",
        "addi sp, sp, -16",
        ".cfi_def_cfa_offset 16",
        "sd ra, 8(sp)",
        "sd s0, 0(sp)",
        ".cfi_offset ra, -8",
        ".cfi_offset s0, -16",
        "addi s0, sp, 16",
        ".cfi_def_cfa s0, 0",
        "mv sp, a1",
        "jalr a2",
        "addi sp, s0, -16",
        "ld ra, 8(sp)",
        "ld s0, 0(sp)",
        "addi sp, sp, 16",
        ".cfi_def_cfa sp, 0",
        ".cfi_restore ra",
        ".cfi_restore s0",
        "ret",
        ".cfi_endproc",
    )
}

/// Where [`Trap::land`] lets the interrupted stack go on: sp points at the address of the landing, a0 and a1 are its arguments, and
/// s0 is above the link as in [`begin`], with the same unwind information.
#[unsafe(naked)]
unsafe extern "C" fn land() -> ! {
    naked_asm!(
        ".cfi_startproc",
        ".cfi_signal_frame",
        ".cfi_escape 0x0f, 5, 0x78, 0x70, 0x06, 0x23, 0x10",
        ".cfi_offset s1, -16",
        ".cfi_offset ra, -24",
        ".cfi_offset s0, -32",
        "ld t2, 0(sp)",
        "addi sp, sp, 16",
        "jalr t2",
        "unimp",
        ".cfi_endproc",
    )
}

/// The registers that a trap handler must set in the interrupted context before it returns, all of them.
///
/// Which there are depends on the processor. A pattern without `..` makes the compiler say when one was left out:
///
/// ```
/// # use sinew::coroutine::trap::TrapHandlerRegs;
/// # let registers = TrapHandlerRegs { pc: 0, ra: 0, sp: 0, a0: 0, a1: 0, s0: 0 };
/// let TrapHandlerRegs { pc, ra, sp, a0, a1, s0 } = registers;
/// ```
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "the processor's own names")]
pub struct TrapHandlerRegs {
    pub pc: usize,
    pub ra: usize,
    pub sp: usize,
    pub a0: usize,
    pub a1: usize,
    pub s0: usize,
}

#[derive(Clone, Copy)]
pub(super) struct Trap;

impl Trap {
    /// # Safety
    /// As in the parent module.
    pub(super) unsafe fn new(_: *const Whole) -> Self {
        Self
    }

    /// # Safety
    /// As in the parent module.
    pub(super) unsafe fn land<T: 'static>(self, link: *mut Whole, value: T, landing: Landing) -> TrapHandlerRegs {
        let size = size_of::<T>().next_multiple_of(16);
        let argument = ptr::with_exposed_provenance_mut::<u8>((link.addr() - size) & !(align_of::<T>().max(16) - 1));
        let sp = argument.cast::<usize>().wrapping_sub(2);
        // SAFETY: the stack's own memory, whose frames are given up.
        unsafe {
            argument.cast::<T>().write(value);
            sp.write(landing as *const () as usize);
        }
        TrapHandlerRegs {
            pc: land as *const () as usize,
            ra: 0,
            sp: sp.addr(),
            a0: argument.addr(),
            a1: link.addr(),
            s0: link.addr() + 16,
        }
    }
}
