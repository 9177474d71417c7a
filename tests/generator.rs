//! Generators as Rust values: what the comparison with CPython does not show. Panics, leaks, borrows, re-entry.

mod harness;

use harness::{OnDrop, dying_child, good_child, is_child, on_each_kind};
use sinew::coroutine::stack::{DefaultStack, Stack};
use sinew::generator::{Exception, Generator, GeneratorError, GeneratorExit, GeneratorState, raise, tee, try_};
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
fn a_panic_of_the_body_comes_out_of_next_and_ends_it() {
    on_each_kind(|| {
        let g = Generator::<u32>::new(|y| {
            y.yield_(1);
            panic!("in the body");
        });
        g.next();
        assert_eq!(panics(|| g.next()), "in the body");
        assert_eq!((g.next(), g.state(), g.take_return()), (None, GeneratorState::Closed, None));
    });
}

#[test]
fn a_panic_is_no_exception() {
    let g = Generator::<u32>::new(|_| panic!("in the body"));
    assert_eq!(panics(|| g.try_next::<Exception>()), "in the body");
    assert_eq!(panics(|| try_::<_, Exception>(|| panic!("in a block"))), "in a block");
    let outer = Generator::<u32>::new(|y| {
        let inner = Generator::new(|_| panic!("in the inner body"));
        assert!(y.try_yield_from::<(), Exception>(&inner).is_err());
    });
    assert_eq!(panics(|| outer.next()), "in the inner body");
}

#[test]
fn no_panic_hook_runs_for_an_exception() {
    if is_child() {
        std::panic::set_hook(Box::new(|_| eprintln!("the hook ran")));
        let g = Generator::<u32>::new(|y| {
            y.yield_(1);
        });
        g.next();
        assert_eq!(g.try_throw(Oops(1)), Err(Oops(1)));
        assert_eq!(try_(|| raise(Oops(2))), Err::<(), _>(Oops(2)));
        let g = numbers();
        g.next();
        drop(g);
        return;
    }
    assert!(!good_child("no_panic_hook_runs_for_an_exception").contains("the hook ran"));
}

#[test]
fn an_exception_that_nobody_catches_is_the_payload_that_join_gives() {
    let thread = sinew::spawn(|| numbers().throw(Oops(3)));
    let payload = thread.join().unwrap_err().downcast::<Exception>().unwrap();
    assert_eq!(payload.downcast::<Oops>().unwrap(), Oops(3));
}

#[test]
fn errors_of_the_protocol_panic_with_their_text_where_nothing_catches_them() {
    let g = Generator::<u32, u32>::new(|y| while y.yield_(1) > 0 {});
    assert_eq!(panics(|| g.send(1)), GeneratorError::NotStarted.to_string());
    assert_eq!(g.start(), Some(1));
    assert_eq!(panics(|| g.start()), "generator has started already");
    assert_eq!(g.send(1), Some(1));

    let stubborn = Generator::<u32>::new(|y| {
        while y.try_yield::<GeneratorExit>(1).is_ok() {}
        y.yield_(2);
    });
    stubborn.next();
    assert_eq!(panics(|| stubborn.close()), GeneratorError::IgnoredExit.to_string());
    assert_eq!(stubborn.next(), None);
}

#[test]
fn errors_of_the_protocol_are_reported_at_the_line_of_the_call() {
    if is_child() {
        let g = Generator::<u32, u32>::new(|y| while y.yield_(1) > 0 {});
        panics(|| g.send(1));
        return;
    }
    let report = good_child("errors_of_the_protocol_are_reported_at_the_line_of_the_call");
    assert!(report.contains(file!()), "{report}");
}

#[test]
fn a_stack_of_ones_own_takes_what_the_usual_one_could_not() {
    on_each_kind(|| {
        let stack = DefaultStack::new(4 << 20).unwrap();
        let g = Generator::<u32>::with_stack(stack, |y| {
            y.yield_(std::hint::black_box([1_u8; 1 << 20]).iter().map(|&byte| u32::from(byte)).sum());
        });
        assert_eq!(Vec::from_iter(g), [1 << 20]);
    });
}

#[test]
fn close_gives_what_the_body_returns() {
    let g = Generator::<u32, (), &str>::new(|y| match y.try_yield(1) {
        Ok(()) => "resumed",
        Err(GeneratorExit) => "closed",
    });
    assert_eq!(g.close(), None);
    let g = Generator::<u32, (), &str>::new(|y| match y.try_yield(1) {
        Ok(()) => "resumed",
        Err(GeneratorExit) => "closed",
    });
    g.next();
    assert_eq!((g.close(), g.close(), g.take_return()), (Some("closed"), None, None));
}

#[test]
fn a_return_value_is_handed_out_once_and_dropped_with_the_generator() {
    let dropped = Rc::new(Cell::new(0));
    let count = dropped.clone();
    let g = Generator::<u32, (), _>::new(move |_| OnDrop(move || count.set(count.get() + 1)));
    assert_eq!(g.next(), None);
    drop(g.take_return());
    assert!(g.take_return().is_none());
    assert_eq!(dropped.get(), 1);
}

#[test]
fn a_finished_one_has_let_go_of_all_that_it_held() {
    let held = Rc::new(());
    let theirs = held.clone();
    let g = Generator::<u32>::new(move |_| drop(theirs));
    g.next();
    assert_eq!(Rc::strong_count(&held), 1);
    assert_eq!(g.size_hint(), (0, Some(0)));
}

#[test]
fn it_promises_no_length_until_it_has_ended_and_stays_ended() {
    fn is_fused<I: std::iter::FusedIterator>(_: &I) {}
    let mut g = Generator::<u32>::from_iter([1, 2]);
    is_fused(&g);
    is_fused(&&g);
    for expected in [Some(1), Some(2), None] {
        // Its body may do anything next.
        assert_eq!((g.size_hint(), Iterator::size_hint(&&g)), ((0, None), (0, None)));
        assert_eq!(Iterator::next(&mut g), expected);
    }
    assert_eq!((g.size_hint(), Iterator::next(&mut g), g.next()), ((0, Some(0)), None, None));
    // One that was closed, or that has raised, has ended too.
    let (closed, raised) = (numbers(), numbers());
    closed.close();
    assert_eq!(raised.try_throw(Oops(1)), Err(Oops(1)));
    assert_eq!((closed.size_hint(), raised.size_hint()), ((0, Some(0)), (0, Some(0))));
}

#[test]
fn it_is_shared_by_reference_and_refuses_itself() {
    let itself: Rc<RefCell<Option<Rc<Generator<u32>>>>> = Rc::default();
    let me = itself.clone();
    let g = Rc::new(Generator::<u32>::new(move |y| {
        let g = me.borrow().clone().unwrap();
        assert_eq!(g.state(), GeneratorState::Running);
        assert_eq!(g.try_next(), Err(GeneratorError::AlreadyExecuting));
        // The last reference but the resumer's goes here.
        drop((me.take(), g));
        y.yield_(1);
    }));
    itself.replace(Some(g.clone()));
    assert_eq!(g.next(), Some(1));
    assert_eq!(Rc::strong_count(&g), 1);
}

#[test]
fn a_value_that_is_refused_or_not_taken_is_dropped_once() {
    let sent = Rc::new(());
    let g = Generator::<u32, Option<Rc<()>>>::new(|y| while y.yield_(1).is_some() {});
    assert_eq!(g.try_send(Some(sent.clone())), Err(GeneratorError::NotStarted));
    g.next();
    assert_eq!(g.send(Some(sent.clone())), Some(1));
    assert_eq!(g.next(), None);
    assert_eq!(g.send(Some(sent.clone())), None);
    assert_eq!(Rc::strong_count(&sent), 1);
}

#[test]
fn values_of_every_size_cross() {
    #[derive(Clone, Debug, Default, PartialEq)]
    struct Large([u64; 9], String);
    #[repr(align(64))]
    #[derive(Clone, Debug, Default, PartialEq)]
    struct Aligned(u8);

    fn echo<T: Clone + Default + PartialEq + std::fmt::Debug + 'static>(value: T) {
        let g = Generator::<T, T, T>::new(|y| {
            let first = y.yield_(T::default());
            y.yield_(first)
        });
        assert_eq!(g.next(), Some(T::default()));
        assert_eq!(g.send(value.clone()), Some(value.clone()));
        assert_eq!(g.send(value.clone()), None);
        assert_eq!(g.take_return(), Some(value));
    }
    echo(());
    echo(7u8);
    echo(u128::MAX);
    echo(String::from("text"));
    echo(Some(Box::new(1)));
    echo(Large([3; 9], "large".into()));
    echo(Aligned(5));
}

#[test]
fn a_scoped_one_borrows_and_is_unwound_at_the_end_of_its_scope() {
    let (text, seen) = (String::from("a b c"), RefCell::new(vec![]));
    let first = Generator::<&str>::scope(
        |y| {
            let _guard = OnDrop(|| seen.borrow_mut().push("end"));
            text.split(' ').for_each(|word| {
                seen.borrow_mut().push(word);
                y.yield_(word);
            });
        },
        Generator::next,
    );
    assert_eq!((first, seen.into_inner()), (Some("a"), vec!["a", "end"]));
}

#[test]
fn a_scoped_one_has_a_stack_of_ones_own_which_is_free_after_the_scope() {
    let stack = DefaultStack::new(16 << 20).unwrap();
    let base = stack.base();
    let bytes = vec![1_u8; 4 << 20];
    let sum = Generator::<u32>::scope_with_stack(
        stack,
        |y| {
            // More than the usual one holds.
            let mut copy = [0; 4 << 20];
            copy.copy_from_slice(&bytes);
            y.yield_(std::hint::black_box(&copy).iter().map(|&byte| u32::from(byte)).sum());
            y.yield_(0);
        },
        |g| g.next(),
    );
    assert_eq!(sum, Some(4 << 20));
    assert_eq!(DefaultStack::new(16 << 20).unwrap().base(), base);
}

#[test]
fn a_scoped_one_is_unwound_when_the_scope_panics() {
    let mut unwound = false;
    let text = panics(|| {
        Generator::<u32>::scope(
            |y| {
                let _guard = OnDrop(|| unwound = true);
                y.yield_(1);
            },
            |g| {
                g.next();
                panic!("in the scope");
            },
        )
    });
    assert_eq!((&*text, unwound), ("in the scope", true));
}

#[test]
fn a_scoped_one_that_yields_again_at_the_end_aborts() {
    if is_child() {
        let text = String::from("borrowed");
        Generator::<&str>::scope(
            |y| {
                while y.try_yield::<Exception>(&text).is_ok_and(|()| true) || y.try_yield::<Exception>(&text).is_err() {
                }
            },
            |g| g.next(),
        );
        unreachable!("the borrow would end");
    }
    assert!(
        dying_child("a_scoped_one_that_yields_again_at_the_end_aborts", libc::SIGABRT).contains("could not be unwound")
    );
}

#[test]
#[cfg_attr(sinew_asan, ignore = "leaks on purpose")]
fn a_forgotten_one_leaves_threads_that_its_body_lent_its_stack_to_in_order() {
    let g = Generator::<u32>::new(|y| {
        let mut local = vec![0; 100];
        std::thread::scope(|scope| {
            scope.spawn(|| local.fill(1));
            y.yield_(1);
        });
        assert_eq!(local, [1; 100]);
    });
    g.next();
    std::mem::forget(g);
    // Others get other stacks.
    for _ in 0..100 {
        let other = Generator::<u32>::new(|y| y.yield_(std::hint::black_box([7u32; 500])[3]));
        assert_eq!(other.next(), Some(7));
    }
}

#[test]
fn a_yielder_works_at_any_depth_and_from_inside_an_inner_generator() {
    let g = Generator::<u32>::new(|outer| {
        Generator::<u32>::scope(
            |y| {
                y.yield_(1);
                outer.yield_(20);
                y.yield_(2);
                outer.yield_(30);
            },
            |inner| inner.for_each(|n| outer.yield_(n)),
        );
    });
    assert_eq!(Vec::from_iter(&g), [1, 20, 2, 30]);

    let g = Generator::<u32>::new(|outer| {
        Generator::<u32>::scope(|_| outer.yield_(20), |inner| inner.next());
    });
    assert_eq!(g.next(), Some(20));
    drop(g);
}

#[test]
fn ten_thousand_live_at_once() {
    let all: Vec<_> = (0..10_000u32).map(|n| Generator::<u32>::from_iter(n..)).collect();
    for round in 0..3 {
        assert!(all.iter().zip(round..).all(|(g, n)| g.next() == Some(n)));
    }
}

#[test]
fn a_chain_of_delegations_is_as_deep_as_one_likes() {
    fn chain(depth: u32) -> Generator<u32, Option<u32>, u32> {
        Generator::<u32, Option<u32>, u32>::new(move |y| match depth {
            0 => y.yield_(0).unwrap_or(0),
            _ => y.yield_from(&chain(depth - 1)) + 1,
        })
    }
    let g = chain(500);
    assert_eq!(g.next(), Some(0));
    assert_eq!(g.send(Some(7)), None);
    assert_eq!(g.take_return(), Some(507));
    let g = chain(500);
    g.next();
    assert_eq!(g.try_throw(Oops(5)), Err(Oops(5)));
}

/// Of a type that has no default.
#[derive(Debug, PartialEq)]
struct Word(&'static str);

#[test]
fn what_has_no_default_is_sent_through_a_delegation() {
    let inner = || {
        Generator::<usize, Word, Word>::new(|y| {
            let Word(first) = y.yield_(0);
            match y.try_yield(first.len()) {
                Ok(word) => word,
                Err(Oops(_)) => Word("thrown"),
            }
        })
    };
    let outer = Generator::<usize, Word, String>::new(move |y| {
        let (Word(one), Word(two)) = (y.yield_from_start(&inner()), y.yield_from_start(&inner()));
        let refused = catch_unwind(AssertUnwindSafe(|| y.yield_from_start(&inner().primed())));
        assert!(text_of(refused.unwrap_err()).contains("has started already"));
        let raised = Generator::<usize, Word>::new(|y| {
            y.yield_(9);
            raise(Oops(7));
        });
        assert_eq!(y.try_yield_from_start(&raised), Err(Oops(7)));
        format!("{one}, {two}")
    });
    assert_eq!(outer.start(), Some(0));
    assert_eq!(outer.send(Word("four")), Some(4));
    assert_eq!(outer.send(Word("sent")), Some(0));
    assert_eq!(outer.send(Word("")), Some(0));
    assert_eq!(outer.throw(Oops(1)), Some(9));
    assert_eq!(outer.send(Word("")), None);
    assert_eq!(outer.take_return().unwrap(), "sent, thrown");
}

#[test]
fn a_tee_far_behind_is_dropped_without_recursion() {
    let (behind, ahead) = tee(0..1_000_000u32);
    assert_eq!(ahead.count(), 1_000_000);
    drop(behind);
    let (mut a, b) = tee(numbers());
    let mut c = a.clone();
    assert_eq!((a.next(), a.next(), c.next(), b.take(3).sum::<u32>()), (Some(0), Some(1), Some(0), 3));
}
