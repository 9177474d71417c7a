//! What becomes of a generator that is dropped: unwinding, panics and yields on the way, and what cannot be unwound.

mod harness;

use harness::{OnDrop, good_child, is_child, on_each_kind};
use sinew::generator::{Generator, GeneratorError, GeneratorExit, GeneratorState, raise, try_};
use std::{
    cell::{Cell, RefCell},
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
};

#[derive(Debug, PartialEq)]
struct Oops(u32);

fn numbers() -> Generator<u32> {
    Generator::from_iter(0..)
}

fn text_of(panic: Box<dyn std::any::Any + Send>) -> String {
    match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => (*panic.downcast::<&str>().expect("a text")).into(),
    }
}

#[track_caller]
fn panics<T>(f: impl FnOnce() -> T) -> String {
    text_of(catch_unwind(AssertUnwindSafe(f)).map(drop).expect_err("it panics"))
}

#[test]
fn an_unstarted_one_drops_its_closure_and_never_runs_it() {
    let ends: [fn(&Generator<u32>); 3] =
        [|g| assert_eq!(g.close(), None), |g| assert_eq!(g.try_throw(Oops(1)), Err(Oops(1))), |_| ()];
    for end in ends {
        let held = Rc::new(());
        let theirs = held.clone();
        let g = Generator::<u32>::new(move |_| panic!("{theirs:?}"));
        end(&g);
        drop(g);
        assert_eq!(Rc::strong_count(&held), 1);
    }
}

#[test]
fn drop_unwinds_the_body_in_the_order_of_its_frames() {
    on_each_kind(|| {
        let order = Rc::new(RefCell::new(vec![]));
        let log = order.clone();
        let g = Generator::<u32>::new(move |y| {
            let _first = OnDrop(|| log.borrow_mut().push(1));
            let inner = log.clone();
            y.yield_from(&Generator::new(move |y| {
                let _second = OnDrop(|| inner.borrow_mut().push(2));
                y.yield_(1);
            }));
        });
        g.next();
        drop(g);
        assert_eq!(*order.borrow(), [2, 1]);
    });
}

#[test]
fn one_that_is_dropped_while_a_panic_unwinds_is_unwound_too() {
    let dropped = Rc::new(Cell::new(false));
    let theirs = dropped.clone();
    let text = panics(|| {
        let g = Generator::<u32>::new(move |y| {
            let _guard = OnDrop(|| theirs.set(true));
            y.yield_(1);
        });
        g.next();
        panic!("outside");
    });
    assert_eq!((&*text, dropped.get()), ("outside", true));
}

#[test]
fn a_panic_during_drop_comes_out_of_drop() {
    let g = Generator::<u32>::new(|y| {
        if let Err(GeneratorExit) = y.try_yield(1) {
            panic!("while closing");
        }
    });
    g.next();
    assert_eq!(panics(|| drop(g)), "while closing");
}

#[test]
#[cfg_attr(sinew_asan, ignore = "leaks on purpose")]
fn one_that_yields_again_while_it_is_dropped_is_leaked_and_said_so() {
    if is_child() {
        let held = Rc::new(());
        let theirs = held.clone();
        let g = Generator::<u32>::new(move |y| {
            let _theirs = theirs;
            while y.try_yield::<GeneratorExit>(1).is_ok() {}
            y.yield_(2);
        });
        g.next();
        drop(g);
        assert_eq!(Rc::strong_count(&held), 2);
        return;
    }
    let words = good_child("one_that_yields_again_while_it_is_dropped_is_leaked_and_said_so");
    assert_eq!(words.matches("its stack is leaked").count(), 1, "{words}");
}

#[test]
fn a_destructor_that_yields_during_an_unwind_can_be_resumed_to_its_end() {
    let g = Generator::<u32>::new(|y| {
        let _finally = OnDrop(|| y.yield_(2));
        y.yield_(1);
    });
    g.next();
    assert_eq!(g.try_close(), Err(GeneratorError::IgnoredExit));
    assert_eq!(g.try_next(), Err(GeneratorExit));
    assert!(!std::thread::panicking());
}

#[test]
fn one_that_has_left_its_unwind_is_closed_when_it_is_dropped_during_a_panic() {
    let unwound = Rc::new(Cell::new(0));
    let counts = unwound.clone();
    let g = Generator::<u32>::new(move |y| {
        let _count = OnDrop(|| counts.set(counts.get() + 1));
        let thrown: Result<(), Oops> = try_(|| {
            let _finally = OnDrop(|| [2, 3].into_iter().for_each(|n| y.yield_(n)));
            y.yield_(1);
        });
        assert_eq!(thrown, Err(Oops(5)));
        y.yield_(4);
    });
    assert_eq!(g.next(), Some(1));
    assert_eq!(g.throw(Oops(5)), Some(2));
    assert_eq!((g.state(), g.next(), g.next()), (GeneratorState::Suspended, Some(3), Some(4)));
    let text = panics(|| {
        let _g = g;
        panic!("another");
    });
    assert_eq!((&*text, unwound.get()), ("another", 1));
}

#[test]
#[cfg_attr(sinew_asan, ignore = "leaks on purpose")]
fn one_left_in_a_destructor_during_an_unwind_is_leaked_and_does_not_abort() {
    if is_child() {
        let g = Generator::<u32>::new(|y| {
            let _finally = OnDrop(|| y.yield_(2));
            y.yield_(1);
        });
        g.next();
        assert_eq!(g.try_close(), Err(GeneratorError::IgnoredExit));
        drop(g);
        std::process::exit(i32::from(numbers().next() != Some(0)));
    }
    let output =
        harness::child("one_left_in_a_destructor_during_an_unwind_is_leaked_and_does_not_abort").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(harness::words_of(&output).contains("its stack is leaked"));
}

#[test]
fn an_exception_during_drop_is_said_and_goes_no_further() {
    if is_child() {
        let g = Generator::<u32>::new(|y| {
            let _: Result<_, GeneratorExit> = y.try_yield(1);
            raise(Oops(4));
        });
        g.next();
        return drop(g);
    }
    assert!(good_child("an_exception_during_drop_is_said_and_goes_no_further").contains("Oops(4)"));
}

#[test]
fn what_a_dropped_one_has_to_say_may_fail_to_be_written() {
    struct Unspeakable;
    impl std::fmt::Debug for Unspeakable {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            panic!("while it is written");
        }
    }
    fn leaves<X: Send + std::fmt::Debug + 'static>(exception: X) {
        let g = Generator::<u32>::new(|y| {
            let _: Result<_, GeneratorExit> = y.try_yield(1);
            raise(exception);
        });
        g.next();
        // Were dropping it a panic, that would be one in the midst of an unwind, which aborts.
        let text = panics(|| {
            let _g = g;
            panic!("outside");
        });
        assert_eq!(text, "outside");
    }
    if is_child() {
        leaves(Oops(1));
        return leaves(Unspeakable);
    }
    let test = "what_a_dropped_one_has_to_say_may_fail_to_be_written";
    assert!(good_child(test).contains("its Debug panicked"));
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    assert!(harness::child(test).stderr(full).status().unwrap().success());
}

#[test]
fn one_suspended_in_a_destructor_while_its_body_panics_cannot_be_dropped() {
    const TEST: &str = "one_suspended_in_a_destructor_while_its_body_panics_cannot_be_dropped";
    if is_child() {
        let g = Generator::<u32>::new(|y| {
            let _finally = OnDrop(|| y.yield_(1));
            panic!("of the body");
        });
        g.next();
        return drop(g);
    }
    let words = harness::dying_child(TEST, libc::SIGABRT);
    assert!(words.contains("of the body") && words.contains("panic in a destructor during cleanup"), "{words}");
}

#[test]
fn a_throw_into_one_suspended_in_a_destructor_during_an_unwind_aborts() {
    if is_child() {
        let g = Generator::<u32>::new(|y| {
            let _finally = OnDrop(|| y.yield_(2));
            y.yield_(1);
        });
        g.next();
        g.throw(Oops(1));
        g.throw(Oops(2));
        return;
    }
    let words =
        harness::dying_child("a_throw_into_one_suspended_in_a_destructor_during_an_unwind_aborts", libc::SIGABRT);
    assert!(words.contains("panic in a destructor during cleanup"), "{words}");
}
