//! [`Barrier`].

use crate::{
    primitive::const_unless_loom,
    runtime::{
        exact::Current,
        waiters::{Locked, Node, Waiters, Want},
    },
};
use std::{
    cell::Cell,
    fmt,
    panic::{RefUnwindSafe, UnwindSafe},
};

/// Where so many threads wait for each other. See [`std::sync::Barrier`].
///
/// # Examples
/// ```
/// use sinew::{sync::Barrier, thread};
///
/// let barrier = Barrier::new(3);
/// thread::scope(|scope| {
///     for _ in 0..3 {
///         scope.spawn(|| barrier.wait());
///     }
/// });
/// ```
pub struct Barrier {
    threads: usize,
    /// How many have come; under the list's lock.
    arrived: Cell<usize>,
    /// How many times it has let all go; under the list's lock.
    rounds: Cell<usize>,
    waiters: Waiters,
}

// SAFETY: the counts are used under the lock.
unsafe impl Sync for Barrier {}

// As std's.
impl UnwindSafe for Barrier {}
impl RefUnwindSafe for Barrier {}

/// Tells one thread of those that a [`Barrier`] let go. See [`std::sync::BarrierWaitResult`].
#[derive(Debug)]
pub struct BarrierWaitResult(bool);

impl BarrierWaitResult {
    /// True for one of them.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.0
    }
}

impl Barrier {
    const_unless_loom! {
        /// A barrier for so many threads; with none or one, nobody waits.
        #[must_use]
        pub const fn new(threads: usize) -> Self {
            Self { threads, arrived: Cell::new(0), rounds: Cell::new(0), waiters: Waiters::new() }
        }
    }

    /// Suspends the current thread until as many have come as the barrier is for. Then it lets them go, and is as new.
    ///
    /// # Cancellation
    /// A thread that waits unwinds, and counts as one that has not come; unless as many had come already, and it was about to be let go.
    pub fn wait(&self) -> BarrierWaitResult {
        let current = Current::get();
        let node = Node::new(Want::amount(0), &current);
        let locked = self.waiters.lock();
        let arrived = self.arrived.get() + 1;
        if arrived >= self.threads {
            self.arrived.set(0);
            self.rounds.set(self.rounds.get().wrapping_add(1));
            locked.grant_all(0);
            return BarrierWaitResult(true);
        }
        self.arrived.set(arrived);
        let round = self.rounds.get();
        // Still under the lock. All are let go by turns, so one that leaves may have been counted in a round that is over.
        let left = |_: Locked<'_>| {
            if self.rounds.get() == round {
                self.arrived.set(self.arrived.get() - 1);
            }
        };
        // SAFETY: the node is fresh, and waited for at once.
        unsafe { locked.list(&node) }.wait(&current, None, left);
        BarrierWaitResult(false)
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Barrier").finish_non_exhaustive()
    }
}

#[cfg(all(test, loom))]
mod loom_tests;
