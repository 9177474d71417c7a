//! Timeouts that are open when a coroutine suspends itself from inside another, which it has resumed.

mod harness;

use harness::{LONG, on_each_kind};
use sinew::{
    cancel,
    coroutine::{Coroutine, CoroutineResult, ScopedCoroutine, Yielder},
    thread,
    time::timeout,
};
use std::time::Duration;

const SHORT: Duration = Duration::from_millis(2);

/// Waits until a short timeout has passed.
fn let_it_pass() {
    thread::sleep(4 * SHORT);
}

/// Suspends the thread, wherever it is: here cancellation takes effect.
fn suspension() {
    thread::sleep(Duration::from_millis(1));
}

/// Two coroutines, one in the other. The outer one suspends itself from inside the inner one first, then the inner one does from its own body,
/// in a timeout of its own.
fn outer_through_inner(before: bool) -> Coroutine<(), &'static str, ()> {
    Coroutine::new(move |outer, ()| {
        let through = |inner: &Yielder<(), &'static str>| {
            let part = || {
                outer.suspend("through");
                let elapsed = timeout(SHORT, || {
                    inner.suspend("inner");
                    thread::sleep(LONG);
                });
                assert!(elapsed.is_err());
            };
            if before { timeout(LONG, part).expect("there is time") } else { part() }
        };
        let inner = ScopedCoroutine::<(), &str, (), _>::new(|inner, ()| through(inner));
        inner.scope(|mut inner| {
            while let CoroutineResult::Yield(value) = inner.resume(()) {
                outer.suspend(value);
            }
        });
    })
}

#[test]
fn a_timeout_around_a_coroutine_suspended_from_inside_another_stays_where_it_is() {
    on_each_kind(|| {
        for before in [false, true] {
            // With a region outside that has ended since, one that is still there, or none at the first resume.
            for first in 0..3 {
                let mut outer = outer_through_inner(before);
                let result = match first {
                    0 => outer.resume(()),
                    1 => timeout(LONG, || outer.resume(())).expect("there is time"),
                    _ => cancel::shield(|| outer.resume(())),
                };
                assert_eq!(result, CoroutineResult::Yield("through"));
                // The deadline of this one must not go along with the inner coroutine.
                let elapsed = timeout(2 * SHORT, || {
                    assert_eq!(outer.resume(()), CoroutineResult::Yield("inner"));
                    thread::sleep(LONG);
                });
                assert!(elapsed.is_err(), "the timeout was taken along");
                let_it_pass();
                cancel::checkpoint();
                let result = timeout(LONG, || outer.resume(())).expect("there is time");
                assert_eq!(result, CoroutineResult::Return(()));
                cancel::checkpoint();
            }
        }
    });
}

#[test]
fn a_coroutine_suspended_from_inside_another_takes_the_timeouts_of_both_along() {
    on_each_kind(|| {
        let mut outer = Coroutine::<(), (), bool>::new(|outer, ()| {
            timeout(SHORT, || {
                let inner = ScopedCoroutine::<(), (), (), _>::new(|inner, ()| {
                    let _ = timeout(LONG, || {
                        outer.suspend(());
                        inner.suspend(());
                        outer.suspend(());
                    });
                });
                inner.scope(|mut inner| {
                    inner.resume(());
                    outer.suspend(());
                    inner.resume(());
                    thread::sleep(LONG);
                });
            })
            .is_err()
        });
        for _ in 0..3 {
            assert_eq!(timeout(LONG, || outer.resume(())).expect("there is time"), CoroutineResult::Yield(()));
            let_it_pass();
            suspension();
            cancel::checkpoint();
        }
        assert_eq!(outer.resume(()), CoroutineResult::Return(true));
        suspension();
    });
}

#[test]
fn coroutines_suspended_from_two_levels_further_in_keep_the_timeouts_outside_where_they_are() {
    on_each_kind(|| {
        let mut outer = Coroutine::<(), (), bool>::new(|outer, ()| {
            let middle = ScopedCoroutine::<(), (), bool, _>::new(|middle, ()| {
                let inner = ScopedCoroutine::<(), (), bool, _>::new(|_, ()| {
                    outer.suspend(());
                    timeout(SHORT, || {
                        middle.suspend(());
                        thread::sleep(LONG);
                    })
                    .is_err()
                });
                inner.scope(|mut inner| inner.resume(()).as_return().expect("it suspends the others"))
            });
            middle.scope(|mut middle| {
                assert_eq!(middle.resume(()), CoroutineResult::Yield(()));
                outer.suspend(());
                middle.resume(()).as_return().expect("it has no more to yield")
            })
        });
        assert_eq!(timeout(LONG, || outer.resume(())).expect("there is time"), CoroutineResult::Yield(()));
        let elapsed = timeout(2 * SHORT, || {
            assert_eq!(outer.resume(()), CoroutineResult::Yield(()));
            thread::sleep(LONG);
        });
        assert!(elapsed.is_err(), "the timeout was taken along");
        suspension();
        assert_eq!(timeout(LONG, || outer.resume(())).expect("there is time"), CoroutineResult::Return(true));
    });
}

#[test]
fn four_coroutines_of_which_two_are_suspended_past_others_abort_with_a_line() {
    const TEST: &str = "four_coroutines_of_which_two_are_suspended_past_others_abort_with_a_line";
    if harness::is_child() {
        let mut first = Coroutine::<(), (), ()>::new(|first, ()| {
            let second = ScopedCoroutine::<(), (), (), _>::new(|_, ()| {
                let third = ScopedCoroutine::<(), (), (), _>::new(|third, ()| {
                    let fourth = ScopedCoroutine::<(), (), (), _>::new(|_, ()| {
                        let _ = timeout(LONG, || {
                            first.suspend(());
                            third.suspend(());
                        });
                    });
                    fourth.scope(|mut fourth| fourth.resume(()));
                });
                third.scope(|mut third| third.resume(()));
            });
            second.scope(|mut second| second.resume(()));
        });
        first.resume(());
        let _ = timeout(LONG, || first.resume(()));
        unreachable!("it aborts");
    }
    let words = harness::dying_child(TEST, libc::SIGABRT);
    assert!(words.contains("suspended from several levels further in"), "{words}");
}
