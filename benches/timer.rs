//! Timers: what setting one and taking it back costs, and how late a million sleeping threads wake.
//!
//! The second is no measurement of criterion's: it runs once, takes about 10 s and 5 GB, and only if asked for:
//! `cargo bench --bench timer -- --sleepers [COUNT]`.

use std::{
    hint::black_box,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use criterion::{Criterion, criterion_group};
use hdrhistogram::Histogram;

const WORKERS: usize = 2;
const SPREAD: Duration = Duration::from_secs(10);

/// Random numbers that are the same in every run (xorshift64*, S. Vigna).
struct Random(u64);

impl Random {
    fn below(&mut self, end: Duration) -> Duration {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let fraction = u128::from(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D));
        Duration::from_nanos(((fraction * end.as_nanos()) >> 64) as u64)
    }
}

/// Timeouts with deadlines at random that never pass, while `others` threads sleep.
fn timeouts(n: u64, others: usize) -> Duration {
    let sleepers: Vec<_> = (0..others)
        .map(|number| {
            sinew::spawn(move || sinew::sleep(Duration::from_secs(1000) + Duration::from_millis(number as u64)))
        })
        .collect();
    sinew::yield_now();
    let mut random = Random(1);
    let start = Instant::now() + Duration::from_secs(60);
    let deadlines: Vec<_> = (0..1024).map(|_| start + random.below(SPREAD)).collect();
    let began = Instant::now();
    for i in 0..n as usize {
        black_box(sinew::time::timeout_at(deadlines[i % 1024], || black_box(i))).expect("it has time");
    }
    let time = began.elapsed();
    for sleeper in sleepers {
        sleeper.cancel();
        assert!(sleeper.join().is_err());
    }
    time
}

fn insert_cancel(c: &mut Criterion) {
    let mut group = c.benchmark_group("timeout, not reached");
    let runtime = sinew::Runtime::builder().workers(1).build().expect("the runtime starts");
    for others in [0, 10_000] {
        let name = format!("among {others} sleepers");
        group.bench_function(name, |b| b.iter_custom(|n| runtime.run(move || timeouts(n, others))));
    }
    group.finish();
}

/// What the threads of one worker saw.
struct Seen {
    lateness: Histogram<u64>,
    /// The deadline of the one that woke last.
    last: Duration,
    /// By how much a later wake's deadline was the earlier one.
    disorder: Duration,
}

fn sleepers(count: usize) {
    let runtime = sinew::Runtime::builder().workers(WORKERS).build().expect("the runtime starts");
    let seen: Arc<Vec<_>> = Arc::new(
        (0..WORKERS)
            .map(|_| {
                let lateness = Histogram::new(3).expect("three digits");
                Mutex::new(Seen { lateness, last: Duration::ZERO, disorder: Duration::ZERO })
            })
            .collect(),
    );
    let asleep = Arc::new(AtomicUsize::new(0));
    let shared = (seen.clone(), asleep.clone());
    runtime.run(move || {
        let (seen, asleep) = shared;
        let began = Instant::now();
        // All are to sleep before the first wakes.
        let start = began + Duration::from_secs(1) + Duration::from_micros(8 * count as u64);
        let mut random = Random(1);
        let threads: Vec<_> = (0..count)
            .map(|number| {
                let (seen, asleep, after) = (seen.clone(), asleep.clone(), random.below(SPREAD));
                if number % 64 == 0 {
                    sinew::yield_now();
                }
                sinew::spawn(move || {
                    asleep.fetch_add(1, Ordering::Relaxed);
                    sinew::time::sleep_until(start + after);
                    let late = start.elapsed().saturating_sub(after);
                    let worker = sinew::current().worker().expect("a green thread has one");
                    let mut seen = seen[worker].lock().expect("nobody panics");
                    seen.lateness.record(late.as_micros() as u64).expect("it fits");
                    seen.disorder = seen.disorder.max(seen.last.saturating_sub(after));
                    seen.last = after;
                })
            })
            .collect();
        while asleep.load(Ordering::Relaxed) < count {
            sinew::sleep(Duration::from_millis(10));
        }
        assert!(Instant::now() < start, "the machine took too long to start all");
        println!("{count} threads are asleep after {:.1} s", began.elapsed().as_secs_f64());
        threads.into_iter().for_each(|thread| thread.join().expect("it does not panic"));
    });
    for (worker, seen) in seen.iter().enumerate() {
        let seen = seen.lock().expect("nobody panics");
        let at = |quantile| seen.lateness.value_at_quantile(quantile) as f64 / 1000.0;
        println!(
            "worker {worker}: {} woken, late by {:.2} ms at the median, {:.2} at p99, {:.2} at p99.9, {:.2} at most; out of order by \
             at most {:.2} ms",
            seen.lateness.len(),
            at(0.5),
            at(0.99),
            at(0.999),
            at(1.0),
            seen.disorder.as_secs_f64() * 1000.0,
        );
    }
}

criterion_group!(benches, insert_cancel);

fn main() {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--sleepers").skip(1);
    if std::env::args().any(|argument| argument == "--sleepers") {
        let count = arguments.next().filter(|count| count != "--bench");
        return sleepers(count.map_or(1_000_000, |count| count.parse().expect("a number of threads")));
    }
    benches();
    Criterion::default().configure_from_args().final_summary();
}
