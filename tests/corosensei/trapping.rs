//! Coroutines that trap, and finish by their trap handler.
#![cfg(all(target_os = "linux", target_arch = "x86_64", not(sinew_asan)))]

use super::super::subject::{
    Coroutine, CoroutineResult,
    stack::DefaultStack,
    trap::{CoroutineTrapHandler, TrapHandlerRegs},
};
use std::{
    cell::Cell,
    hint::black_box,
    mem,
    panic::{AssertUnwindSafe, catch_unwind, panic_any},
    ptr,
};

/// What the signal handler of this OS thread does.
type Handler = (CoroutineTrapHandler<i32>, unsafe fn(&CoroutineTrapHandler<i32>) -> TrapHandlerRegs);

std::thread_local! {
    static HANDLER: Cell<Option<Handler>> = const { Cell::new(None) };
}

unsafe extern "C" fn on_signal(signal: libc::c_int, _: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel's argument.
    let registers = unsafe { &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
    let pointer = registers[libc::REG_RSP as usize] as usize;
    match HANDLER.get() {
        Some((handler, function)) if handler.stack_ptr_in_bounds(pointer) => {
            // SAFETY: the coroutine was interrupted, and the registers are put in place.
            let TrapHandlerRegs { rip, rsp, rbp, rdi, rsi } = unsafe { function(&handler) };
            registers[libc::REG_RIP as usize] = rip as i64;
            registers[libc::REG_RSP as usize] = rsp as i64;
            registers[libc::REG_RBP as usize] = rbp as i64;
            registers[libc::REG_RDI as usize] = rdi as i64;
            registers[libc::REG_RSI as usize] = rsi as i64;
        }
        // SAFETY: lets the process die of the signal.
        _ => unsafe {
            libc::signal(signal, libc::SIG_DFL);
        },
    }
}

fn handle_traps() {
    // SAFETY: a handler of three arguments, on the alternate stack that std gives every thread.
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        action.sa_sigaction = on_signal as *const () as usize;
        libc::sigfillset(&mut action.sa_mask);
        assert_eq!(libc::sigaction(libc::SIGSEGV, &action, ptr::null_mut()), 0);
    }
}

fn in_a_child(test: &str, body: fn()) {
    if crate::harness::is_child() {
        // The pool installs a handler of its own with its first stack.
        drop(DefaultStack::default());
        handle_traps();
        body();
    } else {
        crate::harness::good_child(test.split_once("::").unwrap().1);
    }
}

unsafe fn forty_two(handler: &CoroutineTrapHandler<i32>) -> TrapHandlerRegs {
    // SAFETY: passed on to the caller.
    unsafe { handler.setup_trap_handler(|| 42) }
}

unsafe fn panics(handler: &CoroutineTrapHandler<i32>) -> TrapHandlerRegs {
    // SAFETY: passed on to the caller.
    unsafe { handler.setup_trap_handler(|| panic_any("trapped")) }
}

fn faulting() -> Coroutine<(), i32, i32> {
    Coroutine::new(|yielder, ()| {
        yielder.suspend(1);
        // SAFETY: it is not; the handler takes it from here, and nothing is lost.
        unsafe { ptr::without_provenance_mut::<u8>(black_box(1)).write_volatile(0) };
        2
    })
}

#[test]
fn a_coroutine_that_faults_returns_what_its_trap_handler_returns() {
    in_a_child(concat!(module_path!(), "::a_coroutine_that_faults_returns_what_its_trap_handler_returns"), || {
        let mut coroutine = faulting();
        coroutine.resume(());
        HANDLER.set(Some((coroutine.trap_handler(), forty_two)));
        assert_eq!(coroutine.resume(()), CoroutineResult::Return(42));
        assert!(coroutine.done());
    });
}

#[test]
fn a_trap_handler_may_panic_into_the_resumer() {
    in_a_child(concat!(module_path!(), "::a_trap_handler_may_panic_into_the_resumer"), || {
        let mut coroutine = faulting();
        coroutine.resume(());
        HANDLER.set(Some((coroutine.trap_handler(), panics)));
        let payload = catch_unwind(AssertUnwindSafe(|| coroutine.resume(()))).unwrap_err();
        assert_eq!(payload.downcast_ref(), Some(&"trapped"));
    });
}

#[inline(never)]
fn overflow(depth: u64) -> u64 {
    let frame = black_box([depth; 50]);
    if depth == 0 { 0 } else { overflow(depth - 1) + black_box(frame)[7] }
}

#[test]
fn an_overflow_is_handled_and_the_stack_used_again() {
    in_a_child(concat!(module_path!(), "::an_overflow_is_handled_and_the_stack_used_again"), || {
        let mut stack = DefaultStack::new(64 << 10).unwrap();
        for _ in 0..3 {
            let mut coroutine = Coroutine::<(), (), i32>::with_stack(stack, |_, ()| overflow(u64::MAX) as i32);
            HANDLER.set(Some((coroutine.trap_handler(), forty_two)));
            assert_eq!(coroutine.resume(()), CoroutineResult::Return(42));
            stack = coroutine.into_stack();
        }
    });
}
