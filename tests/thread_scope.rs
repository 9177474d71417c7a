//! `scope`: it lends its stack, outlives its threads however it ends, and hears of their panics.

mod harness;

use harness::{CountsDrops, OnDrop, child, is_child, on_each_kind, words_of};
use sinew::{Runtime, thread};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

#[test]
fn threads_borrow_from_outside_the_scope() {
    on_each_kind(|| {
        let (text, mut count) = (String::from("lent"), 0);
        let mut numbers = [1, 2, 3, 4];
        let lengths = thread::scope(|scope| {
            let length = scope.spawn(|| text.len());
            scope.spawn(|| count += 1);
            for number in &mut numbers {
                scope.spawn(move || {
                    thread::yield_now();
                    *number *= 10;
                });
            }
            length.join().unwrap()
        });
        assert_eq!((lengths, count, numbers), (4, 1, [10, 20, 30, 40]));
    });
}

#[test]
fn a_scope_waits_for_threads_that_nobody_joins() {
    on_each_kind(|| {
        let ended = AtomicUsize::new(0);
        thread::scope(|scope| {
            for i in 0..100 {
                let ended = &ended;
                scope.spawn(move || {
                    match i % 3 {
                        0 => thread::yield_now(),
                        1 => thread::sleep(Duration::from_millis(1)),
                        _ => thread::park_timeout(Duration::from_millis(1)),
                    }
                    ended.fetch_add(1, Ordering::Relaxed);
                });
            }
        });
        assert_eq!(ended.load(Ordering::Relaxed), 100);
    });
}

#[test]
fn threads_spawn_into_their_own_scope() {
    fn grow<'scope>(scope: &'scope thread::Scope<'scope, '_>, count: &'scope AtomicUsize, depth: u32) {
        count.fetch_add(1, Ordering::Relaxed);
        if depth > 0 {
            for _ in 0..2 {
                scope.spawn(move || grow(scope, count, depth - 1));
            }
        }
    }
    on_each_kind(|| {
        let count = AtomicUsize::new(0);
        thread::scope(|scope| grow(scope, &count, 9));
        assert_eq!(count.load(Ordering::Relaxed), 1023);
    });
}

#[test]
fn an_os_thread_spawns_into_a_green_threads_scope() {
    on_each_kind(|| {
        let count = AtomicUsize::new(0);
        thread::scope(|scope| {
            std::thread::scope(|os_scope| {
                for _ in 0..3 {
                    os_scope.spawn(|| scope.spawn(|| count.fetch_add(1, Ordering::Relaxed)).join().unwrap());
                }
            });
            scope.spawn(|| count.fetch_add(10, Ordering::Relaxed));
        });
        assert_eq!(count.load(Ordering::Relaxed), 13);
    });
}

#[test]
fn the_closures_value_is_the_scopes() {
    on_each_kind(|| {
        assert_eq!(thread::scope(|_| 5), 5);
        let outer = String::from("x");
        assert_eq!(thread::scope(|scope| scope.spawn(|| &*outer).join().unwrap()), "x");
    });
}

#[test]
fn a_panic_of_a_joined_thread_is_the_joiners_business() {
    on_each_kind(|| {
        let value = thread::scope(|scope| {
            let payload = scope.spawn(|| panic!("joined")).join().unwrap_err();
            payload.downcast_ref::<&str>().copied()
        });
        assert_eq!(value, Some("joined"));
    });
}

#[test]
fn a_panic_of_an_unjoined_thread_is_the_scopes() {
    on_each_kind(|| {
        let ended = AtomicUsize::new(0);
        let caught = catch_unwind(AssertUnwindSafe(|| {
            thread::scope(|scope| {
                scope.spawn(|| panic!("unjoined"));
                scope.spawn(|| {
                    thread::sleep(Duration::from_millis(2));
                    ended.fetch_add(1, Ordering::Relaxed);
                });
            });
        }));
        assert_eq!(caught.unwrap_err().downcast_ref::<&str>(), Some(&"a scoped thread panicked"));
        assert_eq!(ended.load(Ordering::Relaxed), 1, "the other one is waited for");
    });
}

#[test]
fn a_panic_of_a_thread_whose_handle_goes_after_its_end_is_the_scopes_too() {
    on_each_kind(|| {
        let caught = catch_unwind(|| {
            thread::scope(|scope| {
                let handle = scope.spawn(|| panic!("unjoined"));
                harness::wait_until(|| handle.is_finished());
                drop(handle);
            });
        });
        assert_eq!(caught.unwrap_err().downcast_ref::<&str>(), Some(&"a scoped thread panicked"));
    });
}

#[test]
fn a_panic_in_the_scope_itself_waits_for_its_threads() {
    on_each_kind(|| {
        let ended = AtomicUsize::new(0);
        let caught = catch_unwind(AssertUnwindSafe(|| {
            thread::scope(|scope| {
                for _ in 0..10 {
                    scope.spawn(|| {
                        thread::sleep(Duration::from_millis(2));
                        ended.fetch_add(1, Ordering::Relaxed);
                    });
                }
                panic!("the scope's own");
            });
        }));
        assert_eq!(caught.unwrap_err().downcast_ref::<&str>(), Some(&"the scope's own"));
        assert_eq!(ended.load(Ordering::Relaxed), 10);
    });
}

#[test]
fn a_scope_whose_spawn_panics_is_left() {
    const TEST: &str = "a_scope_whose_spawn_panics_is_left";
    if !is_child() {
        // The default runtime cannot be started.
        let output = child(TEST).env("SINEW_WORKERS", "0").output().unwrap();
        assert!(output.status.success(), "{}", words_of(&output));
        return;
    }
    let caught = catch_unwind(|| thread::scope(|scope| drop(scope.spawn(|| 1))));
    assert!(caught.unwrap_err().downcast_ref::<String>().unwrap().contains("SINEW_WORKERS"));
}

#[test]
fn results_and_captures_are_gone_when_the_scope_is_left() {
    on_each_kind(|| {
        let drops = Arc::new(AtomicUsize::new(0));
        for _ in 0..50 {
            let before = drops.load(Ordering::SeqCst);
            thread::scope(|scope| {
                for _ in 0..4 {
                    let (captured, gift) = (CountsDrops(drops.clone()), CountsDrops(drops.clone()));
                    scope.spawn(move || {
                        let _captured = captured;
                        gift
                    });
                }
            });
            assert_eq!(drops.load(Ordering::SeqCst), before + 8);
        }
    });
}

#[test]
fn an_unjoined_result_that_borrows_is_dropped_inside_the_scope() {
    on_each_kind(|| {
        let log = Mutex::new(Vec::new());
        thread::scope(|scope| {
            scope.spawn(|| OnDrop(|| log.lock().unwrap().push("result")));
        });
        log.lock().unwrap().push("left");
        assert_eq!(*log.lock().unwrap(), ["result", "left"]);
    });
}

#[test]
fn scopes_nest() {
    on_each_kind(|| {
        let total = AtomicUsize::new(0);
        thread::scope(|outer| {
            for _ in 0..5 {
                outer.spawn(|| {
                    thread::scope(|inner| {
                        for _ in 0..5 {
                            inner.spawn(|| {
                                thread::scope(|innermost| {
                                    innermost.spawn(|| total.fetch_add(1, Ordering::Relaxed));
                                });
                            });
                        }
                    });
                });
            }
        });
        assert_eq!(total.load(Ordering::Relaxed), 25);
    });
}

#[test]
fn scopes_race_on_many_workers() {
    for workers in [1, 2, 4, 8] {
        let runtime = Runtime::builder().workers(workers).build().unwrap();
        runtime.run(|| {
            for round in 0..1_000_usize {
                let count = AtomicUsize::new(0);
                thread::scope(|scope| {
                    for i in 0..5 {
                        let count = &count;
                        scope.spawn(move || {
                            for _ in 0..(i + round) % 3 {
                                thread::yield_now();
                            }
                            count.fetch_add(1, Ordering::Relaxed);
                        });
                    }
                });
                assert_eq!(count.into_inner(), 5);
            }
        });
    }
}

#[test]
fn an_os_threads_scope_is_left_only_after_its_threads() {
    for _ in 0..2_000 {
        let mut number = 0;
        thread::scope(|scope| {
            scope.spawn(|| number += 1);
        });
        assert_eq!(number, 1);
    }
}

#[test]
fn a_scoped_handle_knows_its_thread() {
    on_each_kind(|| {
        thread::scope(|scope| {
            let handle = scope.spawn(thread::park);
            assert!(!handle.is_finished());
            handle.thread().unpark();
            harness::wait_until(|| handle.is_finished());
            handle.join().unwrap();
        });
    });
}
