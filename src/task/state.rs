//! The state word: what threads other than the owner may change about a thread.
//!
//! # Layout
//!
//! | bits | name | meaning | set by | cleared by |
//! |---|---|---|---|---|
//! | 0–3 | wake bits | wakes from outside the owner's worker, not yet delivered | anybody | owner, when it reads the message; starter |
//! | 4 | `LATE` | the wake bits were set before the start, and no message announces them | a waker | the same waker, or the starter |
//! | 5 | `JOINER` | `joiner` names a thread to wake at the end | handle's holder | the same, if it gives up first |
//! | 6 | `DONE` | the thread has ended; the payload is its result | owner | – |
//! | 7 | `HANDLE` | a join handle lives, and with it the claim to the result | spawner | the handle |
//! | 16– | references | one each: the thread itself until its end, the handle, each clone, a message on its way | | |
//!
//! # Invariants
//!
//! 1. **One message.** Who turns the wake bits from none to some delivers them: it puts the thread into its owner's inbox,
//!    with a reference. Who finds some set adds its own and leaves. So at most one message is on its way, and `inbox` has one user.
//! 2. **A message comes.** If the word has wake bits at the moment of `DONE`, then exactly one message is in the
//!    owner's inbox or will be. The owner waits for it before its worker ends, so the waker's pointer to that worker stays
//!    good. (`LATE` set before the start and seen by the starter is consumed there; not seen by the starter, the waker sees the
//!    owner and delivers.)
//! 3. **The start.** The starter stores `home`, passes a light fence and looks at the word; a waker that found `home` null
//!    sets `LATE` with its bits, passes a heavy fence and looks at `home` again. One of them sees the other. Whoever clears
//!    `LATE` by its own atomic operation takes the delivery.
//! 4. **The end.** `joiner` is written before `JOINER` is set (release) and read after `DONE` found it set (acquire). A joiner
//!    that gives up clears `JOINER`; if `DONE` came first, it waits for its wake, which is exact.
//!    A joiner on the thread's own worker sets no bit: it writes `joiner` plainly and the owner reads it plainly.
//! 5. After `DONE` the payload belongs to whoever clears `HANDLE`; the header to whoever drops the last reference.
//!
//! # Orderings
//!
//! Setting wake bits releases, taking them acquires, so what was written before `unpark` is seen after `park`. Setting `DONE`
//! releases the result; joiners load it with acquire. Dropping references is release, the last one acquires.

use super::wake;
use crate::primitive::{AtomicU64, Ordering, asymmetric};

const WAKES: u64 = wake::ALL as u64;
const LATE: u64 = 1 << 4;
const JOINER: u64 = 1 << 5;
const DONE: u64 = 1 << 6;
const HANDLE: u64 = 1 << 7;
const REFERENCE: u64 = 1 << 16;

/// See the module's documentation.
pub(crate) struct State(AtomicU64);

/// What a waker must do after it has set its bits.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// Nothing: the thread has ended, somebody else delivers, or the starter will see the bits.
    None,
    /// Put the thread into its owner's inbox; the message's reference is taken already.
    Send,
}

/// What the owner must do after it has set `DONE`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    /// `joiner` is to be woken.
    pub(crate) joiner: bool,
    /// A message is in the inbox or will be.
    pub(crate) message: bool,
}

impl State {
    /// A new thread's word: with a handle if `references` counts one beside the thread's own.
    pub(crate) fn new(references: u64) -> Self {
        Self(AtomicU64::new(references * REFERENCE + if references > 1 { HANDLE } else { 0 }))
    }

    #[inline(always)]
    pub(crate) fn is_done(&self) -> bool {
        self.0.load(Ordering::Acquire) & DONE != 0
    }

    /// Whether a handle may still claim the result.
    #[inline(always)]
    pub(crate) fn has_handle(&self) -> bool {
        self.0.load(Ordering::Relaxed) & HANDLE != 0
    }

    /// Sets wake bits from outside the owner's worker. `started` looks at `home`.
    pub(crate) fn wake(&self, bits: u8, started: impl Fn() -> bool) -> Delivery {
        let bits = u64::from(bits);
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            if word & DONE != 0 {
                return Delivery::None;
            }
            let first = word & WAKES == 0;
            let late = first && !started();
            let mut new = word | bits;
            if late {
                new |= LATE;
            } else if first {
                new += REFERENCE;
            }
            // AcqRel although only the release is used by the owner: a waker that adds its bits to another's must have its
            // writes seen by the owner through the other's message, and the chain of read-modify-writes carries them.
            match self.0.compare_exchange_weak(word, new, Ordering::AcqRel, Ordering::Relaxed) {
                Err(changed) => word = changed,
                Ok(_) if late => return self.wake_late(started),
                Ok(_) if first => return Delivery::Send,
                Ok(_) => return Delivery::None,
            }
        }
    }

    /// Invariant 3, the waker's side.
    #[cold]
    fn wake_late(&self, started: impl Fn() -> bool) -> Delivery {
        asymmetric::heavy();
        if !started() {
            return Delivery::None;
        }
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            if word & LATE == 0 {
                return Delivery::None;
            }
            match self.0.compare_exchange_weak(word, (word & !LATE) + REFERENCE, Ordering::AcqRel, Ordering::Relaxed) {
                Err(changed) => word = changed,
                Ok(_) => return Delivery::Send,
            }
        }
    }

    /// Invariant 3, the starter's side, after `home` was stored: wakes that came before the start.
    #[inline(always)]
    pub(crate) fn take_late(&self) -> u8 {
        asymmetric::light();
        if self.0.load(Ordering::Relaxed) & LATE == 0 { 0 } else { self.take_late_slow() }
    }

    #[cold]
    fn take_late_slow(&self) -> u8 {
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            if word & LATE == 0 {
                return 0;
            }
            match self.0.compare_exchange_weak(word, word & !(LATE | WAKES), Ordering::AcqRel, Ordering::Relaxed) {
                Err(changed) => word = changed,
                Ok(_) => return (word & WAKES) as u8,
            }
        }
    }

    /// The owner reads a message: takes the wake bits. The message's reference is the caller's to drop.
    pub(crate) fn take_wakes(&self) -> u8 {
        (self.0.fetch_and(!WAKES, Ordering::AcqRel) & WAKES) as u8
    }

    /// Registers `joiner`; false if the thread has ended already.
    pub(crate) fn set_joiner(&self) -> bool {
        self.0.fetch_or(JOINER, Ordering::AcqRel) & DONE == 0
    }

    /// Takes a registration back; false if the thread has ended, so that the exact wake comes or came.
    pub(crate) fn clear_joiner(&self) -> bool {
        self.0.fetch_and(!JOINER, Ordering::AcqRel) & DONE == 0
    }

    /// The thread has ended: publishes the result and gives the caller what the word said. The thread's own reference stays
    /// with the caller. None, and nothing was done, if the handle has gone and the result was not dropped yet (`unclaimed`):
    /// that is to be done while the thread is still current (rule 13), and while it can still be woken.
    #[inline(always)]
    pub(crate) fn end(&self, unclaimed: bool) -> Option<Ended> {
        let mut word = self.0.load(Ordering::Acquire);
        if word == REFERENCE {
            // Nobody else knows of the thread any more, and so nobody will.
            return unclaimed.then_some(Ended { joiner: false, message: false });
        }
        loop {
            if !unclaimed && word & HANDLE == 0 {
                return None;
            }
            match self.0.compare_exchange_weak(word, word | DONE, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Some(Ended { joiner: word & JOINER != 0, message: word & WAKES != 0 }),
                Err(changed) => word = changed,
            }
        }
    }

    /// The same in the plain case, and drops the thread's own reference at once: the handle lives, nobody is registered and no
    /// message is on its way. If true, the header must not be touched any more; if false, nothing was done.
    #[inline(always)]
    pub(crate) fn end_plainly(&self) -> bool {
        let word = self.0.load(Ordering::Relaxed);
        let plain = word & (JOINER | WAKES | HANDLE) == HANDLE && word >= 2 * REFERENCE;
        plain && self.0.compare_exchange(word, (word | DONE) - REFERENCE, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Gives up the claim to the result together with the handle's reference, if the thread has not ended: then whatever it
    /// ends with is its own to drop. If false, nothing was done.
    #[inline(always)]
    pub(crate) fn detach(&self) -> bool {
        let word = self.0.load(Ordering::Relaxed);
        // Before its end the thread holds a reference of its own, so this one is not the last.
        word & DONE == 0
            && self.0.compare_exchange(word, word - HANDLE - REFERENCE, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Gives up the claim to the result; true if the thread has ended, so that the result is the caller's to drop.
    pub(crate) fn clear_handle(&self) -> bool {
        self.0.fetch_and(!HANDLE, Ordering::AcqRel) & DONE != 0
    }

    #[inline(always)]
    pub(crate) fn add_reference(&self) {
        let word = self.0.fetch_add(REFERENCE, Ordering::Relaxed);
        if word > u64::MAX / 2 {
            std::process::abort();
        }
    }

    /// True if this was the last one, and the header is the caller's to free.
    #[inline(always)]
    pub(crate) fn drop_reference(&self) -> bool {
        // Nobody can make a second reference out of none, so a sole holder needs no atomic operation.
        if self.0.load(Ordering::Acquire) / REFERENCE == 1 {
            return true;
        }
        self.0.fetch_sub(REFERENCE, Ordering::AcqRel) / REFERENCE == 1
    }
}

#[cfg(all(test, loom))]
mod loom_tests;
