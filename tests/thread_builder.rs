//! `Builder`: names, stack sizes, errors.

mod harness;

use harness::{good_child, is_child, on_each_kind, usable};
use sinew::thread::{self, Builder};
use std::io;

/// The most that can be asked for.
const LARGEST: usize = if cfg!(target_pointer_width = "64") { 1 << 30 } else { 512 << 20 };

/// Where the stack has come to. AddressSanitizer may keep a function's variables elsewhere, so there the register is asked.
#[inline(always)]
fn depth_of(_frame: &[u8; 1024]) -> usize {
    #[cfg(all(sinew_asan, target_arch = "x86_64"))]
    {
        let pointer: usize;
        // SAFETY: reads a register.
        unsafe { std::arch::asm!("mov {}, rsp", out(reg) pointer, options(nomem, nostack, preserves_flags)) };
        pointer
    }
    #[cfg(not(all(sinew_asan, target_arch = "x86_64")))]
    std::ptr::from_ref(_frame).addr()
}

/// Uses about so many bytes of stack.
#[inline(never)]
fn deep(bytes: usize) -> usize {
    let frame = std::hint::black_box([1_u8; 1024]);
    // Frames are larger than that without optimisation, so it is the address that counts.
    fn go(start: usize, bytes: usize) -> usize {
        let frame = std::hint::black_box([1_u8; 1024]);
        if start.saturating_sub(depth_of(&frame)) >= bytes {
            return 1;
        }
        go(start, bytes) + usize::from(std::hint::black_box(frame)[3])
    }
    go(depth_of(&frame), bytes)
}

#[test]
fn a_thread_knows_its_name() {
    on_each_kind(|| {
        let name = || thread::current().name().map(str::to_owned);
        let handle = Builder::new().name("given".into()).spawn(name).unwrap();
        assert_eq!(handle.thread().name(), Some("given"));
        assert_eq!(handle.join().unwrap().as_deref(), Some("given"));
        let handle = Builder::new().name(String::from("größer als sechzehn Bytes")).spawn(name).unwrap();
        assert_eq!(handle.join().unwrap().as_deref(), Some("größer als sechzehn Bytes"));
        assert_eq!(Builder::new().name("".into()).spawn(name).unwrap().join().unwrap().as_deref(), Some(""));
        assert_eq!(Builder::new().spawn(name).unwrap().join().unwrap(), None);
        assert_eq!(thread::spawn(name).join().unwrap(), None);
    });
}

#[test]
fn a_name_outlives_its_thread() {
    let handle = Builder::new().name("remembered".into()).spawn(|| ()).unwrap();
    let thread = handle.thread().clone();
    handle.join().unwrap();
    assert_eq!(thread.name(), Some("remembered"));
    assert!(format!("{thread:?}").contains("remembered"));
}

#[test]
fn a_name_with_a_nul_panics_as_in_std() {
    let panicked = std::panic::catch_unwind(|| Builder::new().name("a\0b".into()).spawn(|| ()));
    let payload = panicked.map(|_| ()).unwrap_err();
    let words = payload.downcast_ref::<&str>().copied().unwrap_or_default();
    assert_eq!(words, "thread name may not contain interior null bytes");
}

#[test]
fn a_stack_is_at_least_as_large_as_asked() {
    on_each_kind(|| {
        for size in [0, 1, 16 << 10, 64 << 10, 300_000, 1 << 20, 16 << 20, 64 << 20] {
            let use_most = if size < 64 << 10 { 0 } else { size - size / 8 - (16 << 10) };
            let handle = Builder::new().stack_size(size).spawn(move || deep(use_most)).unwrap();
            assert!(handle.join().unwrap() > 0, "{size}");
        }
    });
}

#[test]
fn the_default_stack_holds_its_reserve_less_the_guard() {
    assert!(thread::spawn(|| deep(usable(256 << 10) - (40 << 10))).join().unwrap() > 0);
}

#[test]
fn a_runtimes_own_stack_size_is_used() {
    let runtime = sinew::Runtime::builder().workers(2).stack_size(8 << 20).build().unwrap();
    runtime.run(|| {
        assert!(deep(7 << 20) > 0);
        assert!(thread::spawn(|| deep(7 << 20)).join().unwrap() > 0);
    });
}

#[test]
fn the_largest_stack_can_be_had() {
    // In a process of its own: on 32 bits, the other tests' stacks may leave no room for it.
    if !is_child() {
        good_child("the_largest_stack_can_be_had");
        return;
    }
    let handle = Builder::new().stack_size(LARGEST).spawn(|| deep(100 << 20)).unwrap();
    assert!(handle.join().unwrap() > 0);
}

#[test]
fn a_stack_too_large_is_an_error() {
    on_each_kind(|| {
        for size in [LARGEST + 1, 2 * LARGEST, usize::MAX] {
            let error = Builder::new().stack_size(size).spawn(|| ()).map(|_| ()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
            assert!(error.to_string().contains("may have at most"), "{error}");
            let scoped = thread::scope(|scope| Builder::new().stack_size(size).spawn_scoped(scope, || ()).map(|_| ()));
            assert_eq!(scoped.unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
    });
}

#[test]
fn threads_of_many_sizes_take_turns() {
    for workers in [1, 2] {
        let runtime = sinew::Runtime::builder().workers(workers).build().unwrap();
        runtime.run(|| {
            let threads: Vec<_> = (0..400_usize)
                .map(|i| {
                    let size = (32 << 10) << (i % 5);
                    let body = move || {
                        thread::yield_now();
                        let _ = deep(size / 3);
                        thread::yield_now();
                        i
                    };
                    Builder::new().stack_size(size).spawn(body).unwrap()
                })
                .collect();
            assert!(threads.into_iter().enumerate().all(|(i, thread)| thread.join().unwrap() == i));
        });
    }
}

#[test]
fn a_scoped_thread_has_its_name_and_size() {
    on_each_kind(|| {
        let text = String::from("borrowed");
        thread::scope(|scope| {
            let builder = Builder::new().name("scoped".into()).stack_size(1 << 20);
            let handle = builder.spawn_scoped(scope, || (deep(900 << 10), text.len())).unwrap();
            assert_eq!(handle.thread().name(), Some("scoped"));
            assert_eq!(handle.join().unwrap().1, 8);
        });
    });
}

#[test]
fn spawn_unchecked_may_borrow() {
    let number = 5;
    // SAFETY: joined in this statement, before what it borrows goes.
    let handle = unsafe { Builder::new().spawn_unchecked(|| number + 1) };
    assert_eq!(handle.unwrap().join().unwrap(), 6);
}
