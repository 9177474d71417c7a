//! Models of an OS thread's parker: wakes of several kinds and a deadline at once. Each wake ends one wait that wants it, and a wait takes
//! none that it does not want (rule 14).

use super::{super::wake, *};
use crate::{
    primitive::{
        Arc,
        models::{model, spawn},
    },
    runtime::exact,
};

impl Parker {
    /// The deadline of this thread passes, whose wait is here.
    fn strike(&self, thread: &exact::Parker) {
        let _pending = self.lock();
        thread.interrupt();
        self.arrived.notify_all();
    }
}

fn new() -> Arc<Parker> {
    Arc::new(Parker::default())
}

/// Preemption bound 4.
#[test]
fn loom_a_wake_ends_a_wait_for_it_and_no_other() {
    model(4, || {
        let parker = new();
        let unparker = spawn(&parker, |parker| parker.wake(wake::PARK));
        let granter = spawn(&parker, |parker| parker.wake(wake::EXACT));
        assert_eq!(parker.wait(wake::EXACT, None), wake::EXACT);
        assert_eq!(parker.wait(wake::PARK, None), wake::PARK);
        unparker.join().unwrap();
        granter.join().unwrap();
        assert_eq!(parker.take(wake::ALL), 0);
    });
}

/// A cancellation, a wake and the deadline at once: the wait takes what it says it took, and what it leaves the next one finds.
/// Preemption bound 3.
#[test]
fn loom_a_wake_that_comes_with_a_cancellation_and_the_deadline_is_taken_once() {
    model(3, || {
        let parker = new();
        let thread = exact::Parker::current();
        let unparker = spawn(&parker, |parker| parker.wake(wake::PARK));
        let canceller = spawn(&parker, |parker| parker.wake(wake::CANCEL));
        let clock = spawn(&parker, move |parker| parker.strike(&thread));
        let taken = parker.wait(wake::PARK | wake::CANCEL, Some(exact::deadline()));
        unparker.join().unwrap();
        canceller.join().unwrap();
        clock.join().unwrap();
        let left = parker.take(wake::ALL);
        assert_eq!((taken | left, taken & left), (wake::PARK | wake::CANCEL, 0));
    });
}

#[test]
fn loom_a_wait_that_its_deadline_ends_leaves_the_wake_to_the_next() {
    model(None, || {
        let parker = new();
        let thread = exact::Parker::current();
        let granter = spawn(&parker, move |parker| {
            parker.strike(&thread);
            parker.wake(wake::EXACT);
        });
        if parker.wait(wake::EXACT, Some(exact::deadline())) == 0 {
            // As a waiter that gives up too late.
            assert_eq!(parker.wait(wake::EXACT, None), wake::EXACT);
        }
        granter.join().unwrap();
        assert!(!parker.has(wake::ALL));
    });
}
