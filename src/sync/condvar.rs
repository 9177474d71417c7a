//! [`Condvar`].

use super::{mutex::MutexGuard, raw::mutex::RawMutex};
use crate::{
    primitive::const_unless_loom,
    runtime::{
        exact::Current,
        waiters::{Locked, Node, Waited, Waiters, Want},
    },
};
use std::{
    fmt,
    panic::{RefUnwindSafe, UnwindSafe},
    sync::{LockResult, PoisonError},
    time::{Duration, Instant},
};

/// A condition variable for green threads and OS threads, in any mixture. See [`std::sync::Condvar`].
///
/// The first that waits is the first that is woken. A thread is woken by a notification only, but programs should not count on
/// that.
///
/// # Cancellation
/// A wait that is cancelled takes the mutex again, waiting for it if need be, and then unwinds, so that what the unwind does is done under the
/// mutex, until the guard goes. It takes no notification away: one that has chosen this thread makes the
/// wait return, and the thread unwinds at its next suspension; any other goes to those who still wait.
///
/// # Examples
/// ```
/// use sinew::{sync::{Condvar, Mutex}, thread};
///
/// let (ready, changed) = (Mutex::new(false), Condvar::new());
/// thread::scope(|scope| {
///     scope.spawn(|| {
///         *ready.lock().unwrap() = true;
///         changed.notify_one();
///     });
///     let ready = changed.wait_while(ready.lock().unwrap(), |ready| !*ready).unwrap();
///     assert!(*ready);
/// });
/// ```
pub struct Condvar {
    waiters: Waiters,
}

// As std's.
impl UnwindSafe for Condvar {}
impl RefUnwindSafe for Condvar {}

/// Whether a wait for a limited time ended because that was over. See [`std::sync::WaitTimeoutResult`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitTimeoutResult(bool);

impl WaitTimeoutResult {
    /// Whether the time was over.
    #[must_use]
    pub fn timed_out(&self) -> bool {
        self.0
    }
}

impl Condvar {
    const_unless_loom! {
        /// A condition variable for which nobody waits.
        #[must_use]
        pub const fn new() -> Self {
            Self { waiters: Waiters::new() }
        }
    }

    /// Releases the mutex and suspends the current thread until it is notified; then locks the mutex again.
    ///
    /// # Errors
    /// With the guard, if the mutex is poisoned.
    ///
    /// # Cancellation
    /// See the type.
    pub fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
        guard.lend(|mutex| self.wait_until(mutex, None)).0
    }

    /// [`wait`](Self::wait) as long as the condition is true; not at all if it is not.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    ///
    /// # Cancellation
    /// See the type.
    pub fn wait_while<'a, T, F>(&self, mut guard: MutexGuard<'a, T>, mut condition: F) -> LockResult<MutexGuard<'a, T>>
    where
        F: FnMut(&mut T) -> bool,
    {
        while condition(&mut guard) {
            guard = self.wait(guard)?;
        }
        Ok(guard)
    }

    /// [`wait`](Self::wait) for a limited time, which on a green thread is rounded up to whole milliseconds. Locking the mutex again may
    /// take longer.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    ///
    /// # Cancellation
    /// See the type.
    pub fn wait_timeout<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        timeout: Duration,
    ) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)> {
        // Beyond what a clock can say is for ever.
        let deadline = crate::runtime::clock::now().checked_add(timeout);
        let (guard, waited) = guard.lend(|mutex| self.wait_until(mutex, deadline));
        let result = WaitTimeoutResult(waited == Waited::TimedOut);
        match guard {
            Ok(guard) => Ok((guard, result)),
            Err(poisoned) => Err(PoisonError::new((poisoned.into_inner(), result))),
        }
    }

    /// [`wait_timeout`](Self::wait_timeout) in milliseconds; whether it was notified.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    ///
    /// # Cancellation
    /// See the type.
    #[deprecated(note = "use `wait_timeout`, as with std")]
    pub fn wait_timeout_ms<'a, T>(&self, guard: MutexGuard<'a, T>, ms: u32) -> LockResult<(MutexGuard<'a, T>, bool)> {
        match self.wait_timeout(guard, Duration::from_millis(ms.into())) {
            Ok((guard, result)) => Ok((guard, !result.timed_out())),
            Err(poisoned) => {
                let (guard, result) = poisoned.into_inner();
                Err(PoisonError::new((guard, !result.timed_out())))
            }
        }
    }

    /// [`wait_while`](Self::wait_while) for a limited time. The result tells whether the condition was still true when that was over.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    ///
    /// # Cancellation
    /// See the type.
    pub fn wait_timeout_while<'a, T, F>(
        &self,
        mut guard: MutexGuard<'a, T>,
        timeout: Duration,
        mut condition: F,
    ) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)>
    where
        F: FnMut(&mut T) -> bool,
    {
        let start = crate::runtime::clock::now();
        loop {
            if !condition(&mut guard) {
                return Ok((guard, WaitTimeoutResult(false)));
            }
            let Some(left) = timeout.checked_sub(crate::runtime::clock::now() - start).filter(|left| !left.is_zero())
            else {
                return Ok((guard, WaitTimeoutResult(true)));
            };
            guard = self.wait_timeout(guard, left)?.0;
        }
    }

    fn wait_until(&self, mutex: &RawMutex, deadline: Option<Instant>) -> Waited {
        let current = Current::get();
        let node = Node::new(Want::amount(0), &current);
        // SAFETY: the node is fresh, and waited for after what does not unwind.
        let listed = unsafe { self.waiters.list(&node, |_| false) }.expect("nothing speaks against it");
        // SAFETY: the caller's guard holds it, and is not used before it is locked again.
        unsafe { mutex.unlock() };
        let again = |locked: Locked<'_>| {
            drop(locked);
            mutex.lock_masked();
        };
        let waited = listed.wait(&current, deadline, again);
        if waited != Waited::TimedOut {
            mutex.lock_masked();
        }
        waited
    }

    /// Wakes the thread that has waited longest, if any waits.
    pub fn notify_one(&self) {
        if self.waiters.seem_empty() {
            return;
        }
        let mut locked = self.waiters.lock();
        let wakeup = locked.take_first().map(|taken| taken.grant(0));
        drop(locked);
        if let Some(wakeup) = wakeup {
            wakeup.wake();
        }
    }

    /// Wakes all threads that wait.
    pub fn notify_all(&self) {
        if !self.waiters.seem_empty() {
            self.waiters.lock().grant_all(0);
        }
    }
}

impl Default for Condvar {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Condvar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condvar").finish_non_exhaustive()
    }
}

#[cfg(all(test, loom))]
mod loom_tests;
