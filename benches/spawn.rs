//! Spawning: one thread at a time that is joined at once, and a thousand that are joined afterwards, beside std's
//! OS threads.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const BATCH: u64 = 1_000;

fn sinew_one_at_a_time(n: u64) -> Duration {
    let began = Instant::now();
    for i in 0..n {
        black_box(sinew::spawn(move || i).join().expect("it does not panic"));
    }
    began.elapsed()
}

fn sinew_batches(n: u64) -> Duration {
    let mut handles = Vec::with_capacity(BATCH as usize);
    let began = Instant::now();
    for _ in 0..n {
        handles.extend((0..BATCH).map(|i| sinew::spawn(move || i)));
        for handle in handles.drain(..) {
            black_box(handle.join().expect("it does not panic"));
        }
    }
    began.elapsed()
}

fn spawn_join(c: &mut Criterion) {
    let mut group = c.benchmark_group("spawn+join");
    for workers in [1, 2] {
        let runtime = sinew::Runtime::builder().workers(workers).build().expect("the runtime starts");
        let name = format!("sinew, {workers} workers");
        group.bench_function(name, |b| b.iter_custom(|n| runtime.run(move || sinew_one_at_a_time(n))));
    }
    group.sample_size(20);
    group.bench_function("std", |b| b.iter(|| std::thread::spawn(|| 1).join().expect("it does not panic")));
    group.finish();
}

fn spawn_1000(c: &mut Criterion) {
    let mut group = c.benchmark_group("spawn 1,000, join all");
    group.throughput(Throughput::Elements(BATCH));
    for workers in [1, 2] {
        let runtime = sinew::Runtime::builder().workers(workers).build().expect("the runtime starts");
        let name = format!("sinew, {workers} workers");
        group.bench_function(name, |b| b.iter_custom(|n| runtime.run(move || sinew_batches(n))));
    }
    group.sample_size(10);
    group.bench_function("std", |b| {
        b.iter(|| {
            let handles: Vec<_> = (0..BATCH).map(|i| std::thread::spawn(move || i)).collect();
            handles.into_iter().map(|handle| handle.join().expect("it does not panic")).sum::<u64>()
        });
    });
    group.finish();
}

criterion_group!(benches, spawn_join, spawn_1000);
criterion_main!(benches);
