//! The asymmetric port for 64-bit Arm. `x86_64.rs` explains the scheme; this says what differs.
//!
//! # Layout
//!
//! ```text
//!   a suspended stack                                    its resumer, while it runs
//!   top - 8    entry                                     parent + 16   x19
//!   top - 16   parent  <- Link                           parent + 8    return address
//!   ...                                                  parent        x29
//!   token + 16 resume address
//!   token + 8  x19
//!   token      x29   (both unused before the first resume)
//! ```
//!
//! # Registers
//!
//! | | to the linked stack | to the resumer |
//! |---|---|---|
//! | x0 | word | word |
//! | x1 | link | token, 0 after `finish` |
//! | x2 | token | parent |
//! | x4 | flag | – |
//!
//! `blr` calls the resume address and leaves the return address in x30, which the linked side pushes on the resumer's stack for it. What
//! `blr` reaches begins with `bti c`, as a hint; the entry is jumped to by x16, which `bti c` admits too.

use super::{Entry, Function, Landing, Link as Whole, Token, Word};
use std::{
    arch::{asm, naked_asm},
    cell::Cell,
    ptr,
};

/// Two words; the order is known to the assembly.
#[repr(C)]
pub(super) struct Link {
    /// The resumer's stack pointer while the stack runs.
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

/// What the first `resume` calls, and the first frame of the stack: its x29 stays at the link. The bytes of the expression are
/// DW_CFA_def_cfa_expression, its length, DW_OP_breg29 0, DW_OP_deref, DW_OP_plus_uconst 32.
///
/// The entry's stack begins 16 bytes below the start, so that no suspension, be its frame as small as it may, gives the first token.
#[unsafe(naked)]
unsafe extern "C" fn begin() -> ! {
    naked_asm!(
        ".cfi_startproc",
        ".cfi_signal_frame",
        "hint #34", // bti c
        "stp x29, x30, [sp, #-32]!",
        "str x19, [sp, #16]",
        "mov x3, sp",
        "str x3, [x1]",
        "add sp, x2, #16",
        "mov x29, x1",
        ".cfi_escape 0x0f, 5, 0x8d, 0x00, 0x06, 0x23, 0x20",
        ".cfi_offset x19, -16",
        ".cfi_offset x30, -24",
        ".cfi_offset x29, -32",
        "add x2, x2, #32",
        "adr x30, 2f",
        "ldr x16, [x1, #8]",
        "br x16",
        "2:",
        "brk #1",
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
    // SAFETY: the token is a suspended stack by the caller's promise. x19 and x29 are restored by whoever returns, the stack
    // pointer here; the others are declared clobbered.
    unsafe {
        asm!(
            "ldr x3, [x2, #16]",
            "blr x3",
            "add sp, x2, #32",
            inlateout("x0") word => result,
            inlateout("x1") link => next,
            inlateout("x2") token.get() => _,
            inlateout("x4") usize::from(throw) => _,
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
    // table; x19 and x29 are restored from where they were stored; the others are declared clobbered.
    unsafe {
        asm!(
            "adr x30, 2f",
            "stp x29, x19, [sp, #-32]!",
            "str x30, [sp, #16]",
            "ldr x2, [x2]",
            "mov x1, sp",
            "ldr x19, [x2, #16]",
            "ldp x29, x30, [x2]",
            "ret",
            "2:",
            "hint #34", // bti c
            "stp x29, x30, [sp, #-32]!",
            "str x19, [sp, #16]",
            "mov x3, sp",
            "str x3, [x1]",
            "ldp x29, x19, [x2]",
            "add sp, x2, #32",
            inlateout("x0") word => result,
            inlateout("x2") link => _,
            lateout("x4") throw,
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
            "ldr x2, [x2]",
            "mov x1, xzr",
            "ldr x19, [x2, #16]",
            "ldp x29, x30, [x2]",
            "ret",
            in("x0") word,
            in("x2") link,
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
    // SAFETY: the resumer's lowest word is at `parent`; below that the stack is free.
    unsafe { call_on_stack(argument, (*link).port.parent.get() & !15, function) }
}

/// Calls `function` (x2) with x0 on the stack that ends at x1.
#[unsafe(naked)]
unsafe extern "C" fn call_on_stack(argument: *mut (), top: usize, function: Function) {
    naked_asm!(
        ".cfi_startproc",
        ".cfi_signal_frame",
        "hint #34", // bti c
        "stp x29, x30, [sp, #-16]!",
        "mov x29, sp",
        ".cfi_def_cfa x29, 16",
        ".cfi_offset x30, -8",
        ".cfi_offset x29, -16",
        "mov sp, x1",
        "blr x2",
        "mov sp, x29",
        "ldp x29, x30, [sp], #16",
        ".cfi_def_cfa sp, 0",
        ".cfi_restore x30",
        ".cfi_restore x29",
        "ret",
        ".cfi_endproc",
    )
}

/// Where [`Trap::land`] lets the interrupted stack go on: sp points at the address of the landing, x0 and x1 are its arguments, and
/// x29 is at the link as in [`begin`], with the same unwind information.
#[unsafe(naked)]
unsafe extern "C" fn land() -> ! {
    naked_asm!(
        ".cfi_startproc",
        ".cfi_signal_frame",
        ".cfi_escape 0x0f, 5, 0x8d, 0x00, 0x06, 0x23, 0x20",
        ".cfi_offset x19, -16",
        ".cfi_offset x30, -24",
        ".cfi_offset x29, -32",
        "ldr x16, [sp], #16",
        "blr x16",
        "brk #1",
        ".cfi_endproc",
    )
}

/// The registers that a trap handler must set in the interrupted context before it returns, all of them.
///
/// Which there are depends on the processor. A pattern without `..` makes the compiler say when one was left out:
///
/// ```
/// # use sinew::coroutine::trap::TrapHandlerRegs;
/// # let registers = TrapHandlerRegs { pc: 0, sp: 0, x0: 0, x1: 0, x29: 0, lr: 0 };
/// let TrapHandlerRegs { pc, sp, x0, x1, x29, lr } = registers;
/// ```
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "the processor's own names")]
pub struct TrapHandlerRegs {
    pub pc: u64,
    pub sp: u64,
    pub x0: u64,
    pub x1: u64,
    pub x29: u64,
    pub lr: u64,
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
            pc: land as *const () as u64,
            sp: sp.addr() as u64,
            x0: argument.addr() as u64,
            x1: link.addr() as u64,
            x29: link.addr() as u64,
            lr: 0,
        }
    }
}
