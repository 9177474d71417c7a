//! A million threads that are parked at once, with every setting at its default: memory and page tables for each, and
//! how many mappings the process needs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::model::{Entry, Row, Sample, Scale, at_most, below};
use crate::peers::on_tokio::Flavour;
use crate::peers::program::go_entry;
use crate::proc;

fn count(scale: Scale) -> u64 {
    scale.of(1_000_000, 300)
}

/// What is measured while all are parked, or suspended.
pub(super) struct Held {
    memory: u64,
    mappings: u64,
    time: Duration,
}

impl Held {
    pub(super) fn measure(began: Instant) -> Held {
        let time = began.elapsed();
        // Whatever the last of them is still doing.
        std::thread::sleep(Duration::from_millis(100));
        Held { memory: proc::resident_bytes(), mappings: proc::mappings(), time }
    }

    pub(super) fn sample(self, before: u64, n: u64) -> Sample {
        Sample::new(self.memory.saturating_sub(before) as f64 / 1024.0 / n as f64)
            .max("mappings", self.mappings as f64)
            .max("seconds", self.time.as_secs_f64())
    }
}

fn on_sinew(scale: Scale) -> Sample {
    let n = count(scale);
    let before = proc::resident_bytes();
    let runtime = sinew::Runtime::builder().build().expect("sinew's runtime starts");
    let held = runtime.run(move || {
        let began = Instant::now();
        let parked = Arc::new(AtomicU64::new(0));
        let open = Arc::new(AtomicU64::new(0));
        let handles: Vec<_> = (0..n)
            .map(|_| {
                let (parked, open) = (Arc::clone(&parked), Arc::clone(&open));
                sinew::spawn(move || {
                    parked.fetch_add(1, Ordering::AcqRel);
                    while open.load(Ordering::Acquire) == 0 {
                        sinew::park();
                    }
                })
            })
            .collect();
        while parked.load(Ordering::Acquire) < n {
            sinew::sleep(Duration::from_millis(1));
        }
        let held = Held::measure(began);
        open.store(1, Ordering::Release);
        for handle in handles {
            handle.thread().unpark();
            handle.join().expect("it does not panic");
        }
        held
    });
    held.sample(before, n)
}

fn on_tokio(scale: Scale) -> Sample {
    let n = count(scale);
    let before = proc::resident_bytes();
    let held = Flavour::Multi(2).build().block_on(async move {
        let began = Instant::now();
        let parked = Arc::new(AtomicU64::new(0));
        let gate = Arc::new(tokio::sync::Semaphore::new(0));
        let handles: Vec<_> = (0..n)
            .map(|_| {
                let (parked, gate) = (Arc::clone(&parked), Arc::clone(&gate));
                tokio::spawn(async move {
                    parked.fetch_add(1, Ordering::AcqRel);
                    gate.acquire().await.expect("it stays open").forget();
                })
            })
            .collect();
        while parked.load(Ordering::Acquire) < n {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let held = Held::measure(began);
        gate.add_permits(n as usize);
        for handle in handles {
            handle.await.expect("it does not panic");
        }
        held
    });
    held.sample(before, n)
}

pub fn row() -> Row {
    Row::new("parked-1m", "1,000,000 parked threads at once: memory and page tables", "KiB each")
        .runs(1)
        .entry(Entry::new("sinew/default", |scale| Ok(on_sinew(scale))).isolated())
        .entry(Entry::new("tokio/multi2", |scale| Ok(on_tokio(scale))).isolated())
        .entry(go_entry("parked", 2, count))
        .goal(at_most("sinew/default", 4.8))
        .goal(below(("sinew/default", "mappings"), 1000.0))
}
