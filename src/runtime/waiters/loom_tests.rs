//! Models of the wait list by a counter of permits under its lock, the smallest thing that can lose one: waiters, givers, waiters that
//! give up, waiters of two lists.

use super::*;
use crate::{
    primitive::{Arc, UnsafeCell, model::Builder, thread},
    runtime::exact::Parker,
};

/// All runs with at most so many preemptions, or all runs.
fn model(bound: Option<usize>, body: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = bound;
    builder.check(body);
}

/// Permits, guarded by the list's lock.
struct Permits {
    count: UnsafeCell<usize>,
    list: Waiters,
}

// SAFETY: the count is used under the lock, which loom checks.
unsafe impl Sync for Permits {}
// SAFETY: as above.
unsafe impl Send for Permits {}

impl Permits {
    fn new(count: usize) -> Arc<Self> {
        Arc::new(Self { count: UnsafeCell::new(count), list: Waiters::new() })
    }

    /// To be called under the lock.
    fn try_take(&self) -> bool {
        // SAFETY: the lock is held; loom checks it.
        self.count.with_mut(|count| unsafe {
            let some = *count > 0;
            *count -= usize::from(some);
            some
        })
    }

    fn take(&self, deadline: Option<Instant>) -> bool {
        match self.list.wait(Want::amount(1), deadline, |_| self.try_take(), |locked| drop(locked)) {
            Waited::Granted(outcome) => {
                assert_eq!(outcome, 7);
                true
            }
            Waited::Needless => true,
            Waited::TimedOut => false,
        }
    }

    fn give(&self) {
        let mut locked = self.list.lock();
        match locked.take_first().map(|taken| taken.grant(7)) {
            Some(wakeup) => {
                drop(locked);
                wakeup.wake();
            }
            // SAFETY: the lock is held; loom checks it.
            None => self.count.with_mut(|count| unsafe { *count += 1 }),
        }
    }

    fn assert_left(&self, left: usize) {
        let locked = self.list.lock();
        assert!(locked.is_empty());
        // SAFETY: the lock is held.
        self.count.with(|count| assert_eq!(unsafe { *count }, left));
    }
}

fn spawn<R: 'static>(shared: &Arc<Permits>, body: impl FnOnce(&Permits) -> R + 'static) -> thread::JoinHandle<R> {
    let shared = Arc::clone(shared);
    thread::spawn(move || body(&shared))
}

/// The lock itself, spinning.
#[test]
fn loom_the_lock_excludes() {
    model(None, || {
        let permits = Permits::new(0);
        let body = |permits: &Permits| {
            let first = permits.list.lock_slow();
            let _locked = Locked { list: &permits.list, first, _turn: None };
            // SAFETY: loom checks it.
            permits.count.with_mut(|count| unsafe { *count += 1 });
        };
        let other = spawn(&permits, body);
        body(&permits);
        other.join().unwrap();
        permits.assert_left(2);
    });
}

#[test]
fn loom_two_waiters_get_two_permits() {
    model(None, || {
        let permits = Permits::new(0);
        let waiter = spawn(&permits, |permits| permits.take(None));
        permits.give();
        permits.give();
        assert!(permits.take(None) && waiter.join().unwrap());
        permits.assert_left(0);
    });
}

/// Preemption bound 2.
#[test]
fn loom_a_permit_goes_round_three_threads() {
    model(Some(2), || {
        let permits = Permits::new(1);
        let body = |permits: &Permits| {
            assert!(permits.take(None));
            permits.give();
        };
        let others = [spawn(&permits, body), spawn(&permits, body)];
        body(&permits);
        others.into_iter().for_each(|other| other.join().unwrap());
        permits.assert_left(1);
    });
}

/// A deadline that passes while a permit is handed over: it is taken or it stays, and nobody else waits for ever.
#[test]
fn loom_a_permit_is_not_lost_by_a_waiter_that_gives_up() {
    model(None, || {
        let permits = Permits::new(0);
        let parker = Parker::current();
        let clock = spawn(&permits, move |_| parker.interrupt());
        let giver = spawn(&permits, Permits::give);
        let taken = permits.take(Some(Instant::now()));
        clock.join().unwrap();
        giver.join().unwrap();
        permits.assert_left(usize::from(!taken));
    });
}

/// Preemption bound 2.
#[test]
fn loom_a_permit_passes_by_a_waiter_that_gives_up_to_one_that_does_not() {
    model(Some(2), || {
        let permits = Permits::new(0);
        let parker = Parker::current();
        let other = spawn(&permits, |permits| {
            assert!(permits.take(None));
            permits.give();
        });
        let giver = spawn(&permits, move |permits| {
            permits.give();
            parker.interrupt();
        });
        let taken = permits.take(Some(Instant::now()));
        if taken {
            permits.give();
        }
        giver.join().unwrap();
        other.join().unwrap();
        permits.assert_left(1);
    });
}

/// Preemption bound 2.
#[test]
fn loom_everybody_who_waits_is_granted_and_one_that_gives_up_is_not_touched() {
    model(Some(2), || {
        let permits = Permits::new(0);
        let parker = Parker::current();
        let other = spawn(&permits, |permits| permits.take(None));
        let giver = spawn(&permits, move |permits| {
            permits.list.lock().grant_all(7);
            parker.interrupt();
        });
        permits.take(Some(Instant::now()));
        giver.join().unwrap();
        // If the other came too late for the first time.
        permits.give();
        other.join().unwrap();
    });
}

impl Permits {
    /// Waits in two lists, as a select does. Gives the index of that which won.
    fn take_either(lists: [&Self; 2], deadline: Option<Instant>) -> Option<usize> {
        let current = Current::get();
        let claim = Claim::new();
        let nodes = [0, 1].map(|index| Node::with_claim(Want::amount(index), &current, &claim));
        let mut listed = [None, None];
        let mut own = None;
        for index in 0..2 {
            let ready = |_: &mut Locked<'_>| {
                // A permit is taken only if nobody has granted this waiter one.
                // SAFETY: the lock is held; loom checks it.
                lists[index].count.with(|count| unsafe { *count > 0 }) && claim.leave() && lists[index].try_take()
            };
            // SAFETY: all are left below.
            listed[index] = unsafe { lists[index].list.list(&nodes[index], ready) };
            if listed[index].is_none() {
                own = Some(index);
                break;
            }
        }
        let won = own.or_else(|| match claim.wait(&current, deadline) {
            // SAFETY: the winner is one of ours.
            Ok(node) => Some(unsafe { node.as_ref() }.want().amount),
            Err(_) => None,
        });
        for listed in listed.into_iter().flatten() {
            drop(listed.leave());
        }
        won
    }
}

/// Preemption bound 2.
#[test]
fn loom_of_two_lists_exactly_one_wins() {
    model(Some(2), || {
        let (one, two) = (Permits::new(0), Permits::new(0));
        let givers = [spawn(&one, Permits::give), spawn(&two, Permits::give)];
        let won = Permits::take_either([&one, &two], None).unwrap();
        givers.into_iter().for_each(|giver| giver.join().unwrap());
        one.assert_left(usize::from(won != 0));
        two.assert_left(usize::from(won != 1));
    });
}

/// Preemption bound 2.
#[test]
fn loom_a_waiter_of_two_lists_that_gives_up_takes_one_or_none() {
    model(Some(2), || {
        let (one, two) = (Permits::new(0), Permits::new(0));
        let parker = Parker::current();
        let other = spawn(&one, move |one| {
            one.give();
            parker.interrupt();
        });
        let giver = spawn(&two, Permits::give);
        let won = Permits::take_either([&one, &two], Some(Instant::now()));
        other.join().unwrap();
        giver.join().unwrap();
        one.assert_left(usize::from(won != Some(0)));
        two.assert_left(usize::from(won != Some(1)));
    });
}

/// Two that wait in both lists: the giver of one that was won already goes on to the next. Preemption bound 2.
#[test]
fn loom_two_waiters_of_two_lists_get_one_permit_each() {
    model(Some(2), || {
        let (one, two) = (Permits::new(0), Permits::new(0));
        let (first, second) = (Arc::clone(&one), Arc::clone(&two));
        let other = thread::spawn(move || Permits::take_either([&second, &first], None).unwrap());
        let giver = spawn(&two, Permits::give);
        one.give();
        let (mine, others) = (Permits::take_either([&one, &two], None).unwrap(), other.join().unwrap());
        giver.join().unwrap();
        assert_ne!(mine, 1 - others, "they name the lists in opposite order");
        one.assert_left(0);
        two.assert_left(0);
    });
}
