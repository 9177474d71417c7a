//! Two threads on one worker, each of which only yields: a scheduler's shortest way round.

use std::time::Instant;

use crate::model::{Entry, Row, Sample, Scale, at_most_r};
use crate::peers::on_sinew::{Place, beside};
use crate::peers::program::{go_entry, python_entry};
use crate::peers::{on_may, on_sinew, on_tokio};
use crate::proc;

fn count(scale: Scale) -> u64 {
    scale.of(1_000_000, 1_000)
}

fn slow_count(scale: Scale) -> u64 {
    scale.of(100_000, 1_000)
}

fn sinew_work(scale: Scale, place: Place) -> Sample {
    let n = count(scale);
    let began = Instant::now();
    let other = beside(place, move || {
        for _ in 0..n {
            sinew::yield_now();
        }
    });
    for _ in 0..n {
        sinew::yield_now();
    }
    other.join();
    Sample::per(began.elapsed(), 2 * n)
}

async fn tokio_work(scale: Scale) -> Sample {
    let n = count(scale);
    let began = Instant::now();
    let other = tokio::spawn(async move {
        for _ in 0..n {
            tokio::task::yield_now().await;
        }
    });
    for _ in 0..n {
        tokio::task::yield_now().await;
    }
    other.await.expect("it does not panic");
    Sample::per(began.elapsed(), 2 * n)
}

/// Two coroutines beside the one that waits: may looks at its queue of new ones only when no other is ready, so one that
/// yields without end would run alone.
fn may_work(scale: Scale) -> Sample {
    let n = count(scale);
    let yields = move || {
        for _ in 0..n {
            may::coroutine::yield_now();
        }
    };
    let began = Instant::now();
    let both = [on_may::spawn(yields), on_may::spawn(yields)];
    both.into_iter().for_each(|handle| handle.join().expect("it does not panic"));
    Sample::per(began.elapsed(), 2 * n)
}

/// OS threads on one processor, so that a yield is a switch.
fn std_work(scale: Scale) -> Sample {
    let n = slow_count(scale);
    let yields = move || {
        proc::pin_thread(0);
        for _ in 0..n {
            std::thread::yield_now();
        }
    };
    let began = Instant::now();
    let threads = [std::thread::spawn(yields), std::thread::spawn(yields)];
    threads.into_iter().for_each(|thread| thread.join().expect("it does not panic"));
    Sample::per(began.elapsed(), 2 * n)
}

pub fn row() -> Row {
    Row::new(
        "yield-pair",
        "yield_now, 2 threads on one worker (each library's yield means its own thing)",
        "ns a yield",
    )
    .entries(on_sinew::one_worker(sinew_work))
    .entries(on_tokio::one_worker(tokio_work))
    .entry(on_may::entry(1, may_work))
    .entry(go_entry("yield-pair", 1, count))
    .entry(Entry::new("std", |scale| Ok(std_work(scale))))
    .entry(python_entry("python/asyncio", "tasks.py", "asyncio", "yield-pair", slow_count))
    .goal(at_most_r("sinew/1", 5.0))
    .goal(at_most_r("sinew/1+idle", 5.0))
}
