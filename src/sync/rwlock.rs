//! [`RwLock`] and its guards.

use super::{
    poison::{Held, Poison},
    raw::rwlock::RawRwLock,
};
use std::{
    cell::UnsafeCell,
    fmt,
    marker::PhantomData,
    mem,
    ops::{Deref, DerefMut},
    panic::{RefUnwindSafe, UnwindSafe},
    sync::{LockResult, PoisonError, TryLockError, TryLockResult},
    time::Duration,
};

/// A lock that many readers or one writer hold, for green threads and OS threads, in any mixture. See [`std::sync::RwLock`].
///
/// Neither side starves: once anybody waits, who comes later waits too, and readers and writers take turns. When a writer releases the lock,
/// all readers that wait get it; when the last of them releases it, the first writer does (phase-fair locks, Brandenburg and
/// Anderson, 2009). So a thread that reads must not read again inside: a writer may wait in between.
///
/// Without contention, taking and releasing the lock are one atomic operation each.
///
/// # Poisoning
/// As std's, if a thread *panics* while it holds the lock to write. A thread that is cancelled meanwhile poisons nothing.
///
/// # Examples
/// ```
/// use sinew::sync::RwLock;
///
/// let lock = RwLock::new(5);
/// {
///     let (one, two) = (lock.read().unwrap(), lock.read().unwrap());
///     assert_eq!(*one + *two, 10);
/// }
/// *lock.write().unwrap() += 1;
/// assert_eq!(*lock.read().unwrap(), 6);
/// ```
pub struct RwLock<T: ?Sized> {
    raw: RawRwLock,
    poison: Poison,
    value: UnsafeCell<T>,
}

// SAFETY: a writer may be any thread, so the value may go to another.
unsafe impl<T: ?Sized + Send> Send for RwLock<T> {}
// SAFETY: the same, and readers share the value.
unsafe impl<T: ?Sized + Send + Sync> Sync for RwLock<T> {}

// As std's: poison tells of a value that a panic left half changed.
impl<T: ?Sized> UnwindSafe for RwLock<T> {}
impl<T: ?Sized> RefUnwindSafe for RwLock<T> {}

/// Holds an [`RwLock`] to read. See [`std::sync::RwLockReadGuard`].
#[must_use = "if unused the RwLock will immediately unlock"]
pub struct RwLockReadGuard<'a, T: ?Sized> {
    lock: &'a RwLock<T>,
    /// As std's, it stays on its thread.
    _not_send: PhantomData<*const ()>,
}

/// Holds an [`RwLock`] to write. See [`std::sync::RwLockWriteGuard`].
#[must_use = "if unused the RwLock will immediately unlock"]
pub struct RwLockWriteGuard<'a, T: ?Sized> {
    lock: &'a RwLock<T>,
    held: Held,
    /// As std's, it stays on its thread.
    _not_send: PhantomData<*const ()>,
}

// SAFETY: a shared guard gives shared access to the value.
unsafe impl<T: ?Sized + Sync> Sync for RwLockReadGuard<'_, T> {}
// SAFETY: the same.
unsafe impl<T: ?Sized + Sync> Sync for RwLockWriteGuard<'_, T> {}

impl<T> RwLock<T> {
    /// An unlocked lock.
    #[inline]
    pub const fn new(value: T) -> Self {
        Self { raw: RawRwLock::new(), poison: Poison::new(), value: UnsafeCell::new(value) }
    }

    /// The value.
    ///
    /// # Errors
    /// With the value, if the lock is poisoned.
    pub fn into_inner(self) -> LockResult<T> {
        let poisoned = self.poison.is_set();
        let value = self.value.into_inner();
        if poisoned { Err(PoisonError::new(value)) } else { Ok(value) }
    }
}

impl<T: ?Sized> RwLock<T> {
    /// Takes the lock to read, and suspends the current thread until that can be done.
    ///
    /// # Errors
    /// With the guard, if the lock is poisoned.
    ///
    /// # Cancellation
    /// A thread that waits unwinds, and has not taken the lock.
    #[inline]
    pub fn read(&self) -> LockResult<RwLockReadGuard<'_, T>> {
        self.raw.read();
        // SAFETY: taken just now.
        unsafe { self.read_guard() }
    }

    /// Takes the lock to read, if no writer holds it and nobody waits. Never waits.
    ///
    /// # Errors
    /// [`TryLockError::WouldBlock`] otherwise; [`TryLockError::Poisoned`], with the guard, if it is poisoned.
    #[inline]
    pub fn try_read(&self) -> TryLockResult<RwLockReadGuard<'_, T>> {
        // SAFETY: taken just now.
        if self.raw.try_read() { Ok(unsafe { self.read_guard() }?) } else { Err(TryLockError::WouldBlock) }
    }

    /// [`read`](Self::read) for a limited time, which on a green thread is rounded up to whole milliseconds.
    ///
    /// # Errors
    /// As [`try_read`](Self::try_read), when the time is over.
    ///
    /// # Cancellation
    /// As [`read`](Self::read).
    pub fn try_read_for(&self, timeout: Duration) -> TryLockResult<RwLockReadGuard<'_, T>> {
        let Some(deadline) = crate::runtime::clock::now().checked_add(timeout) else { return Ok(self.read()?) };
        // SAFETY: taken just now.
        if self.raw.read_until(deadline) { Ok(unsafe { self.read_guard() }?) } else { Err(TryLockError::WouldBlock) }
    }

    /// Takes the lock to write, and suspends the current thread until that can be done. A thread that holds it already, to read or to write,
    /// waits for ever.
    ///
    /// # Errors
    /// With the guard, if the lock is poisoned.
    ///
    /// # Cancellation
    /// A thread that waits unwinds, and has not taken the lock. Readers that waited behind it go on if they can.
    #[inline]
    pub fn write(&self) -> LockResult<RwLockWriteGuard<'_, T>> {
        self.raw.write();
        // SAFETY: taken just now.
        unsafe { self.write_guard() }
    }

    /// Takes the lock to write, if nobody holds it and nobody waits. Never waits.
    ///
    /// # Errors
    /// [`TryLockError::WouldBlock`] otherwise; [`TryLockError::Poisoned`], with the guard, if it is poisoned.
    #[inline]
    pub fn try_write(&self) -> TryLockResult<RwLockWriteGuard<'_, T>> {
        // SAFETY: taken just now.
        if self.raw.try_write() { Ok(unsafe { self.write_guard() }?) } else { Err(TryLockError::WouldBlock) }
    }

    /// [`write`](Self::write) for a limited time, which on a green thread is rounded up to whole milliseconds.
    ///
    /// # Errors
    /// As [`try_write`](Self::try_write), when the time is over.
    ///
    /// # Cancellation
    /// As [`write`](Self::write).
    pub fn try_write_for(&self, timeout: Duration) -> TryLockResult<RwLockWriteGuard<'_, T>> {
        let Some(deadline) = crate::runtime::clock::now().checked_add(timeout) else { return Ok(self.write()?) };
        // SAFETY: taken just now.
        if self.raw.write_until(deadline) { Ok(unsafe { self.write_guard() }?) } else { Err(TryLockError::WouldBlock) }
    }

    /// # Safety
    /// The caller has taken the lock to read, and gives that to the guard.
    #[inline(always)]
    unsafe fn read_guard(&self) -> LockResult<RwLockReadGuard<'_, T>> {
        self.poison.wrap(RwLockReadGuard { lock: self, _not_send: PhantomData })
    }

    /// # Safety
    /// The caller has taken the lock to write, and gives that to the guard.
    #[inline(always)]
    unsafe fn write_guard(&self) -> LockResult<RwLockWriteGuard<'_, T>> {
        self.poison.wrap(RwLockWriteGuard { lock: self, held: Poison::hold(), _not_send: PhantomData })
    }

    /// Whether a thread has panicked while it held the lock to write.
    #[inline]
    pub fn is_poisoned(&self) -> bool {
        self.poison.is_set()
    }

    /// Forgets that a thread has panicked while it held the lock to write.
    #[inline]
    pub fn clear_poison(&self) {
        self.poison.clear();
    }

    /// The value. Needs no locking, since nobody else has the lock.
    ///
    /// # Errors
    /// With the value, if the lock is poisoned.
    pub fn get_mut(&mut self) -> LockResult<&mut T> {
        let value = self.value.get_mut();
        self.poison.wrap(value)
    }
}

impl<T> From<T> for RwLock<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: Default> Default for RwLock<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("RwLock");
        match self.try_read() {
            Ok(guard) => debug.field("data", &&*guard),
            Err(TryLockError::Poisoned(poisoned)) => debug.field("data", &&**poisoned.get_ref()),
            Err(TryLockError::WouldBlock) => debug.field("data", &format_args!("<locked>")),
        };
        debug.field("poisoned", &self.is_poisoned()).finish_non_exhaustive()
    }
}

impl<'a, T: ?Sized> RwLockWriteGuard<'a, T> {
    /// Goes on to hold the lock to read, without letting a writer come between. Readers that wait come in too.
    pub fn downgrade(this: Self) -> RwLockReadGuard<'a, T> {
        let lock = this.lock;
        // As `drop` does.
        lock.poison.release(this.held);
        mem::forget(this);
        // SAFETY: the guard held the lock to write, and now gives that up.
        unsafe { lock.raw.downgrade() };
        RwLockReadGuard { lock, _not_send: PhantomData }
    }
}

impl<T: ?Sized> Deref for RwLockReadGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the guard holds the lock to read.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T: ?Sized> Deref for RwLockWriteGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the guard holds the lock to write.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T: ?Sized> DerefMut for RwLockWriteGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard holds the lock to write, and is borrowed mutably.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T: ?Sized> Drop for RwLockReadGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the guard holds the lock to read.
        unsafe { self.lock.raw.unlock_read() };
    }
}

impl<T: ?Sized> Drop for RwLockWriteGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.lock.poison.release(self.held);
        // SAFETY: the guard holds the lock to write.
        unsafe { self.lock.raw.unlock_write() };
    }
}

/// Both guards look like the value.
macro_rules! shows_value {
    ($guard:ident) => {
        impl<T: ?Sized + fmt::Debug> fmt::Debug for $guard<'_, T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                (**self).fmt(f)
            }
        }

        impl<T: ?Sized + fmt::Display> fmt::Display for $guard<'_, T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                (**self).fmt(f)
            }
        }
    };
}

shows_value!(RwLockReadGuard);
shows_value!(RwLockWriteGuard);
