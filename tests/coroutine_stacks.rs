//! Coroutines' stacks: overflow, sizes, the pool, and memory for each.

mod harness;

use harness::{at_most_suspended, dying_child, is_child, status, usable};
use sinew::{
    Builder,
    coroutine::{
        Coroutine, CoroutineResult, on_stack,
        stack::{DefaultStack, Stack},
    },
    thread,
};
use std::{
    hint::black_box,
    panic::{AssertUnwindSafe, catch_unwind},
};

type Plain = Coroutine<(), (), ()>;

/// Without end.
#[inline(never)]
fn recurse(depth: u64) -> u64 {
    let frame = black_box([depth; 128]);
    if depth == 0 { 0 } else { recurse(depth - 1) + black_box(frame)[7] }
}

fn overflow() {
    Plain::new(|_, ()| _ = recurse(u64::MAX)).resume(());
}

#[track_caller]
fn assert_reported(words: &str, who: &str, bytes: usize) {
    assert!(words.contains(&format!("\na coroutine of thread '{who}'")), "{words}");
    assert!(words.contains(" has overflowed its stack\n"), "{words}");
    assert!(words.contains(&format!("its size is {bytes} bytes; ")), "{words}");
    assert!(words.contains("DefaultStack::new raises it"), "{words}");
    assert!(words.contains("fatal runtime error: stack overflow, aborting\n"), "{words}");
}

#[test]
fn an_overflow_is_reported_on_an_os_thread() {
    const TEST: &str = "an_overflow_is_reported_on_an_os_thread";
    if is_child() {
        let _ = std::thread::Builder::new().name("plain one".into()).spawn(overflow).unwrap().join();
    }
    assert_reported(&dying_child(TEST, libc::SIGABRT), "plain one", usable(256 << 10));
}

#[test]
fn an_overflow_is_reported_in_a_green_thread() {
    const TEST: &str = "an_overflow_is_reported_in_a_green_thread";
    if is_child() {
        let _ = Builder::new().name("green one".into()).spawn(overflow).unwrap().join();
    }
    let words = dying_child(TEST, libc::SIGABRT);
    assert_reported(&words, "green one", usable(256 << 10));
}

#[test]
fn an_overflow_after_a_suspension_is_reported_with_the_size_asked_for() {
    const TEST: &str = "an_overflow_after_a_suspension_is_reported_with_the_size_asked_for";
    if is_child() {
        let _ = Builder::new()
            .name("green one".into())
            .spawn(|| {
                let stack = DefaultStack::new(900_000).unwrap();
                let mut coroutine = Plain::with_stack(stack, |yielder, ()| {
                    yielder.suspend(());
                    thread::yield_now();
                    recurse(u64::MAX);
                });
                coroutine.resume(());
                thread::yield_now();
                coroutine.resume(());
            })
            .unwrap()
            .join();
    }
    assert_reported(&dying_child(TEST, libc::SIGABRT), "green one", usable(1 << 20));
}

#[test]
fn a_green_threads_own_overflow_is_its_own() {
    const TEST: &str = "a_green_threads_own_overflow_is_its_own";
    if is_child() {
        let thread = Builder::new().name("green one".into()).spawn(|| {
            let mut coroutine = Plain::new(|yielder, ()| yielder.suspend(()));
            coroutine.resume(());
            recurse(u64::MAX)
        });
        let _ = thread.unwrap().join();
    }
    let words = dying_child(TEST, libc::SIGABRT);
    assert!(words.contains("\nthread 'green one' (") && words.contains("Builder::stack_size raises it"), "{words}");
}

#[test]
fn without_an_alternate_signal_stack_an_overflow_still_kills() {
    const TEST: &str = "without_an_alternate_signal_stack_an_overflow_still_kills";
    if is_child() {
        let _ = std::thread::spawn(|| {
            let none = libc::stack_t { ss_sp: std::ptr::null_mut(), ss_flags: libc::SS_DISABLE, ss_size: 0 };
            // SAFETY: this thread then has no alternate stack, as one that a C library started.
            assert_eq!(unsafe { libc::sigaltstack(&none, std::ptr::null_mut()) }, 0);
            overflow();
        })
        .join();
    }
    dying_child(TEST, libc::SIGSEGV);
}

#[test]
fn a_closure_larger_than_the_stack_is_refused() {
    // The least stack has 64 KiB where pages do.
    let huge = [1_u8; 80_000];
    let make = move || {
        Coroutine::<(), (), u8>::with_stack(DefaultStack::new(16 << 10).unwrap(), move |_, ()| huge[black_box(7)])
    };
    let message = catch_unwind(AssertUnwindSafe(make)).map(|_| ()).unwrap_err();
    assert!(message.downcast_ref::<&str>().unwrap().starts_with("a coroutine's closure is too large for its stack"));
    // Without optimisation it is copied many times.
    let roomy = DefaultStack::new(4 << 20).unwrap();
    let mut fits = Coroutine::<(), (), u8>::with_stack(roomy, move |_, ()| huge[black_box(7)]);
    assert_eq!(fits.resume(()), CoroutineResult::Return(1));
}

#[test]
fn a_size_is_usable_in_full_and_has_an_end() {
    assert!(DefaultStack::new((1 << 30) + 1).is_err());
    for size in [0, 16 << 10, 100_000, 1 << 20, 64 << 20] {
        let stack = DefaultStack::new(size).unwrap();
        let (base, limit) = (stack.base().get(), stack.limit().get());
        assert!(base - limit >= size + (16 << 10), "with the guard");
        on_stack(stack, || ());
    }
}

#[test]
fn a_dropped_stack_is_the_next_one() {
    // Each test has an OS thread of its own.
    let first = DefaultStack::new(100_000).unwrap();
    let base = first.base();
    drop(first);
    assert_eq!(DefaultStack::new(100_000).unwrap().base(), base);
    drop(Coroutine::<(), (), ()>::with_stack(DefaultStack::new(100_000).unwrap(), |_, ()| ()));
    assert_eq!(DefaultStack::new(100_000).unwrap().base(), base);
}

#[test]
fn stacks_go_from_one_os_thread_to_another() {
    for _ in 0..20 {
        let stacks: Vec<_> =
            std::thread::spawn(|| (0..100).map(|_| DefaultStack::new(30_000).unwrap()).collect()).join().unwrap();
        let mut bases: Vec<_> = stacks.iter().map(DefaultStack::base).collect();
        bases.sort_unstable();
        bases.dedup();
        assert_eq!(bases.len(), 100);
        std::thread::scope(|scope| {
            for stack in stacks {
                scope.spawn(move || {
                    let mut coroutine = Coroutine::<u8, u8, u8>::with_stack(stack, |yielder, n| yielder.suspend(n));
                    coroutine.resume(1);
                    assert_eq!(coroutine.resume(2), CoroutineResult::Return(2));
                });
            }
        });
    }
}

#[test]
fn a_stack_dropped_as_its_os_thread_ends_is_not_lost() {
    std::thread_local! {
        static KEPT: std::cell::Cell<Option<Plain>> = const { std::cell::Cell::new(None) };
    }
    for early in [false, true] {
        std::thread::spawn(move || {
            // Registered before or after the cache's own end.
            if early {
                KEPT.set(None);
            }
            drop(DefaultStack::default());
            let mut coroutine = Plain::new(|yielder, ()| yielder.suspend(()));
            coroutine.resume(());
            KEPT.set(Some(coroutine));
        })
        .join()
        .unwrap();
    }
}

#[test]
fn coroutines_go_on_and_are_made_in_a_forked_child() {
    const TEST: &str = "coroutines_go_on_and_are_made_in_a_forked_child";
    if !is_child() {
        harness::good_child(TEST);
        return;
    }
    // More than an OS thread keeps, so that the pool is asked.
    let many = || -> Vec<Coroutine<u32, u32, u32>> {
        let body = |yielder: &sinew::coroutine::Yielder<u32, u32>, first| yielder.suspend(first) + 1;
        (0..100)
            .map(|n| {
                let mut coroutine = Coroutine::new(body);
                assert_eq!(coroutine.resume(n), CoroutineResult::Yield(n));
                coroutine
            })
            .collect()
    };
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                many();
            }
        });
        for _ in 0..20 {
            let mut before = many();
            // SAFETY: the child uses coroutines and the allocator, and ends without unwinding into what it shares with its parent.
            match unsafe { libc::fork() } {
                0 => {
                    let all = before.iter_mut().chain(&mut many()).all(|it| it.resume(7).as_return() == Some(8));
                    // SAFETY: ends the process.
                    unsafe { libc::_exit(i32::from(!all)) };
                }
                child => {
                    let mut status = -1;
                    // SAFETY: the status lives through the call.
                    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
                    assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0, "{status}");
                }
            }
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
#[cfg_attr(any(sinew_asan, sinew_tsan, sinew_emulated), ignore = "valgrind runs neither")]
fn valgrind_knows_the_stacks() {
    const TEST: &str = "valgrind_knows_the_stacks";
    if is_child() {
        let mut coroutines: Vec<Coroutine<u32, u32, u32>> = (0..50)
            .map(|_| Coroutine::new(|yielder, first| yielder.suspend(std::hint::black_box([first; 2_000])[7]) + 1))
            .collect();
        coroutines.iter_mut().for_each(|it| assert_eq!(it.resume(3).as_yield(), Some(3)));
        coroutines.iter_mut().for_each(|it| assert_eq!(it.resume(4).as_return(), Some(5)));
        return;
    }
    let itself = harness::child(TEST);
    let mut valgrind = std::process::Command::new("valgrind");
    valgrind.arg("--error-exitcode=9").arg(itself.get_program()).args(itself.get_args());
    valgrind.envs(itself.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let Ok(output) = valgrind.output() else { return println!("skipped: there is no valgrind") };
    let words = harness::words_of(&output);
    assert!(output.status.success() && words.contains("ERROR SUMMARY: 0 errors"), "{words}");
    assert!(!words.contains("switching stacks"), "{words}");
}

#[test]
fn many_live_coroutines_take_little_memory_and_few_mappings() {
    const TEST: &str = "many_live_coroutines_take_little_memory_and_few_mappings";
    if !is_child() {
        harness::good_child(TEST);
        return;
    }
    // ThreadSanitizer keeps much for each.
    let wanted = if cfg!(sinew_tsan) { 2_000 } else { 1_000_000 };
    let n = at_most_suspended(if cfg!(debug_assertions) { wanted.min(100_000) } else { wanted });
    let memory = || status("VmRSS") + status("VmPTE");
    let before = memory();
    let mut coroutines: Vec<Coroutine<u64, u64, u64>> = (0..n as u64)
        .map(|n| {
            let mut coroutine = Coroutine::new(move |yielder: &sinew::coroutine::Yielder<u64, u64>, first| {
                let second = yielder.suspend(first + n);
                second * n
            });
            assert_eq!(coroutine.resume(1), CoroutineResult::Yield(n + 1));
            coroutine
        })
        .collect();
    let each = (memory() - before) as f64 / n as f64;
    println!("{n} coroutines, {each:.2} KiB each");
    // In a debug build frames are larger, and sanitizers keep records of their own.
    if !cfg!(any(debug_assertions, sinew_asan, sinew_tsan)) {
        assert!(each <= 4.8, "{each}");
    }
    for (n, coroutine) in coroutines.iter_mut().enumerate() {
        assert_eq!(coroutine.resume(2), CoroutineResult::Return(2 * n as u64));
    }
}
