//! Coroutines inside green threads: blocking, cancellation, and what must not leak from one thread into another.

mod harness;

use harness::{CountsDrops, OnDrop, assert_cancelled, on_each_kind, on_workers, spawn_started};
use sinew::{
    Runtime,
    coroutine::{Coroutine, CoroutineResult, ScopedCoroutine},
    thread,
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

type Plain = Coroutine<(), (), ()>;

std::thread_local! {
    /// By which green threads of one worker pass a coroutine on.
    static PASSED: RefCell<Option<Plain>> = const { RefCell::new(None) };
}

fn pass(coroutine: Plain) {
    PASSED.set(Some(coroutine));
}

fn passed() -> Plain {
    PASSED.take().expect("one was passed")
}

/// Runs the body on the only worker of a runtime, so that its threads share an OS thread.
fn on_one_worker(body: fn()) {
    Runtime::builder().workers(1).build().unwrap().run(body);
}

#[test]
fn a_thread_blocks_inside_a_coroutine_with_its_frames_in_place() {
    on_workers(|| {
        let threads: Vec<_> = (0..50_u64)
            .map(|n| {
                thread::spawn(move || {
                    let mut coroutine = Coroutine::<u64, u64, u64>::new(move |yielder, mut input| {
                        let kept = [n; 100];
                        for round in 0..10 {
                            thread::yield_now();
                            thread::sleep(Duration::from_micros(n * 10));
                            let child = thread::spawn(move || n + round);
                            assert_eq!(child.join().unwrap(), kept[50] + round);
                            input = yielder.suspend(input + kept[round as usize]);
                        }
                        kept[99]
                    });
                    for round in 0..10 {
                        assert_eq!(coroutine.resume(round), CoroutineResult::Yield(round + n));
                        thread::yield_now();
                    }
                    assert_eq!(coroutine.resume(0), CoroutineResult::Return(n));
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn a_thread_is_unparked_while_it_is_two_coroutines_deep() {
    on_each_kind(|| {
        let mut outer = Plain::new(|outer, ()| {
            let mut inner = Plain::new(|inner, ()| {
                let me = thread::current();
                let waker = thread::spawn(move || me.unpark());
                thread::park();
                waker.join().unwrap();
                inner.suspend(());
            });
            inner.resume(());
            outer.suspend(());
            inner.resume(());
        });
        outer.resume(());
        outer.resume(());
        assert!(outer.done());
    });
}

#[test]
fn a_cancellation_goes_through_resume_and_drops_every_frame() {
    on_workers(|| {
        let drops = Arc::new(AtomicUsize::new(0));
        let counts = || CountsDrops(drops.clone());
        let (outside, inside, deeper) = (counts(), counts(), counts());
        let handle = spawn_started(move || {
            let _outside = outside;
            let mut coroutine = Plain::new(move |_, ()| {
                let _inside = inside;
                let mut inner = Plain::new(move |_, ()| {
                    let _deeper = deeper;
                    thread::park();
                    unreachable!("nobody unparks it");
                });
                inner.resume(());
            });
            coroutine.resume(());
        });
        handle.thread().cancel();
        assert_cancelled(handle);
        assert_eq!(drops.load(Ordering::SeqCst), 3);
    });
}

#[test]
fn a_cancelled_thread_unwinds_its_suspended_coroutines_which_may_block_meanwhile() {
    on_workers(|| {
        let drops = Arc::new(AtomicUsize::new(0));
        let counts = CountsDrops(drops.clone());
        let handle = spawn_started(move || {
            let mut coroutine = Plain::new(move |yielder, ()| {
                let _counts = counts;
                // A frame that unwinds is masked, so this waits.
                let _waits = OnDrop(|| thread::spawn(thread::yield_now).join().unwrap());
                yielder.suspend(());
            });
            coroutine.resume(());
            thread::park();
        });
        handle.thread().cancel();
        assert_cancelled(handle);
        assert_eq!(drops.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_cancellation_raised_while_a_coroutine_is_dropped_ends_the_thread() {
    on_workers(|| {
        let handle = spawn_started(|| {
            let mut coroutine = Plain::new(|yielder, ()| {
                assert!(catch_unwind(AssertUnwindSafe(|| yielder.suspend(()))).is_err());
                thread::park();
            });
            coroutine.resume(());
            drop(coroutine);
            unreachable!("the cancellation goes on");
        });
        handle.thread().cancel();
        assert_cancelled(handle);
    });
}

#[test]
fn a_cancellation_caught_in_a_coroutine_is_raised_again_outside() {
    on_workers(|| {
        let handle = spawn_started(|| {
            let mut coroutine = Plain::new(|yielder, ()| {
                assert!(catch_unwind(thread::park).is_err());
                yielder.suspend(());
            });
            // The suspension of a coroutine is none of the thread.
            coroutine.resume(());
            thread::park();
            unreachable!("it is cancelled still");
        });
        handle.thread().cancel();
        assert_cancelled(handle);
    });
}

/// Counts what is alive.
struct Alive(Rc<Cell<i32>>);

impl Alive {
    fn new(count: &Rc<Cell<i32>>) -> Self {
        count.set(count.get() + 1);
        Self(count.clone())
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

std::thread_local! {
    static COUNT: Rc<Cell<i32>> = Rc::default();
}

sinew::thread_local! {
    static VALUE: (Alive, RefCell<String>) = (Alive::new(&COUNT.with(Rc::clone)), RefCell::new("first".into()));
    static OTHER: Cell<Option<Plain>> = const { Cell::new(None) };
}

/// A coroutine that is suspended with the current thread's `VALUE` borrowed, and looks at it when it goes on.
fn inside_with() -> Plain {
    let mut coroutine = Plain::new(|yielder, ()| {
        VALUE.with(|(alive, text)| {
            let mut text = text.borrow_mut();
            yielder.suspend(());
            text.push_str(", changed");
            assert_eq!((alive.0.get(), &**text), (1, "first, changed"));
        });
    });
    coroutine.resume(());
    coroutine
}

fn alive() -> i32 {
    COUNT.with(|count| count.get())
}

#[test]
fn a_green_local_stays_until_a_coroutine_inside_its_with_goes_on_in_another_thread() {
    on_one_worker(|| {
        thread::spawn(|| pass(inside_with())).join().unwrap();
        // Its thread has ended, and the local is there still.
        assert_eq!(alive(), 1);
        thread::spawn(|| {
            passed().resume(());
            assert_eq!(alive(), 0);
            // And this thread has one of its own.
            VALUE.with(|(_, text)| assert_eq!(*text.borrow(), "first"));
        })
        .join()
        .unwrap();
        assert_eq!(alive(), 0);
    });
}

#[test]
fn a_green_local_stays_until_a_coroutine_inside_its_with_is_dropped() {
    on_one_worker(|| {
        thread::spawn(|| pass(inside_with())).join().unwrap();
        assert_eq!(alive(), 1);
        drop(passed());
        assert_eq!(alive(), 0);
    });
}

#[test]
fn a_borrow_held_across_a_suspension_is_seen_by_its_own_thread() {
    on_each_kind(|| {
        let mut coroutine = inside_with();
        VALUE.with(|(_, text)| assert!(text.try_borrow().is_err()));
        coroutine.resume(());
        VALUE.with(|(_, text)| assert_eq!(*text.borrow(), "first, changed"));
    });
}

#[test]
fn a_coroutine_kept_in_a_green_local_unwinds_before_the_local_that_it_borrows() {
    on_one_worker(|| {
        for order in [false, true] {
            thread::spawn(move || {
                // Whichever of the two is older.
                if order {
                    OTHER.set(None);
                }
                OTHER.set(Some(inside_with()));
            })
            .join()
            .unwrap();
            assert_eq!(alive(), 0);
        }
    });
}

sinew::thread_local! {
    static SLOW: Alive = {
        SUSPENDS.with(|suspends| suspends.take().expect("set for the test")());
        Alive::new(&COUNT.with(Rc::clone))
    };
}

std::thread_local! {
    static SUSPENDS: Cell<Option<Box<dyn FnOnce()>>> = const { Cell::new(None) };
}

/// A coroutine that is suspended inside the initialiser of `SLOW`.
fn inside_initialiser() -> Plain {
    let mut coroutine = Plain::new(|yielder, ()| {
        let yielder: *const _ = yielder;
        // SAFETY: the closure is called at once, inside this body.
        SUSPENDS.set(Some(Box::new(move || unsafe { (*yielder).suspend(()) })));
        SLOW.with(|alive| assert_eq!(alive.0.get(), 1));
    });
    coroutine.resume(());
    coroutine
}

#[test]
fn an_initialiser_may_end_after_its_thread() {
    on_one_worker(|| {
        for resume in [true, false] {
            thread::spawn(|| pass(inside_initialiser())).join().unwrap();
            let mut coroutine = passed();
            if resume {
                coroutine.resume(());
            }
            drop(coroutine);
            assert_eq!(alive(), 0);
        }
    });
}

#[test]
fn a_scope_opened_in_one_thread_is_left_in_another() {
    on_one_worker(|| {
        thread::spawn(|| {
            let mut coroutine = Plain::new(|yielder, ()| {
                let count = AtomicUsize::new(0);
                thread::scope(|scope| {
                    for _ in 0..10 {
                        scope.spawn(|| {
                            thread::sleep(Duration::from_millis(5));
                            count.fetch_add(1, Ordering::SeqCst);
                        });
                    }
                    yielder.suspend(());
                });
                assert_eq!(count.load(Ordering::SeqCst), 10);
            });
            coroutine.resume(());
            pass(coroutine);
        })
        .join()
        .unwrap();
        let mut coroutine = passed();
        coroutine.resume(());
        assert!(coroutine.done());
    });
}

#[test]
fn a_scope_is_waited_for_when_its_coroutine_is_dropped() {
    on_each_kind(|| {
        let ended = Arc::new(AtomicUsize::new(0));
        let ends = ended.clone();
        let mut coroutine = Plain::new(move |yielder, ()| {
            let on_this_stack = [1_usize; 10];
            thread::scope(|scope| {
                for n in &on_this_stack {
                    let ends = &ends;
                    scope.spawn(move || {
                        thread::sleep(Duration::from_millis(5));
                        ends.fetch_add(*n, Ordering::SeqCst);
                    });
                }
                yielder.suspend(());
            });
        });
        coroutine.resume(());
        drop(coroutine);
        assert_eq!(ended.load(Ordering::SeqCst), 10);
    });
}

#[test]
fn a_scoped_coroutine_that_is_forgotten_has_not_begun() {
    let mut numbers = vec![1, 2, 3];
    std::thread::scope(|scope| {
        let coroutine = ScopedCoroutine::<(), (), ()>::new(|yielder, ()| {
            // If this could stay suspended, the thread would outlive what it borrows.
            std::thread::scope(|inner| {
                inner.spawn(|| numbers.push(4));
                yielder.suspend(());
            });
        });
        coroutine.scope(|mut inside| {
            inside.resume(());
            // All that can be forgotten is the reference.
            let _ = std::mem::ManuallyDrop::new(inside);
        });
        scope.spawn(|| ());
        std::mem::forget(ScopedCoroutine::<(), (), ()>::new(|_, ()| unreachable!("it never runs")));
    });
    assert_eq!(numbers, [1, 2, 3, 4]);
}

#[test]
fn a_coroutine_that_left_its_thread_belongs_to_whoever_resumes_it() {
    on_one_worker(|| {
        let first = thread::spawn(|| {
            let mut coroutine = Plain::new(|yielder, ()| {
                let before = thread::current().id();
                yielder.suspend(());
                assert_ne!(thread::current().id(), before);
                thread::park_timeout(Duration::from_millis(1));
            });
            coroutine.resume(());
            pass(coroutine);
        });
        first.join().unwrap();
        thread::spawn(|| _ = passed().resume(())).join().unwrap();
    });
}
