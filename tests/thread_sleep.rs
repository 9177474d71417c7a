//! `sleep`, `sleep_until` and `yield_now`.

mod harness;

use harness::on_each_kind;
use sinew::{Runtime, thread, time};
use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

#[test]
fn a_sleep_is_never_shorter_than_asked() {
    on_each_kind(|| {
        for micros in [0, 1, 999, 1_000, 1_001, 3_500, 20_000] {
            let (before, duration) = (Instant::now(), Duration::from_micros(micros));
            thread::sleep(duration);
            assert!(before.elapsed() >= duration, "{micros} µs");
        }
    });
}

#[test]
fn sleep_until_never_returns_before_its_time() {
    on_each_kind(|| {
        let at = Instant::now() + Duration::from_millis(7);
        thread::sleep_until(at);
        assert!(Instant::now() >= at);
        // This has passed.
        thread::sleep_until(at);
        thread::sleep_until(Instant::now().checked_sub(Duration::from_secs(1)).unwrap_or(at));
    });
}

#[test]
#[allow(deprecated, reason = "std has it, so it is there")]
fn the_old_names_sleep_too() {
    on_each_kind(|| {
        let before = Instant::now();
        thread::sleep_ms(2);
        thread::park_timeout_ms(2);
        assert!(before.elapsed() >= Duration::from_millis(4));
    });
}

#[test]
fn sleepers_wake_in_the_order_of_their_deadlines() {
    // Its time stands still until all of them sleep.
    let runtime = Runtime::builder().workers(1).start_paused(true).build().unwrap();
    runtime.run(|| {
        let woken = Arc::new(Mutex::new(Vec::new()));
        let base = time::Instant::now() + Duration::from_millis(20);
        let threads: Vec<_> = (0..200_u64)
            .map(|i| {
                let (woken, rank) = (woken.clone(), i * 67 % 200);
                thread::spawn(move || {
                    // Two milliseconds apart, so that rounding keeps the order.
                    time::sleep_until(base + Duration::from_millis(2 * rank));
                    woken.lock().unwrap().push(rank);
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let woken = woken.lock().unwrap();
        assert!(woken.is_sorted(), "{woken:?}");
    });
}

#[test]
fn thousands_sleep_at_once() {
    for workers in [1, 2] {
        let runtime = Runtime::builder().workers(workers).build().unwrap();
        runtime.run(|| {
            let threads: Vec<_> = (0..5_000_u64)
                .map(|i| {
                    thread::spawn(move || {
                        let (before, duration) = (Instant::now(), Duration::from_micros(i * 37 % 50_000));
                        thread::sleep(duration);
                        before.elapsed() >= duration
                    })
                })
                .collect();
            assert!(threads.into_iter().all(|thread| thread.join().unwrap()));
        });
    }
}

#[test]
fn a_sleeper_does_not_hold_up_others() {
    let runtime = Runtime::builder().workers(1).build().unwrap();
    runtime.run(|| {
        let sleeper = thread::spawn(|| thread::sleep(Duration::from_secs(3_600)));
        harness::let_others_run();
        for i in 0..100 {
            assert_eq!(thread::spawn(move || i).join().unwrap(), i);
        }
        assert!(!sleeper.is_finished());
        sleeper.thread().cancel();
        assert!(sleeper.join().is_err());
    });
}

#[test]
fn a_sleep_for_ever_can_be_cancelled() {
    let sleeper = thread::spawn(|| thread::sleep(Duration::MAX));
    sleeper.thread().cancel();
    assert!(sleeper.join().unwrap_err().is::<sinew::Cancelled>());
}

#[test]
fn a_yield_lets_the_others_of_its_worker_run() {
    let runtime = Runtime::builder().workers(1).build().unwrap();
    runtime.run(|| {
        let order = Arc::new(Mutex::new(Vec::new()));
        let started = Arc::new(Mutex::new(0));
        let threads: Vec<_> = (0..3)
            .map(|i| {
                let (order, started) = (order.clone(), started.clone());
                thread::spawn(move || {
                    *started.lock().unwrap() += 1;
                    while *started.lock().unwrap() < 3 {
                        thread::yield_now();
                    }
                    for round in 0..5 {
                        order.lock().unwrap().push((round, i));
                        thread::yield_now();
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let order = order.lock().unwrap();
        // Each round is complete before the next one starts: nobody runs twice while another is ready.
        assert!(order.is_sorted_by_key(|&(round, _)| round), "{order:?}");
    });
}

#[test]
fn a_yield_alone_returns() {
    on_each_kind(|| {
        for _ in 0..10_000 {
            thread::yield_now();
        }
    });
}
