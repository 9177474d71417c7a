//! How an OS thread waits for the wakes that a green thread gets from its worker.

use super::foreign::Foreign;
use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    task::Waker,
    time::Instant,
};

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
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds wake bits.
    pub(crate) fn wake(&self, bits: u8) {
        *self.lock() |= bits;
        self.arrived.notify_all();
        let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Has a future told of the next wake.
    pub(crate) fn set_waker(&self, waker: Waker) {
        let old = self.waker.lock().unwrap_or_else(PoisonError::into_inner).replace(Foreign::new(waker));
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
                    let Some(left) = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
                    else {
                        return 0;
                    };
                    self.arrived.wait_timeout(pending, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}
