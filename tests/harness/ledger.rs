//! What was sent and what came of it, to be compared in the end.

use std::sync::{
    Mutex,
    atomic::{AtomicU8, Ordering},
};

/// Bytes unlike each other, and what was got of them.
pub(crate) struct Ledger {
    next: AtomicU8,
    got: Mutex<Vec<u8>>,
}

impl Ledger {
    pub(crate) fn new() -> Self {
        Self { next: AtomicU8::new(1), got: Mutex::default() }
    }

    /// Bytes that were not sent yet; none is 0.
    pub(crate) fn fresh<const N: usize>(&self) -> [u8; N] {
        std::array::from_fn(|_| self.next.fetch_add(1, Ordering::SeqCst))
    }

    pub(crate) fn got(&self, bytes: &[u8]) {
        self.got.lock().unwrap().extend_from_slice(bytes);
    }

    /// How many bytes are still to come.
    pub(crate) fn left(&self) -> usize {
        usize::from(self.next.load(Ordering::SeqCst)) - 1 - self.got.lock().unwrap().len()
    }

    /// Everything came once, `rest` included.
    pub(crate) fn check(&self, rest: &[u8]) {
        let mut all = self.got.lock().unwrap();
        all.extend_from_slice(rest);
        all.sort_unstable();
        assert_eq!(*all, (1..self.next.load(Ordering::SeqCst)).collect::<Vec<_>>());
    }
}

/// A buffer to be filled from the front. Dropped, it says what came into it, however that ended.
pub(crate) struct Keeps<'a, const N: usize>(pub(crate) &'a Ledger, pub(crate) [u8; N]);

impl<const N: usize> Drop for Keeps<'_, N> {
    fn drop(&mut self) {
        let length = self.1.iter().position(|&byte| byte == 0).unwrap_or(N);
        self.0.got(&self.1[..length]);
    }
}

/// The same for a vector that grows.
pub(crate) struct KeepsAll<'a>(pub(crate) &'a Ledger, pub(crate) Vec<u8>);

impl Drop for KeepsAll<'_> {
    fn drop(&mut self) {
        self.0.got(&self.1);
    }
}
