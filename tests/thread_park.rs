//! `park` and `unpark`: one token a thread, between green threads, OS threads, and the two kinds.

mod harness;

use harness::{on_each_kind, wait_until};
use sinew::{Runtime, thread};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

const SHORT: Duration = Duration::from_millis(5);
const LONG: Duration = Duration::from_secs(3_600);

#[test]
fn a_token_that_is_there_is_taken_at_once() {
    on_each_kind(|| {
        thread::current().unpark();
        thread::park();
        thread::current().unpark();
        thread::park_timeout(LONG);
    });
}

#[test]
fn many_unparks_are_one_token() {
    on_each_kind(|| {
        for _ in 0..10 {
            thread::current().unpark();
        }
        thread::park();
        let before = Instant::now();
        thread::park_timeout(SHORT);
        assert!(before.elapsed() >= SHORT, "a second token was there");
    });
}

#[test]
fn many_unparks_from_elsewhere_are_one_token() {
    on_each_kind(|| {
        let me = thread::current();
        let others: Vec<_> = (0..10)
            .map(|_| {
                let me = me.clone();
                thread::spawn(move || me.unpark())
            })
            .collect();
        others.into_iter().for_each(|other| other.join().unwrap());
        thread::park();
        let before = Instant::now();
        thread::park_timeout(SHORT);
        assert!(before.elapsed() >= SHORT, "a second token was there");
    });
}

#[test]
fn an_unpark_before_the_start_counts() {
    let runtime = Runtime::builder().workers(1).build().unwrap();
    runtime.run(|| {
        let threads: Vec<_> = (0..100).map(|_| thread::spawn(thread::park)).collect();
        // One worker that is here: none has started.
        threads.iter().for_each(|thread| thread.thread().unpark());
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn an_unpark_that_races_with_the_start_counts() {
    for workers in [1, 2, 4] {
        let runtime = Runtime::builder().workers(workers).build().unwrap();
        for _ in 0..2_000 {
            let parked = runtime.handle().spawn(thread::park).unwrap();
            parked.thread().unpark();
            parked.join().unwrap();
        }
    }
}

#[test]
fn an_unpark_of_a_thread_that_has_ended_does_nothing() {
    on_each_kind(|| {
        let handle = thread::spawn(|| ());
        let thread = handle.thread().clone();
        handle.join().unwrap();
        thread.unpark();
        thread.unpark();
    });
    let os_thread = std::thread::spawn(thread::current).join().unwrap();
    os_thread.unpark();
}

type Body = Box<dyn FnOnce() + Send>;

/// Two threads hand a turn to each other; each kind may be either.
fn ping_pong(rounds: usize, spawn: fn(Body) -> Body) {
    let turn = Arc::new(AtomicUsize::new(0));
    let (here, theirs) = (thread::current(), turn.clone());
    let waiter = Arc::new(std::sync::Mutex::new(None::<thread::Thread>));
    let publish = waiter.clone();
    let join = spawn(Box::new(move || {
        *publish.lock().unwrap() = Some(thread::current());
        here.unpark();
        for round in 0..rounds {
            while theirs.load(Ordering::Relaxed) != 2 * round + 1 {
                thread::park();
            }
            theirs.store(2 * round + 2, Ordering::Relaxed);
            here.unpark();
        }
    }));
    let other = loop {
        if let Some(other) = waiter.lock().unwrap().clone() {
            break other;
        }
        thread::park();
    };
    for round in 0..rounds {
        turn.store(2 * round + 1, Ordering::Relaxed);
        other.unpark();
        while turn.load(Ordering::Relaxed) != 2 * round + 2 {
            thread::park();
        }
    }
    join();
}

#[test]
fn green_and_os_threads_wake_each_other() {
    on_each_kind(|| {
        ping_pong(1_000, |body| {
            let handle = sinew::spawn(body);
            Box::new(move || handle.join().unwrap())
        });
        ping_pong(300, |body| {
            let handle = std::thread::spawn(body);
            Box::new(move || thread::blocking(|| handle.join().unwrap()))
        });
    });
}

#[test]
fn what_was_written_before_unpark_is_seen_after_park() {
    for workers in [1, 2] {
        let runtime = Runtime::builder().workers(workers).build().unwrap();
        runtime.run(|| {
            ping_pong(2_000, |body| {
                let handle = sinew::spawn(body);
                Box::new(move || handle.join().unwrap())
            });
        });
    }
}

#[test]
fn park_timeout_ends_by_itself_not_too_early() {
    on_each_kind(|| {
        for duration in [Duration::ZERO, Duration::from_nanos(1), Duration::from_micros(1_500), SHORT] {
            let before = Instant::now();
            thread::park_timeout(duration);
            assert!(before.elapsed() >= duration);
        }
    });
}

#[test]
fn park_timeout_is_ended_by_unpark() {
    on_each_kind(|| {
        for duration in [LONG, Duration::MAX] {
            let me = thread::current();
            let waker = thread::spawn(move || me.unpark());
            thread::park_timeout(duration);
            waker.join().unwrap();
        }
    });
}

#[test]
fn a_timeout_that_passed_leaves_a_later_token() {
    on_each_kind(|| {
        thread::park_timeout(Duration::from_millis(1));
        thread::current().unpark();
        thread::park();
    });
}

#[test]
fn timeouts_race_with_unparks_and_no_token_is_lost() {
    for workers in [1, 2] {
        let runtime = Runtime::builder().workers(workers).build().unwrap();
        runtime.run(|| {
            let threads: Vec<_> = (0..200)
                .map(|_| {
                    let given = Arc::new(AtomicBool::new(false));
                    let seen = given.clone();
                    let waiter = thread::spawn(move || {
                        while !seen.load(Ordering::Relaxed) {
                            thread::park_timeout(Duration::from_millis(1));
                        }
                    });
                    (waiter, given)
                })
                .collect();
            for (waiter, given) in threads {
                thread::park_timeout(Duration::from_micros(200));
                given.store(true, Ordering::Relaxed);
                waiter.thread().unpark();
                waiter.join().unwrap();
            }
        });
    }
}

#[test]
fn a_join_and_a_scope_leave_the_users_token_alone() {
    on_each_kind(|| {
        thread::current().unpark();
        thread::spawn(thread::yield_now).join().unwrap();
        thread::scope(|scope| {
            scope.spawn(thread::yield_now);
        });
        thread::sleep(Duration::from_millis(1));
        thread::blocking(|| ());
        thread::yield_now();
        // The token is still there.
        thread::park();
    });
}

#[test]
fn an_unpark_does_not_end_a_join_or_a_sleep() {
    on_each_kind(|| {
        let (me, stop) = (thread::current(), Arc::new(AtomicBool::new(false)));
        let go_on = stop.clone();
        let pest = thread::spawn(move || {
            while !go_on.load(Ordering::Relaxed) {
                me.unpark();
                thread::yield_now();
            }
        });
        let before = Instant::now();
        thread::sleep(SHORT);
        assert!(before.elapsed() >= SHORT);
        let sleeper = thread::spawn(|| {
            thread::sleep(SHORT);
            3
        });
        assert_eq!(sleeper.join().unwrap(), 3);
        stop.store(true, Ordering::Relaxed);
        pest.join().unwrap();
    });
}

#[test]
fn parked_threads_do_not_hold_up_others() {
    let runtime = Runtime::builder().workers(1).build().unwrap();
    runtime.run(|| {
        let parked: Vec<_> = (0..1_000).map(|_| thread::spawn(thread::park)).collect();
        harness::let_others_run();
        assert_eq!(thread::spawn(|| 1).join().unwrap(), 1);
        assert!(parked.iter().all(|thread| !thread.is_finished()));
        parked.iter().for_each(|thread| thread.thread().unpark());
        parked.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn a_handle_to_an_os_thread_has_a_number_and_can_be_sent() {
    let (id, thread) = std::thread::spawn(|| (thread::current().id(), thread::current())).join().unwrap();
    assert_eq!(thread.id(), id);
    assert_ne!(thread.id(), thread::current().id());
    // It is no green thread, so this does nothing.
    thread.cancel();
    assert_eq!(thread.worker(), None);
}

#[test]
fn an_os_thread_has_the_name_that_std_gave_it() {
    let name = || thread::current().name().map(str::to_owned);
    let named = std::thread::Builder::new().name("an OS thread".into()).spawn(name).unwrap();
    assert_eq!(named.join().unwrap().as_deref(), Some("an OS thread"));
    assert_eq!(std::thread::spawn(name).join().unwrap(), None);
}

#[test]
fn os_threads_park_for_each_other() {
    let flag = Arc::new(AtomicBool::new(false));
    let seen = flag.clone();
    let (sender, receiver) = std::sync::mpsc::channel();
    let waiter = std::thread::spawn(move || {
        sender.send(thread::current()).unwrap();
        while !seen.load(Ordering::Relaxed) {
            thread::park();
        }
    });
    let thread = receiver.recv().unwrap();
    flag.store(true, Ordering::Relaxed);
    thread.unpark();
    waiter.join().unwrap();
    wait_until(|| flag.load(Ordering::Relaxed));
}
