//! Models of the semaphore: permits are conserved, also when a waiter for many gives up before those for few, or it is closed.

use super::*;
use crate::{
    primitive::{Arc, UnsafeCell, model::Builder, thread},
    runtime::exact::Parker,
};

/// All runs with at most two preemptions.
fn model(body: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(body);
}

fn spawn<R: 'static>(
    semaphore: &Arc<RawSemaphore>,
    body: impl FnOnce(&RawSemaphore) -> R + 'static,
) -> thread::JoinHandle<R> {
    let semaphore = Arc::clone(semaphore);
    thread::spawn(move || body(&semaphore))
}

impl RawSemaphore {
    fn assert_free(&self, permits: usize) {
        assert_eq!(self.state.load(Ordering::Relaxed), permits << SHIFT);
        assert!(self.waiters.lock().is_empty());
    }
}

#[test]
fn loom_permits_are_conserved_among_one_that_wants_all_and_two_that_want_one() {
    model(|| {
        let semaphore = Arc::new(RawSemaphore::new(2));
        let one = |semaphore: &RawSemaphore| {
            semaphore.acquire(1, None).unwrap();
            semaphore.release(1);
        };
        let others = [spawn(&semaphore, one), spawn(&semaphore, one)];
        semaphore.acquire(2, None).unwrap();
        semaphore.release(2);
        others.into_iter().for_each(|other| other.join().unwrap());
        semaphore.assert_free(2);
    });
}

#[test]
fn loom_one_that_wants_many_and_gives_up_lets_those_behind_it_go() {
    model(|| {
        let semaphore = Arc::new(RawSemaphore::new(1));
        let parker = Parker::current();
        let clock = spawn(&semaphore, move |_| parker.interrupt());
        let other = spawn(&semaphore, |semaphore| semaphore.acquire(1, None).unwrap());
        let taken = semaphore.acquire(2, Some(Instant::now()));
        assert_eq!(taken, Err(Refusal::TooFew));
        clock.join().unwrap();
        other.join().unwrap();
        semaphore.assert_free(0);
    });
}

#[test]
fn loom_a_permit_that_comes_with_the_deadline_is_taken_or_stays() {
    model(|| {
        let semaphore = Arc::new(RawSemaphore::new(0));
        let parker = Parker::current();
        let giver = spawn(&semaphore, |semaphore| semaphore.release(1));
        let clock = spawn(&semaphore, move |_| parker.interrupt());
        let taken = semaphore.acquire(1, Some(Instant::now()));
        giver.join().unwrap();
        clock.join().unwrap();
        semaphore.assert_free(usize::from(taken.is_err()));
    });
}

#[test]
fn loom_closing_refuses_who_waits_and_who_comes() {
    model(|| {
        let semaphore = Arc::new(RawSemaphore::new(1));
        let waiter = spawn(&semaphore, |semaphore| semaphore.acquire(2, None));
        let giver = spawn(&semaphore, |semaphore| semaphore.release(1));
        semaphore.close();
        assert_eq!(semaphore.acquire(1, None), Err(Refusal::Closed));
        giver.join().unwrap();
        let taken = waiter.join().unwrap();
        assert!(semaphore.is_closed() && semaphore.waiters.lock().is_empty());
        assert_eq!(semaphore.available(), if taken.is_ok() { 0 } else { 2 });
    });
}

#[test]
fn loom_permits_that_are_handed_over_bring_what_their_holders_did() {
    model(|| {
        let shared = Arc::new((RawSemaphore::new(2), [UnsafeCell::new(0), UnsafeCell::new(0)]));
        let holder = |index: usize| {
            let shared = Arc::clone(&shared);
            shared.0.acquire(1, None).unwrap();
            move || {
                // SAFETY: who has one of the two permits changes its own number.
                shared.1[index].with_mut(|number| unsafe { *number += 1 });
                shared.0.release(1);
            }
        };
        let holders = [holder(0), holder(1)].map(thread::spawn);
        shared.0.acquire(2, None).unwrap();
        for number in &shared.1 {
            // SAFETY: who has both permits is alone.
            assert_eq!(number.with(|number| unsafe { *number }), 1);
        }
        holders.into_iter().for_each(|holder| holder.join().unwrap());
    });
}
