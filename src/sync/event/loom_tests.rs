//! Models of `Event`: whoever waits is woken by a set, even if it is cleared at once, and a deadline leaves nothing behind.

use super::*;
use crate::{
    primitive::{
        Arc, UnsafeCell,
        models::{model, spawn},
    },
    runtime::exact::Parker,
};

/// With a value that is written before the event is set.
struct Told {
    event: Event,
    value: UnsafeCell<u32>,
}

// SAFETY: the value is written before the event and read after it, which loom checks.
unsafe impl Sync for Told {}
// SAFETY: as above.
unsafe impl Send for Told {}

impl Told {
    fn new() -> Arc<Self> {
        Arc::new(Self { event: Event::new(), value: UnsafeCell::new(0) })
    }

    fn tell(&self) {
        // SAFETY: nobody reads it yet; loom checks it.
        self.value.with_mut(|value| unsafe { *value = 7 });
        self.event.set();
    }

    fn hear(&self) {
        // SAFETY: it was written before; loom checks it.
        assert_eq!(self.value.with(|value| unsafe { *value }), 7);
    }

    fn assert_nobody_waits(&self) {
        assert_eq!(self.event.state.load(Ordering::Relaxed) & WAITERS, 0);
        assert!(self.event.waiters.lock().is_empty());
    }
}

/// Preemption bound 3.
#[test]
fn loom_two_that_wait_are_woken_by_one_set_and_see_what_came_before() {
    model(3, || {
        let told = Told::new();
        let waits = |told: &Told| {
            told.event.wait();
            told.hear();
        };
        let waiters = [spawn(&told, waits), spawn(&told, waits)];
        told.tell();
        waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
        assert!(told.event.is_set());
        told.assert_nobody_waits();
    });
}

/// A set that is cleared at once reaches the one that waited; one that came too late waits for the next.
#[test]
fn loom_a_set_that_is_cleared_at_once_leaves_nobody_behind() {
    model(None, || {
        let told = Told::new();
        let waiter = spawn(&told, |told| told.event.wait());
        told.event.set();
        told.event.clear();
        told.event.set();
        waiter.join().unwrap();
        told.assert_nobody_waits();
    });
}

/// It says that it was set if it was, and leaves the list as it was if not. Preemption bound 3.
#[test]
fn loom_a_set_that_comes_with_the_deadline_is_heard_or_the_waiter_has_left() {
    model(3, || {
        let told = Told::new();
        let parker = Parker::current();
        let clock = spawn(&told, move |_| parker.interrupt());
        let setter = spawn(&told, Told::tell);
        if told.event.wait_until(Instant::now()) {
            told.hear();
        }
        clock.join().unwrap();
        setter.join().unwrap();
        told.assert_nobody_waits();
    });
}

/// Two set it while one waits and another clears it. Preemption bound 2.
#[test]
fn loom_sets_and_a_clear_at_once_wake_who_waits() {
    model(2, || {
        let told = Told::new();
        let waiter = spawn(&told, |told| told.event.wait());
        let clearer = spawn(&told, |told| told.event.clear());
        told.event.set();
        clearer.join().unwrap();
        told.event.set();
        waiter.join().unwrap();
        assert!(told.event.is_set());
        told.assert_nobody_waits();
    });
}
