//! Cancellation: where it is raised, where it waits, and what `join` then says.

mod harness;

use harness::{
    CountsDrops, OnDrop, assert_cancelled, let_others_run, on_workers, spawn_started, wait_until, waiting_bodies,
};
use sinew::{Cancelled, Runtime, thread};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

#[test]
fn a_waiting_thread_unwinds() {
    on_workers(|| {
        for (name, body) in waiting_bodies() {
            let drops = Arc::new(AtomicUsize::new(0));
            let (captured, local) = (CountsDrops(drops.clone()), drops.clone());
            let handle = spawn_started(move || {
                let _captured = captured;
                let _local = CountsDrops(local);
                body();
            });
            let_others_run();
            handle.thread().cancel();
            assert_cancelled(handle);
            assert_eq!(drops.load(Ordering::SeqCst), 2, "{name}");
        }
    });
}

#[test]
fn a_waiting_thread_is_cancelled_from_an_os_thread() {
    for (_, body) in waiting_bodies() {
        for _ in 0..50 {
            let handle = thread::spawn(body);
            handle.thread().cancel();
            assert_cancelled(handle);
        }
    }
}

#[test]
fn a_waiting_thread_is_cancelled_from_another_worker() {
    let (one, two) = (Runtime::builder().workers(1).build().unwrap(), Runtime::builder().workers(1).build().unwrap());
    let from = one.handle();
    two.run(|| {
        for (_, body) in waiting_bodies() {
            for _ in 0..50 {
                let handle = from.spawn(body).unwrap();
                thread::yield_now();
                handle.thread().cancel();
                assert_cancelled(handle);
            }
        }
    });
}

#[test]
fn a_thread_cancelled_before_its_start_never_runs_and_drops_its_captures() {
    let runtime = Runtime::builder().workers(1).build().unwrap();
    runtime.run(|| {
        let (drops, runs) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        for _ in 0..50 {
            let (captured, runs) = (CountsDrops(drops.clone()), runs.clone());
            let handle = thread::spawn(move || {
                runs.fetch_add(1, Ordering::SeqCst);
                drop(captured);
            });
            handle.thread().cancel();
            assert_cancelled(handle);
        }
        assert_eq!((drops.load(Ordering::SeqCst), runs.load(Ordering::SeqCst)), (50, 0));
    });
}

#[test]
fn a_running_thread_is_cancelled_at_its_next_suspension() {
    let (started, go, after) =
        (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let (say, wait, count) = (started.clone(), go.clone(), after.clone());
    let handle = thread::spawn(move || {
        say.store(true, Ordering::SeqCst);
        while !wait.load(Ordering::SeqCst) {
            std::hint::spin_loop();
        }
        count.fetch_add(1, Ordering::SeqCst);
        // The message may take a moment to arrive.
        loop {
            thread::yield_now();
        }
    });
    wait_until(|| started.load(Ordering::SeqCst));
    handle.thread().cancel();
    go.store(true, Ordering::SeqCst);
    assert_cancelled(handle);
    assert_eq!(after.load(Ordering::SeqCst), 1, "what does not suspend goes on");
}

#[test]
fn a_thread_that_cancels_itself_goes_on_to_its_next_suspension() {
    on_workers(|| {
        let reached = Arc::new(AtomicUsize::new(0));
        let count = reached.clone();
        let handle = thread::spawn(move || {
            thread::current().cancel();
            count.fetch_add(1, Ordering::SeqCst);
            thread::park();
            count.fetch_add(1, Ordering::SeqCst);
        });
        assert_cancelled(handle);
        assert_eq!(reached.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_thread_that_never_suspends_again_ends_by_itself() {
    on_workers(|| {
        let handle = thread::spawn(|| {
            thread::current().cancel();
            5
        });
        assert_eq!(handle.join().unwrap(), 5);
    });
}

#[test]
fn a_token_that_is_there_is_taken_before_the_cancellation() {
    on_workers(|| {
        let reached = Arc::new(AtomicUsize::new(0));
        let count = reached.clone();
        let handle = thread::spawn(move || {
            thread::current().unpark();
            thread::current().cancel();
            thread::park();
            count.fetch_add(1, Ordering::SeqCst);
            thread::park();
            count.fetch_add(1, Ordering::SeqCst);
        });
        assert_cancelled(handle);
        assert_eq!(reached.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_scope_waits_for_its_threads_before_the_unwind_goes_on() {
    on_workers(|| {
        let order = Arc::new(std::sync::Mutex::new(Vec::new()));
        let inside = order.clone();
        let release = Arc::new(AtomicBool::new(false));
        let released = release.clone();
        let handle = spawn_started(move || {
            let borrowed = [1, 2, 3];
            let _last = OnDrop(|| inside.lock().unwrap().push("scope left"));
            thread::scope(|scope| {
                scope.spawn(|| {
                    while !released.load(Ordering::SeqCst) {
                        thread::yield_now();
                    }
                    assert_eq!(borrowed.iter().sum::<i32>(), 6);
                    inside.lock().unwrap().push("child ended");
                });
                thread::park();
            });
        });
        let_others_run();
        handle.thread().cancel();
        let_others_run();
        assert!(!handle.is_finished());
        release.store(true, Ordering::SeqCst);
        assert_cancelled(handle);
        assert_eq!(*order.lock().unwrap(), ["child ended", "scope left"]);
    });
}

#[test]
fn a_scopes_own_wait_is_masked_and_the_cancellation_comes_after_it() {
    on_workers(|| {
        let (release, reached) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (released, count) = (release.clone(), reached.clone());
        let handle = spawn_started(move || {
            let number = 4;
            thread::scope(|scope| {
                scope.spawn(|| {
                    while !released.load(Ordering::SeqCst) {
                        thread::yield_now();
                    }
                    count.fetch_add(number, Ordering::SeqCst);
                });
            });
            count.fetch_add(10, Ordering::SeqCst);
            thread::park();
            count.fetch_add(100, Ordering::SeqCst);
        });
        let_others_run();
        handle.thread().cancel();
        let_others_run();
        release.store(true, Ordering::SeqCst);
        assert_cancelled(handle);
        assert_eq!(reached.load(Ordering::SeqCst), 14);
    });
}

#[test]
fn a_cancelled_run_waits_for_what_it_runs() {
    on_workers(|| {
        let (release, ended) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (released, mark) = (release.clone(), ended.clone());
        let handle = spawn_started(move || {
            let borrowed = String::from("lent");
            sinew::run(|| {
                while !released.load(Ordering::SeqCst) {
                    thread::yield_now();
                }
                mark.store(borrowed == "lent", Ordering::SeqCst);
            });
            thread::park();
        });
        let_others_run();
        handle.thread().cancel();
        let_others_run();
        assert!(!handle.is_finished());
        release.store(true, Ordering::SeqCst);
        assert_cancelled(handle);
        assert!(ended.load(Ordering::SeqCst));
    });
}

#[test]
fn a_blocking_call_is_masked_until_it_is_done() {
    on_workers(|| {
        let (release, reached) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (released, count) = (release.clone(), reached.clone());
        let handle = spawn_started(move || {
            let mut lent = 1;
            thread::blocking(|| {
                while !released.load(Ordering::SeqCst) {
                    std::thread::yield_now();
                }
                lent += 1;
            });
            count.fetch_add(lent, Ordering::SeqCst);
            thread::park();
            count.fetch_add(100, Ordering::SeqCst);
        });
        let_others_run();
        handle.thread().cancel();
        let_others_run();
        assert!(!handle.is_finished());
        release.store(true, Ordering::SeqCst);
        assert_cancelled(handle);
        assert_eq!(reached.load(Ordering::SeqCst), 2);
    });
}

#[test]
fn once_or_often_makes_no_difference() {
    on_workers(|| {
        let handle = thread::spawn(thread::park);
        for _ in 0..10 {
            handle.thread().cancel();
            thread::yield_now();
        }
        let thread = handle.thread().clone();
        assert_cancelled(handle);
        thread.cancel();
        thread.cancel();
    });
}

#[test]
fn after_the_end_it_changes_nothing() {
    on_workers(|| {
        let handle = thread::spawn(|| 3);
        wait_until(|| handle.is_finished());
        handle.thread().cancel();
        assert_eq!(handle.join().unwrap(), 3);
    });
}

#[test]
fn a_cancelled_joiner_detaches_the_thread_it_waits_for() {
    on_workers(|| {
        let (release, drops) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (released, gift) = (release.clone(), CountsDrops(drops.clone()));
        let other = thread::spawn(move || {
            while !released.load(Ordering::SeqCst) {
                thread::yield_now();
            }
            gift
        });
        let joiner = thread::spawn(move || drop(other.join()));
        let_others_run();
        joiner.thread().cancel();
        assert_cancelled(joiner);
        assert_eq!(drops.load(Ordering::SeqCst), 0, "the other goes on");
        release.store(true, Ordering::SeqCst);
        wait_until(|| drops.load(Ordering::SeqCst) == 1);
    });
}

#[test]
fn a_cancellation_races_with_the_end_of_what_is_joined() {
    for workers in [1, 2, 4] {
        let runtime = Runtime::builder().workers(workers).build().unwrap();
        let drops = Arc::new(AtomicUsize::new(0));
        let rounds = 2_000;
        runtime.run(|| {
            for round in 0..rounds {
                let gift = CountsDrops(drops.clone());
                let other = thread::spawn(move || {
                    for _ in 0..round % 5 {
                        thread::yield_now();
                    }
                    gift
                });
                let joiner = thread::spawn(move || drop(other.join().unwrap()));
                for _ in 0..round % 3 {
                    thread::yield_now();
                }
                joiner.thread().cancel();
                if let Err(payload) = joiner.join() {
                    assert!(payload.is::<Cancelled>());
                }
            }
            wait_until(|| drops.load(Ordering::SeqCst) == rounds);
        });
    }
}

#[test]
fn an_os_threads_scope_inside_a_green_thread_is_left_in_order() {
    on_workers(|| {
        let handle = spawn_started(|| {
            let text = String::from("lent");
            // std's scope blocks the worker, and knows nothing of cancellation.
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    thread::current().cancel();
                    thread::park_timeout(Duration::from_millis(1));
                    assert_eq!(text, "lent");
                });
                scope.spawn(|| assert_eq!(thread::spawn(|| 1).join().unwrap(), 1));
            });
            thread::park();
        });
        let_others_run();
        handle.thread().cancel();
        assert_cancelled(handle);
    });
}
