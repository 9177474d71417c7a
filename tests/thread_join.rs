//! `join` and `is_finished`: across kinds of threads, across workers, before and after the end.

mod harness;

use harness::{CountsDrops, on_each_kind, wait_until};
use sinew::{JoinHandle, Runtime, thread};
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

#[test]
fn a_join_waits_for_the_end() {
    on_each_kind(|| {
        let ended = Arc::new(AtomicBool::new(false));
        let mark = ended.clone();
        let waiter = thread::spawn(move || {
            thread::park();
            mark.store(true, Ordering::Relaxed);
        });
        let other = waiter.thread().clone();
        let waker = thread::spawn(move || {
            harness::let_others_run();
            other.unpark();
        });
        waiter.join().unwrap();
        assert!(ended.load(Ordering::Relaxed));
        waker.join().unwrap();
    });
}

#[test]
fn a_join_after_the_end_returns_at_once() {
    on_each_kind(|| {
        let handle = thread::spawn(|| 5);
        wait_until(|| handle.is_finished());
        assert_eq!(handle.join().unwrap(), 5);
    });
}

#[test]
fn a_thread_is_not_finished_before_its_end() {
    on_each_kind(|| {
        let handle = thread::spawn(thread::park);
        harness::let_others_run();
        assert!(!handle.is_finished());
        handle.thread().unpark();
        wait_until(|| handle.is_finished());
        assert!(handle.is_finished());
        handle.join().unwrap();
    });
}

#[test]
fn a_panicked_thread_is_finished_too() {
    let handle = thread::spawn(|| panic!("end"));
    wait_until(|| handle.is_finished());
    assert!(handle.join().is_err());
}

#[test]
fn a_handle_may_be_joined_by_any_thread() {
    fn chain(handle: JoinHandle<u32>, depth: u32) -> JoinHandle<u32> {
        if depth == 0 { handle } else { chain(thread::spawn(move || handle.join().unwrap() + 1), depth - 1) }
    }
    for workers in [1, 2, 4] {
        let runtime = Runtime::builder().workers(workers).build().unwrap();
        let first = runtime.handle().spawn(|| 0).unwrap();
        let last = runtime.run(move || chain(first, 1_000));
        // An OS thread joins what a green one spawned.
        assert_eq!(std::thread::spawn(move || last.join().unwrap()).join().unwrap(), 1_000);
    }
}

#[test]
fn a_green_thread_joins_one_of_another_runtime() {
    let (one, two) = (Runtime::builder().workers(1).build().unwrap(), Runtime::builder().workers(1).build().unwrap());
    let from = two.handle();
    one.run(|| {
        for i in 0..500 {
            assert_eq!(from.spawn(move || i).unwrap().join().unwrap(), i);
        }
        let parked = from.spawn(thread::park).unwrap();
        let thread = parked.thread().clone();
        let waker = thread::spawn(move || thread.unpark());
        parked.join().unwrap();
        waker.join().unwrap();
    });
}

#[test]
fn joins_race_with_ends_on_other_workers() {
    for workers in [1, 2, 4, 8] {
        let runtime = Runtime::builder().workers(workers).build().unwrap();
        let total = runtime.run(|| {
            let mut total = 0;
            for round in 0..200_u64 {
                let threads: Vec<_> = (0..20)
                    .map(|i| {
                        thread::spawn(move || {
                            for _ in 0..(i + round) % 4 {
                                thread::yield_now();
                            }
                            i
                        })
                    })
                    .collect();
                total += threads.into_iter().map(|thread| thread.join().unwrap()).sum::<u64>();
            }
            total
        });
        assert_eq!(total, 200 * 190);
    }
}

#[test]
fn os_threads_join_while_green_ones_end() {
    let joiners: Vec<_> = (0..4)
        .map(|_| {
            std::thread::spawn(|| {
                for i in 0..2_000 {
                    assert_eq!(thread::spawn(move || i).join().unwrap(), i);
                }
            })
        })
        .collect();
    joiners.into_iter().for_each(|joiner| joiner.join().unwrap());
}

#[test]
fn what_the_thread_wrote_is_seen_after_join() {
    on_each_kind(|| {
        for i in 0..100 {
            let cell = Arc::new(AtomicUsize::new(0));
            let inside = cell.clone();
            thread::spawn(move || inside.store(i, Ordering::Relaxed)).join().unwrap();
            assert_eq!(cell.load(Ordering::Relaxed), i);
        }
    });
}

#[test]
fn a_result_travels_whole_through_many_hands() {
    let drops = Arc::new(AtomicUsize::new(0));
    let gift = CountsDrops(drops.clone());
    let handle = thread::spawn(move || thread::spawn(move || thread::spawn(move || gift)));
    let gift = handle.join().unwrap().join().unwrap().join().unwrap();
    assert_eq!(drops.load(Ordering::SeqCst), 0);
    drop(gift);
    assert_eq!(drops.load(Ordering::SeqCst), 1);
}

#[test]
fn a_handle_outlives_its_runtime() {
    let runtime = Runtime::builder().workers(1).build().unwrap();
    let ended = runtime.handle().spawn(|| String::from("kept")).unwrap();
    wait_until(|| ended.is_finished());
    let parked = runtime.handle().spawn(thread::park).unwrap();
    drop(runtime);
    parked.thread().unpark();
    parked.thread().cancel();
    assert_eq!(ended.join().unwrap(), "kept");
    assert!(parked.join().unwrap_err().is::<sinew::Cancelled>());
}
