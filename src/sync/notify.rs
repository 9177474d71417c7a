//! [`Notify`].

use crate::{
    primitive::{AtomicU32, Ordering, const_unless_loom},
    runtime::waiters::{Locked, Waited, Waiters, Want},
};
use std::{
    fmt,
    time::{Duration, Instant},
};

/// A notification came when nobody waited. Never together with `WAITERS`.
const STORED: u32 = 1;
/// The list is not empty: changes under its lock, and says so whenever that is free.
const WAITERS: u32 = 1 << 1;

/// Wakes one thread that waits, or the next one to come; as tokio's `Notify`.
///
/// It keeps at most one notification, and carries no value. Two threads that share some state of their own use it to say
/// "look again".
///
/// # Examples
/// ```
/// use sinew::{sync::{Mutex, Notify}, thread};
///
/// let (queue, changed) = (Mutex::new(Vec::new()), Notify::new());
/// thread::scope(|scope| {
///     scope.spawn(|| {
///         queue.lock().unwrap().push(5);
///         changed.notify_one();
///     });
///     let first = loop {
///         if let Some(first) = queue.lock().unwrap().pop() {
///             break first;
///         }
///         changed.wait();
///     };
///     assert_eq!(first, 5);
/// });
/// ```
pub struct Notify {
    state: AtomicU32,
    waiters: Waiters,
}

impl Notify {
    const_unless_loom! {
        /// Without a notification.
        #[must_use]
        pub const fn new() -> Self {
            Self { state: AtomicU32::new(0), waiters: Waiters::new() }
        }
    }

    /// Wakes the thread that has waited longest. If nobody waits, the next [`wait`](Self::wait) returns at once; several
    /// notifications that nobody took are one.
    pub fn notify_one(&self) {
        let mut state = self.state.load(Ordering::Relaxed);
        while state & WAITERS == 0 {
            // Also if one is stored already: what came before this one is to be seen too.
            match self.state.compare_exchange_weak(state, STORED, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => state = now,
            }
        }
        let mut locked = self.waiters.lock();
        match locked.take_first().map(|taken| taken.grant(0)) {
            Some(wakeup) => {
                self.left(locked);
                wakeup.wake();
            }
            None => {
                drop(locked);
                self.notify_one();
            }
        }
    }

    /// Wakes all threads that wait now. Leaves nothing for those who come.
    pub fn notify_waiters(&self) {
        if !self.waiters.seem_empty() {
            let locked = self.waiters.lock();
            self.state.fetch_and(!WAITERS, Ordering::Relaxed);
            locked.grant_all(0);
        }
    }

    /// Takes the stored notification, or suspends the current thread until it gets one.
    ///
    /// # Cancellation
    /// A thread that waits unwinds, and has taken none.
    #[inline]
    pub fn wait(&self) {
        self.wait_for(None);
    }

    /// [`wait`](Self::wait) for a limited time, which on a green thread is rounded up to whole milliseconds. False if that was over.
    ///
    /// # Cancellation
    /// As [`wait`](Self::wait).
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        self.wait_for(crate::runtime::clock::now().checked_add(timeout))
    }

    fn wait_for(&self, deadline: Option<Instant>) -> bool {
        self.take() || {
            let unless = |_: &mut Locked<'_>| self.take_or_announce();
            self.waiters.wait(Want::amount(0), deadline, unless, |locked| self.left(locked)) != Waited::TimedOut
        }
    }

    fn take(&self) -> bool {
        self.state.compare_exchange(STORED, 0, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    fn take_or_announce(&self) -> bool {
        loop {
            if self.take() {
                return true;
            }
            let announced = self.state.compare_exchange(0, WAITERS, Ordering::Relaxed, Ordering::Relaxed);
            if announced.is_ok() || announced == Err(WAITERS) {
                return false;
            }
        }
    }

    fn left(&self, locked: Locked<'_>) {
        if locked.is_empty() {
            self.state.fetch_and(!WAITERS, Ordering::Relaxed);
        }
    }
}

impl Default for Notify {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notify").finish_non_exhaustive()
    }
}

#[cfg(all(test, loom))]
mod loom_tests;
