//! What a coroutine takes along when it suspends itself: the regions that are open on it (rule 9).
//!
//! A timeout, say, is entered in a list of its thread while it runs. If a coroutine suspends itself in one, that must leave the list, or
//! it would cancel the resumer; and enter the list of whichever thread resumes the coroutine. How lists are kept is a higher layer's
//! affair, the *keeper*, which makes itself known when a region is first opened in the process.
//!
//! # The protocol
//!
//! All is done by the resumer. It notes which region is the innermost, brings in what the coroutine took along, and when the coroutine
//! has suspended itself, takes out what lies further in than the note: that is what was opened inside, also in coroutines further in. It
//! hangs it on the coroutine's link.
//!
//! A coroutine A may suspend itself from inside another, B, which it has resumed ([`Yielder::suspend`](super::Yielder::suspend) is called
//! by B's body). Then the note of B's resumer, in a frame of A, may be out of date when A goes on: it names a region outside of A, or none.
//! So who resumes a coroutine that is suspended from another's stack enters a *wall* into the list, and nobody inside takes anything out
//! from beyond that. See [`Inside`].
//!
//! Without a keeper nothing is noted. When one appears during a resume, all that is in this OS thread's lists up to the first wall lies
//! inside, as there was nothing before.
//!
//! # Cost
//!
//! Without a keeper, twice a load and a branch for a resume, and nothing for a suspension.

use crate::arch::linked::{self, Link, Token, Word};
use std::{
    cell::Cell,
    ops::Range,
    ptr,
    sync::atomic::{AtomicPtr, Ordering},
};

/// A region, by its address and its serial number, as another may come to lie at the same address. Null stands for none.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Note(pub(crate) *const (), pub(crate) u64);

impl Note {
    pub(crate) const NONE: Self = Self(ptr::null(), 0);
}

/// Who keeps the lists.
pub(crate) struct Keeper {
    /// The current thread's innermost region.
    pub(crate) innermost: fn() -> Note,
    /// Takes what lies inside out of the current thread's list. Gives what `bring` takes.
    pub(crate) take: fn(&Inside) -> *const (),
    /// Puts it into the current thread's list.
    ///
    /// # Safety
    /// What `take` gave, once; the frames in which the regions lie are still there.
    pub(crate) bring: unsafe fn(*const ()),
    /// Runs the function within a wall, and hands it the region that this is.
    pub(crate) wall: fn(Wall, &mut dyn FnMut(Note)),
}

/// A region that does nothing but keep those further in from being taken along with those further out.
pub(crate) struct Wall {
    /// The stack of the coroutine around which it was built.
    around: Range<usize>,
    /// An address in the stack of who built it.
    from: usize,
}

/// What tells the regions inside of a coroutine, which has just suspended itself, from those outside.
pub(crate) struct Inside {
    /// The innermost of those outside, as noted at the resume, or the wall that its resumer entered.
    pub(crate) outside: Note,
    /// The coroutine's own stack.
    pub(crate) stack: Range<usize>,
    /// Where it has suspended itself.
    pub(crate) at: Token,
}

impl Inside {
    /// Whether this wall, which is not the one that was noted, is outside of the coroutine. To be called by the coroutine's resumer.
    ///
    /// A coroutine that has suspended itself on its own stack has none inside. Else there may be walls of both kinds. One outside may be
    /// around the resumer; one inside may have been built on the coroutine's own stack. If neither is so, at least four coroutines are in
    /// each other, of which one has gone past two and another past one, and nothing tells.
    pub(crate) fn has_outside(&self, wall: &Wall) -> bool {
        if self.stack.contains(&self.at.get()) || wall.around.contains(&linked::here()) {
            true
        } else if self.stack.contains(&wall.from) {
            false
        } else {
            lost()
        }
    }
}

/// To go on could leave a timeout in a list whose frame is gone.
#[cold]
fn lost() -> ! {
    crate::sys::report::write_stderr(
        b"sinew: coroutines were suspended from several levels further in, with timeouts, shields or tokens open, and it cannot be told \
          which of these are whose; aborting. Suspend a coroutine from its own body, or from one that this has resumed\n",
    );
    std::process::abort()
}

static KEEPER: AtomicPtr<Keeper> = AtomicPtr::new(ptr::null_mut());

std::thread_local! {
    /// How many regions there are in the lists of this OS thread's threads.
    static OPEN: Cell<usize> = const { Cell::new(0) };
    static SERIAL: Cell<u64> = const { Cell::new(0) };
}

/// A number that no other region of this OS thread has.
pub(crate) fn serial() -> u64 {
    let serial = SERIAL.get() + 1;
    SERIAL.set(serial);
    serial
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

/// Whether regions have been opened in this process, so that a resume goes by [`resume`], or if it is under way, ends by [`suspended`].
#[inline(always)]
pub(super) fn in_use() -> bool {
    !KEEPER.load(Ordering::Relaxed).is_null()
}

/// The keeper, if there is a region in this OS thread's lists.
fn keeper() -> Option<&'static Keeper> {
    // SAFETY: null, or from a static reference. What it refers to was made before the program ran.
    unsafe { KEEPER.load(Ordering::Relaxed).as_ref() }.filter(|_| OPEN.get() != 0)
}

/// As [`linked::resume`], for a coroutine on this stack, and brings and takes what it has open.
///
/// # Safety
/// As `linked::resume`; the coroutine is resumed by way of this module each time.
#[inline(never)]
pub(super) unsafe fn resume(
    token: Token,
    link: *mut Link,
    word: Word,
    throw: bool,
    stack: Range<usize>,
) -> (Word, Option<Token>) {
    // SAFETY: a suspended coroutine's link is there.
    let baggage = unsafe { (*link).baggage.replace(ptr::null()) };
    let go_on = |outside| {
        if !baggage.is_null() {
            // SAFETY: taken when the coroutine was suspended, and put in once. They lie on its stack, or on those that it resumed or called,
            // whose frames are suspended with it. It had regions open, so there is a keeper, which is not taken away again.
            unsafe { ((*KEEPER.load(Ordering::Relaxed)).bring)(baggage) };
        }
        // SAFETY: the caller's promise.
        unsafe {
            let (word, next) = linked::resume(token, link, word, throw);
            suspended(link, next, outside, stack.clone());
            (word, next)
        }
    };
    match keeper() {
        None => go_on(Note::NONE),
        Some(keeper) if stack.contains(&token.get()) => go_on((keeper.innermost)()),
        Some(keeper) => {
            let mut result = None;
            (keeper.wall)(Wall { around: stack.clone(), from: linked::here() }, &mut |wall| result = Some(go_on(wall)));
            result.expect("the wall runs it")
        }
    }
}

/// Takes along what a coroutine has open that has just given this token.
///
/// # Safety
/// Its link is there. `outside` was noted when it was resumed.
#[cold]
pub(super) unsafe fn suspended(link: *mut Link, token: Option<Token>, outside: Note, stack: Range<usize>) {
    if let Some(at) = token
        && let Some(keeper) = keeper()
    {
        // SAFETY: by the caller's promise.
        unsafe { (*link).baggage.set((keeper.take)(&Inside { outside, stack, at })) };
    }
}
