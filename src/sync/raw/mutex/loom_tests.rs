//! Models of the mutex, with and without hand-over: it excludes, nobody waits for ever, and one that gives up leaves it as it was.

use super::*;
use crate::{
    primitive::{Arc, UnsafeCell, model::Builder, thread},
    runtime::exact::Parker,
};

/// All runs with at most so many preemptions.
fn model(bound: usize, body: impl Fn(bool) + Sync + Send + Copy + 'static) {
    for impatient in [false, true] {
        let mut builder = Builder::new();
        builder.preemption_bound = Some(bound);
        builder.check(move || body(impatient));
    }
}

struct Counter {
    mutex: RawMutex,
    count: UnsafeCell<usize>,
}

// SAFETY: the count is used under the mutex, which loom checks.
unsafe impl Sync for Counter {}
// SAFETY: as above.
unsafe impl Send for Counter {}

impl Counter {
    fn new(impatient: bool) -> Arc<Self> {
        Arc::new(Self { mutex: RawMutex::for_model(impatient), count: UnsafeCell::new(0) })
    }

    fn add(&self) {
        self.mutex.lock();
        self.add_locked();
    }

    fn try_add(&self) -> bool {
        let locked = self.mutex.lock_until(Instant::now());
        if locked {
            self.add_locked();
        }
        locked
    }

    fn add_locked(&self) {
        // SAFETY: the mutex is held; loom checks it.
        self.count.with_mut(|count| unsafe { *count += 1 });
        // SAFETY: taken by the caller.
        unsafe { self.mutex.unlock() };
    }

    fn assert_free(&self, count: usize) {
        assert_eq!(self.mutex.state.load(Ordering::Relaxed), 0);
        assert!(self.mutex.waiters.lock().is_empty());
        // SAFETY: all other threads have ended.
        self.count.with(|found| assert_eq!(unsafe { *found }, count));
    }
}

fn spawn<R: 'static>(counter: &Arc<Counter>, body: impl FnOnce(&Counter) -> R + 'static) -> thread::JoinHandle<R> {
    let counter = Arc::clone(counter);
    thread::spawn(move || body(&counter))
}

/// Preemption bound 4.
#[test]
fn loom_two_threads_exclude_each_other() {
    model(4, |impatient| {
        let counter = Counter::new(impatient);
        let other = spawn(&counter, |counter| {
            counter.add();
            counter.add();
        });
        counter.add();
        counter.add();
        other.join().unwrap();
        counter.assert_free(4);
    });
}

/// Preemption bound 2.
#[test]
fn loom_three_threads_exclude_each_other() {
    model(2, |impatient| {
        let counter = Counter::new(impatient);
        let others = [spawn(&counter, Counter::add), spawn(&counter, Counter::add)];
        counter.add();
        others.into_iter().for_each(|other| other.join().unwrap());
        counter.assert_free(3);
    });
}

/// Preemption bound 2.
#[test]
fn loom_one_that_gives_up_keeps_nobody_else_waiting() {
    model(2, |impatient| {
        let counter = Counter::new(impatient);
        let parker = Parker::current();
        let other = spawn(&counter, move |counter| {
            counter.add();
            parker.interrupt();
            counter.add();
        });
        let locked = counter.try_add();
        other.join().unwrap();
        counter.assert_free(2 + usize::from(locked));
    });
}
