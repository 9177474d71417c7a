//! The same for the model checker: who waits is blocked until the value comes. Of threads that spin, loom tries every order and every number
//! of turns, also those in which the one that they wait for never runs: with two of them it comes to no end.
//!
//! That a wait ends at a store orders the two, as far as the waiting thread is concerned; who finds the value without a wait has no more than
//! the word's own orderings.

use super::{AtomicUsize, Ordering};
use loom::sync::{Condvar, Mutex};
use std::sync::atomic::{AtomicUsize as Count, Ordering::Relaxed};

/// See the real one.
pub(crate) struct Awaited {
    word: AtomicUsize,
    /// How many wait, or are about to. Not loom's: a store and the look at this are one step of a model.
    waiting: Count,
    turn: Mutex<()>,
    stored: Condvar,
}

impl Awaited {
    pub(crate) fn new(value: usize) -> Self {
        Self { word: AtomicUsize::new(value), waiting: Count::new(0), turn: Mutex::new(()), stored: Condvar::new() }
    }

    pub(crate) fn load(&self, order: Ordering) -> usize {
        self.word.load(order)
    }

    pub(crate) fn store(&self, value: usize, order: Ordering) {
        self.word.store(value, order);
        if self.waiting.load(Relaxed) != 0 {
            let turn = self.turn.lock().unwrap();
            self.stored.notify_all();
            drop(turn);
        }
    }

    /// See the real one.
    pub(crate) fn pause(&self, seen: usize, _: &mut u32) {
        // No word has this value.
        const NEVER: usize = usize::MAX;
        self.waiting.fetch_add(1, Relaxed);
        let mut turn = self.turn.lock().unwrap();
        // An exchange, though it fails, looks at the newest value, as loads in models need not.
        while self.word.compare_exchange(NEVER, NEVER, Ordering::Relaxed, Ordering::Relaxed) == Err(seen) {
            turn = self.stored.wait(turn).unwrap();
        }
        self.waiting.fetch_sub(1, Relaxed);
    }
}
