//! Fewer stacks than threads: the others wait their turn, `Builder::spawn` says which limit it is, and a maximum that would
//! stop everything is exceeded.

mod harness;

use harness::{dying_child, good_child, is_child, wait_until};
use sinew::{Builder, Runtime, thread};
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

fn runtime(workers: usize, stacks: usize) -> Runtime {
    Runtime::builder().workers(workers).max_stacks(stacks).build().unwrap()
}

/// Spawns as soon as there is room.
fn spawn_patiently<T: Send + 'static>(body: impl FnOnce() -> T + Send + Clone + 'static) -> sinew::JoinHandle<T> {
    loop {
        match Builder::new().spawn(body.clone()) {
            Ok(thread) => return thread,
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::OutOfMemory);
                thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

#[test]
fn more_threads_than_stacks_all_finish() {
    for (workers, stacks) in [(1, 3), (2, 3), (4, 20), (8, 8)] {
        let runtime = runtime(workers, stacks);
        let total = runtime.run(|| {
            let threads: Vec<_> = (0..300_u64)
                .map(|i| {
                    spawn_patiently(move || {
                        thread::yield_now();
                        thread::sleep(Duration::from_micros(i % 7 * 100));
                        i
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum::<u64>()
        });
        assert_eq!(total, 300 * 299 / 2);
        let metrics = runtime.metrics();
        assert!(metrics.most_stacks <= stacks as u64, "{metrics:?}");
    }
}

#[test]
fn threads_that_never_suspend_share_one_stack() {
    let runtime = runtime(1, 2);
    runtime.run(|| {
        for _ in 0..20 {
            let threads: Vec<_> = (0..200).map(|i| thread::spawn(move || i)).collect();
            assert!(threads.into_iter().enumerate().all(|(i, thread)| thread.join().unwrap() == i));
        }
    });
    assert!(runtime.metrics().most_stacks <= 2);
}

#[test]
fn stacks_that_an_idle_worker_keeps_come_to_one_that_needs_them() {
    // More workers than stacks, so each must let go of what it does not use.
    let runtime = runtime(8, 2);
    for round in 0..200 {
        let handle = runtime.handle();
        assert_eq!(
            runtime.run(|| handle.spawn(move || round).map(|thread| thread.join().unwrap()).unwrap_or(round)),
            round
        );
    }
}

#[test]
fn a_spawn_says_which_limit_it_is_and_works_again_later() {
    let runtime = runtime(1, 4);
    runtime.run(|| {
        let stop = Arc::new(AtomicBool::new(false));
        let holders: Vec<_> = (0..3)
            .map(|_| {
                let stop = stop.clone();
                thread::spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        thread::yield_now();
                    }
                })
            })
            .collect();
        harness::let_others_run();
        // Nobody knows of a shortage before a thread meets it.
        let waits = Builder::new().spawn(|| 5).unwrap();
        harness::let_others_run();
        for _ in 0..3 {
            let error = Builder::new().spawn(|| ()).map(|_| ()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::OutOfMemory);
            assert!(error.to_string().contains("the configured maximum of 4 is in use"), "{error}");
        }
        let panicked = std::panic::catch_unwind(|| thread::spawn(|| ()));
        assert!(panicked.is_err(), "as std's does");
        let scoped = thread::scope(|scope| Builder::new().spawn_scoped(scope, || ()).map(|_| ()));
        assert!(scoped.is_err());
        assert!(!waits.is_finished());
        stop.store(true, Ordering::Relaxed);
        holders.into_iter().for_each(|holder| holder.join().unwrap());
        assert_eq!(waits.join().unwrap(), 5);
        assert_eq!(Builder::new().spawn(|| 6).unwrap().join().unwrap(), 6);
        assert_eq!(thread::spawn(|| 7).join().unwrap(), 7);
    });
}

#[test]
fn a_thread_that_waits_for_a_stack_may_be_cancelled() {
    let runtime = runtime(1, 3);
    runtime.run(|| {
        let stop = Arc::new(AtomicBool::new(false));
        let holders: Vec<_> = (0..2)
            .map(|_| {
                let stop = stop.clone();
                thread::spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        thread::yield_now();
                    }
                })
            })
            .collect();
        harness::let_others_run();
        let waits = Builder::new().spawn(|| panic!("never runs")).unwrap();
        harness::let_others_run();
        waits.thread().cancel();
        stop.store(true, Ordering::Relaxed);
        assert!(waits.join().unwrap_err().is::<sinew::Cancelled>());
        holders.into_iter().for_each(|holder| holder.join().unwrap());
    });
}

#[test]
fn a_shutdown_ends_threads_that_wait_for_a_stack() {
    for workers in [1, 2, 4] {
        let runtime = runtime(workers, 5);
        let ran = Arc::new(AtomicUsize::new(0));
        let handle = runtime.handle();
        let parked: Vec<_> = (0..100)
            .filter_map(|_| {
                let ran = ran.clone();
                let body = move || {
                    ran.fetch_add(1, Ordering::Relaxed);
                    thread::sleep(Duration::from_secs(3_600));
                };
                handle.spawn(body).ok()
            })
            .collect();
        wait_until(|| ran.load(Ordering::Relaxed) == 5);
        runtime.shutdown(std::time::Instant::now() + Duration::from_secs(300)).unwrap();
        assert!(parked.into_iter().all(|thread| thread.join().is_err()));
        // A worker that has not heard of it yet may start one on a stack that another has come free of, and none after: so each of
        // the stacks goes to each of the workers once at most.
        let ran = ran.load(Ordering::Relaxed);
        assert!(ran <= 5 * workers, "{ran} on {workers} workers");
    }
}

#[test]
fn a_timer_that_is_pending_keeps_the_maximum() {
    const TEST: &str = "a_timer_that_is_pending_keeps_the_maximum";
    if !is_child() {
        let words = good_child(TEST);
        assert!(words.contains("maximum of 3 is in use") && !words.contains("exceeded"), "{words}");
        return;
    }
    let runtime = runtime(1, 3);
    runtime.run(|| {
        let sleepers: Vec<_> = (0..2).map(|_| thread::spawn(|| thread::sleep(Duration::from_millis(200)))).collect();
        harness::let_others_run();
        let last = thread::spawn(|| 1);
        assert_eq!(last.join().unwrap(), 1);
        sleepers.into_iter().for_each(|sleeper| sleeper.join().unwrap());
    });
    assert_eq!(runtime.metrics().most_stacks, 3);
}

#[test]
fn a_maximum_that_stops_everything_is_exceeded_with_a_report() {
    const TEST: &str = "a_maximum_that_stops_everything_is_exceeded_with_a_report";
    if !is_child() {
        let words = good_child(TEST);
        assert!(words.contains("sinew: out of stacks: the configured maximum of 4 is in use"), "{words}");
        assert!(words.contains("so the maximum is exceeded"), "{words}");
        return;
    }
    for workers in [1, 2, 4] {
        let runtime = runtime(workers, 4);
        // Each waits for the next one, which has no stack.
        fn chain(depth: u32) -> u32 {
            if depth == 0 { 0 } else { spawn_patiently(move || chain(depth - 1)).join().unwrap() + 1 }
        }
        let depth = runtime.run(|| {
            // A chain whose spawns were made before the shortage was known.
            let parked: Vec<_> = (0..12).map(|_| runtime.handle().spawn(thread::park)).collect();
            let parked: Vec<_> = parked.into_iter().filter_map(Result::ok).collect();
            let waker = {
                let threads: Vec<_> = parked.iter().map(|thread| thread.thread().clone()).collect();
                spawn_patiently(move || threads.iter().for_each(thread::Thread::unpark))
            };
            waker.join().unwrap();
            parked.into_iter().for_each(|thread| thread.join().unwrap());
            chain(10)
        });
        assert_eq!(depth, 10);
        assert!(runtime.metrics().most_stacks > 4);
    }
}

#[test]
#[cfg_attr(any(sinew_asan, sinew_tsan), ignore = "a sanitizer's own memory does not fit into the limit")]
#[cfg_attr(sinew_emulated, ignore = "qemu-user does not enforce limits on memory")]
fn a_limit_of_the_kernels_that_stops_everything_aborts_with_a_report() {
    const TEST: &str = "a_limit_of_the_kernels_that_stops_everything_aborts_with_a_report";
    if !is_child() {
        let words = dying_child(TEST, libc::SIGABRT);
        assert!(words.contains("sinew: out of stacks: the kernel gave no memory for another one"), "{words}");
        assert!(words.contains("all stacks are held by threads that wait") && words.contains("aborting"), "{words}");
        return;
    }
    let runtime = Runtime::builder().workers(1).stack_size(512 << 20).build().unwrap();
    // Room for a few of these.
    let limit = libc::rlimit { rlim_cur: 5 << 30, rlim_max: 5 << 30 };
    // SAFETY: a valid limit of this process, which is a test's own.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &raw const limit) }, 0);
    runtime.run(|| {
        let parked: Vec<_> = (0..20).map(|_| thread::spawn(thread::park)).collect();
        let last = parked.last().unwrap().thread().clone();
        parked.into_iter().for_each(|thread| thread.join().unwrap());
        drop(last);
    });
}
