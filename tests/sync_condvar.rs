//! `sync::Condvar`: what std documents of it, from green threads, OS threads and both.

mod harness;

use harness::{assert_cancelled, on_every_crew, on_workers, spawn_started, wait_until};
use sinew::{
    sync::{Condvar, Mutex},
    thread,
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

type Shared<T> = Arc<(Mutex<T>, Condvar)>;

fn shared<T>(value: T) -> Shared<T> {
    Arc::new((Mutex::new(value), Condvar::new()))
}

#[test]
fn a_notified_thread_holds_the_mutex_again() {
    on_every_crew(|crew| {
        let shared = shared(0);
        let own = shared.clone();
        let waiter = crew.spawn(move || {
            let mut held = own.0.lock().unwrap();
            while *held != 1 {
                held = own.1.wait(held).unwrap();
            }
            assert!(own.0.try_lock().is_err());
            *held = 2;
            drop(held);
            own.1.notify_one();
        });
        *shared.0.lock().unwrap() = 1;
        shared.1.notify_one();
        drop(shared.1.wait_while(shared.0.lock().unwrap(), |value| *value != 2).unwrap());
        waiter.join().unwrap();
    });
}

#[test]
fn a_bounded_queue_loses_nothing() {
    on_every_crew(|crew| {
        let shared = Arc::new((Mutex::new(Vec::new()), Condvar::new(), Condvar::new()));
        let (own, count) = (shared.clone(), 400);
        let sums = crew.all(6, move |number| {
            let mut sum = 0;
            for value in 0..count {
                let mut queue = own.0.lock().unwrap();
                if number % 2 == 0 {
                    queue = own.1.wait_while(queue, |queue| queue.len() >= 3).unwrap();
                    queue.push(value);
                    own.2.notify_one();
                } else {
                    queue = own.2.wait_while(queue, |queue| queue.is_empty()).unwrap();
                    sum += queue.pop().unwrap();
                    own.1.notify_one();
                }
            }
            sum
        });
        assert_eq!(sums.iter().sum::<usize>(), 3 * (0..count).sum::<usize>());
        assert!(shared.0.lock().unwrap().is_empty());
    });
}

#[test]
fn notify_all_wakes_all() {
    on_every_crew(|crew| {
        let shared = shared((0, false));
        let own = shared.clone();
        let body = Arc::new(move || {
            let mut held = own.0.lock().unwrap();
            held.0 += 1;
            drop(own.1.wait_while(held, |state| !state.1).unwrap());
        });
        let members: Vec<_> = (0..40)
            .map(|_| {
                crew.spawn({
                    let body = body.clone();
                    move || body()
                })
            })
            .collect();
        wait_until(|| shared.0.lock().unwrap().0 == 40);
        shared.0.lock().unwrap().1 = true;
        shared.1.notify_all();
        members.into_iter().for_each(|member| member.join().unwrap());
    });
}

#[test]
fn a_limited_time_ends_with_the_mutex_held() {
    on_every_crew(|_| {
        let shared = shared(5);
        let start = Instant::now();
        let (held, result) = shared.1.wait_timeout(shared.0.lock().unwrap(), Duration::from_millis(5)).unwrap();
        assert!(result.timed_out() && start.elapsed() >= Duration::from_millis(5));
        assert!(shared.0.try_lock().is_err());
        let (held, result) = shared.1.wait_timeout_while(held, Duration::from_millis(5), |_| true).unwrap();
        assert!(result.timed_out() && *held == 5);
        let (held, result) = shared.1.wait_timeout_while(held, Duration::ZERO, |_| false).unwrap();
        assert!(!result.timed_out());
        #[allow(deprecated, reason = "it is there for programs that are ported")]
        let (held, notified) = shared.1.wait_timeout_ms(held, 1).unwrap();
        assert!(!notified);
        drop(held);
        drop(shared.0.try_lock().unwrap());
    });
}

#[test]
fn a_notification_within_the_time_is_no_time_out() {
    on_every_crew(|crew| {
        let shared = shared(false);
        let own = shared.clone();
        let notifier = crew.spawn(move || {
            *own.0.lock().unwrap() = true;
            own.1.notify_all();
        });
        let held = shared.0.lock().unwrap();
        let (held, result) = shared.1.wait_timeout_while(held, harness::LONG, |ready| !*ready).unwrap();
        assert!(!result.timed_out() && *held);
        drop(held);
        let (_held, result) = shared.1.wait_timeout_while(shared.0.lock().unwrap(), Duration::MAX, |_| false).unwrap();
        assert!(!result.timed_out());
        notifier.join().unwrap();
    });
}

#[test]
fn a_notification_for_nobody_is_lost() {
    on_every_crew(|_| {
        let shared = shared(());
        shared.1.notify_one();
        shared.1.notify_all();
        assert!(shared.1.wait_timeout(shared.0.lock().unwrap(), Duration::from_millis(2)).unwrap().1.timed_out());
    });
}

#[test]
fn a_wait_tells_of_poison() {
    on_every_crew(|crew| {
        let shared = shared(false);
        let own = shared.clone();
        let panics = crew.spawn(move || {
            let mut held = own.0.lock().unwrap();
            *held = true;
            own.1.notify_one();
            std::panic::resume_unwind(Box::new("expected"));
        });
        let mut held = match shared.0.lock() {
            Ok(held) => held,
            Err(poisoned) => poisoned.into_inner(),
        };
        while !*held {
            held = shared.1.wait(held).unwrap_err().into_inner();
        }
        assert!(panics.join().is_err() && shared.0.is_poisoned());
    });
}

#[test]
fn a_cancelled_wait_unwinds_with_the_mutex_held() {
    on_workers(|| {
        let shared = shared(0);
        let own = shared.clone();
        let waiter = spawn_started(move || {
            let mut held = own.0.lock().unwrap();
            *held += 1;
            let _ = own.1.wait(held);
        });
        wait_until(|| *shared.0.lock().unwrap() == 1);
        let held = shared.0.lock().unwrap();
        waiter.thread().cancel();
        harness::let_others_run();
        assert!(!waiter.is_finished(), "it is to take the mutex first");
        drop(held);
        assert_cancelled(waiter);
        drop(shared.0.try_lock().unwrap());
    });
}

/// Which of two waiters is chosen is known; so if that one is cancelled too late, the other must not wait in vain.
#[test]
fn a_notification_is_not_lost_with_a_cancelled_waiter() {
    on_workers(|| {
        for late in [false, true] {
            let shared = shared((0, 0));
            let spawn = |number| {
                let own = shared.clone();
                let waiter = spawn_started(move || {
                    let mut held = own.0.lock().unwrap();
                    held.0 = number;
                    held = own.1.wait(held).unwrap();
                    held.1 += 1;
                });
                wait_until(|| shared.0.lock().unwrap().0 == number);
                waiter
            };
            let (one, two) = (spawn(1), spawn(2));
            if !late {
                one.thread().cancel();
                assert_cancelled(one);
                shared.1.notify_one();
                two.join().unwrap();
            } else {
                shared.1.notify_one();
                one.thread().cancel();
                one.join().unwrap();
                two.thread().cancel();
                assert_cancelled(two);
            }
            assert_eq!(shared.0.lock().unwrap().1, 1);
        }
    });
}

#[test]
fn it_looks_as_stds() {
    assert_eq!(format!("{:?}", Condvar::default()), format!("{:?}", std::sync::Condvar::new()));
    thread::yield_now();
}
