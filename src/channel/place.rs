//! Where a message goes that is handed to a thread which waits for one.

use std::{cell::Cell, mem::MaybeUninit};

/// What the giver told a waiter.
pub(crate) mod outcome {
    /// The message is in its place, or was taken from there.
    pub(crate) const DONE: usize = 1;
    /// Try again: what was there was promised to nobody.
    pub(crate) const RETRY: usize = 2;
    /// The other side has gone.
    pub(crate) const DISCONNECTED: usize = 3;
}

/// What a waiter wants, in the number of its node; the slot points to what is said here.
pub(crate) mod want {
    /// A thread that sends: `Option<T>`, the message. One that receives: `Option<T>`, its place.
    pub(crate) const MESSAGE: usize = 0;
    /// A select that receives: its [`Landing`](super::Landing).
    pub(crate) const LANDING: usize = 1;
    /// A select that sends: its [`Token`](crate::channel::select::Token).
    pub(crate) const TOKEN: usize = 2;
    /// To be told that the operation may succeed, and nothing more. No slot.
    pub(crate) const LOOK: usize = 3;
    /// A future: to be told that its turn has come. It does the operation itself when it is polled, and if it is dropped instead, tells the
    /// next. No slot.
    pub(crate) const TURN: usize = 4;
    /// A future that sends where there is no room: `Option<T>`, the message. The future may go once the list is unlocked.
    pub(crate) const FLEETING: usize = 5;

    /// Whether it is to be told of what it waits for, which it does itself.
    pub(crate) const fn is_told(want: usize) -> bool {
        matches!(want, LOOK | TURN)
    }
}

/// Words of a message that a parcel holds without an allocation.
const WORDS: usize = 4;

/// A message whose type is known to those who put it in and take it out.
pub(crate) struct Parcel {
    full: bool,
    /// The message, or a box of it.
    words: MaybeUninit<[usize; WORDS]>,
}

impl Parcel {
    pub(crate) const EMPTY: Self = Self { full: false, words: MaybeUninit::uninit() };

    const fn fits<T>() -> bool {
        size_of::<T>() <= size_of::<[usize; WORDS]>() && align_of::<T>() <= align_of::<usize>()
    }

    fn put<T>(&mut self, message: T) {
        debug_assert!(!self.full);
        let at = self.words.as_mut_ptr();
        // SAFETY: it fits, or its box, one word, does.
        unsafe {
            if Self::fits::<T>() {
                at.cast::<T>().write(message);
            } else {
                at.cast::<*mut T>().write(Box::into_raw(Box::new(message)));
            }
        }
        self.full = true;
    }

    /// # Safety
    /// What was put in is a `T`.
    pub(crate) unsafe fn take<T>(&mut self) -> Option<T> {
        if !std::mem::take(&mut self.full) {
            return None;
        }
        let at = self.words.as_ptr();
        // SAFETY: put in by `put::<T>`, and now taken once.
        Some(unsafe {
            if Self::fits::<T>() { at.cast::<T>().read() } else { *Box::from_raw(at.cast::<*mut T>().read()) }
        })
    }
}

/// A place for one message.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    /// An `Option<T>`.
    Typed(*mut ()),
    Parcel(*mut Parcel),
    Landing(*const Landing),
}

/// Where a select receives, and whether it did: the sender may be another select, which may unwind instead of sending.
pub(crate) struct Landing {
    pub(crate) place: Place,
    pub(crate) landed: Cell<bool>,
}

impl Place {
    /// What stands in the node of a thread that receives.
    pub(crate) fn of(want: crate::runtime::waiters::Want) -> Self {
        if want.amount == want::LANDING { Self::Landing(want.slot.cast()) } else { Self::Typed(want.slot) }
    }

    /// # Safety
    /// The place is one for a `T`, is empty, and is used by nobody else meanwhile.
    #[inline(always)]
    pub(crate) unsafe fn put<T>(self, message: T) {
        // SAFETY: by the caller's promise. An empty option drops nothing.
        unsafe {
            match self {
                Self::Typed(slot) => slot.cast::<Option<T>>().write(Some(message)),
                _ => self.put_elsewhere(message),
            }
        }
    }

    /// # Safety
    /// As for [`put`](Self::put).
    #[inline(never)]
    unsafe fn put_elsewhere<T>(self, message: T) {
        // SAFETY: as there.
        unsafe {
            match self {
                Self::Typed(_) => self.put(message),
                Self::Parcel(slot) => (*slot).put(message),
                Self::Landing(landing) => {
                    (*landing).place.put(message);
                    (*landing).landed.set(true);
                }
            }
        }
    }
}
