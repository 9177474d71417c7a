//! Models of the token: whoever waits or watches is told, whether it comes before the cancellation, during it or after it, and is
//! not touched once it has left. The regions that watch are a model's own (`runtime::region`).

use super::*;
use crate::{
    primitive::{UnsafeCell, models::model, thread},
    runtime::exact::{self, Parker},
};

fn spawn<R: 'static>(token: &CancelToken, body: impl FnOnce(&CancelToken) -> R + 'static) -> thread::JoinHandle<R> {
    let token = token.clone();
    thread::spawn(move || body(&token))
}

fn assert_left(token: &CancelToken) {
    assert!(token.is_cancelled());
    assert!(token.0.waiters.lock().is_empty());
}

/// Suspends the thread until it is cancelled.
fn wait_for_ever() {
    Waiters::new().wait(Want::amount(0), None, |_| false, drop);
}

/// Preemption bound 4.
#[test]
fn loom_two_that_wait_are_woken_and_see_what_came_before() {
    struct Told(UnsafeCell<u32>);
    // SAFETY: written before the cancellation and read after it, which loom checks.
    unsafe impl Sync for Told {}
    // SAFETY: as above.
    unsafe impl Send for Told {}
    model(4, || {
        let (token, told) = (CancelToken::new(), crate::primitive::Arc::new(Told(UnsafeCell::new(0))));
        let waits = || {
            let told = told.clone();
            spawn(&token, move |token| {
                token.wait();
                // SAFETY: written before; loom checks it.
                told.0.with(|told| assert_eq!(unsafe { *told }, 7));
            })
        };
        let waiters = [waits(), waits()];
        // SAFETY: nobody reads it yet; loom checks it.
        told.0.with_mut(|told| unsafe { *told = 7 });
        token.cancel();
        waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
        assert_left(&token);
    });
}

/// Preemption bound 4.
#[test]
fn loom_a_cancellation_that_comes_with_the_deadline_is_told_or_the_waiter_has_left() {
    model(4, || {
        let token = CancelToken::new();
        let parker = Parker::current();
        let canceller = spawn(&token, CancelToken::cancel);
        let clock = thread::spawn(move || parker.interrupt());
        if token.wait_timeout(Duration::from_secs(1)) {
            assert!(token.is_cancelled());
        }
        canceller.join().unwrap();
        clock.join().unwrap();
        assert_left(&token);
    });
}

/// One that waits is itself cancelled meanwhile; the other is told all the same. Preemption bound 3.
#[test]
fn loom_a_waiter_that_is_cancelled_itself_keeps_nobody_from_being_told() {
    model(3, || {
        let token = CancelToken::new();
        let parker = Parker::current();
        let other = spawn(&token, CancelToken::wait);
        let canceller = spawn(&token, move |token| {
            parker.cancel();
            token.cancel();
        });
        exact::catch(|| token.wait());
        other.join().unwrap();
        canceller.join().unwrap();
        assert_left(&token);
    });
}

/// Whether it begins to watch before the cancellation, during it or after it. Preemption bound 4.
#[test]
fn loom_what_runs_until_cancelled_is_told_in_any_order() {
    model(4, || {
        let token = CancelToken::new();
        let canceller = spawn(&token, |token| token.cancel_with("enough"));
        let other = spawn(&token, |token| token.run_until_cancelled(wait_for_ever).unwrap_err());
        let mine = token.run_until_cancelled(wait_for_ever).unwrap_err();
        assert_eq!((mine.reason(), other.join().unwrap().reason()), (Some("enough"), Some("enough")));
        canceller.join().unwrap();
        assert!(token.0.lock().regions.is_empty(), "none watches any more");
    });
}

/// Two regions end by themselves as the token is cancelled: neither is touched after it has left, in whatever order they leave.
/// Preemption bound 4.
#[test]
fn loom_a_region_that_ends_as_the_token_is_cancelled_is_not_touched_afterwards() {
    model(4, || {
        let token = CancelToken::new();
        let canceller = spawn(&token, CancelToken::cancel);
        let other = spawn(&token, |token| token.run_until_cancelled(|| ()).is_ok());
        let _ = token.run_until_cancelled(|| ());
        other.join().unwrap();
        canceller.join().unwrap();
        assert!(token.0.lock().regions.is_empty());
        assert_left(&token);
    });
}

/// Its thread is woken after the lock was released, when the region may have ended, and the thread waits for something else: that wait goes
/// on until it is granted. Preemption bound 4.
#[test]
fn loom_a_wake_that_comes_after_its_region_has_ended_ends_no_other_wait() {
    model(4, || {
        let (token, later) = (CancelToken::new(), CancelToken::new());
        let canceller = spawn(&token, CancelToken::cancel);
        let other = spawn(&later, CancelToken::cancel);
        let _ = token.run_until_cancelled(|| ());
        later.wait();
        assert_left(&later);
        canceller.join().unwrap();
        other.join().unwrap();
        assert_left(&token);
    });
}

/// A second call takes what the first has not come to; each region is told, once. Preemption bound 3.
#[test]
fn loom_two_that_cancel_share_the_regions() {
    model(3, || {
        let token = CancelToken::new();
        let cancellers = [(); 2].map(|()| spawn(&token, CancelToken::cancel));
        let other = spawn(&token, |token| token.run_until_cancelled(wait_for_ever).is_err());
        assert!(token.run_until_cancelled(wait_for_ever).is_err());
        assert!(other.join().unwrap());
        cancellers.into_iter().for_each(|canceller| canceller.join().unwrap());
        assert!(token.0.lock().regions.is_empty());
        assert_left(&token);
    });
}

/// One region in another, told one after the other: the thread comes out of both. The inner one may end by itself meanwhile, and the
/// outer one then has another place in the list. Preemption bound 3.
fn nested_regions_are_told(inner: fn()) {
    model(3, move || {
        let token = CancelToken::new();
        let cancellers = [(); 2].map(|()| spawn(&token, CancelToken::cancel));
        let outer = token.run_until_cancelled(|| {
            let _ = token.run_until_cancelled(inner);
            wait_for_ever();
        });
        assert!(outer.is_err());
        cancellers.into_iter().for_each(|canceller| canceller.join().unwrap());
        assert!(token.0.lock().regions.is_empty());
        assert_left(&token);
    });
}

#[test]
fn loom_a_region_in_another_is_told_and_so_is_the_other() {
    nested_regions_are_told(wait_for_ever);
}

#[test]
fn loom_a_region_is_told_as_one_inside_of_it_ends() {
    nested_regions_are_told(|| ());
}

/// Made before the cancellation, during it or after it, and another cancels it at the same time.
#[test]
fn loom_a_child_is_cancelled_with_its_parent_in_any_order() {
    model(None, || {
        let token = CancelToken::new();
        let canceller = spawn(&token, CancelToken::cancel);
        let child = token.child_token();
        child.wait();
        canceller.join().unwrap();
        assert_left(&child);
        assert_left(&token);
    });
}
