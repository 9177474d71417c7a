//! Handles: the right to wait for a thread and take its result.

use super::{Result, ScopedJoinHandle, Thread};
use crate::{
    runtime::{children::Children, join, worker::Worker},
    task::{Task, TaskRef, payload},
};
use std::{fmt, marker::PhantomData, mem::ManuallyDrop, ptr::NonNull};

/// A claim to a thread's result.
pub struct Claim<T> {
    thread: ManuallyDrop<Thread>,
    result: PhantomData<T>,
}

impl<T> Claim<T> {
    /// # Safety
    /// The task was spawned with a closure that gives `T`, and its handle is the caller's.
    #[inline(always)]
    pub(super) unsafe fn new(task: NonNull<Task>) -> Self {
        // SAFETY: the handle's reference.
        Self { thread: ManuallyDrop::new(Thread { task: unsafe { TaskRef::from_raw(task) } }), result: PhantomData }
    }

    pub(super) fn thread(&self) -> &Thread {
        &self.thread
    }

    pub(super) fn is_finished(&self) -> bool {
        self.thread.task.state.is_done()
    }

    #[inline(always)]
    pub(super) fn join(self) -> Result<T> {
        let task = self.thread.task.as_ptr();
        // SAFETY: this is the handle. If the wait unwinds, `self` is dropped: the thread is detached.
        unsafe { join::join(task) };
        let _taken = ManuallyDrop::new(self);
        // SAFETY: the thread has ended, and the claim to the result is ours and used up; so is its reference.
        unsafe {
            let result = payload::take_result(task);
            if task.as_ref().state.drop_reference() {
                payload::free(Worker::current().map(|worker| &worker.cache), task);
            }
            result
        }
    }
}

impl<T> Drop for Claim<T> {
    fn drop(&mut self) {
        let task = &self.thread.task;
        if task.state.detach() {
            return;
        }
        if task.state.clear_handle() {
            // SAFETY: the thread has ended without anybody to claim its result, so it is ours.
            let panicked = unsafe { (task.vtable.drop_result)(task.as_ptr()) };
            if panicked && !task.scope.get().is_null() {
                // SAFETY: a scoped handle does not outlive its scope.
                unsafe { &*task.scope.get().cast::<Children>() }.note_panic();
            }
        }
        // SAFETY: dropped once.
        unsafe { ManuallyDrop::drop(&mut self.thread) };
    }
}

/// The right to wait for a thread's end and take its result. Dropped, it leaves the thread to itself.
/// See [`std::thread::JoinHandle`].
pub struct JoinHandle<T>(pub(super) Claim<T>);

// SAFETY: the result is `Send`, by `spawn`'s bounds; the rest of a handle is a `Thread`.
unsafe impl<T> Send for JoinHandle<T> {}
// SAFETY: through a shared handle nobody reaches the result.
unsafe impl<T> Sync for JoinHandle<T> {}
// The result lies in the thread's header, not in the handle.
impl<T> Unpin for JoinHandle<T> {}

impl<T> JoinHandle<T> {
    /// The thread.
    #[must_use]
    pub fn thread(&self) -> &Thread {
        self.0.thread()
    }

    /// Asks the thread to end. See [`Thread::cancel`]; a [`join`](Self::join) afterwards waits until it has.
    #[doc(alias = "abort")]
    pub fn cancel(&self) {
        self.thread().cancel();
    }

    /// Has the thread cancelled if the handle is dropped.
    ///
    /// # Examples
    /// ```
    /// let waiter = sinew::spawn(|| sinew::park()).cancel_on_drop();
    /// let thread = waiter.thread().clone();
    /// drop(waiter);
    /// assert_eq!(thread.cancelling(), 1);
    /// ```
    #[doc(alias = "AbortOnDropHandle")]
    pub fn cancel_on_drop(self) -> CancelOnDrop<Self> {
        CancelOnDrop::new(self)
    }

    /// Waits until the thread has ended, and gives its result.
    ///
    /// # Errors
    /// The payload of its panic; or [`Cancelled`](crate::Cancelled) if it was cancelled.
    ///
    /// # Cancellation
    /// Unwinds, and the thread that was waited for is detached.
    ///
    /// # Examples
    /// ```
    /// let answer = sinew::spawn(|| 6 * 7);
    /// assert_eq!(answer.join().unwrap(), 42);
    /// ```
    #[inline]
    pub fn join(self) -> Result<T> {
        self.0.join()
    }

    /// Whether the thread's closure has ended. Never blocks.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.0.is_finished()
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").finish_non_exhaustive()
    }
}

/// What each handle is: a claim to a thread's result. For [`CancelOnDrop`]; nobody else implements it.
pub trait Joins: sealed::Sealed {
    /// What the thread returns.
    type Output;

    #[doc(hidden)]
    fn claim(&self) -> &Claim<Self::Output>;
    #[doc(hidden)]
    fn into_claim(self) -> Claim<Self::Output>;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! joins {
    ($(($($parameters:tt)*) $handle:ty, $claim:tt;)+) => {$(
        impl<$($parameters)*> sealed::Sealed for $handle {}

        impl<$($parameters)*> Joins for $handle {
            type Output = T;

            fn claim(&self) -> &Claim<T> {
                &self.$claim
            }

            fn into_claim(self) -> Claim<T> {
                self.$claim
            }
        }
    )+};
}

joins! {
    (T) JoinHandle<T>, 0;
    (T) LocalJoinHandle<T>, claim;
    ('scope, T) ScopedJoinHandle<'scope, T>, claim;
}

/// A handle that cancels its thread when it is dropped, and so also if the wait in [`join`](Self::join) unwinds. It does not wait
/// then until the thread has ended: a [`scope`](super::scope()) or a [`TaskGroup`](crate::group::TaskGroup) does.
///
/// Made by [`JoinHandle::cancel_on_drop`], and by the like of [`ScopedJoinHandle`] and [`LocalJoinHandle`].
#[must_use = "dropped, it cancels the thread"]
pub struct CancelOnDrop<H: Joins>(Option<H>);

impl<H: Joins> CancelOnDrop<H> {
    pub(super) fn new(handle: H) -> Self {
        Self(Some(handle))
    }

    fn claim(&self) -> &Claim<H::Output> {
        self.0.as_ref().expect("there until the end").claim()
    }

    /// The thread.
    #[must_use]
    pub fn thread(&self) -> &Thread {
        self.claim().thread()
    }

    /// Waits until the thread has ended, and gives its result.
    ///
    /// # Errors
    /// As [`JoinHandle::join`].
    ///
    /// # Cancellation
    /// Unwinds, and the thread is cancelled.
    pub fn join(mut self) -> Result<H::Output> {
        let mut on_unwind = OnUnwind(Some(self.thread().clone()));
        let result = self.0.take().expect("there until the end").into_claim().join();
        on_unwind.0 = None;
        result
    }

    /// Whether the thread's closure has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.claim().is_finished()
    }

    /// The handle without this.
    pub fn into_inner(mut self) -> H {
        self.0.take().expect("there until the end")
    }
}

impl<H: Joins> Drop for CancelOnDrop<H> {
    fn drop(&mut self) {
        if let Some(handle) = &self.0 {
            handle.claim().thread().cancel();
        }
    }
}

impl<H: Joins> fmt::Debug for CancelOnDrop<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelOnDrop").finish_non_exhaustive()
    }
}

/// Cancels a thread when the wait for it unwinds.
struct OnUnwind(Option<Thread>);

impl Drop for OnUnwind {
    fn drop(&mut self) {
        if let Some(thread) = &self.0 {
            thread.cancel();
        }
    }
}

/// A [`JoinHandle`] of a thread that stays on its spawner's worker, made by [`spawn_local`](super::spawn_local) and
/// [`Builder::spawn_local`](super::Builder::spawn_local).
pub struct LocalJoinHandle<T> {
    pub(super) claim: Claim<T>,
    /// The result may be anything, so the handle stays on its worker (rule 10).
    pub(super) stays: PhantomData<*mut ()>,
}

impl<T> LocalJoinHandle<T> {
    /// The thread. It may be unparked and cancelled from anywhere.
    #[must_use]
    pub fn thread(&self) -> &Thread {
        self.claim.thread()
    }

    /// Asks the thread to end. See [`Thread::cancel`]; a [`join`](Self::join) afterwards waits until it has.
    #[doc(alias = "abort")]
    pub fn cancel(&self) {
        self.thread().cancel();
    }

    /// Has the thread cancelled if the handle is dropped. See [`JoinHandle::cancel_on_drop`].
    #[doc(alias = "AbortOnDropHandle")]
    pub fn cancel_on_drop(self) -> CancelOnDrop<Self> {
        CancelOnDrop::new(self)
    }

    /// As [`JoinHandle::join`].
    ///
    /// # Errors
    /// As [`JoinHandle::join`].
    ///
    /// # Cancellation
    /// As [`JoinHandle::join`].
    pub fn join(self) -> Result<T> {
        self.claim.join()
    }

    /// Whether the thread's closure has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.claim.is_finished()
    }
}

impl<T> fmt::Debug for LocalJoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalJoinHandle").finish_non_exhaustive()
    }
}
