//! A counter of permits that are handed out first come, first served.
//!
//! # The word
//! | bits | name | meaning |
//! |---|---|---|
//! | 0 | `WAITERS` | the list is not empty |
//! | 1 | `CLOSED` | no permit is handed out any more |
//! | 2– | permits | those that nobody has |
//!
//! # Invariants
//! 1. `WAITERS` and `CLOSED` change under the list's lock only. `WAITERS` says, whenever that lock is free, whether the list holds anybody.
//! 2. While `WAITERS` or `CLOSED` is set, all changes are made under the lock: the fast paths stay away. So the holder of the
//!    lock may store what it has computed.
//! 3. The lock is not released for good while the waiter at the front could have what it wants: whoever brings permits, or
//!    leaves the front, serves. Those behind a waiter that wants many wait with it, so that it gets them in the end.
//!
//! # Orderings
//! Taking acquires, giving releases. A hand-over is ordered by the wake; and since permits of several threads may go into one,
//! who hands over acquires too.

use crate::{
    primitive::{AtomicUsize, Ordering},
    runtime::waiters::{Locked, Waited, Waiters, Wakeups, Want},
};
use std::time::Instant;

const WAITERS: usize = 1;
const CLOSED: usize = 1 << 1;
const SHIFT: u32 = 2;

/// What a grant says.
const GRANTED: usize = 1;
const REFUSED: usize = 2;

/// Why permits were not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refusal {
    Closed,
    /// There are too few, or the deadline passed.
    TooFew,
}

/// See the module's documentation.
pub(crate) struct RawSemaphore {
    state: AtomicUsize,
    waiters: Waiters,
}

impl RawSemaphore {
    pub(crate) const MOST: usize = usize::MAX >> (SHIFT + 1);

    #[cfg(not(loom))]
    pub(crate) const fn new(permits: usize) -> Self {
        assert!(permits <= Self::MOST, "more permits than a semaphore can count");
        Self { state: AtomicUsize::new(permits << SHIFT), waiters: Waiters::new() }
    }

    #[cfg(loom)]
    pub(crate) fn new(permits: usize) -> Self {
        Self { state: AtomicUsize::new(permits << SHIFT), waiters: Waiters::new() }
    }

    pub(crate) fn available(&self) -> usize {
        self.state.load(Ordering::Relaxed) >> SHIFT
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state.load(Ordering::Acquire) & CLOSED != 0
    }

    /// Takes as many permits if nobody waits for any.
    #[inline]
    pub(crate) fn try_acquire(&self, permits: usize) -> Result<(), Refusal> {
        let mut state = self.state.load(Ordering::Relaxed);
        loop {
            if state & CLOSED != 0 {
                return Err(Refusal::Closed);
            }
            if state & WAITERS != 0 || state >> SHIFT < permits {
                return Err(Refusal::TooFew);
            }
            let new = state - (permits << SHIFT);
            match self.state.compare_exchange_weak(state, new, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(now) => state = now,
            }
        }
    }

    /// Takes as many permits; suspends the current thread until it has them, the semaphore is closed or the deadline passes. Unwinds if the
    /// thread is cancelled; then it took none.
    #[inline]
    pub(crate) fn acquire(&self, permits: usize, deadline: Option<Instant>) -> Result<(), Refusal> {
        match self.try_acquire(permits) {
            Err(Refusal::TooFew) => self.acquire_slow(permits, deadline),
            result => result,
        }
    }

    #[cold]
    #[inline(never)]
    fn acquire_slow(&self, permits: usize, deadline: Option<Instant>) -> Result<(), Refusal> {
        let mut at_once = Ok(());
        let unless = |_: &mut Locked<'_>| match self.try_acquire_or_announce(permits) {
            None => false,
            Some(result) => {
                at_once = result;
                true
            }
        };
        // By invariant 3, whoever comes after the one that left the front may be next.
        match self.waiters.wait(Want::amount(permits), deadline, unless, |locked| self.serve(locked, 0)) {
            Waited::Granted(GRANTED) => Ok(()),
            Waited::Granted(_) => Err(Refusal::Closed),
            Waited::Needless => at_once,
            Waited::TimedOut => Err(Refusal::TooFew),
        }
    }

    /// Under the lock: takes permits or says why not, or says that there are waiters.
    fn try_acquire_or_announce(&self, permits: usize) -> Option<Result<(), Refusal>> {
        loop {
            match self.try_acquire(permits) {
                Err(Refusal::TooFew) => {}
                result => return Some(result),
            }
            let state = self.state.load(Ordering::Relaxed);
            if state & WAITERS != 0 {
                return None;
            }
            if state >> SHIFT < permits
                && self
                    .state
                    .compare_exchange_weak(state, state | WAITERS, Ordering::Relaxed, Ordering::Relaxed)
                    .is_ok()
            {
                return None;
            }
        }
    }

    /// Gives permits back, or new ones.
    ///
    /// # Panics
    /// If there are more than [`MOST`](Self::MOST) then; none is given.
    #[inline]
    pub(crate) fn release(&self, permits: usize) {
        let mut state = self.state.load(Ordering::Relaxed);
        while state & (WAITERS | CLOSED) == 0 {
            let new = self.more(state >> SHIFT, permits) << SHIFT;
            match self.state.compare_exchange_weak(state, new, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => state = now,
            }
        }
        self.serve(self.waiters.lock(), permits);
    }

    fn more(&self, permits: usize, by: usize) -> usize {
        permits.checked_add(by).filter(|&sum| sum <= Self::MOST).expect("more permits than a semaphore can count")
    }

    /// Takes permits away for good, as many of these as are there; how many.
    pub(crate) fn forget(&self, permits: usize) -> usize {
        let _locked = self.waiters.lock();
        let mut state = self.state.load(Ordering::Relaxed);
        loop {
            let gone = (state >> SHIFT).min(permits);
            let new = state - (gone << SHIFT);
            match self.state.compare_exchange_weak(state, new, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return gone,
                Err(now) => state = now,
            }
        }
    }

    /// Adds permits, and grants to the front of the list what there is. Releases the lock.
    #[cold]
    fn serve<'a>(&'a self, mut locked: Locked<'a>, mut permits: usize) {
        loop {
            // Acquire: what others did who gave permits back without the lock comes before what those do who get them here.
            let mut state = self.state.load(Ordering::Acquire);
            // Fast paths may be at work: all others are behind the lock (invariant 2).
            while state & (WAITERS | CLOSED) == 0 {
                let new = self.more(state >> SHIFT, permits) << SHIFT;
                match self.state.compare_exchange_weak(state, new, Ordering::Release, Ordering::Relaxed) {
                    Ok(_) => return,
                    Err(now) => state = now,
                }
            }
            let mut free = self.more(state >> SHIFT, std::mem::take(&mut permits));
            let mut wakeups = Wakeups::new();
            let fits = |locked: &Locked<'_>, free| locked.first().is_some_and(|first| first.want().amount <= free);
            while !wakeups.is_full() && fits(&locked, free) {
                let taken = locked.take_first().expect("looked at just now");
                free -= taken.want().amount;
                wakeups.push(taken.grant(GRANTED));
            }
            let rest = if locked.is_empty() { 0 } else { WAITERS };
            let more = fits(&locked, free);
            self.state.store(free << SHIFT | state & CLOSED | rest, Ordering::Release);
            drop(locked);
            wakeups.wake();
            if !more {
                return;
            }
            locked = self.waiters.lock();
        }
    }

    /// Refuses everybody who waits, and who comes.
    pub(crate) fn close(&self) {
        let locked = self.waiters.lock();
        // The list is empty before its lock is released.
        let mut state = self.state.load(Ordering::Relaxed);
        while let Err(now) =
            self.state.compare_exchange_weak(state, (state | CLOSED) & !WAITERS, Ordering::Release, Ordering::Relaxed)
        {
            state = now;
        }
        locked.grant_all(REFUSED);
    }
}

#[cfg(all(test, loom))]
mod loom_tests;
