//! `thread_local!`: one value a thread, green or not, made late and dropped before `join` returns.

mod harness;

use harness::{OnDrop, on_each_kind};
use sinew::{Runtime, thread};
use std::{
    cell::{Cell, OnceCell, RefCell},
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

mod declared {
    //! All the shapes that std's macro takes.

    use std::cell::{Cell, RefCell};

    sinew::thread_local! {
        /// With docs and visibility.
        pub(crate) static EXPRESSION: RefCell<Vec<u32>> = RefCell::new(vec![1, 2]);
        pub(super) static CONSTANT: Cell<u32> = const { Cell::new(7) };
        #[allow(dead_code, reason = "an attribute")]
        static PRIVATE: String = String::from("private")
    }

    sinew::thread_local!(pub(crate) static NO_SEMICOLON: Cell<u8> = const { Cell::new(1) });
    sinew::thread_local!(
        pub(crate) static ONE: Cell<u8> = Cell::new(2);
    );
    sinew::thread_local! {}

    sinew::thread_local! {
        pub(crate) static CONST_BLOCK_OF_LINES: Cell<u64> = const {
            let seven = 7;
            Cell::new(seven * 6)
        };
        pub(crate) static GENERIC: RefCell<std::collections::HashMap<String, Vec<(u8, u8)>>> = RefCell::default();
    }

    pub(crate) fn private_length() -> usize {
        PRIVATE.with(String::len)
    }
}

#[test]
fn every_shape_of_declaration_works() {
    on_each_kind(|| {
        assert_eq!(declared::EXPRESSION.take(), [1, 2]);
        assert_eq!(declared::CONSTANT.get(), 7);
        assert_eq!(declared::NO_SEMICOLON.get() + declared::ONE.get(), 3);
        assert_eq!(declared::CONST_BLOCK_OF_LINES.get(), 42);
        assert_eq!(declared::private_length(), 7);
        declared::GENERIC.with_borrow_mut(|map| map.insert(String::from("a"), vec![(1, 2)]));
        assert_eq!(declared::GENERIC.with_borrow(|map| map["a"].len()), 1);
    });
}

sinew::thread_local! {
    static NUMBER: Cell<u64> = const { Cell::new(0) };
    static LIST: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
    static SHARED: Rc<Cell<u64>> = Rc::default();
}

#[test]
fn each_thread_has_its_own_value_across_suspensions() {
    for workers in [1, 2] {
        let runtime = Runtime::builder().workers(workers).build().unwrap();
        runtime.run(|| {
            let threads: Vec<_> = (0..3_000_u64)
                .map(|i| {
                    thread::spawn(move || {
                        NUMBER.set(i);
                        SHARED.with(|shared| {
                            // Inside `with`, across suspensions.
                            for step in 0..5 {
                                shared.set(shared.get() + i);
                                LIST.with_borrow_mut(|list| list.push(i + step));
                                thread::yield_now();
                            }
                        });
                        let list = LIST.take();
                        assert!(list.iter().zip(i..).all(|(&a, b)| a == b) && list.len() == 5);
                        assert_eq!(SHARED.with(|shared| shared.get()), 5 * i);
                        NUMBER.get() == i
                    })
                })
                .collect();
            assert!(threads.into_iter().all(|thread| thread.join().unwrap()));
            assert_eq!(NUMBER.get(), 0);
        });
    }
}

#[test]
fn a_value_borrowed_across_a_suspension_is_not_seen_by_others() {
    let runtime = Runtime::builder().workers(1).build().unwrap();
    runtime.run(|| {
        let threads: Vec<_> = (0..100_u64)
            .map(|i| {
                thread::spawn(move || {
                    LIST.with_borrow_mut(|list| {
                        list.push(i);
                        thread::yield_now();
                        assert_eq!(*list, [i]);
                    });
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn a_value_is_made_when_it_is_first_asked_for() {
    static MADE: AtomicUsize = AtomicUsize::new(0);
    sinew::thread_local!(static LATE: usize = MADE.fetch_add(1, Ordering::SeqCst));
    thread::spawn(|| ()).join().unwrap();
    assert_eq!(MADE.load(Ordering::SeqCst), 0);
    for round in 0..10 {
        let value = thread::spawn(|| {
            let first = LATE.with(|value| *value);
            thread::yield_now();
            assert_eq!(LATE.with(|value| *value), first);
            first
        });
        assert_eq!(value.join().unwrap(), round);
    }
}

#[test]
fn set_does_not_run_the_initialiser() {
    sinew::thread_local! {
        static CELL: Cell<u8> = panic!("not to be run");
        static REF_CELL: RefCell<u8> = panic!("not to be run");
    }
    on_each_kind(|| {
        CELL.set(4);
        REF_CELL.set(5);
        assert_eq!((CELL.get(), REF_CELL.with_borrow(|value| *value)), (4, 5));
        CELL.set(6);
        REF_CELL.set(7);
        assert_eq!((CELL.get(), REF_CELL.take()), (6, 7));
    });
}

#[test]
fn the_methods_on_cells_are_stds() {
    on_each_kind(|| {
        NUMBER.set(3);
        assert_eq!(NUMBER.replace(4), 3);
        assert_eq!(NUMBER.take(), 4);
        assert_eq!(NUMBER.get(), 0);
        LIST.set(vec![1]);
        assert_eq!(LIST.replace(vec![2]), [1]);
        LIST.with_borrow_mut(|list| list.push(3));
        assert_eq!(LIST.with_borrow(Vec::len), 2);
        assert_eq!(LIST.take(), [2, 3]);
        let twice = catch_unwind(|| LIST.with_borrow(|_| LIST.with_borrow_mut(|_| ())));
        assert!(twice.is_err());
    });
}

/// Notes its name when it is dropped, and asks for other values then.
struct Notes(&'static str, Arc<Mutex<Vec<String>>>);

impl Drop for Notes {
    fn drop(&mut self) {
        self.1.lock().unwrap().push(self.0.to_owned());
    }
}

#[test]
fn values_are_dropped_before_join_returns_the_newest_first() {
    sinew::thread_local! {
        static FIRST: OnceCell<Notes> = const { OnceCell::new() };
        static SECOND: OnceCell<Notes> = const { OnceCell::new() };
    }
    let log = Arc::new(Mutex::new(Vec::new()));
    for panics in [false, true] {
        let (inside, captured) = (log.clone(), Notes("capture", log.clone()));
        let handle = thread::spawn(move || {
            let _captured = captured;
            FIRST.with(|cell| drop(cell.set(Notes("first", inside.clone()))));
            thread::yield_now();
            SECOND.with(|cell| drop(cell.set(Notes("second", inside.clone()))));
            assert!(!panics, "on purpose");
        });
        assert_eq!(handle.join().is_err(), panics);
        assert_eq!(*log.lock().unwrap(), ["capture", "second", "first"]);
        log.lock().unwrap().clear();
    }
    // A cancelled thread's too.
    let (inside, ready) = (log.clone(), Arc::new(AtomicUsize::new(0)));
    let set = ready.clone();
    let handle = thread::spawn(move || {
        FIRST.with(|cell| drop(cell.set(Notes("first", inside))));
        set.store(1, Ordering::SeqCst);
        thread::park();
    });
    harness::wait_until(|| ready.load(Ordering::SeqCst) == 1);
    handle.thread().cancel();
    assert!(handle.join().is_err());
    assert_eq!(*log.lock().unwrap(), ["first"]);
}

#[test]
fn an_os_threads_values_are_dropped_at_its_end() {
    sinew::thread_local!(static CELL: OnceCell<Notes> = const { OnceCell::new() });
    let log = Arc::new(Mutex::new(Vec::new()));
    let inside = log.clone();
    std::thread::spawn(move || CELL.with(|cell| drop(cell.set(Notes("os", inside))))).join().unwrap();
    assert_eq!(*log.lock().unwrap(), ["os"]);
}

sinew::thread_local! {
    static EARLIER: Cell<u32> = const { Cell::new(1) };
    static LATER: Cell<u32> = const { Cell::new(2) };
    static ASKS: OnceCell<OnDrop<Box<dyn FnMut()>>> = const { OnceCell::new() };
}

#[test]
fn a_destructor_may_ask_for_other_values_but_not_for_dropped_ones() {
    on_each_kind(|| {
        let (sender, receiver) = std::sync::mpsc::channel();
        let handle = thread::spawn(move || {
            EARLIER.set(10);
            ASKS.with(|cell| {
                let asks: Box<dyn FnMut()> = Box::new(move || {
                    // Itself is gone, one that was made earlier is there, one that was never made is made.
                    let own = ASKS.try_with(|_| ()).map_err(|error| error.to_string());
                    sender.send((own, EARLIER.try_with(Cell::get).ok(), LATER.try_with(Cell::get).ok())).unwrap();
                });
                assert!(cell.set(OnDrop(asks)).is_ok());
            });
        });
        handle.join().unwrap();
        let answers = receiver.recv().unwrap();
        assert_eq!(answers, (Err(String::from("already destroyed")), Some(10), Some(2)));
    });
}

#[test]
fn a_destructor_may_suspend() {
    sinew::thread_local!(static WAITS: OnceCell<OnDrop<Box<dyn FnMut()>>> = const { OnceCell::new() });
    let (count, runtime) = (Arc::new(AtomicUsize::new(0)), Runtime::builder().workers(1).build().unwrap());
    runtime.run(|| {
        let threads: Vec<_> = (0..50)
            .map(|_| {
                let count = count.clone();
                thread::spawn(move || {
                    WAITS.with(|cell| {
                        let waits: Box<dyn FnMut()> = Box::new(move || {
                            thread::yield_now();
                            thread::spawn(thread::yield_now).join().unwrap();
                            count.fetch_add(1, Ordering::SeqCst);
                        });
                        assert!(cell.set(OnDrop(waits)).is_ok());
                    });
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
    assert_eq!(count.load(Ordering::SeqCst), 50);
}

#[test]
fn a_panic_in_a_destructor_reaches_join_and_the_others_are_dropped() {
    sinew::thread_local! {
        static GOOD: OnceCell<Notes> = const { OnceCell::new() };
        static BAD: OnceCell<OnDrop<fn()>> = const { OnceCell::new() };
    }
    let (log, results) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
    let (inside, result) = (log.clone(), harness::CountsDrops(results.clone()));
    let handle = thread::spawn(move || {
        GOOD.with(|cell| drop(cell.set(Notes("good", inside))));
        BAD.with(|cell| assert!(cell.set(OnDrop(|| panic!("bad"))).is_ok()));
        // What the result does when it gives way to the panic is still part of the thread.
        (OnDrop(|| LATER.set(LATER.get() + 1)), result)
    });
    assert_eq!(handle.join().map(|_| ()).unwrap_err().downcast_ref::<&str>(), Some(&"bad"));
    assert_eq!(*log.lock().unwrap(), ["good"]);
    assert_eq!(results.load(Ordering::SeqCst), 1);
}

#[test]
fn a_detached_threads_result_may_use_locals_when_it_is_dropped() {
    let done = Arc::new(AtomicUsize::new(0));
    let count = done.clone();
    drop(thread::spawn(move || {
        LATER.set(5);
        thread::yield_now();
        OnDrop(move || {
            // Those of the thread are gone, so this is a new one.
            assert_eq!(LATER.get(), 2);
            count.fetch_add(1, Ordering::SeqCst);
        })
    }));
    harness::wait_until(|| done.load(Ordering::SeqCst) == 1);
}

#[test]
fn an_initialiser_that_asks_for_its_own_value_panics_and_may_be_tried_again() {
    sinew::thread_local! {
        static TRIES: Cell<u32> = const { Cell::new(0) };
        static VALUE: u32 = {
            TRIES.set(TRIES.get() + 1);
            if TRIES.get() == 1 { VALUE.with(|value| *value) } else { 40 + TRIES.get() }
        };
    }
    on_each_kind(|| {
        let first = catch_unwind(|| VALUE.with(|value| *value)).unwrap_err();
        assert!(first.downcast_ref::<&str>().is_some_and(|words| words.contains("asked for that value")));
        assert_eq!(VALUE.with(|value| *value), 42);
        assert_eq!(VALUE.with(|value| *value), 42);
    });
}

#[test]
fn an_initialiser_that_panics_may_be_tried_again() {
    sinew::thread_local! {
        static FAILS: Cell<bool> = const { Cell::new(true) };
        static VALUE: u32 = if FAILS.get() { panic!("not yet") } else { 5 };
    }
    on_each_kind(|| {
        FAILS.set(true);
        assert!(catch_unwind(AssertUnwindSafe(|| VALUE.with(|value| *value))).is_err());
        FAILS.set(false);
        assert_eq!(VALUE.with(|value| *value), 5);
    });
}

#[test]
fn an_initialiser_may_suspend() {
    sinew::thread_local!(static SLOW: u32 = {
        thread::yield_now();
        thread::spawn(|| 6).join().unwrap()
    });
    let runtime = Runtime::builder().workers(1).build().unwrap();
    runtime.run(|| {
        let threads: Vec<_> = (0..100).map(|_| thread::spawn(|| SLOW.with(|value| *value))).collect();
        assert!(threads.into_iter().all(|thread| thread.join().unwrap() == 6));
    });
}

#[test]
fn values_may_be_anything() {
    #[repr(align(128))]
    struct Wide([u8; 300]);
    sinew::thread_local! {
        static WIDE: Wide = const { Wide([3; 300]) };
        static NOTHING: () = ();
        static LARGE: [u64; 2_000] = [9; 2_000];
    }
    on_each_kind(|| {
        WIDE.with(|wide| {
            assert!((&raw const *wide).addr().is_multiple_of(128));
            assert_eq!(wide.0[299], 3);
        });
        NOTHING.with(|()| ());
        assert_eq!(LARGE.with(|large| large.iter().sum::<u64>()), 18_000);
    });
}

#[test]
fn many_keys_in_one_thread() {
    macro_rules! keys {
        ($($name:ident)*) => {
            sinew::thread_local! { $(static $name: Cell<usize> = const { Cell::new(0) };)* }
            const ALL: &[&thread::LocalKey<Cell<usize>>] = &[$(&$name),*];
        };
    }
    keys!(A B C D E F G H I J K L M N O P Q R S T U V W X Y Z);
    on_each_kind(|| {
        for (i, key) in ALL.iter().enumerate() {
            key.set(i);
        }
        thread::yield_now();
        assert!(ALL.iter().enumerate().all(|(i, key)| key.get() == i));
    });
}
