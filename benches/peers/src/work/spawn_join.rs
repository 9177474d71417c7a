//! A thread spawns another and joins it, over and over: the price of a thread that does nothing.

use std::hint::black_box;
use std::time::Instant;

use crate::model::{Entry, Row, Sample, Scale, at_most_r, at_most_times};
use crate::peers::on_sinew::Place;
use crate::peers::program::{go_entry, python_entry};
use crate::peers::{on_may, on_sinew, on_tokio};

fn count(scale: Scale) -> u64 {
    scale.of(500_000, 500)
}

fn slow_count(scale: Scale) -> u64 {
    scale.of(10_000, 200)
}

/// The place is the runtime's choice here: an idle second worker must not make this dear.
fn sinew_work(scale: Scale, _: Place) -> Sample {
    let n = count(scale);
    let began = Instant::now();
    for i in 0..n {
        black_box(sinew::spawn(move || i).join().expect("it does not panic"));
    }
    Sample::per(began.elapsed(), n)
}

async fn tokio_work(scale: Scale) -> Sample {
    let n = count(scale);
    let began = Instant::now();
    for i in 0..n {
        black_box(tokio::spawn(async move { i }).await.expect("it does not panic"));
    }
    Sample::per(began.elapsed(), n)
}

fn may_work(scale: Scale) -> Sample {
    let n = count(scale);
    let began = Instant::now();
    for i in 0..n {
        black_box(on_may::spawn(move || i).join().expect("it does not panic"));
    }
    Sample::per(began.elapsed(), n)
}

fn std_work(scale: Scale) -> Sample {
    let n = slow_count(scale);
    let began = Instant::now();
    for i in 0..n {
        black_box(std::thread::spawn(move || i).join().expect("it does not panic"));
    }
    Sample::per(began.elapsed(), n)
}

pub fn row() -> Row {
    Row::new("spawn-join", "spawn + join, one at a time, from a thread of the library", "ns each")
        .entries(on_sinew::one_worker(sinew_work))
        .entries(on_tokio::one_worker(tokio_work))
        .entry(on_may::entry(1, may_work))
        .entry(go_entry("spawn-join", 1, count))
        .entry(Entry::new("std", |scale| Ok(std_work(scale))))
        .entry(python_entry("python/asyncio", "tasks.py", "asyncio", "spawn-join", |s| s.of(50_000, 200)))
        .entry(python_entry("python/threads", "threads.py", "threading", "spawn-join", slow_count))
        .goal(at_most_r("sinew/1", 12.0))
        .goal(at_most_times("sinew/1", 0.12, "tokio"))
        .goal(at_most_times("sinew/1", 0.08, "go"))
        .goal(at_most_times("sinew/1", 0.04, "may"))
        .goal(at_most_times("sinew/1+idle", 3.0, "sinew/1"))
}
