//! What both crates must do alike. Each crate's module includes this text, and names it `subject`.

use super::subject::{
    Coroutine, CoroutineResult, ScopedCoroutine, ScopedCoroutineRef, Yielder, on_stack,
    stack::{DefaultStack, MIN_STACK_SIZE, STACK_ALIGNMENT, Stack, StackPointer},
};
use std::{
    backtrace::Backtrace,
    cell::{Cell, RefCell},
    hint::black_box,
    panic::{AssertUnwindSafe, catch_unwind, panic_any},
    rc::Rc,
    thread,
};

#[path = "trapping.rs"]
mod trapping;

/// Says that it was dropped.
struct Says(Rc<RefCell<Vec<&'static str>>>, &'static str);

impl Drop for Says {
    fn drop(&mut self) {
        self.0.borrow_mut().push(self.1);
    }
}

fn log() -> Rc<RefCell<Vec<&'static str>>> {
    Rc::default()
}

#[test]
fn a_coroutine_runs_when_it_is_resumed_and_not_before() {
    let ran = Rc::new(Cell::new(0));
    let inside = ran.clone();
    let mut coroutine = Coroutine::<(), (), ()>::new(move |yielder, ()| {
        inside.set(1);
        yielder.suspend(());
        inside.set(2);
    });
    assert_eq!((ran.get(), coroutine.started(), coroutine.done()), (0, false, false));
    assert_eq!(coroutine.resume(()), CoroutineResult::Yield(()));
    assert_eq!((ran.get(), coroutine.started(), coroutine.done()), (1, true, false));
    assert_eq!(coroutine.resume(()), CoroutineResult::Return(()));
    assert_eq!((ran.get(), coroutine.started(), coroutine.done()), (2, true, true));
}

#[test]
fn values_of_every_size_cross_both_ways() {
    #[derive(Clone, Debug, PartialEq)]
    struct Large([u64; 40], String);
    let large = |n: u64| Large([n; 40], n.to_string());
    let mut coroutine = Coroutine::new(move |yielder: &Yielder<Large, Large>, mut got: Large| {
        for n in 0..10 {
            assert_eq!(got, large(n));
            got = yielder.suspend(large(n + 100));
        }
        Box::new(got)
    });
    for n in 0..10 {
        assert_eq!(coroutine.resume(large(n)).as_yield(), Some(large(n + 100)));
    }
    assert_eq!(coroutine.resume(large(7)).as_return().as_deref(), Some(&large(7)));

    let mut odd = Coroutine::new(|yielder: &Yielder<(u8, u16), Option<[u8; 3]>>, (a, b)| {
        let (c, d) = yielder.suspend(Some([a, b as u8, 9]));
        yielder.suspend(None);
        (c, d, "end")
    });
    assert_eq!(odd.resume((1, 2)).as_yield(), Some(Some([1, 2, 9])));
    assert_eq!(odd.resume((3, 400)).as_yield(), Some(None));
    assert_eq!(odd.resume((0, 0)).as_return(), Some((3, 400, "end")));
}

#[test]
fn a_result_is_a_yield_or_a_return() {
    let (out, end): (CoroutineResult<u8, &str>, CoroutineResult<u8, &str>) =
        (CoroutineResult::Yield(1), CoroutineResult::Return("x"));
    assert_eq!((out.as_yield(), out.as_return()), (Some(1), None));
    assert_eq!((end.as_yield(), end.as_return()), (None, Some("x")));
    assert_eq!(format!("{out:?} {end:?}"), "Yield(1) Return(\"x\")");
}

#[test]
fn a_closure_is_aligned_as_its_type_wants() {
    #[repr(align(256))]
    struct Wide([u8; 300]);
    let wide = Wide([5; 300]);
    let mut coroutine = Coroutine::<(), u8, ()>::new(move |yielder, ()| {
        assert!((&raw const wide).addr().is_multiple_of(256));
        for byte in wide.0 {
            yielder.suspend(byte);
        }
    });
    for _ in 0..300 {
        assert_eq!(coroutine.resume(()), CoroutineResult::Yield(5));
    }
    assert!(coroutine.resume(()).as_return().is_some());
}

#[test]
#[should_panic(expected = "attempt to resume a completed coroutine")]
fn a_finished_one_cannot_be_resumed() {
    let mut coroutine = Coroutine::<(), (), ()>::new(|_, ()| ());
    coroutine.resume(());
    coroutine.resume(());
}

#[test]
fn a_panic_goes_on_in_the_resumer_and_finishes_the_coroutine() {
    let log = log();
    let says = Says(log.clone(), "dropped");
    let mut coroutine = Coroutine::<(), (), ()>::new(move |yielder, ()| {
        let _says = says;
        yielder.suspend(());
        panic_any(17_u8);
    });
    coroutine.resume(());
    let payload = catch_unwind(AssertUnwindSafe(|| coroutine.resume(()))).unwrap_err();
    assert_eq!(payload.downcast_ref(), Some(&17_u8));
    assert_eq!(*log.borrow(), ["dropped"]);
    assert!(coroutine.done());
    drop(coroutine.into_stack());
}

#[test]
fn a_panic_on_the_parents_stack_goes_through_the_coroutine() {
    let log = log();
    let says = Says(log.clone(), "dropped");
    let mut coroutine = Coroutine::<(), (), ()>::new(move |yielder, ()| {
        let _says = says;
        yielder.on_parent_stack(|| panic_any("up there"));
    });
    let payload = catch_unwind(AssertUnwindSafe(|| coroutine.resume(()))).unwrap_err();
    assert_eq!(payload.downcast_ref(), Some(&"up there"));
    assert_eq!(*log.borrow(), ["dropped"]);
}

#[test]
fn a_panic_is_caught_inside_and_the_coroutine_goes_on() {
    let mut coroutine = Coroutine::<(), u32, u32>::new(|yielder, ()| {
        for n in 0..5_u32 {
            let caught = catch_unwind(AssertUnwindSafe(|| {
                yielder.suspend(n);
                panic_any(n)
            }));
            assert_eq!(caught.unwrap_err().downcast_ref(), Some(&n));
        }
        99
    });
    for n in 0..5 {
        assert_eq!(coroutine.resume(()), CoroutineResult::Yield(n));
    }
    assert_eq!(coroutine.resume(()), CoroutineResult::Return(99));
}

#[test]
fn an_unstarted_one_drops_its_closure() {
    for force in [false, true] {
        let log = log();
        let says = Says(log.clone(), "closure");
        let mut coroutine = Coroutine::<(), (), ()>::new(move |_, ()| drop(says));
        if force {
            coroutine.force_unwind();
            assert!(coroutine.started() && coroutine.done());
            assert_eq!(*log.borrow(), ["closure"]);
        }
        drop(coroutine);
        assert_eq!(*log.borrow(), ["closure"]);
    }
}

#[test]
fn a_suspended_one_unwinds_from_the_innermost_frame_out() {
    for force in [false, true] {
        let log = log();
        let (outer, inner) = (Says(log.clone(), "outer"), Says(log.clone(), "inner"));
        let mut coroutine = Coroutine::<(), (), ()>::new(move |yielder, ()| {
            let _outer = outer;
            let nested = move || {
                let _inner = inner;
                yielder.suspend(());
                unreachable!();
            };
            nested()
        });
        coroutine.resume(());
        if force {
            coroutine.force_unwind();
            assert!(coroutine.done());
            coroutine.force_unwind();
        }
        drop(coroutine);
        assert_eq!(*log.borrow(), ["inner", "outer"]);
    }
}

#[test]
fn one_that_suspends_again_while_it_unwinds_is_thrown_into_again() {
    let log = log();
    let (first, last) = (Says(log.clone(), "first"), Says(log.clone(), "last"));
    let mut coroutine = Coroutine::<(), u8, ()>::new(move |yielder, ()| {
        let _last = last;
        for n in 0..4 {
            let caught = catch_unwind(AssertUnwindSafe(|| yielder.suspend(n)));
            assert!(caught.is_err());
        }
        drop(first);
        yielder.suspend(9);
        unreachable!();
    });
    coroutine.resume(());
    coroutine.force_unwind();
    assert!(coroutine.done());
    assert_eq!(*log.borrow(), ["first", "last"]);
}

#[test]
fn one_that_catches_the_unwind_may_return() {
    let log = log();
    let says = Says(log.clone(), "returned");
    let mut coroutine = Coroutine::<(), (), Says>::new(move |yielder, ()| {
        let _ = catch_unwind(AssertUnwindSafe(|| yielder.suspend(())));
        says
    });
    coroutine.resume(());
    coroutine.force_unwind();
    assert!(coroutine.done());
    assert_eq!(*log.borrow(), ["returned"]);
}

#[test]
fn a_panic_while_it_unwinds_goes_on_in_whoever_forced_it() {
    let mut coroutine = Coroutine::<(), (), ()>::new(|yielder, ()| {
        let caught = catch_unwind(AssertUnwindSafe(|| yielder.suspend(())));
        assert!(caught.is_err());
        panic_any("instead");
    });
    coroutine.resume(());
    let payload = catch_unwind(AssertUnwindSafe(|| coroutine.force_unwind())).unwrap_err();
    assert_eq!(payload.downcast_ref(), Some(&"instead"));
    assert!(coroutine.done());
}

#[test]
fn an_unwinding_runs_no_panic_hook() {
    // A hook belongs to the process, so this looks from a process of its own.
    const TEST: &str = concat!(module_path!(), "::an_unwinding_runs_no_panic_hook");
    let test = TEST.split_once("::").unwrap().1;
    if crate::harness::is_child() {
        std::panic::set_hook(Box::new(|_| std::process::abort()));
        let mut coroutine = Coroutine::<(), (), ()>::new(|yielder, ()| yielder.suspend(()));
        coroutine.resume(());
        drop(coroutine);
        return;
    }
    crate::harness::good_child(test);
}

#[test]
fn a_reset_one_forgets_its_frames() {
    struct NeverDropped;
    impl Drop for NeverDropped {
        fn drop(&mut self) {
            unreachable!("it was forgotten");
        }
    }
    let mut coroutine = Coroutine::<(), (), ()>::new(|yielder, ()| {
        let _forgotten = NeverDropped;
        yielder.suspend(());
    });
    coroutine.resume(());
    // SAFETY: nobody misses what is lost.
    unsafe { coroutine.force_reset() };
    assert!(coroutine.started() && coroutine.done());
    drop(coroutine.into_stack());
}

#[test]
fn a_stack_is_used_again_and_may_be_borrowed() {
    let mut stack = DefaultStack::new(64 << 10).unwrap();
    for n in 0..100 {
        let mut coroutine = Coroutine::<u32, u32, u32>::with_stack(stack, move |yielder, first| {
            let array = black_box([n; 1000]);
            yielder.suspend(first + array[7])
        });
        assert_eq!(coroutine.resume(1), CoroutineResult::Yield(n + 1));
        assert_eq!(coroutine.resume(n), CoroutineResult::Return(n));
        stack = coroutine.into_stack();
    }
    let mut sum = 0;
    for n in 0..100 {
        let coroutine =
            ScopedCoroutine::<u32, (), u32, &mut DefaultStack>::with_stack(&mut stack, |_, input| input + n);
        sum += coroutine.scope(|mut inner| inner.resume(1).as_return().unwrap());
    }
    assert_eq!(sum, 100 + 4950);
}

#[test]
#[should_panic]
fn a_stack_in_use_cannot_be_taken() {
    let mut coroutine = Coroutine::<(), (), ()>::new(|yielder, ()| yielder.suspend(()));
    coroutine.resume(());
    let _ = coroutine.into_stack();
}

#[test]
fn a_stack_says_where_it_is() {
    let stack = DefaultStack::new(100_000).unwrap();
    let (base, limit): (StackPointer, StackPointer) = (stack.base(), stack.limit());
    assert!(base.get() - limit.get() >= 100_000);
    assert!(base.get().is_multiple_of(STACK_ALIGNMENT) && limit.get().is_multiple_of(STACK_ALIGNMENT));
    const { assert!(MIN_STACK_SIZE >= 4096) };
    let address = on_stack(stack, || {
        let here = black_box(0_u8);
        (&raw const here).addr()
    });
    assert!(cfg!(sinew_asan) || (limit.get()..base.get()).contains(&address));

    fn is_send_and_sync<T: Send + Sync>() {}
    is_send_and_sync::<DefaultStack>();
}

/// A stack on memory of the program's own, with a guard.
struct OwnStack(*mut u8);

const OWN: usize = 256 << 10;
const GUARD: usize = 64 << 10;

impl OwnStack {
    fn new() -> Self {
        // SAFETY: a mapping of our own, whose lowest pages are then protected.
        unsafe {
            let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
            let at = libc::mmap(std::ptr::null_mut(), OWN, access, kind, -1, 0);
            assert_ne!(at, libc::MAP_FAILED);
            assert_eq!(libc::mprotect(at, GUARD, libc::PROT_NONE), 0);
            Self(at.cast())
        }
    }
}

impl Drop for OwnStack {
    fn drop(&mut self) {
        // SAFETY: mapped in `new`.
        unsafe { libc::munmap(self.0.cast(), OWN) };
    }
}

// SAFETY: a mapping with a guard at its low end.
unsafe impl Stack for OwnStack {
    fn base(&self) -> StackPointer {
        StackPointer::new(self.0.addr() + OWN).unwrap()
    }

    fn limit(&self) -> StackPointer {
        StackPointer::new(self.0.addr()).unwrap()
    }
}

#[test]
fn a_stack_may_be_the_programs_own() {
    let log = log();
    let says = Says(log.clone(), "dropped");
    let mut coroutine = Coroutine::<u8, u8, (), _>::with_stack(OwnStack::new(), move |yielder, mut n| {
        let _says = says;
        loop {
            n = yielder.suspend(n * 2);
        }
    });
    assert_eq!(coroutine.resume(4), CoroutineResult::Yield(8));
    assert_eq!(coroutine.resume(5), CoroutineResult::Yield(10));
    drop(coroutine);
    assert_eq!(*log.borrow(), ["dropped"]);
}

#[inline(never)]
fn recurse(depth: u32) -> u64 {
    let frame = black_box([u64::from(depth); 1000]);
    if depth == 0 { 0 } else { recurse(depth - 1) + black_box(frame)[3] }
}

#[test]
fn a_stack_has_the_size_asked_for() {
    // Some 800 KiB in a release build.
    let mut coroutine = Coroutine::<(), (), u64>::with_stack(DefaultStack::new(4 << 20).unwrap(), |_, ()| recurse(100));
    assert_eq!(coroutine.resume(()), CoroutineResult::Return(5050));
    assert_eq!(on_stack(DefaultStack::new(4 << 20).unwrap(), || recurse(100)), 5050);
}

#[test]
fn stacks_above_and_below_the_resumers_work() {
    let before = DefaultStack::new(1 << 20).unwrap();
    let run = |stack: DefaultStack| {
        let mut coroutine = Coroutine::<(), (), ()>::with_stack(stack, |yielder, ()| {
            yielder.suspend(());
            panic_any("end");
        });
        coroutine.resume(());
        coroutine.resume(());
    };
    let payload = thread::spawn(move || run(before)).join().unwrap_err();
    assert_eq!(payload.downcast_ref(), Some(&"end"));
    let payload = thread::spawn(move || run(DefaultStack::new(1 << 20).unwrap())).join().unwrap_err();
    assert_eq!(payload.downcast_ref(), Some(&"end"));
}

#[inline(never)]
fn frame_of_the_resumer(f: &mut dyn FnMut()) {
    f();
    black_box(());
}

#[track_caller]
fn assert_shows_resumer() {
    let text = Backtrace::force_capture().to_string();
    assert!(text.contains("frame_of_the_resumer"), "{text}");
    assert!(!text.contains("<unknown>"), "{text}");
}

#[test]
fn a_backtrace_continues_in_the_resumer() {
    let mut coroutine = Coroutine::<(), (), ()>::new(|yielder, ()| {
        assert_shows_resumer();
        yielder.suspend(());
        yielder.on_parent_stack(assert_shows_resumer);
        on_stack(DefaultStack::new(1 << 20).unwrap(), assert_shows_resumer);
        yielder.suspend(());
        let mut inner = Coroutine::<(), (), ()>::new(|_, ()| assert_shows_resumer());
        inner.resume(());
    });
    for _ in 0..3 {
        frame_of_the_resumer(&mut || _ = coroutine.resume(()));
    }
    assert!(coroutine.done());
}

#[test]
fn coroutines_nest_and_suspend_through_one_another() {
    let mut outer = Coroutine::<u32, u32, u32>::new(|outer, first| {
        let mut inner = ScopedCoroutine::<u32, u32, u32>::new(|inner, first| {
            // To the inner one's resumer, then from inside to the outer one's, then back.
            let a = inner.suspend(first + 1);
            let b = outer.suspend(a + 10);
            let c = inner.suspend(b + 100);
            a + b + c
        });
        inner = black_box(inner);
        inner.scope(|mut inner| {
            let out = inner.resume(first).as_yield().unwrap();
            let through = inner.resume(out).as_yield().unwrap();
            inner.resume(through).as_return().unwrap()
        })
    });
    assert_eq!(outer.resume(1), CoroutineResult::Yield(12));
    assert_eq!(outer.resume(5), CoroutineResult::Return(2 + 5 + 105));
}

#[test]
fn one_suspended_through_another_unwinds_both() {
    let log = log();
    let log_inside = log.clone();
    let mut outer = Coroutine::<(), (), ()>::new(move |outer, ()| {
        let _says = Says(log_inside.clone(), "outer");
        let inner = ScopedCoroutine::<(), (), ()>::new(|_, ()| {
            let _says = Says(log_inside.clone(), "inner");
            outer.suspend(());
        });
        inner.scope(|mut inner| inner.resume(()));
    });
    outer.resume(());
    drop(outer);
    assert_eq!(*log.borrow(), ["inner", "outer"]);
}

#[test]
fn a_scoped_one_borrows_and_is_cleared_away_at_the_end() {
    let log = log();
    let mut sum = 0;
    let coroutine = ScopedCoroutine::new(|yielder: &Yielder<&i32, ()>, mut n: &i32| {
        let _says = Says(log.clone(), "dropped");
        loop {
            sum += n;
            n = yielder.suspend(());
        }
    });
    let numbers = [1, 2, 3];
    let returned = coroutine.scope(|mut coroutine| {
        fn feed<S: Stack>(mut coroutine: ScopedCoroutineRef<'_, &i32, (), (), S>, n: &'static i32) {
            coroutine.resume(n);
        }
        assert!(!coroutine.started());
        feed(coroutine.as_mut(), &1);
        let _ = numbers;
        coroutine.resume(&2);
        assert!(coroutine.started() && !coroutine.done());
        "from the scope"
    });
    assert_eq!((returned, sum), ("from the scope", 3));
    assert_eq!(*log.borrow(), ["dropped"]);
}

#[test]
fn a_panic_in_a_scope_clears_the_coroutine_away_too() {
    let log = log();
    let result = catch_unwind(AssertUnwindSafe(|| {
        let coroutine = ScopedCoroutine::<(), (), ()>::new(|yielder, ()| {
            let _says = Says(log.clone(), "dropped");
            yielder.suspend(());
        });
        coroutine.scope(|mut coroutine| {
            coroutine.resume(());
            panic_any("in the scope");
        });
    }));
    assert_eq!(result.unwrap_err().downcast_ref(), Some(&"in the scope"));
    assert_eq!(*log.borrow(), ["dropped"]);
}

#[test]
fn a_call_on_another_stack_returns_what_it_returns_and_panics_as_it_panics() {
    let text = String::from("borrowed");
    assert_eq!(on_stack(DefaultStack::default(), || text.len()), 8);
    let payload = catch_unwind(|| on_stack(DefaultStack::default(), || panic_any(3_i8))).unwrap_err();
    assert_eq!(payload.downcast_ref(), Some(&3_i8));
    let mut stack = DefaultStack::default();
    assert_eq!(on_stack(&mut stack, || on_stack(DefaultStack::default(), || [1_u64; 20])), [1; 20]);
}

#[test]
fn a_coroutine_suspends_from_another_stack() {
    let mut coroutine = Coroutine::<u8, u8, u8>::new(|yielder, first| {
        on_stack(DefaultStack::default(), || {
            let second = yielder.suspend(first + 1);
            yielder.suspend(second + 1)
        })
    });
    assert_eq!(coroutine.resume(1), CoroutineResult::Yield(2));
    assert_eq!(coroutine.resume(5), CoroutineResult::Yield(6));
    assert_eq!(coroutine.resume(7), CoroutineResult::Return(7));
}

#[test]
fn variance_lets_lifetimes_shrink() {
    fn takes<'a>(_: &mut Coroutine<&'static str, &'a str, &'a str>) {}
    fn shrinks<'a>(coroutine: Coroutine<&'a str, &'static str, &'static str>) {
        let mut coroutine: Coroutine<&'static str, &'a str, &'a str> = coroutine;
        takes(&mut coroutine);
    }
    shrinks(Coroutine::new(|_, _| "x"));
}

#[test]
fn a_hundred_thousand_switches_keep_every_value() {
    let mut coroutine = Coroutine::<(u64, f64), (u64, f64), ()>::new(|yielder, (mut a, mut b)| {
        let (mut sum, mut product) = (0_u64, 1.0);
        loop {
            sum = sum.wrapping_add(a);
            product = black_box(product) * 0.5 + b;
            (a, b) = yielder.suspend((sum, product));
        }
    });
    let (mut sum, mut product) = (0_u64, 1.0);
    for n in 0..100_000_u64 {
        sum = sum.wrapping_add(n * n);
        product = black_box(product) * 0.5 + n as f64;
        assert_eq!(coroutine.resume((n * n, n as f64)), CoroutineResult::Yield((sum, product)));
    }
}
