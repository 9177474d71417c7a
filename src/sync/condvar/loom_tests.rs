//! Models of the condition variable with its mutex: no notification is lost between the release of the mutex and the wait, nor by one that is
//! cancelled or whose time is over; and whoever comes back holds the mutex.

use super::*;
use crate::{
    primitive::{
        Arc, UnsafeCell,
        models::{model, spawn},
    },
    runtime::exact::{self, Parker},
};

/// Tokens that are taken one by one, the least that can be lost.
struct Tokens {
    /// Without a guard, which an unwind would drop (see `exact`).
    mutex: RawMutex,
    /// Loom's cell, so that two who hold the mutex at once would be seen.
    count: UnsafeCell<usize>,
    changed: Condvar,
}

// SAFETY: the count is used under the mutex, which loom checks.
unsafe impl Sync for Tokens {}
// SAFETY: as above.
unsafe impl Send for Tokens {}

impl Tokens {
    fn new() -> Arc<Self> {
        Arc::new(Self { mutex: RawMutex::new(), count: UnsafeCell::new(0), changed: Condvar::new() })
    }

    fn with<R>(&self, f: impl FnOnce() -> R) -> R {
        self.mutex.lock_masked();
        let result = f();
        // SAFETY: taken above, and held again after each wait.
        unsafe { self.mutex.unlock() };
        result
    }

    /// To be called under the mutex.
    fn try_take(&self) -> bool {
        // SAFETY: the mutex is held; loom checks it.
        self.count.with_mut(|count| unsafe {
            let some = *count > 0;
            *count -= usize::from(some);
            some
        })
    }

    fn put(&self, more: usize) {
        // SAFETY: the mutex is held; loom checks it.
        self.with(|| self.count.with_mut(|count| unsafe { *count += more }));
    }

    fn take(&self) {
        self.with(|| {
            while !self.try_take() {
                self.changed.wait_until(&self.mutex, None);
            }
        });
    }

    /// The same until the thread's deadline; false if that passed.
    fn take_in_time(&self) -> bool {
        self.with(|| {
            while !self.try_take() {
                if self.changed.wait_until(&self.mutex, Some(Instant::now())) == Waited::TimedOut {
                    return self.try_take();
                }
            }
            true
        })
    }

    /// The same until the thread is cancelled, which holds the mutex then.
    fn take_unless_cancelled(&self) -> bool {
        self.with(|| {
            while !self.try_take() {
                if exact::catch(|| self.changed.wait_until(&self.mutex, None)).is_none() {
                    return self.try_take();
                }
            }
            true
        })
    }

    fn assert_left(&self, left: usize) {
        assert!(self.changed.waiters.lock().is_empty());
        assert!(self.mutex.try_lock());
        // SAFETY: the mutex is held.
        self.count.with(|count| assert_eq!(unsafe { *count }, left));
    }
}

/// The notification comes between the release of the mutex and the suspension, or before, or after. Preemption bound 4.
#[test]
fn loom_a_notification_reaches_who_has_just_released_the_mutex() {
    model(4, || {
        let tokens = Tokens::new();
        let taker = spawn(&tokens, Tokens::take);
        tokens.put(1);
        tokens.changed.notify_one();
        taker.join().unwrap();
        tokens.assert_left(0);
    });
}

/// One notification, two that wait, of which the first may run out of time: it is taken by one of them, who is not left waiting.
/// Preemption bound 2.
#[test]
fn loom_a_notification_is_not_lost_by_one_whose_time_is_over() {
    model(2, || {
        let tokens = Tokens::new();
        let parker = Parker::current();
        let other = spawn(&tokens, Tokens::take);
        let giver = spawn(&tokens, move |tokens| {
            tokens.put(1);
            tokens.changed.notify_one();
            parker.interrupt();
        });
        if tokens.take_in_time() {
            tokens.put(1);
            tokens.changed.notify_one();
        }
        giver.join().unwrap();
        other.join().unwrap();
        tokens.assert_left(0);
    });
}

/// The same with a cancellation. One that is cancelled holds the mutex while it unwinds. Preemption bound 2.
#[test]
fn loom_a_notification_is_not_lost_by_one_that_is_cancelled() {
    model(2, || {
        let tokens = Tokens::new();
        let parker = Parker::current();
        let other = spawn(&tokens, Tokens::take);
        let giver = spawn(&tokens, move |tokens| {
            tokens.put(1);
            tokens.changed.notify_one();
            parker.cancel();
        });
        if tokens.take_unless_cancelled() {
            tokens.put(1);
            tokens.changed.notify_one();
        }
        giver.join().unwrap();
        other.join().unwrap();
        tokens.assert_left(0);
    });
}

/// Preemption bound 2.
#[test]
fn loom_all_are_woken_and_come_back_one_by_one() {
    model(2, || {
        let tokens = Tokens::new();
        let takers = [spawn(&tokens, Tokens::take), spawn(&tokens, Tokens::take)];
        tokens.put(2);
        tokens.changed.notify_all();
        takers.into_iter().for_each(|taker| taker.join().unwrap());
        tokens.assert_left(0);
    });
}

/// All are notified while one of them is cancelled: it comes back with the mutex, whichever was first. Preemption bound 3.
#[test]
fn loom_one_that_is_cancelled_while_all_are_woken_comes_back_with_the_mutex() {
    model(3, || {
        let tokens = Tokens::new();
        let parker = Parker::current();
        let giver = spawn(&tokens, move |tokens| {
            tokens.put(1);
            tokens.changed.notify_all();
        });
        let canceller = spawn(&tokens, move |_| parker.cancel());
        let taken = tokens.take_unless_cancelled();
        giver.join().unwrap();
        canceller.join().unwrap();
        tokens.assert_left(usize::from(!taken));
    });
}
