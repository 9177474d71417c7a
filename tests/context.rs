//! Values that are inherited at spawn.

mod harness;

use harness::{CountsDrops, on_each_kind};
use sinew::{context::Var, thread, time};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

static NUMBER: Var<i32> = Var::new(|| -1);
static NAME: Var<String> = Var::new(String::new);
static DROPS: Var<Option<CountsDrops>> = Var::new(|| None);

#[test]
fn a_child_sees_its_parents_values_and_its_changes_are_its_own() {
    on_each_kind(|| {
        assert_eq!(NUMBER.get(), -1);
        NUMBER.set(1);
        NAME.set("parent".into());
        let child = thread::spawn(|| {
            assert_eq!((NUMBER.get(), &*NAME.get()), (1, "parent"));
            NUMBER.set(2);
            let grandchild = thread::spawn(|| {
                NAME.with(|name| assert_eq!(name, "parent"));
                NUMBER.get()
            });
            thread::yield_now();
            (grandchild.join().unwrap(), NUMBER.get())
        });
        NUMBER.set(3);
        assert_eq!(child.join().unwrap(), (2, 2));
        assert_eq!(NUMBER.get(), 3);
        thread::scope(|scope| {
            scope.spawn(|| assert_eq!(NUMBER.get(), 3));
        });
        assert_eq!(sinew::run(|| NUMBER.get()), 3);
    });
}

#[test]
fn values_go_with_the_last_thread_that_has_them() {
    let drops = Arc::new(AtomicUsize::new(0));
    let count = drops.clone();
    thread::spawn(move || {
        DROPS.set(Some(CountsDrops(count)));
        let child = thread::spawn(thread::park);
        DROPS.set(None);
        NUMBER.set(1);
        DROPS.set(None);
        child.thread().unpark();
        child.join().unwrap();
    })
    .join()
    .unwrap();
    assert_eq!(drops.load(Ordering::SeqCst), 1);
}

#[test]
fn a_value_for_a_part_ends_with_it_however_it_ends() {
    static LEVEL: Var<u32> = Var::new(|| 0);
    on_each_kind(|| {
        LEVEL.scope(1, || {
            assert_eq!(LEVEL.get(), 1);
            let child = LEVEL.scope(2, || {
                thread::spawn(|| {
                    thread::yield_now();
                    LEVEL.get()
                })
            });
            assert_eq!(LEVEL.get(), 1);
            assert_eq!(child.join().unwrap(), 2, "a child keeps what it has inherited");
            let panic =
                std::panic::catch_unwind(|| LEVEL.scope(3, || std::panic::resume_unwind(Box::new(LEVEL.get()))));
            let panic = panic.map(|never: ()| never).unwrap_err();
            assert_eq!(panic.downcast_ref::<u32>(), Some(&3));
            let late = time::timeout(Duration::from_millis(1), || LEVEL.scope(4, thread::park));
            assert!(late.is_err());
            assert_eq!(LEVEL.get(), 1);
            LEVEL.set(5);
            assert_eq!(LEVEL.get(), 5);
        });
        assert_eq!(LEVEL.get(), 0);
        // Others are not concerned.
        NUMBER.set(7);
        LEVEL.scope(1, || NUMBER.set(8));
        assert_eq!(NUMBER.get(), 8);
    });
}

#[test]
fn a_blocking_call_has_its_callers_values_and_leaves_none_behind() {
    on_each_kind(|| {
        NUMBER.set(1);
        let seen = thread::blocking(|| {
            let seen = (NUMBER.get(), thread::spawn(|| NUMBER.get()).join().unwrap());
            NUMBER.set(2);
            seen
        });
        assert_eq!((seen, NUMBER.get()), ((1, 1), 2));
        assert_eq!(NUMBER.scope(3, || thread::blocking(|| NUMBER.get())), 3);
        assert!(std::panic::catch_unwind(|| thread::blocking(|| std::panic::resume_unwind(Box::new(())))).is_err());
        assert_eq!(NUMBER.get(), 2);
    });
    sinew::run(|| {
        thread::blocking(|| NUMBER.set(4));
        let other = std::thread::spawn(|| sinew::spawn(|| thread::blocking(|| NUMBER.get())).join().unwrap());
        assert_eq!((NUMBER.get(), other.join().unwrap()), (4, -1));
    });
}
