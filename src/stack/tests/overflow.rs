//! An overflow is reported and aborts; every other fault goes where it would have gone without us.
//!
//! Each runs in a process of its own, which it is to end.

use super::fixture::*;
use crate::stack::overflow::{Describe, install, set_describer};
use crate::stack::{AltStack, SizeClass, StackPool};
use crate::sys::signal;
use std::fmt::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::Output;

/// The child's words on stderr, after a check of the signal that it died of.
#[track_caller]
fn died_of(output: &Output, signal: libc::c_int) -> String {
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.signal(), Some(signal), "{} {words}", output.status);
    words
}

fn overflow_a_stack() {
    let pool = StackPool::new(None);
    let stack = pool.acquire(SizeClass::DEFAULT).unwrap();
    run_on(&stack, || {
        recurse(u64::MAX);
    });
    unreachable!("the stack is finite");
}

fn fault() {
    // SAFETY: none; the fault is the purpose. No page is mapped there.
    unsafe { std::ptr::without_provenance_mut::<u8>(16).write_volatile(1) };
}

extern "C" fn exit_42(_: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the kernel's argument, passed on.
    let address = unsafe { signal::fault_address(info) };
    // SAFETY: it never returns, and is async-signal-safe.
    unsafe { libc::_exit(if address == Some(16) { 42 } else { 43 }) }
}

extern "C" fn say_handled(_: libc::c_int) {
    crate::sys::report::write_stderr(b"handled;");
}

/// Puts an action there for `SIGSEGV`, as a user would before the runtime starts.
fn act(handler: usize, flags: libc::c_int) {
    // SAFETY: zeros are a valid sigaction.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler;
    action.sa_flags = flags;
    // SAFETY: the handler is one of this file's, of the form that the flags say, or one of the constants.
    assert_eq!(unsafe { libc::sigaction(libc::SIGSEGV, &raw const action, std::ptr::null_mut()) }, 0);
}

#[test]
fn an_overflow_names_the_thread_and_aborts() {
    if is_child() {
        set_describer(|top, who: &mut Describe| {
            assert!(top.is_multiple_of(4096));
            let _ = who.name.write_str("deep one");
            who.id = Some(17);
        });
        overflow_a_stack();
    }
    let words = died_of(&run_child("overflow::an_overflow_names_the_thread_and_aborts"), libc::SIGABRT);
    assert!(words.contains("\nthread 'deep one' (17) has overflowed its stack\n"), "{words}");
    assert!(words.contains(&format!("its size is {} bytes", SizeClass::DEFAULT.bytes())), "{words}");
    assert!(words.contains("Builder::stack_size"), "{words}");
    assert!(words.contains("fatal runtime error: stack overflow, aborting\n"), "{words}");
}

#[test]
fn an_overflow_of_nobody_known_is_unnamed() {
    if is_child() {
        overflow_a_stack();
    }
    let words = died_of(&run_child("overflow::an_overflow_of_nobody_known_is_unnamed"), libc::SIGABRT);
    assert!(words.contains("\nthread '<unnamed>' has overflowed its stack\n"), "{words}");
}

#[test]
fn an_overflow_on_a_thread_without_a_signal_stack_of_its_own_is_reported() {
    if is_child() {
        // SAFETY: none at all needs no memory.
        unsafe { signal::set_alt_stack(None).unwrap() };
        let _alt = AltStack::new().unwrap();
        overflow_a_stack();
    }
    let test = "overflow::an_overflow_on_a_thread_without_a_signal_stack_of_its_own_is_reported";
    assert!(died_of(&run_child(test), libc::SIGABRT).contains("has overflowed its stack"));
}

#[test]
fn an_os_threads_overflow_is_reported_by_std() {
    if is_child() {
        install();
        let _ = std::thread::Builder::new().name("os one".into()).spawn(|| recurse(u64::MAX)).unwrap().join();
    }
    let words = died_of(&run_child("overflow::an_os_threads_overflow_is_reported_by_std"), libc::SIGABRT);
    assert!(words.contains("thread 'os one'") && words.contains("has overflowed its stack"), "{words}");
    assert!(!words.contains("its size is"), "{words}");
}

#[test]
fn any_other_fault_kills_by_its_signal() {
    if is_child() {
        let pool = StackPool::new(None);
        let stack = pool.acquire(SizeClass::DEFAULT).unwrap();
        run_on(&stack, fault);
    }
    let words = died_of(&run_child("overflow::any_other_fault_kills_by_its_signal"), libc::SIGSEGV);
    assert!(!words.contains("overflowed"), "{words}");
}

#[test]
fn a_fault_over_the_default_action_kills_by_its_signal() {
    if is_child() {
        act(libc::SIG_DFL, 0);
        install();
        fault();
    }
    died_of(&run_child("overflow::a_fault_over_the_default_action_kills_by_its_signal"), libc::SIGSEGV);
}

#[test]
fn an_ignored_fault_kills_all_the_same() {
    if is_child() {
        act(libc::SIG_IGN, 0);
        install();
        fault();
    }
    died_of(&run_child("overflow::an_ignored_fault_kills_all_the_same"), libc::SIGSEGV);
}

#[test]
#[cfg_attr(
    not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")),
    ignore = "the stack pointer of the interrupted code is not known here"
)]
fn a_stray_pointer_into_a_guard_is_no_overflow() {
    if is_child() {
        let pool = StackPool::new(None);
        let stack = pool.acquire(SizeClass::DEFAULT).unwrap();
        // SAFETY: none; the fault is the purpose. It is a guard's byte.
        unsafe { stack.limit().wrapping_sub(8).write_volatile(1) };
    }
    let words = died_of(&run_child("overflow::a_stray_pointer_into_a_guard_is_no_overflow"), libc::SIGSEGV);
    assert!(!words.contains("overflowed"), "{words}");
}

#[test]
fn a_users_handler_of_three_arguments_gets_the_fault() {
    if is_child() {
        act(exit_42 as *const () as usize, libc::SA_SIGINFO | libc::SA_ONSTACK);
        install();
        fault();
    }
    let output = run_child("overflow::a_users_handler_of_three_arguments_gets_the_fault");
    assert_eq!(output.status.code(), Some(42), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn an_overflow_is_reported_although_a_user_has_a_handler() {
    if is_child() {
        act(exit_42 as *const () as usize, libc::SA_SIGINFO | libc::SA_ONSTACK);
        overflow_a_stack();
    }
    let test = "overflow::an_overflow_is_reported_although_a_user_has_a_handler";
    assert!(died_of(&run_child(test), libc::SIGABRT).contains("has overflowed its stack"));
}

#[test]
fn a_users_handler_that_is_to_run_once_runs_once() {
    if is_child() {
        act(say_handled as *const () as usize, libc::SA_RESETHAND | libc::SA_NODEFER);
        install();
        fault();
    }
    let words = died_of(&run_child("overflow::a_users_handler_that_is_to_run_once_runs_once"), libc::SIGSEGV);
    assert_eq!(words.matches("handled;").count(), 1, "{words}");
}

#[test]
fn a_handler_that_comes_later_and_goes_leaves_ours_standing() {
    if is_child() {
        install();
        let ours = signal::current(libc::SIGSEGV).unwrap();
        act(exit_42 as *const () as usize, libc::SA_SIGINFO);
        // SAFETY: what stood before is put back.
        assert_eq!(unsafe { libc::sigaction(libc::SIGSEGV, &raw const ours, std::ptr::null_mut()) }, 0);
        overflow_a_stack();
    }
    let test = "overflow::a_handler_that_comes_later_and_goes_leaves_ours_standing";
    assert!(died_of(&run_child(test), libc::SIGABRT).contains("has overflowed its stack"));
}

#[test]
fn a_sent_signal_does_what_it_did_before() {
    if is_child() {
        act(libc::SIG_IGN, 0);
        install();
        // SAFETY: it takes an integer.
        unsafe { libc::raise(libc::SIGSEGV) };
        say("ignored;");
        act(libc::SIG_DFL, 0);
        // SAFETY: as above.
        unsafe { libc::raise(libc::SIGSEGV) };
    }
    let words = died_of(&run_child("overflow::a_sent_signal_does_what_it_did_before"), libc::SIGSEGV);
    assert!(words.contains("ignored;"), "{words}");
}

#[test]
fn a_sent_signal_over_the_default_action_kills() {
    if is_child() {
        act(libc::SIG_DFL, 0);
        install();
        // SAFETY: it takes an integer.
        unsafe { libc::raise(libc::SIGSEGV) };
        say("survived;");
    }
    let words = died_of(&run_child("overflow::a_sent_signal_over_the_default_action_kills"), libc::SIGSEGV);
    assert!(!words.contains("survived;"), "{words}");
}
