//! Forks: a child is a copy of the memory with one thread, that which forked, so a lock that another thread held stays locked in it for
//! ever.
//!
//! Coroutines need no runtime, and so work in a child too. All that takes a pool's lock, or that of the registry of slabs, is *inside*
//! meanwhile ([`enter`]); a fork waits until nobody is, and nobody comes in until the child is made.
//!
//! # State
//!
//! | `INSIDE` | meaning |
//! |---|---|
//! | the bit `FORKING` | a thread is about to fork: nobody stays inside, and no other thread forks |
//! | the rest | how many are inside, or have come and will turn back |
//!
//! # Orderings
//!
//! Everybody changes the one word by read-modify-writes, so whoever comes finds the bit, or is found by the fork. The fork's acquire
//! loads pair with the release of those who leave: what they wrote is whole in the child.
//!
//! Rejected: to hold each pool's lock over the fork. std gives no way to unlock one in the child, where those who wait for it do not exist.

use crate::primitive::pause;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

const FORKING: usize = 1 << (usize::BITS - 1);

static INSIDE: AtomicUsize = AtomicUsize::new(0);

/// No fork comes while this lives.
pub(super) struct Inside(());

/// Waits until no fork is under way. Not to be nested, nor to be alive when the same thread forks.
pub(super) fn enter() -> Inside {
    let mut turn = 0;
    while INSIDE.fetch_add(1, Ordering::Acquire) & FORKING != 0 {
        INSIDE.fetch_sub(1, Ordering::Release);
        pause(&mut turn);
    }
    Inside(())
}

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.fetch_sub(1, Ordering::Release);
    }
}

/// Has forks wait, from now on.
pub(super) fn install() {
    static INSTALLED: AtomicBool = AtomicBool::new(false);
    if !INSTALLED.swap(true, Ordering::Relaxed) {
        // SAFETY: the handlers use atomics alone. If memory is out and they are not installed, a fork does not wait.
        unsafe { libc::pthread_atfork(Some(before), Some(in_parent), Some(in_child)) };
    }
}

unsafe extern "C" fn before() {
    let mut turn = 0;
    while INSIDE.fetch_or(FORKING, Ordering::Relaxed) & FORKING != 0 {
        // Another thread forks.
        pause(&mut turn);
    }
    while INSIDE.load(Ordering::Acquire) != FORKING {
        pause(&mut turn);
    }
}

unsafe extern "C" fn in_parent() {
    INSIDE.fetch_and(!FORKING, Ordering::Release);
}

unsafe extern "C" fn in_child() {
    // Whoever was about to turn back does not exist here.
    INSIDE.store(0, Ordering::Release);
}
