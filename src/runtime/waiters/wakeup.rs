//! What follows when a node is taken out of a wait list: the grant, and the wake.

use super::{
    super::exact::{self, Name},
    node::{Guarded, Node, Waker, Want, unlink},
};
use crate::task::foreign::Foreign;
use std::{
    mem::{self, MaybeUninit},
    ptr,
};

/// How many are woken after one hold of the lock.
const BATCH: usize = 16;

/// A node that was taken out, still under the lock: its waiter waits for what the caller is about to give.
#[must_use = "its waiter would wait for ever"]
pub(crate) struct Taken<'a>(pub(super) &'a Node);

impl Taken<'_> {
    pub(crate) fn want(&self) -> Want {
        self.0.want
    }

    /// Grants. What goes to the slot has been written.
    #[inline]
    pub(crate) fn grant(self, outcome: usize) -> Wakeup {
        // SAFETY: the lock is held, as `self` borrows it.
        unsafe {
            self.0.guarded(|guarded| {
                guarded.outcome = outcome;
                match guarded.waker {
                    Waker::Thread(name) => Wakeup::Thread(name),
                    _ => Wakeup::of_other(guarded),
                }
            })
        }
    }
}

/// Wakes a waiter that was granted, once the lock has been released.
#[must_use = "the waiter waits for this"]
pub(crate) enum Wakeup {
    Thread(Name),
    Other(Foreign),
}

impl Wakeup {
    /// Of one that is not woken by its name.
    #[cold]
    fn of_other(guarded: &mut Guarded) -> Self {
        Self::Other(match mem::replace(&mut guarded.waker, Waker::Nobody) {
            // SAFETY: its thread is in the list, whose lock is held, so it has not left its wait.
            Waker::Apart(apart) => Foreign::new(unsafe { apart.as_ref() }.waker()),
            waker => waker.into_foreign().expect("a node is granted once"),
        })
    }

    #[inline]
    pub(crate) fn wake(self) {
        match self {
            // SAFETY: it was granted, and waits for this wake (invariant 4), which comes once.
            Self::Thread(name) => unsafe { name.wake() },
            Self::Other(waker) => waker.wake(),
        }
    }
}

/// Some wakeups, without an allocation.
pub(crate) struct Wakeups {
    wakeups: [MaybeUninit<Wakeup>; BATCH],
    length: usize,
}

impl Wakeups {
    pub(crate) fn new() -> Self {
        Self { wakeups: [const { MaybeUninit::uninit() }; BATCH], length: 0 }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.length == BATCH
    }

    /// # Panics
    /// If it is full.
    pub(crate) fn push(&mut self, wakeup: Wakeup) {
        self.wakeups[self.length].write(wakeup);
        self.length += 1;
    }

    /// Grants the nodes of `end`'s ring while there is room; true if none is left.
    ///
    /// # Safety
    /// The lock of the list is held from which they were moved there.
    pub(super) unsafe fn fill(&mut self, end: &Node, outcome: usize) -> bool {
        while !self.is_full() {
            // SAFETY: the lock is held; nodes of the ring are alive (invariant 2, and a left one has unlinked itself).
            unsafe {
                let at = end.next();
                if ptr::eq(at, end) {
                    return true;
                }
                let node = &*at;
                unlink(node);
                if node.win() {
                    self.push(Taken(node).grant(outcome));
                }
            }
        }
        // SAFETY: as above.
        ptr::eq(unsafe { end.next() }, end)
    }

    /// Wakes them all, the first first.
    pub(crate) fn wake(self) {
        let wake = |wakeup: &MaybeUninit<Wakeup>| {
            // SAFETY: the first `length` were written, and each is read once.
            unsafe { wakeup.assume_init_read() }.wake();
        };
        match &self.wakeups[..self.length] {
            [one] => wake(one),
            wakeups => exact::in_order(|| wakeups.iter().for_each(wake)),
        }
    }
}
