//! Cancellation's part that every thread carries: the payload of its unwind, and the mask.
//!
//! A cancelled thread has `wake::CANCEL` pending, and keeps it until it is acknowledged: at each suspension without a mask in
//! force the runtime raises [`Cancelled`] as an unwind that runs no panic hook (rule 12).

use super::Task;
use std::fmt;

/// What `join` returns in the place of a panic's payload when the thread was cancelled.
///
/// # Examples
/// ```
/// let waiter = sinew::spawn(|| sinew::park());
/// waiter.thread().cancel();
/// let payload = waiter.join().unwrap_err();
/// assert!(payload.is::<sinew::Cancelled>());
/// ```
#[derive(Clone)]
pub struct Cancelled(());

impl Cancelled {
    pub(crate) fn new() -> Self {
        Self(())
    }
}

impl fmt::Debug for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cancelled")
    }
}

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the thread was cancelled")
    }
}

impl std::error::Error for Cancelled {}

/// Keeps a thread's cancellation from being raised while it lives.
pub(crate) struct Mask<'a>(&'a Task);

impl<'a> Mask<'a> {
    /// Masks the current thread, whose header this is.
    pub(crate) fn new(current: &'a Task) -> Self {
        current.mask.set(current.mask.get() + 1);
        Self(current)
    }
}

impl Drop for Mask<'_> {
    fn drop(&mut self) {
        self.0.mask.set(self.0.mask.get() - 1);
    }
}
