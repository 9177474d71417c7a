//! A word whose next value another OS thread is about to store.

use super::{AtomicUsize, Ordering, pause};

/// A word for whose next value others wait a moment.
pub(crate) struct Awaited(AtomicUsize);

impl Awaited {
    pub(crate) const fn new(value: usize) -> Self {
        Self(AtomicUsize::new(value))
    }

    #[inline(always)]
    pub(crate) fn load(&self, order: Ordering) -> usize {
        self.0.load(order)
    }

    #[inline(always)]
    pub(crate) fn store(&self, value: usize, order: Ordering) {
        self.0.store(value, order);
    }

    /// Waits a moment, as [`pause`] does, for another value than the one that was seen.
    #[inline(always)]
    pub(crate) fn pause(&self, _seen: usize, turn: &mut u32) {
        pause(turn);
    }
}
