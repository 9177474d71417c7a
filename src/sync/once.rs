//! [`Once`].

use crate::{
    primitive::{AtomicU32, Ordering, const_unless_loom},
    runtime::waiters::{Locked, Waiters, Want},
    thread,
};
use std::{
    fmt,
    panic::{RefUnwindSafe, UnwindSafe},
};

/// Nobody has run it. One that is cancelled has not.
const INCOMPLETE: u32 = 0;
/// Who ran it panicked.
const POISONED: u32 = 1;
/// Somebody runs it.
const RUNNING: u32 = 2;
/// It has run. Never together with `WAITERS`.
const COMPLETE: u32 = 3;
const STAGE: u32 = 3;
/// The list is not empty: changes under its lock, and says so whenever that is free.
const WAITERS: u32 = 1 << 2;

/// Runs something once, for green threads and OS threads, in any mixture. See [`std::sync::Once`].
///
/// What is run may suspend; others that come meanwhile wait. Who calls it again from inside waits for ever.
///
/// # Examples
/// ```
/// use sinew::sync::Once;
///
/// static START: Once = Once::new();
/// START.call_once(|| println!("only once"));
/// assert!(START.is_completed());
/// ```
pub struct Once {
    state: AtomicU32,
    waiters: Waiters,
}

// As std's.
impl UnwindSafe for Once {}
impl RefUnwindSafe for Once {}

/// What [`Once::call_once_force`] tells its closure. See [`std::sync::OnceState`].
pub struct OnceState {
    poisoned: bool,
}

impl OnceState {
    /// Whether an earlier closure panicked.
    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        self.poisoned
    }
}

impl fmt::Debug for OnceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnceState").field("poisoned", &self.poisoned).finish()
    }
}

/// Ends a run that does not come to its end.
struct Running<'a> {
    once: &'a Once,
    /// Where it began: `INCOMPLETE` or `POISONED`.
    stage: u32,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.once.finish(if thread::panicking_by_panic() { POISONED } else { self.stage });
    }
}

/// A fresh [`Once`]. See [`std::sync::ONCE_INIT`].
#[cfg(not(loom))]
#[deprecated(note = "use `Once::new()`, as with std")]
#[allow(clippy::declare_interior_mutable_const, reason = "as std's")]
pub const ONCE_INIT: Once = Once::new();

impl Once {
    const_unless_loom! {
        /// Nothing has run.
        #[allow(clippy::new_without_default, reason = "as std's")]
        #[inline]
        #[must_use]
        pub const fn new() -> Self {
            Self { state: AtomicU32::new(INCOMPLETE), waiters: Waiters::new() }
        }
    }

    /// Runs the closure, unless one has run; if another thread runs one now, suspends the current thread until that has ended. What it
    /// did is seen afterwards.
    ///
    /// # Panics
    /// If a closure has panicked; and if this one does.
    ///
    /// # Cancellation
    /// A thread that waits unwinds. If the thread is cancelled inside the closure, nothing has run, and the next who comes, or
    /// waits, runs its own.
    #[inline]
    #[track_caller]
    pub fn call_once<F: FnOnce()>(&self, f: F) {
        if !self.is_completed() {
            let mut f = Some(f);
            self.call(false, &mut |_| f.take().expect("called once")());
        }
    }

    /// The same, also if a closure has panicked.
    ///
    /// # Panics
    /// If this closure does.
    ///
    /// # Cancellation
    /// As [`call_once`](Self::call_once).
    #[inline]
    pub fn call_once_force<F: FnOnce(&OnceState)>(&self, f: F) {
        if !self.is_completed() {
            let mut f = Some(f);
            self.call(true, &mut |state| f.take().expect("called once")(state));
        }
    }

    /// Whether a closure has run to its end. What it did is seen.
    #[inline]
    #[must_use]
    pub fn is_completed(&self) -> bool {
        self.state.load(Ordering::Acquire) == COMPLETE
    }

    /// Suspends the current thread until a closure has run.
    ///
    /// # Panics
    /// If one has panicked, or does.
    ///
    /// # Cancellation
    /// A thread that waits unwinds.
    #[track_caller]
    pub fn wait(&self) {
        while !self.is_completed() {
            self.wait_for_change(false);
            assert!(self.state.load(Ordering::Relaxed) & STAGE != POISONED, "{POISONED_ALREADY}");
        }
    }

    /// The same, but waits on if a closure has panicked.
    ///
    /// # Cancellation
    /// A thread that waits unwinds.
    pub fn wait_force(&self) {
        while !self.is_completed() {
            self.wait_for_change(true);
        }
    }

    #[cold]
    #[track_caller]
    fn call(&self, ignores_poison: bool, f: &mut dyn FnMut(&OnceState)) {
        if let Some(running) = self.start(ignores_poison) {
            f(&OnceState { poisoned: running.stage == POISONED });
            std::mem::forget(running);
            self.finish(COMPLETE);
        }
    }

    /// Waits until the caller may run it, or need not.
    #[track_caller]
    fn start(&self, ignores_poison: bool) -> Option<Running<'_>> {
        let mut state = self.state.load(Ordering::Acquire);
        loop {
            match state & STAGE {
                COMPLETE => return None,
                POISONED if !ignores_poison => panic!("{POISONED_ALREADY}"),
                RUNNING => {
                    self.wait_until(|stage| stage != RUNNING);
                    state = self.state.load(Ordering::Acquire);
                }
                stage => {
                    let new = RUNNING | state & WAITERS;
                    match self.state.compare_exchange_weak(state, new, Ordering::Acquire, Ordering::Acquire) {
                        Ok(_) => return Some(Running { once: self, stage }),
                        Err(now) => state = now,
                    }
                }
            }
        }
    }

    fn finish(&self, stage: u32) {
        // A waiter may announce itself before the lock is taken.
        if self.state.compare_exchange(RUNNING, stage, Ordering::Release, Ordering::Relaxed).is_err() {
            let locked = self.waiters.lock();
            self.state.store(stage, Ordering::Release);
            locked.grant_all(0);
        }
    }

    /// Waits until a run has ended in a way that may interest the caller.
    #[cold]
    fn wait_for_change(&self, ignores_poison: bool) {
        self.wait_until(|stage| stage == COMPLETE || stage == POISONED && !ignores_poison);
    }

    /// Suspends the current thread until the next run ends, unless it is at this stage already.
    fn wait_until(&self, is_there: impl Fn(u32) -> bool) {
        let unless = |_: &mut Locked<'_>| {
            let mut state = self.state.load(Ordering::Acquire);
            while !is_there(state & STAGE) {
                match self.state.compare_exchange_weak(state, state | WAITERS, Ordering::Relaxed, Ordering::Acquire) {
                    Ok(_) => return false,
                    Err(now) => state = now,
                }
            }
            true
        };
        let left = |locked: Locked<'_>| {
            if locked.is_empty() {
                self.state.fetch_and(!WAITERS, Ordering::Relaxed);
            }
        };
        self.waiters.wait(Want::amount(0), None, unless, left);
    }
}

const POISONED_ALREADY: &str = "Once instance has previously been poisoned";

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Once").finish_non_exhaustive()
    }
}

#[cfg(all(test, loom))]
mod loom_tests;
