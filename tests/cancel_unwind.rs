//! The unwind of a cancellation: swallowed and raised again, destructors that suspend, and what it is not: a panic.

mod harness;

use harness::{
    LONG, OnDrop, assert_cancelled, good_child, is_child, let_others_run, on_workers, spawn_started, wait_until,
    waiting_bodies,
};
use sinew::{Cancelled, Runtime, thread};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

#[test]
fn a_panic_in_a_capture_that_is_never_used_reaches_join() {
    let runtime = Runtime::builder().workers(1).build().unwrap();
    runtime.run(|| {
        let bomb = OnDrop(|| panic!("bomb"));
        let handle = thread::spawn(move || drop(bomb));
        handle.thread().cancel();
        assert_eq!(handle.join().unwrap_err().downcast_ref::<&str>(), Some(&"bomb"));
    });
}

#[test]
fn swallowed_it_is_raised_again_at_the_next_suspension() {
    on_workers(|| {
        let swallowed = Arc::new(AtomicUsize::new(0));
        let count = swallowed.clone();
        let handle = spawn_started(move || {
            for round in 0..5 {
                let caught = catch_unwind(|| if round % 2 == 0 { thread::park() } else { thread::sleep(LONG) });
                assert!(caught.unwrap_err().is::<Cancelled>());
                count.fetch_add(1, Ordering::SeqCst);
            }
            thread::yield_now();
            count.fetch_add(100, Ordering::SeqCst);
        });
        let_others_run();
        handle.thread().cancel();
        assert_cancelled(handle);
        assert_eq!(swallowed.load(Ordering::SeqCst), 5);
    });
}

#[test]
fn a_destructor_that_suspends_is_not_interrupted() {
    on_workers(|| {
        let done = Arc::new(AtomicUsize::new(0));
        let count = done.clone();
        let handle = spawn_started(move || {
            let _slow = OnDrop(|| {
                thread::sleep(Duration::from_millis(2));
                thread::yield_now();
                thread::spawn(thread::yield_now).join().unwrap();
                thread::blocking(|| ());
                thread::park_timeout(Duration::from_millis(1));
                count.fetch_add(1, Ordering::SeqCst);
            });
            thread::park();
        });
        let_others_run();
        handle.thread().cancel();
        let_others_run();
        // Once more while it unwinds.
        handle.thread().cancel();
        assert_cancelled(handle);
        assert_eq!(done.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_panicking_threads_destructor_is_not_interrupted_either() {
    on_workers(|| {
        let done = Arc::new(AtomicUsize::new(0));
        let count = done.clone();
        let handle = spawn_started(move || {
            let _slow = OnDrop(|| {
                thread::sleep(Duration::from_millis(5));
                thread::yield_now();
                count.fetch_add(1, Ordering::SeqCst);
            });
            panic!("first");
        });
        let_others_run();
        handle.thread().cancel();
        assert_eq!(handle.join().unwrap_err().downcast_ref::<&str>(), Some(&"first"));
        assert_eq!(done.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_scope_does_not_count_a_cancelled_thread_as_panicked() {
    on_workers(|| {
        thread::scope(|scope| {
            let joined = scope.spawn(thread::park);
            joined.thread().cancel();
            assert!(joined.join().unwrap_err().is::<Cancelled>());
            let unjoined = scope.spawn(thread::park);
            unjoined.thread().cancel();
        });
    });
}

#[test]
fn no_panic_hook_runs() {
    if is_child() {
        for body in waiting_bodies() {
            let handle = thread::spawn(body.1);
            handle.thread().cancel();
            assert_cancelled(handle);
        }
        return;
    }
    assert_eq!(good_child("no_panic_hook_runs"), "");
}

#[test]
fn join_tells_cancelled_from_panicked() {
    let panicked = thread::spawn(|| std::panic::panic_any("Cancelled")).join().unwrap_err();
    assert!(!panicked.is::<Cancelled>());
    let cancelled = thread::spawn(thread::park);
    cancelled.thread().cancel();
    let payload = cancelled.join().unwrap_err();
    let reason = payload.downcast_ref::<Cancelled>().unwrap();
    assert_eq!(reason.to_string(), "cancelled");
    let _: &dyn std::error::Error = reason;
}

#[test]
fn many_threads_unwind_at_once_with_destructors_that_suspend() {
    // All on one OS thread, whose one count of panics they share.
    let runtime = Runtime::builder().workers(1).build().unwrap();
    runtime.run(|| {
        let drops = Arc::new(AtomicUsize::new(0));
        let began = Arc::new(AtomicUsize::new(0));
        let threads: Vec<_> = (0..100)
            .map(|i| {
                let drops = drops.clone();
                let begins = began.clone();
                thread::spawn(move || {
                    let _slow = OnDrop(|| {
                        for _ in 0..i % 5 {
                            thread::yield_now();
                        }
                        thread::sleep(Duration::from_millis(1));
                        drops.fetch_add(1, Ordering::SeqCst);
                    });
                    begins.fetch_add(1, Ordering::SeqCst);
                    thread::park();
                })
            })
            .collect();
        wait_until(|| began.load(Ordering::SeqCst) == 100);
        threads.iter().for_each(|thread| thread.thread().cancel());
        threads.into_iter().for_each(assert_cancelled);
        assert_eq!(drops.load(Ordering::SeqCst), 100);
    });
}

#[test]
fn one_that_swallows_is_cancelled_although_another_is_suspended_in_its_unwind() {
    let runtime = Runtime::builder().workers(1).build().unwrap();
    runtime.run(|| {
        let release = Arc::new(AtomicBool::new(false));
        let released = release.clone();
        let slow = thread::spawn(move || {
            let _slow = OnDrop(|| {
                while !released.load(Ordering::SeqCst) {
                    thread::yield_now();
                }
            });
            thread::park();
        });
        let server = thread::spawn(|| {
            // As a server guards itself against its requests.
            let _ = catch_unwind(AssertUnwindSafe(thread::park));
            thread::park();
        });
        let_others_run();
        slow.thread().cancel();
        let_others_run();
        server.thread().cancel();
        let_others_run();
        release.store(true, Ordering::SeqCst);
        assert_cancelled(slow);
        assert_cancelled(server);
    });
}

/// Panics, parks while it unwinds, and goes on after that.
fn panic_and_park() {
    let caught = catch_unwind(|| {
        let _parks = OnDrop(thread::park);
        panic!("its own");
    });
    assert!(caught.is_err());
}

#[test]
fn a_join_beside_suspended_unwinds_is_cancelled_and_does_not_return_early() {
    let runtime = Runtime::builder().workers(1).build().unwrap();
    runtime.run(|| {
        let returned = Arc::new(AtomicBool::new(false));
        let mark = returned.clone();
        let target = Arc::new(OnceLock::<thread::Thread>::new());
        let joining = target.clone();
        // The second starts to unwind while the first is suspended in that; the joiner waits beside both.
        let first = thread::spawn(move || {
            panic_and_park();
            joining.get().unwrap().cancel();
        });
        let_others_run();
        let second = thread::spawn(panic_and_park);
        let_others_run();
        let joiner = thread::spawn(move || {
            let joined = thread::spawn(|| {
                thread::sleep(LONG);
                String::from("result")
            });
            thread::yield_now();
            let _ = joined.join();
            mark.store(true, Ordering::SeqCst);
        });
        target.set(joiner.thread().clone()).unwrap();
        let_others_run();
        first.thread().unpark();
        let_others_run();
        first.join().unwrap();
        assert!(!returned.load(Ordering::SeqCst), "what it joins goes on");
        second.thread().unpark();
        second.join().unwrap();
        assert_cancelled(joiner);
        assert!(!returned.load(Ordering::SeqCst));
    });
}

#[test]
fn one_that_parks_after_its_unwind_is_cancelled_although_another_unwound_meanwhile() {
    let runtime = Runtime::builder().workers(1).build().unwrap();
    runtime.run(|| {
        let first = thread::spawn(|| {
            panic_and_park();
            thread::spawn(thread::park)
        });
        let_others_run();
        let second = thread::spawn(panic_and_park);
        let_others_run();
        first.thread().unpark();
        let_others_run();
        second.thread().unpark();
        let_others_run();
        let parked = first.join().unwrap();
        second.join().unwrap();
        parked.thread().cancel();
        assert_cancelled(parked);
    });
}
