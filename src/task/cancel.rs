//! Cancellation's part that every thread carries: the payload of its unwind, the requests for it, and the mask.
//!
//! A thread that may have to unwind has `wake::CANCEL` pending, and looks then what is asked of it: requests to the whole thread
//! ([`Requests`]), and those to a part of its run (`runtime::region`). Both stay until they are acknowledged; so at each suspension
//! without a mask in force the runtime raises [`Cancelled`] as an unwind that runs no panic hook (rule 12).

use super::Task;
use crate::primitive::{AtomicU32, Ordering};
use std::{
    fmt,
    marker::PhantomData,
    ptr::NonNull,
    sync::{Arc, Mutex, PoisonError},
};

/// What `join` returns in the place of a panic's payload when the thread was cancelled.
///
/// # Examples
/// ```
/// let waiter = sinew::spawn(|| sinew::park());
/// waiter.cancel();
/// let payload = waiter.join().unwrap_err();
/// assert!(payload.is::<sinew::Cancelled>());
/// ```
pub struct Cancelled {
    reason: Option<Arc<str>>,
    raised: Option<Raised>,
}

/// Where an unwind was raised, and what is to be told when its payload is dropped.
struct Raised {
    thread: u64,
    over: fn(u64),
    /// The region where it ends, 0 for the thread.
    region: usize,
}

impl Cancelled {
    pub(crate) fn new(reason: Option<Arc<str>>) -> Self {
        Self { reason, raised: None }
    }

    /// The payload of an unwind of this thread, as far as a region or, if that is 0, to its end; `over` is called with the thread's
    /// number once the payload is dropped, wherever that is.
    pub(crate) fn raised(reason: Option<Arc<str>>, thread: u64, region: usize, over: fn(u64)) -> Self {
        Self { reason, raised: Some(Raised { thread, over, region }) }
    }

    /// The unwind has ended where it should: what is kept of it does not touch the thread any more.
    pub(crate) fn settled(mut self) -> Self {
        self.raised = None;
        self
    }

    /// The address of the region where the unwind ends.
    pub(crate) fn region(&self) -> Option<usize> {
        self.raised.as_ref().map(|raised| raised.region).filter(|&region| region != 0)
    }

    /// Whether it is the unwind of a whole thread, this one.
    pub(crate) fn ends_thread(&self, thread: u64) -> bool {
        self.raised.as_ref().is_some_and(|raised| raised.region == 0 && raised.thread == thread)
    }

    /// Why, if whoever cancelled said so: what was given to [`Thread::cancel_with`](crate::thread::Thread::cancel_with) or
    /// [`CancelToken::cancel_with`](crate::cancel::CancelToken::cancel_with) first.
    ///
    /// # Examples
    /// ```
    /// let waiter = sinew::spawn(|| sinew::park());
    /// waiter.thread().cancel_with("no longer needed");
    /// let payload = waiter.join().unwrap_err();
    /// let cancelled = payload.downcast::<sinew::Cancelled>().unwrap();
    /// assert_eq!(cancelled.reason(), Some("no longer needed"));
    /// ```
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }
}

impl Clone for Cancelled {
    fn clone(&self) -> Self {
        Self::new(self.reason.clone())
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
        match &self.reason {
            None => f.write_str("Cancelled"),
            Some(reason) => f.debug_tuple("Cancelled").field(reason).finish(),
        }
    }
}

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            None => f.write_str("cancelled"),
            Some(reason) => write!(f, "cancelled: {reason}"),
        }
    }
}

impl std::error::Error for Cancelled {}

/// Requests to end a thread: how many were made and not taken back, and the first one's reason. One that is for good counts as one
/// and stays, whatever is taken back or acknowledged.
#[derive(Default)]
pub(crate) struct Requests {
    /// [`FOR_GOOD`], and how many others.
    count: AtomicU32,
    reason: Mutex<Option<Arc<str>>>,
}

const FOR_GOOD: u32 = 1 << 31;

/// How many a count stands for.
fn number(count: u32) -> u32 {
    (count & !FOR_GOOD) + u32::from(count & FOR_GOOD != 0)
}

impl Requests {
    /// One more.
    pub(crate) fn add(&self, reason: Option<Arc<str>>) {
        self.give_reason(reason);
        let add = |count: u32| (count & !FOR_GOOD < FOR_GOOD - 1).then(|| count + 1);
        let _ = self.count.fetch_update(Ordering::AcqRel, Ordering::Relaxed, add);
    }

    /// One that stays: the thread's runtime ends.
    pub(crate) fn add_for_good(&self, reason: Arc<str>) {
        self.give_reason(Some(reason));
        self.count.fetch_or(FOR_GOOD, Ordering::AcqRel);
    }

    fn give_reason(&self, reason: Option<Arc<str>>) {
        if let Some(reason) = reason {
            self.reason.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(reason);
        }
    }

    /// One less, of those that do not stay; gives how many are left.
    pub(crate) fn take_back(&self) -> u32 {
        let take = |count: u32| (count & !FOR_GOOD != 0).then(|| count - 1);
        let taken = self.count.fetch_update(Ordering::AcqRel, Ordering::Acquire, take);
        let left = number(taken.map_or_else(|count| count, |count| count - 1));
        if left == 0 {
            self.reason.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
        left
    }

    /// None any more, if all can be acknowledged; else nothing is changed, and it is false.
    pub(crate) fn acknowledge(&self) -> bool {
        let none = |count: u32| (count & FOR_GOOD == 0).then_some(0);
        let acknowledged = self.count.fetch_update(Ordering::AcqRel, Ordering::Acquire, none).is_ok();
        if acknowledged {
            self.reason.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
        acknowledged
    }

    #[inline]
    pub(crate) fn count(&self) -> u32 {
        number(self.count.load(Ordering::Acquire))
    }

    pub(crate) fn reason(&self) -> Option<Arc<str>> {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Keeps a thread's cancellation from being raised while it lives.
pub(crate) struct Mask<'a>(NonNull<Task>, PhantomData<&'a Task>);

impl<'a> Mask<'a> {
    /// Masks the current thread, whose header this is.
    pub(crate) fn new(current: &'a Task) -> Self {
        // SAFETY: the borrow keeps it.
        unsafe { Self::of(NonNull::from(current)) }
    }

    /// The same.
    ///
    /// # Safety
    /// The header lives as long as the mask.
    pub(crate) unsafe fn of(current: NonNull<Task>) -> Self {
        // SAFETY: as promised.
        let mask = unsafe { &current.as_ref().mask };
        mask.set(mask.get() + 1);
        Self(current, PhantomData)
    }
}

impl Drop for Mask<'_> {
    fn drop(&mut self) {
        // SAFETY: promised when it was made.
        let mask = unsafe { &self.0.as_ref().mask };
        mask.set(mask.get() - 1);
    }
}
