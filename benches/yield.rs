//! `yield_now` among 2, 100 and 10,000 green threads of one worker that have all started: what a switch costs as the
//! stacks outgrow the caches. Beside it std's yield between two OS threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

/// `rounds` yields of each of `threads` threads, the clock started once all of them have. One worker runs them all, so
/// relaxed accesses do.
fn yields(threads: u64, rounds: u64) -> Duration {
    let gate = Arc::new((AtomicU64::new(0), AtomicBool::new(false)));
    let handles: Vec<_> = (0..threads)
        .map(|_| {
            let gate = Arc::clone(&gate);
            sinew::spawn(move || {
                gate.0.fetch_add(1, Relaxed);
                while !gate.1.load(Relaxed) {
                    sinew::yield_now();
                }
                for _ in 0..rounds {
                    sinew::yield_now();
                }
            })
        })
        .collect();
    while gate.0.load(Relaxed) < threads {
        sinew::yield_now();
    }
    let began = Instant::now();
    gate.1.store(true, Relaxed);
    handles.into_iter().for_each(|handle| handle.join().expect("it does not panic"));
    began.elapsed()
}

fn sinew_yields(c: &mut Criterion) {
    let mut group = c.benchmark_group("yield");
    let runtime = sinew::Runtime::builder().workers(1).build().expect("the runtime starts");
    for threads in [2, 100, 10_000] {
        group.throughput(Throughput::Elements(threads));
        if threads == 10_000 {
            group.sample_size(10);
        }
        group.bench_function(BenchmarkId::new("sinew, threads", threads), |b| {
            b.iter_custom(|n| runtime.run(move || yields(threads, n)));
        });
    }
    group.throughput(Throughput::Elements(2));
    group.bench_function("std, 2 threads", |b| {
        b.iter_custom(|n| {
            let began = Instant::now();
            std::thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| (0..n).for_each(|_| std::thread::yield_now()));
                }
            });
            began.elapsed()
        });
    });
    group.finish();
}

criterion_group!(benches, sinew_yields);
criterion_main!(benches);
