//! What every port must do, by stacks from the heap. Run it in release too: only there do values live in registers.

mod backtrace;

use super::{Context, entered, switch};
use std::{
    alloc::{Layout, alloc, dealloc},
    cell::Cell,
    hint::black_box,
    panic::{AssertUnwindSafe, catch_unwind},
    ptr,
    rc::Rc,
    thread,
};

struct HeapStack(*mut u8);

const LAYOUT: Layout = match Layout::from_size_align(512 * 1024, 4096) {
    Ok(layout) => layout,
    Err(_) => panic!(),
};

impl HeapStack {
    fn new() -> Self {
        // SAFETY: the layout is not empty.
        Self(unsafe { alloc(LAYOUT) })
    }

    fn top(&self) -> *mut u8 {
        self.0.wrapping_add(LAYOUT.size())
    }
}

impl Drop for HeapStack {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout.
        unsafe { dealloc(self.0, LAYOUT) }
    }
}

/// A context with a stack of its own that runs a closure.
struct Guest {
    inside: Context,
    outside: Context,
    work: Option<Box<dyn FnOnce(Handle)>>,
    finished: bool,
    stack: HeapStack,
}

/// Reaches a guest from both of its sides. The tests keep to the contract: one OS thread at a time, `pause` from inside,
/// everything else from outside, `end` last, with nothing to drop in suspended frames.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct Handle(*mut Guest);

// SAFETY: a test that sends a handle uses it from one OS thread at a time.
unsafe impl Send for Handle {}

unsafe extern "C" fn guest_entry(argument: *mut ()) -> ! {
    entered();
    let handle = Handle(argument.cast::<Guest>());
    // SAFETY: the guest outlives its context; nobody else uses these fields while this context runs.
    let work = unsafe { (*handle.0).work.take().expect("an entry runs once") };
    work(handle);
    // SAFETY: as above.
    unsafe { (*handle.0).finished = true };
    handle.pause();
    unreachable!("a finished guest was resumed")
}

impl Handle {
    fn new(work: impl FnOnce(Handle) + 'static) -> Self {
        let stack = HeapStack::new();
        let handle = Self(Box::into_raw(Box::new(Guest {
            inside: Context::EMPTY,
            outside: Context::EMPTY,
            work: Some(Box::new(work)),
            finished: false,
            stack,
        })));
        // SAFETY: the guest owns its stack until `end`.
        unsafe {
            let (top, limit) = ((*handle.0).stack.top(), (*handle.0).stack.0);
            (*handle.0).inside.prepare(top, limit, guest_entry, handle.0.cast());
        }
        handle
    }

    fn resume(self) {
        // SAFETY: `inside` is prepared or suspended here, by the tests' discipline.
        unsafe { switch(&raw mut (*self.0).outside, &raw const (*self.0).inside) }
    }

    #[inline(never)]
    fn pause(self) {
        // SAFETY: the resumer is suspended in `outside`.
        unsafe { switch(&raw mut (*self.0).inside, &raw const (*self.0).outside) }
    }

    /// Goes from inside this guest straight to the inside of another.
    fn pass_to(self, other: Self) {
        // SAFETY: `other` is prepared or suspended, by the tests' discipline.
        unsafe { switch(&raw mut (*self.0).inside, &raw const (*other.0).inside) }
    }

    fn finished(self) -> bool {
        // SAFETY: read from outside, while the context is suspended.
        unsafe { (*self.0).finished }
    }

    fn end(self) {
        // SAFETY: from `Box::into_raw`, once; the context is not running and its frames hold nothing to drop.
        unsafe {
            let mut guest = Box::from_raw(self.0);
            guest.inside.discard();
        }
    }
}

/// Keeps more integers and floats alive across each pause than a processor has registers to preserve them in.
#[inline(never)]
fn keep_many_values(seed: u64, turns: u32, mut pause: impl FnMut()) -> bool {
    macro_rules! keep {
        ($($int:ident $float:ident $k:literal),*) => {{
            $(let mut $int = black_box(seed + $k); let mut $float = black_box((seed + $k) as f64);)*
            for _ in 0..turns {
                pause();
                $($int = $int.wrapping_mul(3).wrapping_add($k); $float = $float.mul_add(0.5, $k as f64);)*
            }
            let mut right = true;
            $(
                let (mut int, mut float) = (seed + $k, (seed + $k) as f64);
                for _ in 0..turns {
                    int = int.wrapping_mul(3).wrapping_add($k);
                    float = float.mul_add(0.5, $k as f64);
                }
                right &= int == $int && float.to_bits() == $float.to_bits();
            )*
            right
        }};
    }
    keep!(a0 f0 1, a1 f1 2, a2 f2 3, a3 f3 4, a4 f4 5, a5 f5 6, a6 f6 7, a7 f7 8, a8 f8 9, a9 f9 10, a10 f10 11,
          a11 f11 12, a12 f12 13, a13 f13 14, a14 f14 15, a15 f15 16)
}

/// A counter that a guest and its test share.
fn counter() -> (Rc<Cell<u64>>, Rc<Cell<u64>>) {
    let counter = Rc::new(Cell::new(0));
    (counter.clone(), counter)
}

#[test]
fn integers_and_floats_survive_a_switch_on_both_sides() {
    let (right, right_inside) = counter();
    let guest = Handle::new(move |me| {
        right_inside.set(keep_many_values(1_000, 50, || me.pause()).into());
    });
    assert!(keep_many_values(77, 50, || guest.resume()));
    guest.resume();
    assert!(guest.finished());
    assert_eq!(right.get(), 1);
    guest.end();
}

/// A function that keeps the C ABI's promise about the registers of its caller, with a switch in its middle.
#[inline(never)]
extern "C" fn pause_as_c(handle: Handle) {
    handle.pause();
}

#[test]
fn a_switch_below_a_c_function_keeps_its_callers_registers() {
    let (right, right_inside) = counter();
    let pause: extern "C" fn(Handle) = black_box(pause_as_c);
    let guests = [3_u64, 5_000].map(|seed| {
        let right = right_inside.clone();
        Handle::new(move |me| {
            let kept = keep_many_values(seed, 50, || pause(me));
            right.set(right.get() + u64::from(kept));
        })
    });
    for _ in 0..51 {
        guests.into_iter().for_each(Handle::resume);
    }
    assert!(guests.map(Handle::finished) == [true, true]);
    assert_eq!(right.get(), 2);
    guests.into_iter().for_each(Handle::end);
}

#[test]
fn the_entry_starts_on_an_aligned_stack() {
    #[repr(align(16))]
    struct Wide(#[allow(dead_code)] [u8; 16]);
    let (address, address_inside) = counter();
    let guest = Handle::new(move |_| {
        let wide = Wide([0; 16]);
        address_inside.set(ptr::from_ref(black_box(&wide)).addr() as u64);
    });
    let (low, high) = {
        // SAFETY: the guest does not run now.
        let stack = unsafe { &(*guest.0).stack };
        (stack.0.addr() as u64, stack.top().addr() as u64)
    };
    guest.resume();
    assert!(address.get().is_multiple_of(16));
    // AddressSanitizer keeps locals elsewhere, to find uses after return.
    assert!(cfg!(sinew_asan) || (low..high).contains(&address.get()));
    guest.end();
}

#[test]
fn three_contexts_switch_in_a_ring() {
    let ring = Rc::new(Cell::new([Handle(ptr::null_mut()); 3]));
    let order = Rc::new(Cell::new((0_u64, 0_usize)));
    let guests: [Handle; 3] = std::array::from_fn(|index| {
        let (ring, order) = (ring.clone(), order.clone());
        Handle::new(move |me| {
            for _ in 0..1_000 {
                let (steps, expected) = order.get();
                assert_eq!(index, expected);
                order.set((steps + 1, (index + 1) % 3));
                me.pass_to(ring.get()[(index + 1) % 3]);
            }
        })
    });
    ring.set(guests);
    // Only the first guest was resumed from outside, and only it ends: its last step finds all loops at their 1,000th.
    guests[0].resume();
    assert!(guests.map(Handle::finished) == [true, false, false]);
    assert_eq!(order.get().0, 3_000);
    // The other two stand in the last turn of their loops; let them end, each going back to this stack.
    for guest in [guests[1], guests[2]] {
        guest.resume();
        assert!(guest.finished());
    }
    guests.into_iter().for_each(Handle::end);
}

#[test]
fn contexts_nest() {
    let (depth, depth_inside) = counter();
    fn nest(left: u32, depth: Rc<Cell<u64>>) -> Handle {
        Handle::new(move |me| {
            if left > 0 {
                let inner = nest(left - 1, depth.clone());
                while !inner.finished() {
                    inner.resume();
                    me.pause();
                }
                inner.end();
            }
            depth.set(depth.get() + 1);
        })
    }
    let outer = nest(10, depth_inside);
    while !outer.finished() {
        outer.resume();
    }
    outer.end();
    assert_eq!(depth.get(), 11);
}

#[test]
fn a_context_prepared_on_one_thread_runs_on_another() {
    let (ran_on, ran_on_sender) = std::sync::mpsc::channel();
    let guest = Handle::new(move |me| {
        for _ in 0..100 {
            ran_on.send(thread::current().id()).expect("the receiver waits");
            me.pause();
        }
    });
    let runner = thread::spawn(move || {
        let guest = guest;
        while !guest.finished() {
            guest.resume();
        }
        thread::current().id()
    });
    let runner = runner.join().expect("the runner does not panic");
    // Discarded here, although it ran there.
    guest.end();
    assert_eq!(ran_on_sender.iter().filter(|id| *id == runner).count(), 100);
}

#[test]
fn each_thread_has_contexts_of_its_own() {
    let threads: Vec<_> = (0..4)
        .map(|seed| {
            thread::spawn(move || {
                let guest = Handle::new(move |me| assert!(keep_many_values(seed, 1_000, || me.pause())));
                assert!(keep_many_values(seed + 9, 1_000, || guest.resume()));
                guest.resume();
                assert!(guest.finished());
                guest.end();
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("no guest panics");
    }
}

#[inline(never)]
fn sum_deep(depth: u64, at_the_bottom: &dyn Fn()) -> u64 {
    if depth == 0 {
        at_the_bottom();
        return 0;
    }
    black_box(depth) + sum_deep(depth - 1, at_the_bottom)
}

#[test]
fn deep_recursion_survives_a_switch_at_its_bottom() {
    let (sum, sum_inside) = counter();
    let guest = Handle::new(move |me| sum_inside.set(sum_deep(1_000, &|| me.pause())));
    guest.resume();
    assert_eq!(sum.get(), 0);
    guest.resume();
    assert_eq!(sum.get(), 500_500);
    guest.end();
}

#[test]
fn a_panic_is_caught_inside_a_context() {
    struct OnDrop(Rc<Cell<u64>>);
    impl Drop for OnDrop {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }
    let (dropped, dropped_inside) = counter();
    let guest = Handle::new(move |me| {
        for round in 0..10_u64 {
            let guard = OnDrop(dropped_inside.clone());
            let caught = catch_unwind(AssertUnwindSafe(|| {
                let _guard = guard;
                me.pause();
                sum_deep(10, &|| std::panic::resume_unwind(Box::new(round)))
            }));
            assert_eq!(caught.expect_err("it panicked").downcast_ref(), Some(&round));
            me.pause();
        }
    });
    for round in 0..10 {
        guest.resume();
        assert_eq!(dropped.get(), round);
        guest.resume();
        assert_eq!(dropped.get(), round + 1);
    }
    guest.resume();
    assert!(guest.finished());
    guest.end();
}

#[test]
fn a_million_switches() {
    let (count, count_inside) = counter();
    let guest = Handle::new(move |me| {
        for _ in 0..500_000 {
            count_inside.set(count_inside.get() + 1);
            me.pause();
        }
    });
    while !guest.finished() {
        guest.resume();
    }
    assert_eq!(count.get(), 500_000);
    guest.end();
}

#[test]
fn a_stack_is_used_again_after_its_context_was_discarded() {
    // Plain integers only, so that a suspended frame holds nothing to drop.
    struct Two {
        outside: Context,
        inside: Context,
        runs: u64,
    }
    unsafe extern "C" fn body(argument: *mut ()) -> ! {
        entered();
        let two = argument.cast::<Two>();
        let mut buffer = [0_u8; 2_000];
        black_box(&mut buffer);
        // SAFETY: `two` outlives this context; the outside runs only while this is suspended.
        unsafe {
            (*two).runs += 1;
            switch(&raw mut (*two).inside, &raw const (*two).outside);
        }
        unreachable!()
    }
    let stack = HeapStack::new();
    let mut two = Two { outside: Context::EMPTY, inside: Context::EMPTY, runs: 0 };
    let two = &raw mut two;
    for round in 0..1_000_u64 {
        // SAFETY: the stack is this context's alone; discarded before the next round, with nothing to drop.
        unsafe {
            // The frames move a little from round to round, so that what one leaves behind would trap the next.
            let top = stack.top().wrapping_sub(16 * (round as usize % 64));
            (*two).inside.prepare(top, stack.0, body, two.cast());
            // Every third is discarded before it ran.
            if round % 3 != 0 {
                switch(&raw mut (*two).outside, &raw const (*two).inside);
            }
            (*two).inside.discard();
        }
    }
    // SAFETY: no context is left.
    assert_eq!(unsafe { (*two).runs }, 666);
    // Discarding what is empty does nothing.
    // SAFETY: empty.
    unsafe { (*two).inside.discard() };
}

#[test]
fn a_linked_stack_that_was_resumed_never_has_its_first_token() {
    use super::linked::{self, Link, Token, Word};

    // With as small a frame as there can be: nothing is alive across the suspension.
    unsafe extern "C" fn body(word: Word, link: *const Link, _: *mut ()) -> ! {
        linked::entered();
        // SAFETY: the stack of the link runs.
        unsafe { linked::suspend(link, word) };
        std::process::abort()
    }
    let stack = HeapStack::new();
    let (top, limit) = (stack.top().expose_provenance(), stack.0.addr());
    let start = Link::of(top).cast::<u8>();
    // SAFETY: the stack is this one's alone, and outlives it; nothing on it needs dropping.
    unsafe {
        let first = linked::prepare(top, start, limit, body);
        assert_eq!(first.get(), linked::first_token(start.addr()));
        let (_, suspended) = linked::resume(first, Link::of(top), Word::uninit(), false);
        assert_ne!(suspended.map(Token::get), Some(first.get()));
        linked::forget(Link::of(top), suspended);
    }
}
