//! What a coroutine's switch leaves as it is: the OS thread's state.

mod harness;

use harness::OnDrop;
use sinew::coroutine::{Coroutine, CoroutineResult::*};
use std::panic::{AssertUnwindSafe, catch_unwind};

#[cfg(target_arch = "x86_64")]
mod control_words {
    use std::arch::asm;

    /// The x87 control word, which Rust's code on x86-64 does not use.
    pub(crate) fn get() -> u16 {
        let mut word = 0_u16;
        // SAFETY: writes these two bytes.
        unsafe { asm!("fnstcw [{}]", in(reg) &raw mut word, options(nostack, preserves_flags)) };
        word
    }

    pub(crate) fn set(word: u16) {
        // SAFETY: reads these two bytes; nothing between here and the word's restoration computes by x87.
        unsafe { asm!("fldcw [{}]", in(reg) &raw const word, options(nostack, preserves_flags)) };
    }
}

#[test]
#[cfg(target_arch = "x86_64")]
fn a_control_word_goes_through_a_suspension_and_a_resume_unchanged() {
    /// Rounding upwards.
    const UP: u16 = 0x800;
    let usual = control_words::get();
    let mut coroutine = Coroutine::<(), u16, u16>::new(move |yielder, ()| {
        control_words::set(usual | UP);
        yielder.suspend(control_words::get());
        control_words::get()
    });
    let inside = coroutine.resume(());
    let outside = control_words::get();
    control_words::set(usual);
    assert_eq!((inside, outside), (Yield(usual | UP), usual | UP));
    assert_eq!(coroutine.resume(()), Return(usual));
}

#[test]
fn the_count_of_panics_goes_through_a_suspension() {
    let mut coroutine = Coroutine::<(), (), ()>::new(|yielder, ()| {
        let _suspends = OnDrop(|| yielder.suspend(()));
        std::panic::resume_unwind(Box::new("unwinds"));
    });
    coroutine.resume(());
    assert!(std::thread::panicking());
    assert!(catch_unwind(AssertUnwindSafe(|| coroutine.resume(()))).is_err());
    assert!(!std::thread::panicking());
}
