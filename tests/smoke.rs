//! The whole stack in a few lines each: spawn, join, park, sleep, scope, panic, cancel, shutdown.

use sinew::{Cancelled, Runtime, thread};
use std::time::{Duration, Instant};

#[test]
fn a_tree_of_threads_adds_up() {
    fn tree(number: u64, size: u64) -> u64 {
        if size == 1 {
            return number;
        }
        let children: Vec<_> = (0..10).map(|i| sinew::spawn(move || tree(number + i * size / 10, size / 10))).collect();
        children.into_iter().map(|child| child.join().unwrap()).sum()
    }
    for workers in [1, 2, 4] {
        let runtime = Runtime::builder().workers(workers).build().unwrap();
        assert_eq!(runtime.run(|| tree(0, 10_000)), 49_995_000);
    }
}

#[test]
fn a_panic_reaches_join() {
    let payload = sinew::spawn(|| panic!("words")).join().unwrap_err();
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"words"));
}

#[test]
fn a_parked_thread_is_cancelled() {
    let parked = sinew::spawn(sinew::park);
    parked.thread().cancel();
    assert!(parked.join().unwrap_err().is::<Cancelled>());
}

#[test]
fn sleepers_sleep_for_as_long_as_they_ask() {
    let start = Instant::now();
    let sleepers = [30, 10, 20].map(|ms| {
        let time = Duration::from_millis(ms);
        sinew::spawn(move || {
            sinew::sleep(time);
            start.elapsed() >= time
        })
    });
    assert!(sleepers.into_iter().all(|sleeper| sleeper.join().unwrap()));
}

#[test]
fn sleepers_wake_in_order() {
    // The clock stands still until all of them sleep.
    let runtime = Runtime::builder().workers(1).start_paused(true).build().unwrap();
    let woken = runtime.run(|| {
        let (sender, receiver) = std::sync::mpsc::channel();
        let sleepers = [30, 10, 20].map(|ms| {
            let sender = sender.clone();
            sinew::spawn(move || {
                sinew::sleep(Duration::from_millis(ms));
                sender.send(ms).unwrap();
            })
        });
        sleepers.into_iter().for_each(|sleeper| sleeper.join().unwrap());
        receiver.try_iter().collect::<Vec<_>>()
    });
    assert_eq!(woken, [10, 20, 30]);
}

#[test]
fn a_scope_lends_its_stack() {
    let mut numbers = [1, 2, 3];
    sinew::run(|| {
        sinew::scope(|scope| {
            for number in &mut numbers {
                scope.spawn(move || {
                    sinew::yield_now();
                    *number *= 2;
                });
            }
        });
    });
    assert_eq!(numbers, [2, 4, 6]);
}

#[test]
fn a_shutdown_ends_threads_in_every_state() {
    for round in 0..50 {
        let runtime = Runtime::builder().workers(1 + round % 3).build().unwrap();
        runtime.run(|| {
            for _ in 0..10 {
                drop(sinew::spawn(sinew::park));
                drop(sinew::spawn(|| sinew::sleep(Duration::from_secs(1_000))));
                drop(sinew::spawn(|| {
                    loop {
                        sinew::yield_now();
                    }
                }));
                drop(sinew::spawn(|| thread::scope(|scope| drop(scope.spawn(sinew::park)))));
            }
            sinew::yield_now();
        });
        runtime.shutdown(Instant::now() + Duration::from_secs(300)).unwrap();
    }
}
