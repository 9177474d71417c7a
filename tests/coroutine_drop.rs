//! What a coroutine that is cleared away may still do: suspend itself again, panic, give out values that panic when they are dropped.

mod harness;

use sinew::coroutine::{Coroutine, ScopedCoroutine, Yielder};
use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    rc::Rc,
};

/// Panics when it is dropped.
struct Bomb(&'static str);

impl Drop for Bomb {
    fn drop(&mut self) {
        resume_unwind(Box::new(self.0));
    }
}

type Bombs = Coroutine<(), Option<Bomb>, Option<Bomb>>;

/// Suspends itself with bombs as often as it is thrown into, `times` times.
fn stubborn(yielder: &Yielder<(), Option<Bomb>>, times: usize) {
    let words = ["first", "second", "third"];
    let suspend = |value| catch_unwind(AssertUnwindSafe(|| yielder.suspend(value)));
    let mut unwound = suspend(None);
    for word in &words[..times] {
        assert!(unwound.is_err());
        unwound = suspend(Some(Bomb(word)));
    }
    if let Err(payload) = unwound {
        resume_unwind(payload);
    }
}

fn panic_of(f: impl FnOnce()) -> &'static str {
    *catch_unwind(AssertUnwindSafe(f)).unwrap_err().downcast().unwrap()
}

#[test]
fn a_panic_in_a_value_given_out_during_the_unwind_waits_until_all_frames_are_dropped() {
    let held = Rc::new(());
    let theirs = held.clone();
    let mut coroutine = Bombs::new(move |yielder, ()| {
        let _theirs = theirs;
        stubborn(yielder, 2);
        None
    });
    coroutine.resume(());
    assert_eq!(panic_of(|| drop(coroutine)), "first");
    assert_eq!(Rc::strong_count(&held), 1);
}

#[test]
fn the_first_of_several_panics_goes_on_and_it_has_finished() {
    let mut coroutine = Bombs::new(|yielder, ()| {
        let _ = catch_unwind(AssertUnwindSafe(|| stubborn(yielder, 1)));
        Some(Bomb("returned"))
    });
    coroutine.resume(());
    assert_eq!(panic_of(|| coroutine.force_unwind()), "first");
    assert!(coroutine.done());
    coroutine.force_unwind();
}

#[test]
fn a_scope_is_not_left_while_its_coroutine_is_suspended() {
    let dropped = Cell::new(0);
    let end = |borrowed: &Cell<i32>| borrowed.set(borrowed.get() + 1);
    let panic = panic_of(|| {
        ScopedCoroutine::<(), Option<Bomb>, ()>::new(|yielder, ()| {
            let _end = harness::OnDrop(|| end(&dropped));
            stubborn(yielder, 3);
        })
        .scope(|mut coroutine| {
            coroutine.resume(());
        });
    });
    assert_eq!((panic, dropped.get()), ("first", 1));
}

#[test]
fn one_suspended_in_a_destructor_during_an_unwind_cannot_be_dropped() {
    const TEST: &str = "one_suspended_in_a_destructor_during_an_unwind_cannot_be_dropped";
    if harness::is_child() {
        let mut coroutine = Coroutine::<(), (), ()>::new(|yielder, ()| {
            let _suspends = harness::OnDrop(|| yielder.suspend(()));
            panic!("of the body");
        });
        coroutine.resume(());
        return drop(coroutine);
    }
    let words = harness::dying_child(TEST, libc::SIGABRT);
    assert!(words.contains("of the body") && words.contains("panic in a destructor during cleanup"), "{words}");
}

#[test]
fn a_destructor_that_suspends_while_its_coroutine_is_dropped_aborts() {
    if harness::is_child() {
        let mut coroutine = Coroutine::<(), (), ()>::new(|yielder, ()| {
            let _suspends = harness::OnDrop(|| yielder.suspend(()));
            yielder.suspend(());
        });
        coroutine.resume(());
        return drop(coroutine);
    }
    let words = harness::dying_child("a_destructor_that_suspends_while_its_coroutine_is_dropped_aborts", libc::SIGABRT);
    assert!(words.contains("panic in a destructor during cleanup"), "{words}");
}
