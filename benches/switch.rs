//! What a context switch costs: coroutines beside corosensei's, a plain call, `swapcontext`, generator-rs and a hand-over
//! between OS threads; generators; making, starting and unwinding one; many of them in random order; and green threads that yield
//! and wake each other, on one worker.

mod switch {
    pub(crate) mod create;
    pub(crate) mod generators;
    pub(crate) mod many;
    pub(crate) mod others;
    pub(crate) mod round_trip;
}

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};

/// `n` yields of each of two threads; two yields are one round trip.
fn yields(n: u64) -> Duration {
    let began = Instant::now();
    let other = sinew::spawn(move || {
        for _ in 0..n {
            sinew::yield_now();
        }
    });
    for _ in 0..n {
        sinew::yield_now();
    }
    other.join().expect("it does not panic");
    began.elapsed()
}

/// `n` round trips between two threads that wake each other.
fn round_trips(n: u64) -> Duration {
    let turn = Arc::new(AtomicBool::new(false));
    let (theirs, me) = (Arc::clone(&turn), sinew::current());
    let other = sinew::spawn(move || {
        for _ in 0..n {
            while !theirs.load(Ordering::Acquire) {
                sinew::park();
            }
            theirs.store(false, Ordering::Release);
            me.unpark();
        }
    });
    let began = Instant::now();
    for _ in 0..n {
        turn.store(true, Ordering::Release);
        other.thread().unpark();
        while turn.load(Ordering::Acquire) {
            sinew::park();
        }
    }
    let elapsed = began.elapsed();
    other.join().expect("it does not panic");
    elapsed
}

fn green_threads(c: &mut Criterion) {
    let runtime = sinew::Runtime::builder().workers(1).build().expect("the runtime starts");
    c.bench_function("switch/sinew two yields", |b| b.iter_custom(|n| runtime.run(move || yields(n))));
    c.bench_function("switch/sinew park+unpark round trip", |b| b.iter_custom(|n| runtime.run(move || round_trips(n))));
}

criterion_group!(
    benches,
    switch::round_trip::rows,
    switch::others::rows,
    switch::create::rows,
    switch::many::rows,
    switch::generators::rows,
    green_threads
);
criterion_main!(benches);
