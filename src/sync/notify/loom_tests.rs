//! Models of `Notify`: a notification is taken by one thread or kept, never lost by one that gives up, nor given to two.

use super::*;
use crate::{
    primitive::{
        Arc,
        models::{model, spawn},
    },
    runtime::exact::{self, Parker},
};

fn new() -> Arc<Notify> {
    Arc::new(Notify::new())
}

impl Notify {
    /// Nobody waits, and so many notifications are kept.
    fn assert_rest(&self, stored: usize) {
        assert!(self.waiters.lock().is_empty());
        assert_eq!(self.state.load(Ordering::Relaxed), if stored == 1 { STORED } else { 0 });
    }
}

#[test]
fn loom_a_notification_waits_for_who_comes_and_wakes_who_is_there() {
    model(None, || {
        let notify = new();
        let waiter = spawn(&notify, Notify::wait);
        notify.notify_one();
        waiter.join().unwrap();
        notify.assert_rest(0);
    });
}

/// Preemption bound 3.
#[test]
fn loom_a_notification_goes_round_three_threads() {
    model(3, || {
        let notify = new();
        let body = |notify: &Notify| {
            notify.wait();
            notify.notify_one();
        };
        let others = [spawn(&notify, body), spawn(&notify, body)];
        notify.notify_one();
        body(&notify);
        others.into_iter().for_each(|other| other.join().unwrap());
        notify.assert_rest(1);
    });
}

/// A notification and the deadline of the first that waits: it is taken by this one, or by the one behind it. Preemption bound 3.
#[test]
fn loom_a_notification_passes_by_one_that_gives_up_to_one_that_does_not() {
    model(3, || {
        let notify = new();
        let parker = Parker::current();
        let other = spawn(&notify, Notify::wait);
        let clock = spawn(&notify, move |notify| {
            parker.interrupt();
            notify.notify_one();
        });
        if notify.wait_for(Some(Instant::now())) {
            // Then the other has had none.
            notify.notify_one();
        }
        clock.join().unwrap();
        other.join().unwrap();
        notify.assert_rest(0);
    });
}

/// The same with a cancellation and nobody else: it was taken or is kept. Preemption bound 4.
#[test]
fn loom_a_notification_that_comes_with_a_cancellation_is_taken_or_kept() {
    model(4, || {
        let notify = new();
        let parker = Parker::current();
        let notifier = spawn(&notify, Notify::notify_one);
        let canceller = spawn(&notify, move |_| parker.cancel());
        let taken = exact::catch(|| notify.wait()).is_some();
        notifier.join().unwrap();
        canceller.join().unwrap();
        notify.assert_rest(usize::from(!taken));
    });
}

/// All who wait are woken, and nothing is kept. Preemption bound 3.
#[test]
fn loom_all_that_wait_are_woken_and_nothing_is_left_for_who_comes() {
    model(3, || {
        let notify = new();
        let parker = Parker::current();
        let waker = spawn(&notify, move |notify| {
            notify.notify_waiters();
            parker.interrupt();
        });
        notify.wait_for(Some(Instant::now()));
        waker.join().unwrap();
        notify.assert_rest(0);
    });
}

/// A notification for one and one for all, at once: the one is taken, or kept if the waiter had the other. Preemption bound 3.
#[test]
fn loom_one_for_all_does_not_swallow_one_for_one() {
    model(3, || {
        let notify = new();
        let waiter = spawn(&notify, Notify::wait);
        let all = spawn(&notify, Notify::notify_waiters);
        notify.notify_one();
        all.join().unwrap();
        waiter.join().unwrap();
        let stored = notify.state.load(Ordering::Relaxed);
        assert!(stored == 0 || stored == STORED, "and no waiter is announced");
        assert!(notify.waiters.lock().is_empty());
    });
}
