//! Models of the barrier: each round lets all go, with one leader, and one that is cancelled has not come.

use super::*;
use crate::{
    primitive::{
        Arc, AtomicUsize, Ordering,
        models::{model, spawn},
    },
    runtime::exact::{self, Parker},
};

struct Meeting {
    barrier: Barrier,
    come: AtomicUsize,
}

impl Meeting {
    fn new(threads: usize) -> Arc<Self> {
        Arc::new(Self { barrier: Barrier::new(threads), come: AtomicUsize::new(0) })
    }

    /// Comes, and sees that all of the round have; 1 for its leader.
    fn come(&self, all: usize) -> usize {
        self.come.fetch_add(1, Ordering::Relaxed);
        let leads = self.barrier.wait().is_leader();
        assert!(self.come.load(Ordering::Relaxed) >= all, "let go before all had come");
        usize::from(leads)
    }

    fn assert_new(&self) {
        assert!(self.barrier.waiters.lock().is_empty());
        assert_eq!(self.barrier.arrived.get(), 0);
    }
}

#[test]
fn loom_two_rounds_of_two_have_one_leader_each() {
    model(None, || {
        let meeting = Meeting::new(2);
        let body = |meeting: &Meeting| [meeting.come(2), meeting.come(4)];
        let other = spawn(&meeting, body);
        let mine = body(&meeting);
        let theirs = other.join().unwrap();
        assert_eq!([mine[0] + theirs[0], mine[1] + theirs[1]], [1, 1]);
        meeting.assert_new();
    });
}

/// Preemption bound 3.
#[test]
fn loom_three_are_let_go_together_with_one_leader() {
    model(3, || {
        let meeting = Meeting::new(3);
        let others = [spawn(&meeting, |meeting| meeting.come(3)), spawn(&meeting, |meeting| meeting.come(3))];
        let leaders = meeting.come(3) + others.into_iter().map(|other| other.join().unwrap()).sum::<usize>();
        assert_eq!(leaders, 1);
        meeting.assert_new();
    });
}

/// It was let go with the other; or the other waits for one in its place.
#[test]
fn loom_one_that_is_cancelled_has_come_or_not() {
    model(None, || {
        let meeting = Meeting::new(2);
        let parker = Parker::current();
        let other = spawn(&meeting, move |meeting| {
            parker.cancel();
            meeting.barrier.wait().is_leader()
        });
        let leads = match exact::catch(|| meeting.barrier.wait()) {
            Some(result) => result.is_leader(),
            None => {
                let _mask = Current::get().mask();
                meeting.barrier.wait().is_leader()
            }
        };
        assert_ne!(leads, other.join().unwrap());
        meeting.assert_new();
    });
}

/// One is cancelled in either of two rounds, or in none, and comes again. (That one may leave when its round is over takes more who wait than
/// a model can have: a `grant_all` of several turns.) Preemption bound 3.
#[test]
fn loom_one_that_is_cancelled_between_two_rounds_is_not_missing_in_the_next() {
    model(3, || {
        let meeting = Meeting::new(2);
        let parker = Parker::current();
        let other = spawn(&meeting, |meeting| {
            meeting.barrier.wait();
            meeting.barrier.wait();
        });
        let canceller = spawn(&meeting, move |_| parker.cancel());
        let mut rounds = 0;
        let come = || meeting.barrier.wait();
        rounds += usize::from(exact::catch(come).is_some());
        canceller.join().unwrap();
        let _mask = Current::get().mask();
        (rounds..2).for_each(|_| drop(come()));
        other.join().unwrap();
        meeting.assert_new();
    });
}
