//! A mutex without the value that it guards.
//!
//! # The word
//! | bits | name | meaning | set by | cleared by |
//! |---|---|---|---|---|
//! | 0 | `LOCKED` | somebody holds it | who takes it; stays set when it is handed over | holder |
//! | 1 | `WAITERS` | the list is not empty | a waiter, under the list's lock | whoever empties the list, under its lock |
//! | 2 | `WOKEN` | a waiter was woken to try again, and nobody else need be | holder, when it releases | that waiter, when it takes the mutex or waits again |
//!
//! # Invariants
//! 1. `WAITERS` says, whenever the list's lock is free, whether the list holds anybody.
//! 2. While the list holds anybody, `LOCKED` or `WOKEN` is set: so somebody is to come who wakes or hands over.
//!    A waiter lists itself only while `LOCKED` is set, and clears its `WOKEN` in the same exchange.
//! 3. `WOKEN` is set only by the holder, in the exchange that clears `LOCKED`, and has one owner: the waiter that was woken. That one
//!    cannot be cancelled before it has tried, since it does not suspend before.
//!
//! # Fairness
//! A release wakes the waiter at the front and leaves the mutex open, so that whoever runs takes it: mostly the thread that has just
//! released it, without a suspension. A waiter that finds it taken again goes back to the front. Once the waiter at the front has
//! waited for a millisecond, the release hands the mutex to it, and nobody can come before. So throughput is that of barging,
//! and a waiter gets the mutex at the latest by the first release after its millisecond for each of those that came before it.
//! The threshold and the idea are Go's (`sync.Mutex`, starvation mode); the hand-over decided release by release, instead of by
//! a mode, follows WebKit's `WTF::Lock` and parking_lot.
//!
//! Rejected: handing over always, first come first served, as tokio's does (a convoy: every acquisition under contention costs
//! a wake and a switch).
//!
//! # Orderings
//! Taking acquires, releasing releases; a hand-over is ordered by the wake.

use crate::{
    primitive::{AtomicU32, Ordering},
    runtime::{
        exact::Current,
        waiters::{Locked, Node, Waited, Waiters, Want},
    },
};
use std::time::{Duration, Instant};

const LOCKED: u32 = 1;
const WAITERS: u32 = 1 << 1;
const WOKEN: u32 = 1 << 2;

/// After this time the waiter at the front is handed the mutex.
const PATIENCE: Duration = Duration::from_millis(1);
/// How many times a thread looks before it suspends, if the holder may be running elsewhere.
const SPINS: u32 = 40;

/// What a grant says: the mutex is the waiter's, or it is to try again.
const HANDED: usize = 1;
const RETRY: usize = 2;

/// See the module's documentation.
pub(crate) struct RawMutex {
    state: AtomicU32,
    waiters: Waiters,
    /// What a model says in the place of the clock, which loom cannot repeat.
    #[cfg(loom)]
    impatient: bool,
}

impl RawMutex {
    #[cfg(not(loom))]
    pub(crate) const fn new() -> Self {
        Self { state: AtomicU32::new(0), waiters: Waiters::new() }
    }

    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Self::for_model(false)
    }

    #[cfg(loom)]
    pub(crate) fn for_model(impatient: bool) -> Self {
        Self { state: AtomicU32::new(0), waiters: Waiters::new(), impatient }
    }

    /// Takes the mutex; suspends the current thread until it can be had. Unwinds if the thread is cancelled; then it was not taken.
    #[inline(always)]
    pub(crate) fn lock(&self) {
        if self.state.compare_exchange(0, LOCKED, Ordering::Acquire, Ordering::Relaxed).is_err() {
            self.lock_slow(None);
        }
    }

    /// The same with a deadline; false when it passed.
    #[inline]
    pub(crate) fn lock_until(&self, deadline: Instant) -> bool {
        self.try_lock() || self.lock_slow(Some(deadline))
    }

    /// The same without being cancelled.
    pub(crate) fn lock_masked(&self) {
        if !self.try_lock() {
            let current = Current::get();
            let _mask = current.mask();
            self.lock_slow(None);
        }
    }

    /// Takes the mutex if nobody holds it.
    #[inline]
    pub(crate) fn try_lock(&self) -> bool {
        let mut state = 0;
        loop {
            match self.state.compare_exchange_weak(state, state | LOCKED, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) if now & LOCKED != 0 => return false,
                Err(now) => state = now,
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn lock_slow(&self, deadline: Option<Instant>) -> bool {
        let current = Current::get();
        let mut spins = if current.is_alone() { 0 } else { SPINS };
        let mut since = None;
        // `WOKEN` if this thread was woken to try again.
        let mut mine = 0;
        loop {
            let state = self.state.load(Ordering::Relaxed);
            if state & LOCKED == 0 {
                let new = (state | LOCKED) & !mine;
                if self.state.compare_exchange_weak(state, new, Ordering::Acquire, Ordering::Relaxed).is_ok() {
                    return true;
                }
                continue;
            }
            if spins > 0 && state & WAITERS == 0 {
                spins -= 1;
                std::hint::spin_loop();
                continue;
            }
            let since: &Instant = since.get_or_insert_with(Instant::now);
            let want = Want { amount: 0, slot: std::ptr::from_ref(since).cast_mut().cast(), first: mine != 0 };
            let node = Node::new(want, &current);
            // SAFETY: the node is fresh, and waited for at once.
            let Some(listed) = (unsafe { self.waiters.list(&node, |_| self.is_free_or_announce(mine)) }) else {
                continue;
            };
            match listed.wait(&current, deadline, |locked| self.left(locked)) {
                Waited::Granted(HANDED) => return true,
                Waited::Granted(_) => mine = WOKEN,
                _ => return false,
            }
        }
    }

    /// Under the list's lock: true if nobody holds the mutex; else says that there are waiters, and gives up `mine`.
    fn is_free_or_announce(&self, mine: u32) -> bool {
        let mut state = self.state.load(Ordering::Relaxed);
        while state & LOCKED != 0 {
            let new = (state | WAITERS) & !mine;
            match self.state.compare_exchange_weak(state, new, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return false,
                Err(now) => state = now,
            }
        }
        true
    }

    /// A waiter gave up. Invariant 2 stays: it is no one that was woken.
    fn left(&self, locked: Locked<'_>) {
        if locked.is_empty() {
            self.state.fetch_and(!WAITERS, Ordering::Relaxed);
        }
    }

    /// Releases the mutex.
    ///
    /// # Safety
    /// The caller took it.
    #[inline(always)]
    pub(crate) unsafe fn unlock(&self) {
        if self.state.compare_exchange(LOCKED, 0, Ordering::Release, Ordering::Relaxed).is_err() {
            self.unlock_slow();
        }
    }

    #[cold]
    #[inline(never)]
    fn unlock_slow(&self) {
        let mut state = self.state.load(Ordering::Relaxed);
        // While nobody waits, or somebody was woken and is yet to try.
        while state & (WAITERS | WOKEN) != WAITERS {
            match self.state.compare_exchange_weak(state, state & !LOCKED, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => state = now,
            }
        }
        let now = Instant::now();
        let mut locked = self.waiters.lock();
        let Some(taken) = locked.take_first() else {
            // The last has given up meanwhile. `WAITERS` is clear, and nobody can list itself before the lock is released.
            self.state.store(0, Ordering::Release);
            return;
        };
        // SAFETY: the slot of a listed node of this list is its waiter's `since`.
        let since = unsafe { *taken.want().slot.cast::<Instant>() };
        let hands_over = self.is_impatient(now.saturating_duration_since(since));
        let wakeup = taken.grant(if hands_over { HANDED } else { RETRY });
        let rest = if locked.is_empty() { 0 } else { WAITERS };
        // Nobody else changes the word now: the mutex is held by this thread, `WOKEN` is clear, and `WAITERS` belongs to the lock.
        self.state.store(if hands_over { LOCKED } else { WOKEN } | rest, Ordering::Release);
        drop(locked);
        wakeup.wake();
    }

    #[cfg(not(loom))]
    fn is_impatient(&self, waited: Duration) -> bool {
        waited >= PATIENCE
    }

    #[cfg(loom)]
    fn is_impatient(&self, _: Duration) -> bool {
        self.impatient
    }
}

#[cfg(all(test, loom))]
mod loom_tests;
