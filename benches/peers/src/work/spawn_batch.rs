//! 1,000 threads spawned, then all joined; on one worker a few hundred times, on two workers until ten million have run.

use std::hint::black_box;
use std::time::Instant;

use crate::model::{Entry, Row, Sample, Scale, at_most_r, at_most_times};
use crate::peers::on_sinew::Place;
use crate::peers::on_tokio::Flavour;
use crate::peers::program::{go_entry, python_entry};
use crate::peers::{on_may, on_sinew, on_tokio};

const BATCH: u64 = 1_000;

fn batches(scale: Scale) -> u64 {
    scale.of(300, 1)
}

fn slow_batches(scale: Scale) -> u64 {
    scale.of(10, 1)
}

fn many_batches(scale: Scale) -> u64 {
    scale.of(10_000, 2)
}

fn on_sinew(batches: u64) -> Sample {
    let mut handles = Vec::with_capacity(BATCH as usize);
    let began = Instant::now();
    for _ in 0..batches {
        handles.extend((0..BATCH).map(|i| sinew::spawn(move || i)));
        for handle in handles.drain(..) {
            black_box(handle.join().expect("it does not panic"));
        }
    }
    Sample::per(began.elapsed(), batches * BATCH)
}

async fn on_tokio(batches: u64) -> Sample {
    let mut handles = Vec::with_capacity(BATCH as usize);
    let began = Instant::now();
    for _ in 0..batches {
        handles.extend((0..BATCH).map(|i| tokio::spawn(async move { i })));
        for handle in handles.drain(..) {
            black_box(handle.await.expect("it does not panic"));
        }
    }
    Sample::per(began.elapsed(), batches * BATCH)
}

fn on_may(batches: u64) -> Sample {
    let mut handles = Vec::with_capacity(BATCH as usize);
    let began = Instant::now();
    for _ in 0..batches {
        handles.extend((0..BATCH).map(|i| on_may::spawn(move || i)));
        for handle in handles.drain(..) {
            black_box(handle.join().expect("it does not panic"));
        }
    }
    Sample::per(began.elapsed(), batches * BATCH)
}

fn on_std(batches: u64) -> Sample {
    let mut handles = Vec::with_capacity(BATCH as usize);
    let began = Instant::now();
    for _ in 0..batches {
        handles.extend((0..BATCH).map(|i| std::thread::spawn(move || i)));
        for handle in handles.drain(..) {
            black_box(handle.join().expect("it does not panic"));
        }
    }
    Sample::per(began.elapsed(), batches * BATCH)
}

fn sinew_some(scale: Scale, _: Place) -> Sample {
    on_sinew(batches(scale))
}

pub fn row() -> Row {
    Row::new("spawn-1000", "spawn 1,000, then join all", "ns each")
        .entries(on_sinew::one_worker(sinew_some))
        .entries(on_tokio::one_worker(|scale| on_tokio(batches(scale))))
        .entry(on_may::entry(1, |scale| on_may(batches(scale))))
        .entry(go_entry("spawn-batch", 1, batches))
        .entry(Entry::new("std", |scale| Ok(on_std(slow_batches(scale)))))
        .entry(python_entry("python/asyncio", "tasks.py", "asyncio", "spawn-batch", |s| s.of(50, 1)))
        .entry(python_entry("python/threads", "threads.py", "threading", "spawn-batch", slow_batches))
        .goal(at_most_r("sinew/1", 12.0))
        .goal(at_most_times("sinew/1", 0.1, "tokio"))
        .goal(at_most_times("sinew/1", 0.1, "go"))
        .goal(at_most_times("sinew/1", 0.04, "may"))
}

pub fn stream() -> Row {
    Row::new("spawn-10m", "10,000,000 spawns joined in batches of 1,000, 2 workers", "ns each")
        .runs(3)
        .entry(on_sinew::entry("sinew/2", 2, |scale| on_sinew(many_batches(scale))))
        .entry(on_tokio::entry(Flavour::Multi(2), |scale| on_tokio(many_batches(scale))))
        .entry(on_may::entry(2, |scale| on_may(many_batches(scale))))
        .entry(go_entry("spawn-batch", 2, many_batches))
        .goal(at_most_times("sinew/2", 0.15, "go"))
        .goal(at_most_times("sinew/2", 0.05, "may"))
}
