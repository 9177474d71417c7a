//! Scoped threads: they may borrow, because the scope ends after them.

use super::{CancelOnDrop, Result, Thread, builder::spawn_raw, handle::Claim};
use crate::{
    runtime::{
        Handle,
        children::Children,
        spawn::{Wishes, spawn_on},
        wait,
    },
    task::Task,
};
use std::{
    fmt, io,
    marker::PhantomData,
    panic::{AssertUnwindSafe, RefUnwindSafe, catch_unwind, resume_unwind},
    ptr::NonNull,
};

/// A scope to spawn threads in. See [`std::thread::Scope`].
pub struct Scope<'scope, 'env: 'scope> {
    children: Children,
    scope: PhantomData<&'scope mut &'scope ()>,
    env: PhantomData<&'env mut &'env ()>,
}

// As std's: a scope can only be spawned into, and a caught panic leaves it whole.
impl RefUnwindSafe for Scope<'_, '_> {}

/// The right to wait for a scoped thread. See [`std::thread::ScopedJoinHandle`].
pub struct ScopedJoinHandle<'scope, T> {
    pub(super) claim: Claim<T>,
    scope: PhantomData<&'scope ()>,
}

// SAFETY: as for `JoinHandle`.
unsafe impl<T> Send for ScopedJoinHandle<'_, T> {}
// SAFETY: as for `JoinHandle`.
unsafe impl<T> Sync for ScopedJoinHandle<'_, T> {}
impl<T> Unpin for ScopedJoinHandle<'_, T> {}

/// Runs `f` with a scope, in which it may spawn threads that borrow from outside it, and waits until all of them have ended.
/// See [`std::thread::scope`].
///
/// # Panics
/// If a thread of the scope panicked and was not joined.
///
/// # Cancellation
/// `f` may be cancelled where it suspends. The wait for the threads is not interrupted, since they may borrow; a cancellation
/// that comes meanwhile takes effect after it. So a [`timeout`](crate::time::timeout) around a scope lasts until the threads have ended,
/// unless it ends them too: with handles made [`cancel_on_drop`](ScopedJoinHandle::cancel_on_drop), or a [`group`](crate::group).
///
/// # Examples
/// ```
/// let numbers = vec![1, 2, 3];
/// let sum = sinew::scope(|scope| {
///     let first = scope.spawn(|| numbers[0]);
///     let rest = scope.spawn(|| numbers[1..].iter().sum::<i32>());
///     first.join().unwrap() + rest.join().unwrap()
/// });
/// assert_eq!(sum, 6);
/// ```
///
/// A borrow cannot leave its scope:
/// ```compile_fail,E0373
/// let handle = sinew::scope(|scope| {
///     let inside = 1;
///     scope.spawn(|| inside + 1)
/// });
/// ```
///
/// nor can a handle, nor the scope itself:
/// ```compile_fail
/// let mut kept = None;
/// sinew::scope(|scope| kept = Some(scope.spawn(|| 1)));
/// ```
/// ```compile_fail
/// let mut kept = None;
/// sinew::scope(|scope| kept = Some(scope));
/// ```
///
/// and what is borrowed mutably belongs to one thread at a time:
/// ```compile_fail,E0499
/// let mut count = 0;
/// sinew::scope(|scope| {
///     scope.spawn(|| count += 1);
///     scope.spawn(|| count += 1);
/// });
/// ```
pub fn scope<'env, F, T>(f: F) -> T
where
    F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> T,
{
    let scope = Scope { children: Children::new(), scope: PhantomData, env: PhantomData };
    let result = catch_unwind(AssertUnwindSafe(|| f(&scope)));
    {
        let _mask = wait::mask();
        scope.children.wait();
    }
    match result {
        Err(panic) => resume_unwind(panic),
        Ok(_) if scope.children.any_panicked() => panic!("a scoped thread panicked"),
        Ok(result) => result,
    }
}

impl<'scope, 'env> Scope<'scope, 'env> {
    /// Spawns a thread in the scope. See [`std::thread::Scope::spawn`].
    ///
    /// # Panics
    /// As [`spawn`](super::spawn).
    pub fn spawn<F, T>(&'scope self, f: F) -> ScopedJoinHandle<'scope, T>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        match self.spawn_with(Wishes::NONE, f) {
            Ok(handle) => handle,
            Err(error) => panic!("failed to spawn thread: {error}"),
        }
    }

    pub(crate) fn spawn_with<F, T>(&'scope self, wishes: Wishes, f: F) -> io::Result<ScopedJoinHandle<'scope, T>>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        // SAFETY: the scope waits for its threads before 'scope ends (rule 4), so what they borrow outlives them.
        unsafe { self.add(|children| spawn_raw(f, Wishes { children, ..wishes })) }
    }

    /// Spawns a thread in the scope that starts on the runtime's worker of this number. See
    /// [`Handle::spawn_on`](crate::runtime::Handle::spawn_on).
    pub(crate) fn spawn_on<F, T>(
        &'scope self,
        runtime: &Handle,
        worker: usize,
        f: F,
    ) -> io::Result<ScopedJoinHandle<'scope, T>>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        let runtime = &runtime.inner;
        let worker = runtime.worker(worker);
        // SAFETY: as above.
        unsafe { self.add(|children| spawn_on(runtime, worker, f, Wishes { children, ..Wishes::NONE })) }
    }

    /// Adds the thread that `spawn` spawns.
    ///
    /// # Safety
    /// It spawns one of these children, with a closure that gives `T`.
    unsafe fn add<T>(
        &'scope self,
        spawn: impl FnOnce(*const Children) -> io::Result<NonNull<Task>>,
    ) -> io::Result<ScopedJoinHandle<'scope, T>> {
        let children = &raw const self.children;
        self.children.add();
        // Also if the spawn unwinds: the default runtime cannot be started, or the closure panics as it is dropped.
        let added = Added(children);
        match spawn(children) {
            Ok(task) => {
                std::mem::forget(added);
                // SAFETY: by the caller's promise.
                Ok(ScopedJoinHandle { claim: unsafe { Claim::new(task) }, scope: PhantomData })
            }
            Err(error) => Err(error),
        }
    }
}

/// Takes a child off the count again that was not spawned.
struct Added(*const Children);

impl Drop for Added {
    fn drop(&mut self) {
        // SAFETY: it was added, no thread will say that it ended, and the scope is borrowed by the frame that holds this.
        unsafe { Children::child_ended(self.0) };
    }
}

impl<T> ScopedJoinHandle<'_, T> {
    /// The thread.
    #[must_use]
    pub fn thread(&self) -> &Thread {
        self.claim.thread()
    }

    /// Asks the thread to end. See [`Thread::cancel`]; a [`join`](Self::join) afterwards waits until it has.
    pub fn cancel(&self) {
        self.thread().cancel();
    }

    /// Has the thread cancelled if the handle is dropped. See [`JoinHandle::cancel_on_drop`](super::JoinHandle::cancel_on_drop).
    pub fn cancel_on_drop(self) -> CancelOnDrop<Self> {
        CancelOnDrop::new(self)
    }

    /// Waits until the thread has ended, and gives its result. See [`JoinHandle::join`](super::JoinHandle::join).
    ///
    /// # Errors
    /// As there.
    ///
    /// # Cancellation
    /// As there.
    pub fn join(self) -> Result<T> {
        self.claim.join()
    }

    /// Whether the thread's closure has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.claim.is_finished()
    }
}

impl fmt::Debug for Scope<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for ScopedJoinHandle<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopedJoinHandle").finish_non_exhaustive()
    }
}
