//! What else there is: a call, generator-rs, `swapcontext`, another OS thread.

use std::cell::UnsafeCell;
use std::hint::black_box;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use super::{ROUND_TRIP, Row, Watch};

#[inline(never)]
fn called(input: u64) -> u64 {
    black_box(input)
}

fn generator_round_trips(watch: &mut Watch, n: u64) {
    // Values only come out: sending them in costs it more.
    let mut generator = generator::Gn::<()>::new_scoped(move |mut scope: generator::Scope<'_, '_, (), u64>| {
        for value in 0..n {
            scope.yield_with(black_box(value));
        }
        generator::done!()
    });
    watch.repeat(n, || generator.resume());
    generator.resume();
}

/// The two sides of a `swapcontext`.
struct Contexts(UnsafeCell<[MaybeUninit<libc::ucontext_t>; 2]>);

// SAFETY: used by the one thread that measures.
unsafe impl Sync for Contexts {}

static CONTEXTS: Contexts = Contexts(UnsafeCell::new([const { MaybeUninit::uninit() }; 2]));

extern "C" fn swaps_back() {
    let [outside, inside] = contexts();
    loop {
        // SAFETY: the outside waits in its own swapcontext.
        unsafe { libc::swapcontext(inside, outside) };
    }
}

fn contexts() -> [*mut libc::ucontext_t; 2] {
    let both = CONTEXTS.0.get().cast::<libc::ucontext_t>();
    [both, both.wrapping_add(1)]
}

fn swapcontext(watch: &mut Watch, n: u64) {
    let mut stack = vec![0_u8; 64 << 10];
    let [outside, inside] = contexts();
    // SAFETY: the stack lives until the last swap, and the context is not used after that.
    unsafe {
        assert_eq!(libc::getcontext(inside), 0);
        (*inside).uc_stack.ss_sp = stack.as_mut_ptr().cast();
        (*inside).uc_stack.ss_size = stack.len();
        (*inside).uc_link = std::ptr::null_mut();
        libc::makecontext(inside, swaps_back, 0);
    }
    // SAFETY: the inside waits in its own swapcontext, or was just made.
    watch.repeat(n, || unsafe { libc::swapcontext(outside, inside) });
}

fn futex(word: &AtomicU32, operation: i32, value: u32) {
    // SAFETY: the word lives through the call; the other arguments are not used by these operations.
    unsafe { libc::syscall(libc::SYS_futex, word, operation | libc::FUTEX_PRIVATE_FLAG, value, 0, 0, 0) };
}

fn hand_over(word: &AtomicU32, to: u32) {
    word.store(to, Ordering::Release);
    futex(word, libc::FUTEX_WAKE, 1);
    while word.load(Ordering::Acquire) == to {
        futex(word, libc::FUTEX_WAIT, to);
    }
}

fn os_thread_round_trips(watch: &mut Watch, n: u64) {
    let word = Arc::new(AtomicU32::new(0));
    let theirs = Arc::clone(&word);
    let other = thread::spawn(move || {
        while theirs.load(Ordering::Acquire) == 0 {
            futex(&theirs, libc::FUTEX_WAIT, 0);
        }
        for _ in 1..n {
            hand_over(&theirs, 0);
        }
        theirs.store(0, Ordering::Release);
        futex(&theirs, libc::FUTEX_WAKE, 1);
    });
    watch.repeat(n, || hand_over(&word, 1));
    other.join().expect("it does not panic");
}

pub(crate) fn rows() -> Vec<Row> {
    vec![
        Row::new(ROUND_TRIP, "a plain call", |watch, n| watch.repeat(n, || called(black_box(1)))),
        Row::new(ROUND_TRIP, "generator-rs resume+yield", generator_round_trips),
        Row::new(ROUND_TRIP, "swapcontext, twice", swapcontext),
        Row::new(ROUND_TRIP, "OS threads, by futex", os_thread_round_trips),
    ]
}
