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
pub struct Cancelled {
    raised: Option<Raised>,
}

/// Where an unwind was raised, and what is to be told when its payload is dropped.
struct Raised {
    thread: u64,
    over: fn(u64),
}

impl Cancelled {
    pub(crate) fn new() -> Self {
        Self { raised: None }
    }

    /// The payload of an unwind of this thread; `over` is called with its number once the payload is dropped, wherever that is.
    pub(crate) fn raised(thread: u64, over: fn(u64)) -> Self {
        Self { raised: Some(Raised { thread, over }) }
    }
}

impl Clone for Cancelled {
    fn clone(&self) -> Self {
        Self::new()
    }
}

impl Drop for Cancelled {
    fn drop(&mut self) {
        if let Some(raised) = self.raised.take() {
            (raised.over)(raised.thread);
        }
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
