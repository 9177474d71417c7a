//! One thread computes for a second without a pause; a third thread spawns 1,000 meanwhile on two workers. None of them
//! may be stuck behind the first.

use std::hint::spin_loop;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::goals::spread;
use crate::model::{Entry, Row, Sample, Scale, at_most};
use crate::peers::on_tokio::Flavour;
use crate::peers::program::go_entry;
use crate::peers::{on_may, on_sinew};

/// Between two spawns, so that they fill most of the hog's second.
const PAUSE: Duration = Duration::from_micros(700);

fn spawns(scale: Scale) -> u64 {
    scale.of(1_000, 50)
}

fn compute(scale: Scale, running: &AtomicBool) {
    running.store(true, Ordering::Release);
    let time = Duration::from_millis(scale.of(1_000, 100));
    let began = Instant::now();
    while began.elapsed() < time {
        spin_loop();
    }
}

/// Waits, off every worker, until the hog holds its worker: the spawner then starts on another.
fn wait_for(running: &AtomicBool) {
    while !running.load(Ordering::Acquire) {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The longest delay is the sample.
fn of(delays: Vec<Duration>) -> Sample {
    let (median, _, most) = spread(delays.iter().map(|d| d.as_secs_f64() * 1e3)).expect("there were spawns");
    Sample::new(most).mean("median", median, 1.0)
}

fn on_sinew(runtime: &sinew::Runtime, scale: Scale) -> Sample {
    let running = Arc::new(AtomicBool::new(false));
    let hogs = Arc::clone(&running);
    std::thread::scope(|os| {
        os.spawn(move || runtime.run(move || compute(scale, &hogs)));
        wait_for(&running);
        let delays = runtime.run(move || {
            let handles: Vec<_> = (0..spawns(scale))
                .map(|_| {
                    let asked = Instant::now();
                    let handle = sinew::spawn(move || asked.elapsed());
                    sinew::sleep(PAUSE);
                    handle
                })
                .collect();
            handles.into_iter().map(|handle| handle.join().expect("it does not panic")).collect()
        });
        of(delays)
    })
}

fn on_tokio(runtime: &tokio::runtime::Runtime, scale: Scale) -> Sample {
    let running = Arc::new(AtomicBool::new(false));
    let hogs = Arc::clone(&running);
    let hog = runtime.spawn(async move { compute(scale, &hogs) });
    wait_for(&running);
    let spawner = runtime.spawn(async move {
        let mut handles = Vec::new();
        for _ in 0..spawns(scale) {
            let asked = Instant::now();
            handles.push(tokio::spawn(async move { asked.elapsed() }));
            // Tokio's own timer is as coarse as a millisecond.
            tokio::time::sleep(PAUSE).await;
        }
        let mut delays = Vec::new();
        for handle in handles {
            delays.push(handle.await.expect("it does not panic"));
        }
        of(delays)
    });
    runtime.block_on(async move {
        let sample = spawner.await.expect("it does not panic");
        hog.await.expect("it does not panic");
        sample
    })
}

fn on_may(scale: Scale) -> Sample {
    on_may::configure(2);
    let running = Arc::new(AtomicBool::new(false));
    let hogs = Arc::clone(&running);
    let hog = on_may::spawn(move || compute(scale, &hogs));
    wait_for(&running);
    let spawner = on_may::spawn(move || {
        let handles: Vec<_> = (0..spawns(scale))
            .map(|_| {
                let asked = Instant::now();
                let handle = on_may::spawn(move || asked.elapsed());
                may::coroutine::sleep(PAUSE);
                handle
            })
            .collect();
        handles.into_iter().map(|handle| handle.join().expect("it does not panic")).collect()
    });
    let delays = spawner.join().expect("it does not panic");
    hog.join().expect("it does not panic");
    of(delays)
}

pub fn row() -> Row {
    let (mut sinew, mut tokio) = (None, None);
    Row::new("hog", "one thread computes for 1 s, 2 workers, 1,000 spawns from a third: longest time to start", "ms")
        .runs(5)
        .entry(Entry::new("sinew/2", move |scale| {
            Ok(on_sinew(sinew.get_or_insert_with(|| on_sinew::runtime(2)), scale))
        }))
        .entry(Entry::new("tokio/multi2", move |scale| {
            Ok(on_tokio(tokio.get_or_insert_with(|| Flavour::Multi(2).build()), scale))
        }))
        .entry(Entry::new("may/2", |scale| Ok(on_may(scale))).isolated())
        .entry(go_entry("hog", 2, spawns))
        .goal(at_most("sinew/2", 10.0))
}
