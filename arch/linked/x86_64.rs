//! The asymmetric port for x86-64 with the System V ABI: the canonical one, where each choice is explained.
//!
//! The layout, the use of call and return, and the unwind information of the first frame follow corosensei's x86-64 port (Amanieu
//! d'Antras, crate `corosensei`, 2021), whose cost is the yardstick.
//!
//! # A suspended stack                                    # Its resumer, while it runs
//!
//! ```text
//!   top  +----------------+                                | frame of whoever called |
//!        | entry          |                                | resume                  |
//!        | parent         | <- Link                        +-------------------------+
//!        +----------------+                                | rbx                     |
//!        | caller's value |                                | return address          |
//! start  +----------------+                                | rbp                     | <- parent points here
//!        | frames         |                                +-------------------------+
//!        ~                ~
//!        | rbp            |
//!        | rbx            |
//!        | resume address | <- the token points here; before the first resume it lies right below start
//!        +----------------+
//! ```
//!
//! The pair of rbp and return address is what a walker by frame pointers looks for; the first frame's rbp points at the link,
//! whose `parent` leads it to that pair.
//!
//! # Registers
//!
//! | | to the linked stack | to the resumer |
//! |---|---|---|
//! | rdi | word | word |
//! | rsi | link | token, 0 after `finish` |
//! | rdx | token | – |
//! | rcx | flag | – |
//!
//! As in the symmetric switch, rbx and rbp are saved because inline assembly cannot name them, and all the others are declared
//! clobbered. Here they are pushed, since both stacks stay in use for calls and returns.
//!
//! # Call and return
//!
//! `resume` calls the address that the token points to. Whatever is there, [`begin`] or the label in `suspend`, runs on without a
//! return of its own, until a `suspend` or `finish` returns to the `call`. So these two are always inlined: a `ret` of
//! theirs would come in between.
//!
//! # Alignment
//!
//! Where the two meet is aligned to 16 bytes on both sides. Without it, a round trip whose landing lay across the end of a cache line
//! took 9.9 ns in the place of 2.4 (AMD Zen 5), in every run of one build and in none of the next.

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
    start - 8
}

/// See the contract in the parent module.
///
/// # Safety
/// As `prepare` there.
#[inline(always)]
pub(super) unsafe fn prepare(link: *mut Whole, start: *mut u8, _limit: usize, entry: Entry) -> Token {
    let token = start.cast::<usize>().wrapping_sub(1);
    // SAFETY: the caller's memory.
    unsafe {
        (&raw mut (*link).port.entry).write(Cell::new(entry as *const () as usize));
        token.write(begin as *const () as usize);
        Token::new_unchecked(token.expose_provenance())
    }
}

/// What the first `resume` calls, and the first frame of the stack.
///
/// On arrival: the registers of the table, rsp = the resumer's stack. The frame's rbp stays at the link, and the unwind
/// information reads through it: the caller's frame is 24 bytes above `parent` (the three words of the picture). The bytes of the
/// expression are DW_CFA_def_cfa_expression, its length, DW_OP_breg6 0, DW_OP_deref, DW_OP_plus_uconst 24.
///
/// It is marked as a signal frame because gdb expects the stacks of frames to grow one way, and allows an exception only there. For such
/// a frame unwinders look at the address itself, not at the one before it, so an instruction follows the return
/// address, here and after the `call` of [`resume`].
#[unsafe(naked)]
unsafe extern "C" fn begin() -> ! {
    naked_asm!(
        ".cfi_startproc",
        ".cfi_signal_frame",
        "push rbp",
        "mov [rsi], rsp",
        "lea rsp, [rdx + 8]",
        "mov rbp, rsi",
        ".cfi_escape 0x0f, 5, 0x76, 0x00, 0x06, 0x23, 0x18",
        ".cfi_offset rbx, -8",
        ".cfi_offset rip, -16",
        ".cfi_offset rbp, -24",
        "mov rdx, rsp",
        // Not a call: its return would stand between the resumer's call and the suspension's return.
        "lea rax, [rip + 2f]",
        "push rax",
        "jmp [rsi + 8]",
        "2:",
        "ud2",
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
    // SAFETY: the token is a suspended stack by the caller's promise. rbx is restored here and rbp by whoever returns; the others
    // are declared clobbered.
    unsafe {
        asm!(
            ".p2align 4",
            "push rbx",
            "call [rdx]",
            "pop rbx",
            inlateout("rdi") word => result,
            inlateout("rsi") link => next,
            inlateout("rdx") token.get() => _,
            inlateout("rcx") usize::from(throw) => _,
            lateout("r12") _,
            lateout("r13") _,
            lateout("r14") _,
            lateout("r15") _,
            clobber_abi("sysv64"),
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
    // table; rbx and rbp are restored from where they were pushed; the others are declared clobbered.
    unsafe {
        asm!(
            "push rbp",
            "push rbx",
            "lea rax, [rip + 2f]",
            "push rax",
            "mov rsi, rsp",
            "mov rsp, [rdx]",
            "pop rbp",
            "ret",
            ".p2align 4",
            "2:",
            "push rbp",
            "mov [rsi], rsp",
            "lea rsp, [rdx + 8]",
            "pop rbx",
            "pop rbp",
            inlateout("rdi") word => result,
            inlateout("rdx") link => _,
            lateout("rcx") throw,
            lateout("r12") _,
            lateout("r13") _,
            lateout("r14") _,
            lateout("r15") _,
            clobber_abi("sysv64"),
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
            "mov rsp, [rdx]",
            "xor esi, esi",
            "pop rbp",
            "ret",
            in("rdi") word,
            in("rdx") link,
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
    // SAFETY: the resumer pushed its last word at `parent`; below that the stack is free.
    unsafe { call_on_stack(argument, (*link).port.parent.get() & !15, function) }
}

/// Calls `function` (rdx) with rdi on the stack that ends at rsi.
#[unsafe(naked)]
unsafe extern "C" fn call_on_stack(argument: *mut (), top: usize, function: Function) {
    naked_asm!(
        ".cfi_startproc",
        ".cfi_signal_frame",
        "push rbp",
        ".cfi_def_cfa_offset 16",
        ".cfi_offset rbp, -16",
        "mov rbp, rsp",
        ".cfi_def_cfa_register rbp",
        "mov rsp, rsi",
        "call rdx",
        "mov rsp, rbp",
        "pop rbp",
        ".cfi_def_cfa rsp, 8",
        "ret",
        ".cfi_endproc",
    )
}

/// Where [`Trap::land`] lets the interrupted stack go on: rsp points at the address of the landing, rdi and rsi are its arguments, and
/// rbp is at the link as in [`begin`], with the same unwind information.
#[unsafe(naked)]
unsafe extern "C" fn land() -> ! {
    naked_asm!(
        ".cfi_startproc",
        ".cfi_signal_frame",
        ".cfi_escape 0x0f, 5, 0x76, 0x00, 0x06, 0x23, 0x18",
        ".cfi_offset rbx, -8",
        ".cfi_offset rip, -16",
        ".cfi_offset rbp, -24",
        "pop rax",
        "call rax",
        "ud2",
        ".cfi_endproc",
    )
}

/// The registers that a trap handler must set in the interrupted context before it returns, all of them.
///
/// Which there are depends on the processor. A pattern without `..` makes the compiler say when one was left out:
///
/// ```
/// # use sinew::coroutine::trap::TrapHandlerRegs;
/// # let registers = TrapHandlerRegs { rip: 0, rsp: 0, rbp: 0, rdi: 0, rsi: 0 };
/// let TrapHandlerRegs { rip, rsp, rbp, rdi, rsi } = registers;
/// ```
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "the processor's own names")]
pub struct TrapHandlerRegs {
    pub rip: u64,
    pub rsp: u64,
    pub rbp: u64,
    pub rdi: u64,
    pub rsi: u64,
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
        // The landing's address lies with a word of padding below the value.
        let rsp = argument.cast::<usize>().wrapping_sub(1);
        // SAFETY: the stack's own memory, whose frames are given up.
        unsafe {
            argument.cast::<T>().write(value);
            rsp.write(landing as *const () as usize);
        }
        TrapHandlerRegs {
            rip: land as *const () as u64,
            rsp: rsp.addr() as u64,
            rbp: link.addr() as u64,
            rdi: argument.addr() as u64,
            rsi: link.addr() as u64,
        }
    }
}
