//! 10,000 threads on one worker that all yield in turn. All have started before the clock does, so it shows a switch
//! among stacks that the caches cannot hold, not the start of a thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use crate::model::{Row, Sample, Scale, at_most_r};
use crate::peers::on_sinew::{Place, beside};
use crate::peers::program::{go_entry, python_entry};
use crate::peers::{on_may, on_sinew, on_tokio};

/// Yields of each thread once the gate is open.
const YIELDS: u64 = 200;

fn threads(scale: Scale) -> u64 {
    scale.of(10_000, 50)
}

/// Holds the threads back until all have started. One worker runs them all, so relaxed accesses do.
#[derive(Default)]
struct Gate {
    started: AtomicU64,
    open: AtomicBool,
}

fn sinew_work(scale: Scale, place: Place) -> Sample {
    let threads = threads(scale);
    let gate = Arc::new(Gate::default());
    let handles: Vec<_> = (0..threads)
        .map(|_| {
            let gate = Arc::clone(&gate);
            beside(place, move || {
                gate.started.fetch_add(1, Relaxed);
                while !gate.open.load(Relaxed) {
                    sinew::yield_now();
                }
                for _ in 0..YIELDS {
                    sinew::yield_now();
                }
            })
        })
        .collect();
    while gate.started.load(Relaxed) < threads {
        sinew::yield_now();
    }
    let began = Instant::now();
    gate.open.store(true, Relaxed);
    handles.into_iter().for_each(|handle| handle.join());
    Sample::per(began.elapsed(), threads * YIELDS)
}

async fn tokio_work(scale: Scale) -> Sample {
    let threads = threads(scale);
    let gate = Arc::new(Gate::default());
    let handles: Vec<_> = (0..threads)
        .map(|_| {
            let gate = Arc::clone(&gate);
            tokio::spawn(async move {
                gate.started.fetch_add(1, Relaxed);
                while !gate.open.load(Relaxed) {
                    tokio::task::yield_now().await;
                }
                for _ in 0..YIELDS {
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    while gate.started.load(Relaxed) < threads {
        tokio::task::yield_now().await;
    }
    let began = Instant::now();
    gate.open.store(true, Relaxed);
    for handle in handles {
        handle.await.expect("it does not panic");
    }
    Sample::per(began.elapsed(), threads * YIELDS)
}

/// The one that waits for the start parks: may looks at its queue of new coroutines only when no other is ready, so a
/// loop that yields would keep them from it for ever.
fn may_work(scale: Scale) -> Sample {
    let threads = threads(scale);
    let gate = Arc::new(Gate::default());
    let me = may::coroutine::current();
    let handles: Vec<_> = (0..threads)
        .map(|_| {
            let (gate, me) = (Arc::clone(&gate), me.clone());
            on_may::spawn(move || {
                if gate.started.fetch_add(1, Relaxed) + 1 == threads {
                    me.unpark();
                }
                while !gate.open.load(Relaxed) {
                    may::coroutine::yield_now();
                }
                for _ in 0..YIELDS {
                    may::coroutine::yield_now();
                }
            })
        })
        .collect();
    while gate.started.load(Relaxed) < threads {
        may::coroutine::park();
    }
    let began = Instant::now();
    gate.open.store(true, Relaxed);
    handles.into_iter().for_each(|handle| handle.join().expect("it does not panic"));
    Sample::per(began.elapsed(), threads * YIELDS)
}

pub fn row() -> Row {
    Row::new("yield-10k", "yield_now, 10,000 threads on one worker, all started first", "ns a yield")
        .entries(on_sinew::one_worker(sinew_work))
        .entries(on_tokio::one_worker(tokio_work))
        .entry(on_may::entry(1, may_work))
        .entry(go_entry("yield-many", 1, threads))
        .entry(python_entry("python/asyncio", "tasks.py", "asyncio", "yield-many", |s| s.of(1_000, 50)))
        .goal(at_most_r("sinew/1", 14.0))
        .goal(at_most_r("sinew/1+idle", 14.0))
}
