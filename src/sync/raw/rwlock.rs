//! A readers-writer lock without the value that it guards.
//!
//! # The word
//! | bits | name | meaning |
//! |---|---|---|
//! | 0 | `WRITER` | a writer holds it |
//! | 1 | `WAITERS` | the list is not empty |
//! | 2– | readers | how many hold it |
//!
//! # Fairness
//! Phases take turns, as in the phase-fair locks of Brandenburg and Anderson (*Reader-Writer Synchronization for Shared-Memory
//! Multiprocessor Real-Time Systems*, ECRTS 2009). Once anybody waits, who comes later waits too. When a writer releases the lock, all
//! readers that wait then get it; when the last reader releases it, the first writer does. So a reader waits for one writer's turn at most, and
//! a writer for one turn of each writer before it and for one of readers after each: neither side starves. The lock
//! is handed over; nobody overtakes.
//!
//! # Invariants
//! 1. `WAITERS` changes under the list's lock only, and says, whenever that is free, whether the list holds anybody.
//! 2. While `WAITERS` is set, the fast paths take nothing: only a grant, under the list's lock, sets `WRITER` or counts readers up.
//!    Readers count down without the lock.
//! 3. The list is not left with somebody in it while nobody holds the lock: a writer that releases, the last reader to release, and a
//!    waiter that leaves serve the list.
//!
//! # Orderings
//! Taking acquires, releasing releases. A grant is ordered by the wake, and the last reader's acquires from the others', whose places
//! it takes, for the writer that it wakes.

use crate::{
    primitive::{AtomicUsize, Ordering},
    runtime::waiters::{Choice, Locked, Node, Waited, Waiters, Wakeups, Want},
};
use std::time::Instant;

const WRITER: usize = 1;
const WAITERS: usize = 1 << 1;
const READER: usize = 1 << 2;
const READERS: usize = !(READER - 1);

/// What a waiter wants.
const TO_READ: usize = 1;
const TO_WRITE: usize = 2;

/// Whose turn it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// All readers that wait.
    Readers,
    /// The first writer, or the readers if there is none.
    Writer,
    /// Those at the front, as many as fit.
    Front,
}

/// See the module's documentation.
pub(crate) struct RawRwLock {
    state: AtomicUsize,
    waiters: Waiters,
}

impl RawRwLock {
    #[cfg(not(loom))]
    pub(crate) const fn new() -> Self {
        Self { state: AtomicUsize::new(0), waiters: Waiters::new() }
    }

    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Self { state: AtomicUsize::new(0), waiters: Waiters::new() }
    }

    /// Takes the lock to read; suspends the current thread until it can be had. Unwinds if the thread is cancelled; then it was not taken.
    #[inline]
    pub(crate) fn read(&self) {
        let state = self.state.load(Ordering::Relaxed);
        if state & (WRITER | WAITERS) != 0 || !self.exchange(state, state + READER) {
            self.wait(TO_READ, None);
        }
    }

    /// The same to write.
    #[inline]
    pub(crate) fn write(&self) {
        if !self.exchange(0, WRITER) {
            self.wait(TO_WRITE, None);
        }
    }

    /// [`read`](Self::read) with a deadline; false when it passed.
    pub(crate) fn read_until(&self, deadline: Instant) -> bool {
        self.try_read() || self.wait(TO_READ, Some(deadline))
    }

    /// [`write`](Self::write) with a deadline; false when it passed.
    pub(crate) fn write_until(&self, deadline: Instant) -> bool {
        self.try_write() || self.wait(TO_WRITE, Some(deadline))
    }

    #[inline]
    pub(crate) fn try_read(&self) -> bool {
        self.try_take(TO_READ)
    }

    #[inline]
    pub(crate) fn try_write(&self) -> bool {
        self.try_take(TO_WRITE)
    }

    /// # Panics
    /// With more readers than a word can count.
    #[inline]
    fn exchange(&self, from: usize, to: usize) -> bool {
        assert!(from < READERS, "more readers than a lock can count");
        self.state.compare_exchange(from, to, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// Takes the lock if it is free for that, and nobody waits.
    #[inline]
    fn try_take(&self, want: usize) -> bool {
        loop {
            let state = self.state.load(Ordering::Relaxed);
            let (against, new) =
                if want == TO_READ { (WRITER | WAITERS, state + READER) } else { (usize::MAX, WRITER) };
            if state & against != 0 {
                return false;
            }
            if self.exchange(state, new) {
                return true;
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn wait(&self, want: usize, deadline: Option<Instant>) -> bool {
        let unless = |_: &mut Locked<'_>| self.try_take_or_announce(want);
        let waited = self.waiters.wait(Want::amount(want), deadline, unless, |locked| self.serve(locked, Turn::Front));
        waited != Waited::TimedOut
    }

    /// Under the list's lock: takes the lock, or says that there are waiters.
    fn try_take_or_announce(&self, want: usize) -> bool {
        loop {
            if self.try_take(want) {
                return true;
            }
            let state = self.state.load(Ordering::Relaxed);
            if state & WAITERS != 0 {
                return false;
            }
            let stands_against = if want == TO_READ { WRITER } else { WRITER | READERS };
            if state & stands_against != 0
                && self.state.compare_exchange(state, state | WAITERS, Ordering::Relaxed, Ordering::Relaxed).is_ok()
            {
                return false;
            }
        }
    }

    /// # Safety
    /// The caller has taken the lock to read.
    #[inline]
    pub(crate) unsafe fn unlock_read(&self) {
        let before = self.state.fetch_sub(READER, Ordering::AcqRel);
        if before == READER | WAITERS {
            self.serve(self.waiters.lock(), Turn::Writer);
        }
    }

    /// # Safety
    /// The caller has taken the lock to write.
    #[inline]
    pub(crate) unsafe fn unlock_write(&self) {
        if self.state.compare_exchange(WRITER, 0, Ordering::Release, Ordering::Relaxed).is_err() {
            self.unlock_write_slow();
        }
    }

    #[cold]
    #[inline(never)]
    fn unlock_write_slow(&self) {
        let locked = self.waiters.lock();
        self.state.fetch_and(!WRITER, Ordering::Release);
        self.serve(locked, Turn::Readers);
    }

    /// Turns the caller's hold from writing to reading, and lets those in who wait to read.
    ///
    /// # Safety
    /// The caller has taken the lock to write.
    pub(crate) unsafe fn downgrade(&self) {
        if self.state.compare_exchange(WRITER, READER, Ordering::Release, Ordering::Relaxed).is_err() {
            let locked = self.waiters.lock();
            self.state.fetch_add(READER - WRITER, Ordering::Release);
            self.serve(locked, Turn::Readers);
        }
    }

    /// Grants whoever may have the lock now, and releases the list's lock. `WRITER` is not set by the caller's hold.
    #[cold]
    #[inline(never)]
    fn serve<'a>(&'a self, mut locked: Locked<'a>, turn: Turn) {
        if locked.is_empty() {
            self.state.fetch_and(!WAITERS, Ordering::Relaxed);
            return;
        }
        let to_write = |node: &Node| node.want().amount == TO_WRITE;
        // Acquire: what the last readers did comes before what the writer does that is woken.
        let state = self.state.load(Ordering::Acquire);
        if state & WRITER != 0 {
            // Another has served meanwhile, or the leaver did not stand in anybody's way.
            return;
        }
        // As many as wait now, or in a later turn of the loop below as many of those that came since: the phase has an end.
        let mut readers = locked.count(|node| !to_write(node));
        let writer_first = match turn {
            Turn::Readers => readers == 0,
            Turn::Writer => locked.count(to_write) != 0,
            Turn::Front => locked.first().is_some_and(to_write),
        };
        if writer_first {
            if state & READERS != 0 {
                return;
            }
            let choose = |node: &Node| if to_write(node) { Choice::Take } else { Choice::Skip };
            if let Some(wakeup) = locked.take(choose).map(|taken| taken.grant(TO_WRITE)) {
                // Nobody else changes the word: nobody holds the lock, and the rest is ours (invariant 2).
                self.state.store(if locked.is_empty() { WRITER } else { WRITER | WAITERS }, Ordering::Relaxed);
                drop(locked);
                return wakeup.wake();
            }
        }
        loop {
            let mut wakeups = Wakeups::new();
            let choose = |node: &Node| match to_write(node) {
                false => Choice::Take,
                true if turn == Turn::Front => Choice::Stop,
                true => Choice::Skip,
            };
            while readers > 0
                && !wakeups.is_full()
                && let Some(taken) = locked.take(choose)
            {
                // Before the wake, which may be followed by the release at once.
                self.state.fetch_add(READER, Ordering::Acquire);
                wakeups.push(taken.grant(TO_READ));
                readers -= 1;
            }
            if locked.is_empty() {
                self.state.fetch_and(!WAITERS, Ordering::Relaxed);
            }
            let more = wakeups.is_full() && readers > 0;
            drop(locked);
            wakeups.wake();
            if !more {
                return;
            }
            locked = self.waiters.lock();
            // The readers of the first batch may all have left, and a writer have come after them.
            if self.state.load(Ordering::Relaxed) & WRITER != 0 {
                return;
            }
        }
    }
}

#[cfg(all(test, loom))]
mod loom_tests;
