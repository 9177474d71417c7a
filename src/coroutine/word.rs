//! Values as they cross a switch: in a register if they fit, else by their address on the stack that is left, which stays as it
//! is until the other side has taken them.

use crate::arch::linked::Word;
use std::mem::{ManuallyDrop, MaybeUninit};

const fn fits<T>() -> bool {
    size_of::<T>() <= size_of::<Word>()
}

/// The word for a value, which is given away by it.
///
/// # Safety
/// The word is taken once, while `value` is where it is; nobody else uses it after this.
#[inline(always)]
pub(super) unsafe fn give<T>(value: &mut ManuallyDrop<T>) -> Word {
    if fits::<T>() {
        let mut word = MaybeUninit::<*mut ()>::uninit();
        // SAFETY: the value fits, and is given away.
        unsafe { (&raw mut word).cast::<T>().write_unaligned(ManuallyDrop::take(value)) };
        word
    } else {
        MaybeUninit::new((&raw mut *value).cast())
    }
}

/// The value behind a word.
///
/// # Safety
/// Made by [`give`] of the same type, and not taken before.
#[inline(always)]
pub(super) unsafe fn take<T>(word: Word) -> T {
    // SAFETY: by the caller's promise.
    unsafe {
        if fits::<T>() { (&raw const word).cast::<T>().read_unaligned() } else { word.assume_init().cast::<T>().read() }
    }
}
