//! Models of `Once` and `OnceLock`: one closure runs, what it did is seen, and whoever waits goes on after a run that panicked or
//! was cancelled.

use super::{super::once_lock::OnceLock, *};
use crate::{
    primitive::{
        Arc, AtomicUsize, UnsafeCell,
        models::{model, spawn},
    },
    runtime::exact::{self, Parker},
};

struct Runs {
    once: Once,
    count: UnsafeCell<usize>,
}

// SAFETY: the count is changed inside the once, which loom checks.
unsafe impl Sync for Runs {}
// SAFETY: as above.
unsafe impl Send for Runs {}

impl Runs {
    fn new() -> Arc<Self> {
        Arc::new(Self { once: Once::new(), count: UnsafeCell::new(0) })
    }

    fn run(&self) {
        // SAFETY: the once runs one closure at a time; loom checks it.
        self.count.with_mut(|count| unsafe { *count += 1 });
    }

    fn assert_complete(&self) {
        assert!(self.once.is_completed());
        // SAFETY: whoever changed it has completed; loom checks it.
        assert_eq!(self.count.with(|count| unsafe { *count }), 1);
    }

    fn assert_nobody_waits(&self) {
        assert_eq!(self.once.state.load(Ordering::Relaxed) & WAITERS, 0);
        assert!(self.once.waiters.lock().is_empty());
    }
}

/// Preemption bound 3.
#[test]
fn loom_of_three_closures_one_runs_and_all_see_what_it_did() {
    model(3, || {
        let runs = Runs::new();
        let body = |runs: &Runs| {
            runs.once.call_once(|| runs.run());
            runs.assert_complete();
        };
        let others = [spawn(&runs, body), spawn(&runs, body)];
        body(&runs);
        others.into_iter().for_each(|other| other.join().unwrap());
        runs.assert_nobody_waits();
    });
}

#[test]
fn loom_one_that_waits_for_a_run_sees_what_it_did() {
    model(None, || {
        let runs = Runs::new();
        let waiter = spawn(&runs, |runs| {
            runs.once.wait();
            runs.assert_complete();
        });
        runs.once.call_once(|| runs.run());
        waiter.join().unwrap();
        runs.assert_nobody_waits();
    });
}

/// A run that ends by an unwind.
fn unwinds(runs: &Runs, by_panic: bool) {
    if let Some(running) = runs.once.start(true) {
        exact::as_if_unwinding(by_panic, || drop(running));
    }
}

/// After a run that panics, one that does not mind runs its own, and whoever waits all the while goes on then. Preemption bound 3.
#[test]
fn loom_a_run_that_panics_poisons_and_a_forced_one_mends() {
    model(3, || {
        let runs = Runs::new();
        let panics = spawn(&runs, |runs| unwinds(runs, true));
        let waiter = spawn(&runs, |runs| {
            runs.once.wait_force();
            runs.assert_complete();
        });
        runs.once.call_once_force(|_| runs.run());
        runs.assert_complete();
        panics.join().unwrap();
        waiter.join().unwrap();
        runs.assert_nobody_waits();
    });
}

#[test]
fn loom_one_that_waits_for_a_run_that_panics_is_told() {
    model(None, || {
        let runs = Runs::new();
        // As `wait`, which then panics.
        let waiter = spawn(&runs, |runs| runs.once.wait_for_change(false));
        unwinds(&runs, true);
        waiter.join().unwrap();
        assert_eq!(runs.once.state.load(Ordering::Relaxed), POISONED);
        runs.assert_nobody_waits();
    });
}

/// A run that was cancelled has not run: one that waits for it runs its own. Preemption bound 3.
#[test]
fn loom_after_a_run_that_is_cancelled_another_runs() {
    model(3, || {
        let runs = Runs::new();
        let cancelled = spawn(&runs, |runs| unwinds(runs, false));
        let body = |runs: &Runs| {
            runs.once.call_once(|| runs.run());
            runs.assert_complete();
        };
        let other = spawn(&runs, body);
        body(&runs);
        cancelled.join().unwrap();
        other.join().unwrap();
        runs.assert_nobody_waits();
    });
}

/// Preemption bound 2.
#[test]
fn loom_one_that_is_cancelled_while_it_waits_leaves_the_others_alone() {
    model(2, || {
        let runs = Runs::new();
        let parker = Parker::current();
        let waiter = spawn(&runs, |runs| runs.once.wait());
        let runner = spawn(&runs, move |runs| {
            runs.once.call_once(|| {
                parker.cancel();
                runs.run();
            });
        });
        exact::catch(|| runs.once.wait());
        runner.join().unwrap();
        waiter.join().unwrap();
        runs.assert_complete();
        runs.assert_nobody_waits();
    });
}

/// A `OnceLock`'s value is made once and seen by both, and dropped once. Preemption bound 3.
#[test]
fn loom_a_value_that_two_would_make_is_made_once() {
    struct Value(UnsafeCell<usize>, Arc<AtomicUsize>);
    // SAFETY: the value is read only, once it is there, which loom checks.
    unsafe impl Sync for Value {}
    // SAFETY: as above.
    unsafe impl Send for Value {}
    impl Drop for Value {
        fn drop(&mut self) {
            self.1.fetch_add(1, Ordering::Relaxed);
        }
    }
    model(3, || {
        let dropped = Arc::new(AtomicUsize::new(0));
        let shared = Arc::new((OnceLock::<Value>::new(), Arc::clone(&dropped)));
        let made = |number: usize| {
            move |(place, dropped): &(OnceLock<Value>, Arc<AtomicUsize>)| {
                let value = place.get_or_init(|| {
                    let value = Value(UnsafeCell::new(0), Arc::clone(dropped));
                    // SAFETY: nobody else has it yet.
                    value.0.with_mut(|at| unsafe { *at = number });
                    value
                });
                // SAFETY: it is written before it is seen; loom checks it.
                value.0.with(|at| unsafe { *at })
            }
        };
        let other = spawn(&shared, made(1));
        let seen = made(2)(&shared);
        assert_eq!(other.join().unwrap(), seen);
        // SAFETY: as above.
        assert_eq!(shared.0.get().map(|value| value.0.with(|at| unsafe { *at })), Some(seen));
        drop(shared);
        assert_eq!(dropped.load(Ordering::Relaxed), 1);
    });
}
