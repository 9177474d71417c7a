//! A cancellation that belongs to no thread: many may watch it, and wait for it.

use super::Cancelled;
use crate::{
    primitive::{AtomicBool, Mutex, MutexGuard, Ordering, lock},
    runtime::{
        exact,
        region::{Region, Source},
        waiters::{Waited, Waiters, Want},
    },
};
use std::{
    fmt,
    ptr::NonNull,
    sync::{Arc, Weak},
    time::Duration,
};

/// A cancellation that any number of threads can watch, wait for, and be ended by. Clones are the same token.
///
/// Everything works on OS threads too. In destructors that run during an unwind, [`run_until_cancelled`](Self::run_until_cancelled) ends
/// nothing: no cancellation is raised there. [`wait`](Self::wait) and [`is_cancelled`](Self::is_cancelled) work there as well.
///
/// # Examples
/// ```
/// use sinew::cancel::CancelToken;
///
/// let token = CancelToken::new();
/// let workers: Vec<_> = (0..3)
///     .map(|_| {
///         let token = token.clone();
///         sinew::spawn(move || token.run_until_cancelled(|| sinew::park()).is_err())
///     })
///     .collect();
/// token.cancel();
/// for worker in workers {
///     assert!(worker.join().unwrap());
/// }
/// ```
#[derive(Clone, Default)]
#[doc(alias = "CancellationToken")]
pub struct CancelToken(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// Set under the lock.
    cancelled: AtomicBool,
    state: Mutex<State>,
    waiters: Waiters,
    /// Kept, so that a cancellation finds its way from the first ancestor to here.
    parent: Option<Arc<Inner>>,
}

#[derive(Default)]
struct State {
    reason: Option<Arc<str>>,
    /// Each knows its place here.
    regions: Vec<NonNull<Region>>,
    children: Vec<Weak<Inner>>,
}

// SAFETY: the regions are used under the lock, and taken out, under it too, before they go.
unsafe impl Send for State {}

/// The place of a region that is not in the list.
const NOWHERE: usize = usize::MAX;
/// How many are woken after one hold of the lock. In models one, so that two regions need two holds, and what comes between them is seen.
const BATCH: usize = if cfg!(loom) { 1 } else { 16 };

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Cancels this one, and gives its children, unless another call has them.
    fn cancel(&self, reason: Option<Arc<str>>) -> Vec<Weak<Self>> {
        let mut state = self.lock();
        if !self.cancelled.load(Ordering::Relaxed) {
            state.reason = reason;
            self.cancelled.store(true, Ordering::Release);
        }
        let children = std::mem::take(&mut state.children);
        drop(state);
        while self.cancel_some() {}
        self.waiters.lock().grant_all(0);
        children
    }

    /// Takes some of the regions out, tells them, and wakes their threads without the lock; false if there are none left. No more come.
    fn cancel_some(&self) -> bool {
        let mut threads = Vec::new();
        {
            let mut state = self.lock();
            let first = state.regions.len().saturating_sub(BATCH);
            for region in state.regions.drain(first..) {
                // SAFETY: it watched until now, and does not go before the lock is released; afterwards only its thread is touched.
                unsafe {
                    region.as_ref().place.set(NOWHERE);
                    threads.push(Region::cancel(region));
                }
            }
        }
        match &*threads {
            [] => return false,
            [one] => Region::wake(one),
            threads => exact::in_order(|| threads.iter().for_each(Region::wake)),
        }
        true
    }
}

impl Drop for Inner {
    /// Without recursion: there may be many ancestors that nobody else keeps.
    fn drop(&mut self) {
        let mut next = self.parent.take();
        while let Some(mut parent) = next.and_then(Arc::into_inner) {
            next = parent.parent.take();
        }
    }
}

impl Source for Inner {
    unsafe fn watch(&self, region: NonNull<Region>) -> bool {
        let mut state = self.lock();
        // SAFETY: the caller's region; its place is used under the lock.
        let place = unsafe { &region.as_ref().place };
        if self.cancelled.load(Ordering::Relaxed) {
            place.set(NOWHERE);
            return false;
        }
        place.set(state.regions.len());
        state.regions.push(region);
        true
    }

    fn unwatch(&self, region: NonNull<Region>) {
        let mut state = self.lock();
        // SAFETY: the caller's region; places are used under the lock.
        let place = unsafe { &region.as_ref().place }.replace(NOWHERE);
        if place == NOWHERE {
            return;
        }
        state.regions.swap_remove(place);
        if let Some(moved) = state.regions.get(place) {
            // SAFETY: regions in the list live.
            unsafe { moved.as_ref() }.place.set(place);
        }
    }

    fn reason(&self) -> Option<Arc<str>> {
        self.lock().reason.clone()
    }
}

impl CancelToken {
    /// A token that nobody has cancelled.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A token that is cancelled with this one, and can be cancelled alone.
    ///
    /// # Examples
    /// ```
    /// # use sinew::cancel::CancelToken;
    /// let server = CancelToken::new();
    /// let (one, other) = (server.child_token(), server.child_token());
    /// one.cancel();
    /// assert!(one.is_cancelled() && !other.is_cancelled() && !server.is_cancelled());
    /// server.cancel();
    /// assert!(other.is_cancelled());
    /// ```
    #[must_use]
    pub fn child_token(&self) -> Self {
        let mut child = Inner::default();
        child.parent = Some(self.0.clone());
        let child = Self(Arc::new(child));
        let mut state = self.0.lock();
        if self.0.cancelled.load(Ordering::Relaxed) {
            let reason = state.reason.clone();
            drop(state);
            child.0.cancel(reason);
            return child;
        }
        if state.children.len() == state.children.capacity() {
            // At least half is free afterwards, or as many are alive: so this costs little on the average.
            state.children.retain(|child| child.strong_count() != 0);
            let alive = state.children.len();
            state.children.reserve(alive + 1);
        }
        state.children.push(Arc::downgrade(&child.0));
        drop(state);
        child
    }

    /// Cancels: whoever is inside [`run_until_cancelled`](Self::run_until_cancelled) unwinds to there, whoever waits goes on, and the
    /// children are cancelled too. For good; a second time it does nothing. A second call that comes while a first is under way
    /// need not wait for that to have reached every child.
    pub fn cancel(&self) {
        self.cancel_all(None);
    }

    /// The same with a reason, which [`Cancelled::reason`] then gives.
    pub fn cancel_with(&self, reason: impl Into<Arc<str>>) {
        self.cancel_all(Some(reason.into()));
    }

    fn cancel_all(&self, reason: Option<Arc<str>>) {
        let mut left = self.0.cancel(reason.clone());
        while let Some(child) = left.pop() {
            if let Some(child) = child.upgrade() {
                left.append(&mut child.cancel(reason.clone()));
            }
        }
    }

    /// Whether it is cancelled.
    #[inline]
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::Acquire)
    }

    /// Suspends the current thread until the token is cancelled.
    ///
    /// # Cancellation
    /// Unwinds. (This token's cancellation only ends the wait.)
    pub fn wait(&self) {
        if !self.is_cancelled() {
            self.0.waiters.wait(Want::amount(0), None, |_| self.is_cancelled(), drop);
        }
    }

    /// The same for a limited time; gives whether the token is cancelled.
    ///
    /// # Cancellation
    /// As [`wait`](Self::wait).
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        if self.is_cancelled() {
            return true;
        }
        let Some(deadline) = crate::runtime::clock::now().checked_add(timeout) else {
            self.wait();
            return true;
        };
        let waited = self.0.waiters.wait(Want::amount(0), Some(deadline), |_| self.is_cancelled(), drop);
        waited != Waited::TimedOut || self.is_cancelled()
    }

    /// Runs `f` in the current thread, and ends it when the token is cancelled: at its next suspension it unwinds.
    ///
    /// If the token is cancelled already, `f` does not run. If `f` ends by itself first, its result counts. In a destructor that runs
    /// during an unwind, `f` is not ended.
    ///
    /// # Errors
    /// The token was cancelled, and so `f` did not run or not to its end.
    ///
    /// # Cancellation
    /// A cancellation of the thread, or of a part further out, goes on through this.
    pub fn run_until_cancelled<T>(&self, f: impl FnOnce() -> T) -> Result<T, Cancelled> {
        if self.is_cancelled() {
            return Err(Cancelled::new(self.0.reason()));
        }
        let source: &(dyn Source + 'static) = &*self.0;
        // SAFETY: the borrow of this token outlives the region.
        let region = unsafe { Region::with_source(NonNull::from(source)) };
        region.run(f)
    }

    /// Cancels the token when the guard is dropped.
    ///
    /// # Examples
    /// ```
    /// # use sinew::cancel::CancelToken;
    /// let token = CancelToken::new();
    /// drop(token.drop_guard());
    /// assert!(token.is_cancelled());
    /// ```
    pub fn drop_guard(&self) -> CancelGuard {
        CancelGuard(Some(self.clone()))
    }
}

impl fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelToken").field("is_cancelled", &self.is_cancelled()).finish_non_exhaustive()
    }
}

/// Cancels a token when it is dropped. Made by [`CancelToken::drop_guard`].
#[derive(Debug)]
#[must_use = "dropped at once, it cancels at once"]
pub struct CancelGuard(Option<CancelToken>);

impl CancelGuard {
    /// The token, which the guard then leaves alone.
    pub fn disarm(mut self) -> CancelToken {
        self.0.take().expect("there until the end")
    }
}

impl Drop for CancelGuard {
    fn drop(&mut self) {
        if let Some(token) = &self.0 {
            token.cancel();
        }
    }
}

#[cfg(all(test, loom))]
mod loom_tests;
