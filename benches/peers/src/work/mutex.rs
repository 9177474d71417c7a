//! A mutex: locked and unlocked with nobody else about, and by 64 threads that keep it for a few instructions each.
//!
//! A short critical section that is never suspended inside is hardly ever found locked where all are on one worker; with two there
//! are always two at it.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use crate::model::{Entry, Row, Sample, Scale, at_most_times};
use crate::peers::on_tokio::Flavour;
use crate::peers::program::go_entry;
use crate::peers::{on_sinew, on_tokio};

const THREADS: u64 = 64;

fn alone(scale: Scale) -> u64 {
    scale.of(5_000_000, 10_000)
}

fn together(scale: Scale) -> u64 {
    scale.of(6_400_000, 64_000)
}

/// Defines the work for a mutex with std's names.
macro_rules! uncontended {
    ($name:ident, $mutex:ty) => {
        fn $name(scale: Scale) -> Sample {
            let n = alone(scale);
            let mutex = <$mutex>::new(0);
            let began = Instant::now();
            for _ in 0..n {
                *black_box(&mutex).lock().expect("it is not poisoned") += 1;
            }
            let elapsed = began.elapsed();
            assert_eq!(*mutex.lock().expect("it is not poisoned"), n);
            Sample::per(elapsed, n)
        }
    };
}

uncontended!(sinew_alone, sinew::sync::Mutex<u64>);
uncontended!(std_alone, std::sync::Mutex<u64>);

async fn tokio_alone(scale: Scale) -> Sample {
    let n = alone(scale);
    let mutex = tokio::sync::Mutex::new(0);
    let began = Instant::now();
    for _ in 0..n {
        *black_box(&mutex).lock().await += 1;
    }
    let elapsed = began.elapsed();
    assert_eq!(*mutex.lock().await, n);
    Sample::per(elapsed, n)
}

pub fn uncontended() -> Row {
    Row::new("mutex", "lock and unlock, uncontended", "ns each")
        .entry(on_sinew::entry("sinew/1", 1, sinew_alone))
        .entry(Entry::new("sinew/os", |scale| Ok(sinew_alone(scale))))
        .entry(Entry::new("std", |scale| Ok(std_alone(scale))))
        .entry(on_tokio::entry(Flavour::Current, tokio_alone))
        .entry(go_entry("mutex", 1, alone))
        .goal(at_most_times("sinew/1", 1.1, "std"))
        .goal(at_most_times("sinew/os", 1.1, "std"))
}

fn sinew_together(scale: Scale) -> Sample {
    let each = together(scale) / THREADS;
    let mutex = Arc::new(sinew::sync::Mutex::new(0));
    let began = Instant::now();
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let mutex = Arc::clone(&mutex);
            sinew::spawn(move || {
                for _ in 0..each {
                    *mutex.lock().expect("it is not poisoned") += 1;
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("it does not panic");
    }
    let elapsed = began.elapsed();
    assert_eq!(*mutex.lock().expect("it is not poisoned"), each * THREADS);
    Sample::per(elapsed, each * THREADS)
}

fn std_together(scale: Scale) -> Sample {
    let each = together(scale) / THREADS;
    let mutex = std::sync::Mutex::new(0);
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..each {
                    *mutex.lock().expect("it is not poisoned") += 1;
                }
            });
        }
    });
    let elapsed = began.elapsed();
    assert_eq!(mutex.into_inner().expect("it is not poisoned"), each * THREADS);
    Sample::per(elapsed, each * THREADS)
}

async fn tokio_together(scale: Scale) -> Sample {
    let each = together(scale) / THREADS;
    let mutex = Arc::new(tokio::sync::Mutex::new(0));
    let began = Instant::now();
    let tasks: Vec<_> = (0..THREADS)
        .map(|_| {
            let mutex = Arc::clone(&mutex);
            tokio::spawn(async move {
                for _ in 0..each {
                    *mutex.lock().await += 1;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("it does not panic");
    }
    let elapsed = began.elapsed();
    assert_eq!(*mutex.lock().await, each * THREADS);
    Sample::per(elapsed, each * THREADS)
}

pub fn contended() -> Row {
    Row::new("mutex-64", "64 threads lock, add one and unlock, 2 workers", "ns each")
        .entry(on_sinew::entry("sinew/2", 2, sinew_together))
        .entry(on_tokio::entry(Flavour::Multi(2), tokio_together))
        .entry(Entry::new("std", |scale| Ok(std_together(scale))))
        .entry(go_entry("mutex-64", 2, together))
        .goal(at_most_times("sinew/2", 0.5, "tokio"))
}
