//! Models of the wait group: whoever waits goes on once all others have gone, and sees what they did.

use super::*;
use crate::{
    primitive::{UnsafeCell, models::model, thread},
    runtime::exact::{self, Parker},
};

struct Work([UnsafeCell<u32>; 2]);

// SAFETY: each cell is written by one thread before it leaves the group, and read after that, which loom checks.
unsafe impl Sync for Work {}
// SAFETY: as above.
unsafe impl Send for Work {}

/// A thread that does its part and leaves the group.
fn work(group: &WaitGroup, work: &crate::primitive::Arc<Work>, at: usize) -> thread::JoinHandle<()> {
    let (group, work) = (group.clone(), work.clone());
    thread::spawn(move || {
        // SAFETY: its own; loom checks it.
        work.0[at].with_mut(|cell| unsafe { *cell = 7 });
        drop(group);
    })
}

fn nothing_done() -> crate::primitive::Arc<Work> {
    crate::primitive::Arc::new(Work([UnsafeCell::new(0), UnsafeCell::new(0)]))
}

/// Preemption bound 4.
#[test]
fn loom_one_that_waits_sees_what_the_others_did() {
    model(4, || {
        let (group, done) = (WaitGroup::new(), nothing_done());
        let others = [work(&group, &done, 0), work(&group, &done, 1)];
        group.wait();
        for cell in &done.0 {
            // SAFETY: all have left; loom checks it.
            assert_eq!(cell.with(|cell| unsafe { *cell }), 7);
        }
        others.into_iter().for_each(|other| other.join().unwrap());
    });
}

#[test]
fn loom_two_that_wait_for_each_other_go_on() {
    model(None, || {
        let group = WaitGroup::new();
        let other = group.clone();
        let other = thread::spawn(move || other.wait());
        group.wait();
        other.join().unwrap();
    });
}

/// Preemption bound 2.
#[test]
fn loom_one_that_is_cancelled_leaves_the_others_to_wait() {
    model(2, || {
        let (group, done) = (WaitGroup::new(), nothing_done());
        let parker = Parker::current();
        let other = work(&group, &done, 0);
        let waiter = group.clone();
        let waiter = thread::spawn(move || waiter.wait());
        let canceller = thread::spawn(move || parker.cancel());
        let shared = group.shared.clone();
        exact::catch(|| group.wait());
        [other, waiter, canceller].into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(shared.count.load(Ordering::Relaxed), 0);
        assert!(shared.waiters.lock().is_empty());
    });
}
