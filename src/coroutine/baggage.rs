//! What a coroutine takes along when it suspends itself: the regions that are open on it (rule 9).
//!
//! A timeout, say, is entered in a list of its thread while it runs. If a coroutine suspends itself in one, that must leave the list, or
//! it would cancel the resumer; and enter the list of whichever thread resumes the coroutine. How lists are kept is a higher layer's
//! affair, the *keeper*, which makes itself known when a region is first opened in the process.
//!
//! # The protocol
//!
//! Each resume sees to it that the coroutine's link says which region was the innermost *outside* of it. A suspension takes out all that
//! lie further in, those of inner coroutines included, and keeps them in its frame, which brings them back.
//!
//! Until there is a keeper nobody writes `outside`, which is null from the first resume on: and rightly, since there are no regions. When
//! it appears during a resume, all that are in this OS thread's lists then lie inside.
//!
//! # Cost
//!
//! Without a keeper, a load and a branch for a suspension, and nothing for a resume: the note that it hands over is the keeper's address,
//! and has to be looked at anyway, since it may say that the coroutine is to unwind.

use std::{
    cell::Cell,
    ptr,
    sync::atomic::{AtomicPtr, Ordering},
};

/// Who keeps the lists. Regions are named by addresses; null stands for none.
pub(crate) struct Keeper {
    /// The current thread's innermost region.
    pub(crate) innermost: fn() -> *const (),
    /// Takes the innermost regions out of the current thread's list, as far as `outside`, which stays. Gives what `bring` takes.
    pub(crate) take: fn(outside: *const ()) -> *const (),
    /// Puts them into the current thread's list.
    ///
    /// # Safety
    /// What `take` gave, once; the frames in which they lie are still there.
    pub(crate) bring: unsafe fn(*const ()),
}

static KEEPER: AtomicPtr<Keeper> = AtomicPtr::new(ptr::null_mut());

std::thread_local! {
    /// How many regions there are in the lists of this OS thread's threads.
    static OPEN: Cell<usize> = const { Cell::new(0) };
}

/// Counts a region that is opened in a list of this OS thread.
pub(crate) fn opened(keeper: &'static Keeper) {
    OPEN.set(OPEN.get() + 1);
    // This OS thread's own later loads see it, and others have no need to.
    if KEEPER.load(Ordering::Relaxed).is_null() {
        KEEPER.store(ptr::from_ref(keeper).cast_mut(), Ordering::Relaxed);
    }
}

/// Counts one less.
pub(crate) fn closed() {
    OPEN.set(OPEN.get() - 1);
}

/// What a resume notes: 0, or that there is a keeper.
#[inline(always)]
pub(super) fn note() -> usize {
    KEEPER.load(Ordering::Relaxed).addr()
}

/// Whether regions have been opened, so that [`take`] has to be asked.
#[inline(always)]
pub(super) fn in_use() -> bool {
    !KEEPER.load(Ordering::Relaxed).is_null()
}

fn keeper() -> Option<&'static Keeper> {
    // SAFETY: null, or from a static reference. What it refers to was made before the program ran.
    unsafe { KEEPER.load(Ordering::Relaxed).as_ref() }.filter(|_| OPEN.get() != 0)
}

/// The current thread's innermost region.
pub(super) fn innermost() -> *const () {
    keeper().map_or(ptr::null(), |keeper| (keeper.innermost)())
}

/// Regions that were taken out of a list.
#[must_use = "to be brought back when the coroutine goes on"]
pub(super) struct Baggage(*const ());

/// Takes out what lies further in than `outside`.
pub(super) fn take(outside: *const ()) -> Baggage {
    Baggage(keeper().map_or(ptr::null(), |keeper| (keeper.take)(outside)))
}

impl Baggage {
    /// Puts them into the current thread's list.
    ///
    /// # Safety
    /// The frames in which they lie are still there.
    pub(super) unsafe fn bring(self) {
        if !self.0.is_null() {
            // SAFETY: null until there is a keeper, which is not taken away again; the caller's promise; `self` is used up.
            unsafe { ((*KEEPER.load(Ordering::Relaxed)).bring)(self.0) };
        }
    }
}
