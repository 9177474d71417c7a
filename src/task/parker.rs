//! How an OS thread waits for the wakes that a green thread gets from its worker.

use super::foreign::Foreign;
use crate::primitive::{Condvar, Mutex, MutexGuard, lock, now};
use std::{sync::PoisonError, task::Waker, time::Instant};

/// Wake bits that arrived, under a lock.
#[derive(Default)]
pub(crate) struct Parker {
    pending: Mutex<u8>,
    arrived: Condvar,
    /// Told of the next wake too, if a future waits and not an OS thread.
    waker: Mutex<Option<Foreign>>,
}

impl Parker {
    fn lock(&self) -> MutexGuard<'_, u8> {
        lock(&self.pending)
    }

    /// Adds wake bits.
    pub(crate) fn wake(&self, bits: u8) {
        *self.lock() |= bits;
        self.arrived.notify_all();
        let waker = lock(&self.waker).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Has a future told of the next wake.
    pub(crate) fn set_waker(&self, waker: Waker) {
        let old = lock(&self.waker).replace(Foreign::new(waker));
        // Only now, without the lock: what a waker's destructor does is not ours to know.
        drop(old);
    }

    /// Whether some of `bits` are there.
    pub(crate) fn has(&self, bits: u8) -> bool {
        *self.lock() & bits != 0
    }

    /// Takes those of `want` that are there.
    pub(crate) fn take(&self, want: u8) -> u8 {
        let mut pending = self.lock();
        let got = *pending & want;
        *pending &= !got;
        got
    }

    /// Blocks until some of `want` are there and takes those; 0 when the deadline passed first.
    pub(crate) fn wait(&self, want: u8, deadline: Option<Instant>) -> u8 {
        let mut pending = self.lock();
        loop {
            let got = *pending & want;
            if got != 0 {
                *pending &= !got;
                return got;
            }
            pending = match deadline {
                None => self.arrived.wait(pending).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let Some(left) = deadline.checked_duration_since(now()).filter(|left| !left.is_zero()) else {
                        return 0;
                    };
                    self.arrived.wait_timeout(pending, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}

#[cfg(all(test, loom))]
mod loom_tests;
