//! A green thread that overflows its stack says who it is and aborts; any other fault kills as it always does.

mod harness;

use harness::{dying_child, is_child, usable};
use sinew::{Builder, Runtime, thread};

/// Without end.
#[inline(never)]
fn recurse(depth: u64) -> u64 {
    let frame = std::hint::black_box([depth; 128]);
    if depth == 0 { 0 } else { recurse(depth - 1) + std::hint::black_box(frame)[7] }
}

fn assert_reported(words: &str, who: &str, bytes: usize) {
    assert!(words.contains(&format!("\nthread '{who}' (")), "{words}");
    assert!(words.contains(") has overflowed its stack\n"), "{words}");
    assert!(words.contains(&format!("its size is {bytes} bytes; ")), "{words}");
    assert!(words.contains("Builder::stack_size raises it"), "{words}");
    assert!(words.contains("fatal runtime error: stack overflow, aborting\n"), "{words}");
}

/// The number that the report gives.
fn number(words: &str) -> u64 {
    let (_, rest) = words.split_once("\nthread '").unwrap();
    let (_, rest) = rest.split_once("' (").unwrap();
    rest.split_once(')').unwrap().0.parse().unwrap()
}

#[test]
fn an_unnamed_thread_is_reported_with_its_number_and_size() {
    const TEST: &str = "an_unnamed_thread_is_reported_with_its_number_and_size";
    if is_child() {
        let thread = thread::spawn(|| {
            eprintln!("{:?}", thread::current().id());
            recurse(u64::MAX)
        });
        let _ = thread.join();
    }
    let words = dying_child(TEST, libc::SIGABRT);
    assert_reported(&words, "<unnamed>", usable(256 << 10));
    assert!(words.contains(&format!("ThreadId({})\n", number(&words))), "{words}");
}

#[test]
fn a_named_thread_is_reported_by_its_name() {
    const TEST: &str = "a_named_thread_is_reported_by_its_name";
    if is_child() {
        let builder = Builder::new().name("deep one".into()).stack_size(900_000);
        let _ = builder.spawn(|| recurse(u64::MAX)).unwrap().join();
    }
    assert_reported(&dying_child(TEST, libc::SIGABRT), "deep one", usable(1 << 20));
}

#[test]
fn a_thread_that_was_suspended_before_is_reported_too() {
    const TEST: &str = "a_thread_that_was_suspended_before_is_reported_too";
    if is_child() {
        let runtime = Runtime::builder().workers(2).build().unwrap();
        runtime.run(|| {
            let others: Vec<_> = (0..100).map(|_| thread::spawn(thread::park)).collect();
            let body = || {
                thread::yield_now();
                recurse(u64::MAX)
            };
            let _ = Builder::new().name("among others".into()).spawn(body).unwrap().join();
            drop(others);
        });
    }
    assert_reported(&dying_child(TEST, libc::SIGABRT), "among others", usable(256 << 10));
}

#[test]
#[cfg_attr(
    any(sinew_asan, sinew_tsan),
    ignore = "as the sanitizer instruments it, such a frame faults beyond the guard"
)]
#[cfg_attr(target_arch = "riscv64", ignore = "the compiler probes no stacks there: such a frame can step over a guard")]
fn a_frame_larger_than_a_page_is_caught() {
    const TEST: &str = "a_frame_larger_than_a_page_is_caught";
    #[inline(never)]
    fn large_frame() -> u8 {
        std::hint::black_box([1_u8; 1 << 20])[5]
    }
    if is_child() {
        let _ = thread::spawn(large_frame).join();
    }
    assert_reported(&dying_child(TEST, libc::SIGABRT), "<unnamed>", usable(256 << 10));
}

#[test]
fn a_null_dereference_still_dies_by_its_signal() {
    const TEST: &str = "a_null_dereference_still_dies_by_its_signal";
    if is_child() {
        // SAFETY: none; the fault is the purpose. No page is mapped there.
        let fault = || unsafe { std::ptr::without_provenance_mut::<u8>(8).write_volatile(1) };
        let _ = thread::spawn(fault).join();
    }
    let words = dying_child(TEST, libc::SIGSEGV);
    assert!(!words.contains("overflowed"), "{words}");
}

#[test]
fn an_os_threads_overflow_is_still_reported_by_std() {
    const TEST: &str = "an_os_threads_overflow_is_still_reported_by_std";
    if is_child() {
        sinew::run(|| ());
        let _ = std::thread::Builder::new().name("os one".into()).spawn(|| recurse(u64::MAX)).unwrap().join();
    }
    let words = dying_child(TEST, libc::SIGABRT);
    assert!(words.contains("thread 'os one'") && words.contains("has overflowed its stack"), "{words}");
    assert!(!words.contains("its size is"), "{words}");
}
