//! [`Mutex`] and its guard.

use super::{
    poison::{Held, Poison},
    raw::mutex::RawMutex,
};
use crate::primitive::const_unless_loom;
use std::{
    cell::UnsafeCell,
    fmt,
    marker::PhantomData,
    ops::{Deref, DerefMut},
    panic::{RefUnwindSafe, UnwindSafe},
    sync::{LockResult, PoisonError, TryLockError, TryLockResult},
    time::{Duration, Instant},
};

/// A mutual exclusion lock for green threads and OS threads, in any mixture. See [`std::sync::Mutex`].
///
/// A thread that waits for it is suspended and leaves its worker to others, and whoever holds it may be suspended meanwhile. Without
/// contention, locking and unlocking are one atomic operation each.
///
/// A mutex that is released is open to whoever runs; one that waits is woken to try. Once the first in line has waited for a millisecond, the
/// mutex is handed to it when it is next released. This follows Go's `sync.Mutex`, whose starvation mode sets in after the same
/// time, and parking_lot, which decides at each release.
///
/// # Poisoning
/// As std's, if a thread *panics* while it holds the mutex. A thread that is cancelled while it holds it
/// poisons nothing. A suspended [coroutine](crate::coroutine) that is dropped while it holds it is unwound, and poisons it as a panic
/// does: whoever drops it has not asked it whether it was done.
///
/// # Examples
/// ```
/// use sinew::{sync::Mutex, thread};
///
/// let count = Mutex::new(0);
/// thread::scope(|scope| {
///     for _ in 0..10 {
///         scope.spawn(|| *count.lock().unwrap() += 1);
///     }
/// });
/// assert_eq!(count.into_inner().unwrap(), 10);
/// ```
pub struct Mutex<T: ?Sized> {
    raw: RawMutex,
    poison: Poison,
    value: UnsafeCell<T>,
}

// SAFETY: the value is given to one thread at a time, whichever it is; `T: Send` allows that.
unsafe impl<T: ?Sized + Send> Send for Mutex<T> {}
// SAFETY: the same.
unsafe impl<T: ?Sized + Send> Sync for Mutex<T> {}

// As std's: poison tells of a value that a panic left half changed.
impl<T: ?Sized> UnwindSafe for Mutex<T> {}
impl<T: ?Sized> RefUnwindSafe for Mutex<T> {}

/// Holds a [`Mutex`] and releases it when it is dropped. See [`std::sync::MutexGuard`].
#[must_use = "if unused the Mutex will immediately unlock"]
pub struct MutexGuard<'a, T: ?Sized> {
    mutex: &'a Mutex<T>,
    held: Held,
    /// As std's, it stays on its thread.
    _not_send: PhantomData<*const ()>,
}

// SAFETY: a shared guard gives shared access to the value.
unsafe impl<T: ?Sized + Sync> Sync for MutexGuard<'_, T> {}

impl<T> Mutex<T> {
    const_unless_loom! {
        /// An unlocked mutex.
        #[inline]
        pub const fn new(value: T) -> Self {
            Self { raw: RawMutex::new(), poison: Poison::new(), value: UnsafeCell::new(value) }
        }
    }

    /// The value.
    ///
    /// # Errors
    /// With the value, if the mutex is poisoned.
    pub fn into_inner(self) -> LockResult<T> {
        let poisoned = self.poison.is_set();
        let value = self.value.into_inner();
        if poisoned { Err(PoisonError::new(value)) } else { Ok(value) }
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Locks the mutex, and suspends the current thread until that can be done. A thread that holds it already waits for ever.
    ///
    /// # Errors
    /// With the guard, if the mutex is poisoned.
    ///
    /// # Cancellation
    /// A thread that waits unwinds, and has not locked it.
    #[inline]
    pub fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        self.raw.lock();
        // SAFETY: locked just now.
        unsafe { self.guard() }
    }

    /// Locks the mutex if nobody holds it. Never waits.
    ///
    /// # Errors
    /// [`TryLockError::WouldBlock`] if somebody holds it; [`TryLockError::Poisoned`], with the guard, if it is poisoned.
    #[inline]
    pub fn try_lock(&self) -> TryLockResult<MutexGuard<'_, T>> {
        if self.raw.try_lock() {
            // SAFETY: locked just now.
            Ok(unsafe { self.guard() }?)
        } else {
            Err(TryLockError::WouldBlock)
        }
    }

    /// [`lock`](Self::lock) for a limited time, which on a green thread is rounded up to whole milliseconds.
    ///
    /// # Errors
    /// As [`try_lock`](Self::try_lock), when the time is over.
    ///
    /// # Cancellation
    /// As [`lock`](Self::lock).
    pub fn try_lock_for(&self, timeout: Duration) -> TryLockResult<MutexGuard<'_, T>> {
        match crate::runtime::clock::now().checked_add(timeout) {
            Some(deadline) => self.try_lock_until(deadline),
            None => Ok(self.lock()?),
        }
    }

    /// [`lock`](Self::lock) until a point in time.
    ///
    /// # Errors
    /// As [`try_lock`](Self::try_lock), when that has passed.
    ///
    /// # Cancellation
    /// As [`lock`](Self::lock).
    pub fn try_lock_until(&self, deadline: Instant) -> TryLockResult<MutexGuard<'_, T>> {
        if self.raw.lock_until(deadline) {
            // SAFETY: locked just now.
            Ok(unsafe { self.guard() }?)
        } else {
            Err(TryLockError::WouldBlock)
        }
    }

    /// # Safety
    /// The caller has locked the mutex, and gives that to the guard.
    #[inline(always)]
    unsafe fn guard(&self) -> LockResult<MutexGuard<'_, T>> {
        self.poison.wrap(MutexGuard { mutex: self, held: Poison::hold(), _not_send: PhantomData })
    }

    /// Whether a thread has panicked while it held the mutex.
    #[inline]
    pub fn is_poisoned(&self) -> bool {
        self.poison.is_set()
    }

    /// Forgets that a thread has panicked while it held the mutex.
    #[inline]
    pub fn clear_poison(&self) {
        self.poison.clear();
    }

    /// The value. Needs no locking, since nobody else has the mutex.
    ///
    /// # Errors
    /// With the value, if the mutex is poisoned.
    pub fn get_mut(&mut self) -> LockResult<&mut T> {
        let value = self.value.get_mut();
        self.poison.wrap(value)
    }
}

impl<T> From<T> for Mutex<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Mutex");
        match self.try_lock() {
            Ok(guard) => debug.field("data", &&*guard),
            Err(TryLockError::Poisoned(poisoned)) => debug.field("data", &&**poisoned.get_ref()),
            Err(TryLockError::WouldBlock) => debug.field("data", &format_args!("<locked>")),
        };
        debug.field("poisoned", &self.is_poisoned()).finish_non_exhaustive()
    }
}

impl<'a, T: ?Sized> MutexGuard<'a, T> {
    /// Releases the mutex while `wait` runs, which gets it, releases it and takes it again. Result as [`Mutex::lock`]'s.
    pub(super) fn lend<R>(self, wait: impl FnOnce(&'a RawMutex) -> R) -> (LockResult<Self>, R) {
        let result = wait(&self.mutex.raw);
        (self.mutex.poison.wrap(self), result)
    }
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the guard holds the mutex.
        unsafe { &*self.mutex.value.get() }
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard holds the mutex, and is borrowed mutably.
        unsafe { &mut *self.mutex.value.get() }
    }
}

impl<T: ?Sized> Drop for MutexGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.mutex.poison.release(self.held);
        // SAFETY: the guard holds the mutex.
        unsafe { self.mutex.raw.unlock() };
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
