//! Timeouts, shields and tokens that a coroutine or a generator is in when it suspends itself: they are its own, and nobody else's.

mod harness;

use harness::{LONG, OnDrop, assert_cancelled, on_each_kind, on_workers};
use sinew::{
    Runtime,
    cancel::{self, CancelToken},
    context::Var,
    coroutine::{Coroutine, CoroutineResult, ScopedCoroutine, Yielder},
    generator::Generator,
    sync::LazyLock,
    thread,
    time::{Elapsed, timeout},
};
use std::{
    cell::{Cell, RefCell},
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// One that suspends itself in a timeout and gives how that ended.
type Waiter = Coroutine<(), (), Result<(), Elapsed>>;

const SHORT: Duration = Duration::from_millis(2);

/// Waits until a short timeout has passed. On the machine's clock this takes a little longer than that.
fn let_it_pass() {
    thread::sleep(4 * SHORT);
}

/// Suspends the thread, wherever it is: here cancellation takes effect.
fn suspension() {
    thread::sleep(Duration::from_millis(1));
}

/// Yields inside of a timeout, then waits in it, and returns how that ended.
fn waits_after_a_yield(y: &Yielder<(), ()>, time: Duration) -> Result<(), Elapsed> {
    timeout(time, || {
        y.suspend(());
        thread::sleep(LONG);
    })
}

#[test]
fn a_timeout_that_passes_during_a_suspension_ends_the_coroutine_and_not_its_resumer() {
    on_each_kind(|| {
        let mut coroutine = Coroutine::<(), (), _>::new(|y, ()| waits_after_a_yield(y, SHORT));
        assert_eq!(coroutine.resume(()), CoroutineResult::Yield(()));
        let_it_pass();
        suspension();
        cancel::checkpoint();
        assert!(!cancel::is_cancelled());
        let CoroutineResult::Return(ended) = coroutine.resume(()) else { panic!("it has no more to yield") };
        assert!(ended.is_err());
        suspension();
    });
}

#[test]
fn a_timeout_that_has_time_left_goes_on_with_the_coroutine() {
    on_each_kind(|| {
        let mut coroutine = Coroutine::<(), (), _>::new(|y, ()| {
            timeout(LONG, || {
                for _ in 0..100 {
                    y.suspend(());
                    assert!(!cancel::is_cancelled());
                }
                suspension();
            })
        });
        for _ in 0..100 {
            assert_eq!(coroutine.resume(()), CoroutineResult::Yield(()));
        }
        assert_eq!(coroutine.resume(()), CoroutineResult::Return(Ok(())));
        // Its alarm is set anew by each resume.
        let mut late = Coroutine::<(), (), _>::new(|y, ()| waits_after_a_yield(y, 10 * SHORT));
        late.resume(());
        assert!(late.resume(()).as_return().unwrap().is_err());
    });
}

#[test]
fn a_timeout_around_a_resume_ends_the_whole_and_the_coroutine_with_it() {
    on_each_kind(|| {
        let dropped = Rc::new(Cell::new(0));
        let drops = dropped.clone();
        let mut coroutine = Coroutine::<(), (), _>::new(move |y, ()| {
            let _end = OnDrop(|| drops.set(drops.get() + 1));
            timeout(LONG, || {
                y.suspend(());
                cancel::shield(|| y.suspend(()));
                thread::sleep(LONG);
            })
        });
        let ended = timeout(SHORT, || {
            coroutine.resume(());
            coroutine.resume(());
            let _ = coroutine.resume(());
        });
        assert!(ended.is_err());
        assert!(coroutine.done());
        assert_eq!(dropped.get(), 1);
        suspension();
    });
}

#[test]
fn regions_of_the_resumer_stay_while_those_of_the_coroutine_come_and_go() {
    on_each_kind(|| {
        let mut coroutine = Coroutine::<(), (), _>::new(|y, ()| waits_after_a_yield(y, LONG));
        // Resumed with fewer, more and other regions open than before.
        assert!(timeout(LONG, || coroutine.resume(())).unwrap().as_yield().is_some());
        assert!(timeout(SHORT, || timeout(LONG, || coroutine.resume(()))).is_err());
        assert!(coroutine.done());

        let token = CancelToken::new();
        let mut coroutine = Coroutine::<(), (), _>::new(|y, ()| {
            let ended = waits_after_a_yield(y, SHORT);
            y.suspend(());
            ended
        });
        coroutine.resume(());
        let_it_pass();
        let resumed = token.run_until_cancelled(|| {
            // The inner one ends by its own deadline.
            coroutine.resume(());
            token.cancel();
            suspension();
        });
        assert!(resumed.is_err());
        assert!(coroutine.resume(()).as_return().unwrap().is_err());
    });
}

#[test]
fn a_shield_hides_the_coroutine_alone() {
    on_workers(|| {
        let reached = Arc::new(AtomicUsize::new(0));
        let count = reached.clone();
        let handle = thread::spawn(move || {
            let mut coroutine = Coroutine::<(), (), ()>::new(move |y, ()| {
                cancel::shield(|| {
                    y.suspend(());
                    suspension();
                    count.fetch_add(1, Ordering::SeqCst);
                    y.suspend(());
                });
            });
            coroutine.resume(());
            thread::current().cancel();
            coroutine.resume(());
            // The coroutine is suspended in its shield, and this is outside of it.
            suspension();
            unreachable!("it was cancelled");
        });
        assert_cancelled(handle);
        assert_eq!(reached.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_value_being_made_hides_no_resumer() {
    on_workers(|| {
        let handle = thread::spawn(|| {
            let mut coroutine = Coroutine::<(), (), u32>::new(|y, ()| {
                // SAFETY: the value is made before the body, whose yielder this is, ends, and here.
                let y: &'static Yielder<(), ()> = unsafe { &*std::ptr::from_ref(y) };
                let lazy = LazyLock::new(move || {
                    y.suspend(());
                    suspension();
                    5
                });
                *lazy
            });
            coroutine.resume(());
            thread::current().cancel();
            assert_eq!(coroutine.resume(()), CoroutineResult::Return(5));
            suspension();
        });
        assert_cancelled(handle);
    });
}

#[test]
fn a_token_reaches_a_coroutine_that_was_suspended_in_its_part() {
    on_each_kind(|| {
        for cancelled_early in [true, false] {
            let token = CancelToken::new();
            let part = token.clone();
            let mut coroutine = Coroutine::<(), (), _>::new(move |y, ()| {
                part.run_until_cancelled(|| {
                    y.suspend(());
                    thread::park();
                })
            });
            coroutine.resume(());
            let canceller = token.clone();
            let canceller = thread::spawn(move || {
                if !cancelled_early {
                    let_it_pass();
                }
                canceller.cancel_with("enough");
            });
            if cancelled_early {
                canceller.join().unwrap();
                suspension();
                assert!(!cancel::is_cancelled());
            }
            let ended = coroutine.resume(()).as_return().unwrap();
            assert_eq!(ended.unwrap_err().reason(), Some("enough"));
            suspension();
        }
    });
}

#[test]
fn another_thread_of_the_worker_takes_over_a_coroutine_with_its_regions() {
    Runtime::builder().workers(1).build().unwrap().run(|| {
        let slot: Rc<RefCell<Option<Waiter>>> = Rc::default();
        let theirs = slot.clone();
        let first = thread::spawn_local(move || {
            let mut coroutine = Coroutine::new(|y, ()| {
                let outer = timeout(LONG, || {
                    let inner = waits_after_a_yield(y, SHORT);
                    y.suspend(());
                    thread::sleep(LONG);
                    inner
                });
                outer.and_then(|inner| inner)
            });
            coroutine.resume(());
            theirs.replace(Some(coroutine));
        });
        first.join().unwrap();
        let_it_pass();
        let theirs = slot.clone();
        let second = thread::spawn_local(move || {
            let mut coroutine = theirs.take().unwrap();
            assert!(coroutine.resume(()).as_yield().is_some(), "the inner one's time was up");
            suspension();
            theirs.replace(Some(coroutine));
        });
        second.join().unwrap();
        // And its cancellation is the coroutine's, while it runs that.
        let third = thread::spawn_local(move || {
            let mut coroutine = slot.take().unwrap();
            thread::current().cancel();
            coroutine.resume(());
        });
        assert!(third.join().unwrap_err().is::<sinew::Cancelled>());
    });
}

#[test]
fn a_coroutine_that_is_dropped_unwinds_through_its_regions() {
    on_each_kind(|| {
        for started_with in [false, true] {
            let order = Rc::new(RefCell::new(Vec::new()));
            let ends = order.clone();
            let mut coroutine = Coroutine::<(), (), ()>::new(move |y, ()| {
                let _end = OnDrop(|| ends.borrow_mut().push("outside"));
                let _: Result<(), _> = timeout(SHORT, || {
                    let _end = OnDrop(|| ends.borrow_mut().push("timeout"));
                    cancel::shield(|| {
                        let _end = OnDrop(|| {
                            suspension();
                            ends.borrow_mut().push("shield");
                        });
                        y.suspend(());
                    });
                    unreachable!("it was dropped");
                });
            });
            if started_with {
                timeout(LONG, || coroutine.resume(())).unwrap();
            } else {
                coroutine.resume(());
            }
            let_it_pass();
            drop(coroutine);
            assert_eq!(*order.borrow(), ["shield", "timeout", "outside"]);
            suspension();
            assert!(timeout(SHORT, || thread::sleep(LONG)).is_err());
        }
    });
}

#[test]
fn a_coroutine_that_a_cancelled_thread_leaves_behind_unwinds_with_it() {
    on_workers(|| {
        let ended = Arc::new(AtomicUsize::new(0));
        let count = ended.clone();
        let handle = harness::spawn_started(move || {
            let mut coroutine = Coroutine::<(), (), ()>::new(move |y, ()| {
                let _end = OnDrop(|| {
                    count.fetch_add(1, Ordering::SeqCst);
                });
                let _ = timeout(LONG, || y.suspend(()));
            });
            coroutine.resume(());
            thread::park();
        });
        handle.cancel();
        assert_cancelled(handle);
        assert_eq!(ended.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn suspending_an_outer_coroutine_takes_along_what_inner_ones_have_open() {
    on_each_kind(|| {
        for outer_has_one in [false, true] {
            let mut outer = Coroutine::<(), (), Result<(), Elapsed>>::new(move |y, ()| {
                let resume_inner = || {
                    let inner = ScopedCoroutine::<(), (), Result<(), Elapsed>>::new(|_, ()| {
                        timeout(SHORT, || {
                            // Not the inner one's own.
                            y.suspend(());
                            thread::sleep(LONG);
                        })
                    });
                    inner.scope(|mut inner| inner.resume(()).as_return().unwrap())
                };
                if outer_has_one { timeout(LONG, resume_inner).unwrap() } else { resume_inner() }
            });
            timeout(LONG, || outer.resume(())).unwrap();
            let_it_pass();
            suspension();
            cancel::checkpoint();
            let ended = cancel::shield(|| timeout(LONG, || outer.resume(()))).unwrap();
            assert!(ended.as_return().unwrap().is_err());
            suspension();
        }
    });
}

#[test]
fn nested_coroutines_each_have_their_own() {
    on_each_kind(|| {
        let mut outer = Coroutine::<(), u32, Result<u32, Elapsed>>::new(|y, ()| {
            let mut inner = Coroutine::<(), (), Result<(), Elapsed>>::new(|y, ()| waits_after_a_yield(y, SHORT));
            timeout(LONG, || {
                inner.resume(());
                y.suspend(1);
                // The inner one is suspended, so its deadline is nothing to this one.
                suspension();
                y.suspend(2);
                assert!(inner.resume(()).as_return().unwrap().is_err());
                3
            })
        });
        assert_eq!(outer.resume(()), CoroutineResult::Yield(1));
        let_it_pass();
        assert_eq!(outer.resume(()), CoroutineResult::Yield(2));
        suspension();
        assert_eq!(outer.resume(()), CoroutineResult::Return(Ok(3)));
    });
}

#[test]
fn scoped_coroutines_take_their_regions_along_too() {
    on_each_kind(|| {
        let ended = Cell::new(None);
        let scoped =
            ScopedCoroutine::<(), (), ()>::new(|y, ()| ended.set(Some(waits_after_a_yield(y, SHORT).is_err())));
        scoped.scope(|mut scoped| {
            scoped.resume(());
            let_it_pass();
            suspension();
            scoped.resume(());
        });
        assert_eq!(ended.get(), Some(true));
        // Left suspended, it unwinds at the scope's end.
        let scoped = ScopedCoroutine::<(), (), ()>::new(|y, ()| {
            let _ = cancel::shield(|| timeout(SHORT, || y.suspend(())));
        });
        timeout(LONG, || scoped.scope(|mut scoped| scoped.resume(()))).unwrap();
        let_it_pass();
    });
}

#[test]
fn a_generator_yields_out_of_a_timeout() {
    on_each_kind(|| {
        let generator = || {
            Generator::<u32, (), bool>::new(|y| {
                timeout(SHORT, || {
                    y.yield_(1);
                    y.yield_(2);
                    thread::sleep(LONG);
                })
                .is_err()
            })
        };
        let g = generator();
        assert_eq!(g.next(), Some(1));
        let_it_pass();
        suspension();
        // A yield gives its value although the time is up: it waits for nothing.
        assert_eq!(g.next(), Some(2));
        suspension();
        assert_eq!(g.next(), None);
        assert_eq!(g.take_return(), Some(true));

        let outer = Generator::<u32, (), bool>::new(move |y| {
            let inner = generator();
            let outer = timeout(LONG, || y.yield_from(&inner));
            outer.unwrap()
        });
        assert_eq!(outer.next(), Some(1));
        let_it_pass();
        suspension();
        assert_eq!((outer.next(), outer.next(), outer.take_return()), (Some(2), None, Some(true)));

        let closed = generator();
        closed.next();
        let_it_pass();
        assert_eq!(closed.close(), None);
        suspension();
        let dropped = generator();
        timeout(LONG, || dropped.next()).unwrap();
        drop(dropped);
        suspension();
    });
}

#[test]
fn many_coroutines_with_timeouts_are_resumed_in_any_order() {
    on_workers(|| {
        let mut random = harness::Random::new(7);
        let mut all: Vec<_> = (0..50)
            .map(|number| {
                Coroutine::<(), (), u32>::new(move |y, ()| {
                    let mut count = 0;
                    for step in 0..20 {
                        let time = if (number + step) % 3 == 0 { SHORT } else { LONG };
                        let run = || {
                            y.suspend(());
                            cancel::shield(|| y.suspend(()));
                            if time == SHORT { thread::sleep(LONG) } else { suspension() }
                        };
                        count += u32::from(timeout(time, run).is_err() == (time == SHORT));
                    }
                    count
                })
            })
            .collect();
        while !all.is_empty() {
            let one = random.below(all.len());
            let mut resume = || all[one].resume(());
            let result = if random.below(2) == 0 { timeout(LONG, resume).unwrap() } else { resume() };
            if let CoroutineResult::Return(count) = result {
                assert_eq!(count, 20);
                drop(all.swap_remove(one));
            }
        }
        suspension();
    });
}

#[test]
fn a_payload_kept_across_a_suspension_belongs_to_its_part_still() {
    on_each_kind(|| {
        let mut coroutine = Coroutine::<(), (), bool>::new(|y, ()| {
            timeout(SHORT, || {
                let payload = catch_unwind(AssertUnwindSafe(|| thread::sleep(LONG))).unwrap_err();
                y.suspend(());
                std::panic::resume_unwind(payload)
            })
            .map(|never: ()| never)
            .is_err()
        });
        coroutine.resume(());
        suspension();
        assert_eq!(coroutine.resume(()), CoroutineResult::Return(true));
        suspension();
    });
}

#[test]
fn a_value_that_is_set_for_a_part_is_the_coroutines_alone() {
    static LEVEL: Var<u32> = Var::new(|| 0);
    on_each_kind(|| {
        let mut coroutine = Coroutine::<(), u32, u32>::new(|y, ()| {
            LEVEL.scope(5, || {
                y.suspend(LEVEL.get());
                LEVEL.set(6);
                y.suspend(LEVEL.get());
                LEVEL.get()
            })
        });
        assert_eq!(coroutine.resume(()), CoroutineResult::Yield(5));
        assert_eq!(LEVEL.get(), 0);
        LEVEL.scope(1, || {
            assert_eq!(coroutine.resume(()), CoroutineResult::Yield(6));
            assert_eq!(LEVEL.get(), 1);
        });
        LEVEL.set(2);
        assert_eq!(coroutine.resume(()), CoroutineResult::Return(6));
        assert_eq!(LEVEL.get(), 2);
    });
}
