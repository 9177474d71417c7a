//! `spawn`: results of every shape, panics with every payload, threads that nobody joins.

mod harness;

use harness::{CountsDrops, OnDrop, dying_child, is_child, on_each_kind, wait_until};
use sinew::{Runtime, thread};
use std::{
    any::Any,
    collections::HashSet,
    panic::{catch_unwind, panic_any, resume_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

#[repr(align(128))]
#[derive(Clone, Copy, PartialEq, Debug)]
struct Aligned([u8; 200]);

fn fill<const N: usize>(seed: u8) -> [u8; N] {
    std::array::from_fn(|i| (i as u8).wrapping_mul(31).wrapping_add(seed))
}

#[test]
fn a_result_comes_back() {
    on_each_kind(|| {
        assert_eq!(thread::spawn(|| 1).join().unwrap(), 1);
        assert_eq!(thread::spawn(|| String::from("text")).join().unwrap(), "text");
        assert_eq!(thread::spawn(|| ()).join().unwrap(), ());
        assert!(thread::spawn(|| None::<Box<u8>>).join().unwrap().is_none());
    });
}

#[test]
fn results_may_be_large_or_over_aligned() {
    on_each_kind(|| {
        for seed in 0..20 {
            assert_eq!(thread::spawn(move || fill::<4096>(seed)).join().unwrap(), fill(seed));
            let aligned = thread::spawn(move || Aligned(fill(seed))).join().unwrap();
            assert_eq!(aligned, Aligned(fill(seed)));
            assert!((&raw const aligned).addr().is_multiple_of(128));
        }
    });
}

#[test]
fn a_result_of_a_hundred_kib_comes_back_from_a_larger_stack() {
    let outer = thread::Builder::new().stack_size(4 << 20).spawn(|| {
        let inner = thread::Builder::new().stack_size(4 << 20).spawn(|| fill::<{ 100 << 10 }>(9)).unwrap();
        inner.join().unwrap() == fill::<{ 100 << 10 }>(9)
    });
    assert!(outer.unwrap().join().unwrap());
}

#[test]
fn closures_may_be_large_or_over_aligned() {
    on_each_kind(|| {
        let (large, aligned) = (fill::<4096>(3), Aligned(fill(4)));
        assert!(thread::spawn(move || large == fill(3)).join().unwrap());
        let right = thread::spawn(move || {
            let aligned = std::hint::black_box(aligned);
            aligned == Aligned(fill(4)) && (&raw const aligned).addr().is_multiple_of(128)
        });
        assert!(right.join().unwrap());
    });
}

#[test]
fn captures_and_results_are_dropped_exactly_once() {
    on_each_kind(|| {
        let (captured, given) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (capture, gift) = (CountsDrops(captured.clone()), CountsDrops(given.clone()));
        let handle = thread::spawn(move || {
            let _here = &capture;
            gift
        });
        let gift = handle.join().unwrap();
        assert_eq!(captured.load(Ordering::SeqCst), 1);
        assert_eq!(given.load(Ordering::SeqCst), 0);
        drop(gift);
        assert_eq!(given.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_detached_threads_result_is_dropped() {
    on_each_kind(|| {
        let drops = Arc::new(AtomicUsize::new(0));
        for _ in 0..100 {
            let (small, large, aligned) =
                (CountsDrops(drops.clone()), CountsDrops(drops.clone()), CountsDrops(drops.clone()));
            drop(thread::spawn(move || small));
            drop(thread::spawn(move || (large, [0_u8; 4096])));
            drop(thread::spawn(move || (aligned, Aligned([0; 200]))));
        }
        wait_until(|| drops.load(Ordering::SeqCst) == 300);
    });
}

#[test]
fn a_handle_dropped_after_the_end_drops_the_result() {
    on_each_kind(|| {
        let drops = Arc::new(AtomicUsize::new(0));
        let gift = CountsDrops(drops.clone());
        let handle = thread::spawn(move || gift);
        wait_until(|| handle.is_finished());
        assert_eq!(drops.load(Ordering::SeqCst), 0);
        drop(handle);
        assert_eq!(drops.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_handle_that_goes_while_its_thread_ends_leaves_the_result_to_one_of_them() {
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let drops = Arc::new(AtomicUsize::new(0));
    let total = 20_000;
    for _ in 0..total {
        let gift = CountsDrops(drops.clone());
        drop(runtime.handle().spawn(move || gift).unwrap());
    }
    wait_until(|| drops.load(Ordering::SeqCst) == total);
}

#[test]
fn a_detached_threads_result_is_dropped_on_a_green_thread_that_may_suspend() {
    let ended = Arc::new(AtomicUsize::new(0));
    for _ in 0..1_000 {
        let ended = ended.clone();
        drop(thread::spawn(move || {
            let done = thread::current().id();
            OnDrop(move || {
                // Whoever drops it, the thread itself or the handle's holder, may wait.
                let other = thread::spawn(thread::yield_now);
                other.join().unwrap();
                let _ = done;
                ended.fetch_add(1, Ordering::SeqCst);
            })
        }));
    }
    wait_until(|| ended.load(Ordering::SeqCst) == 1_000);
}

#[test]
fn a_panicking_result_destructor_of_a_detached_thread_aborts() {
    if is_child() {
        sinew::run(|| {
            drop(thread::spawn(|| OnDrop(|| panic!("in the result's destructor"))));
            loop {
                thread::yield_now();
            }
        });
    }
    let words = dying_child("a_panicking_result_destructor_of_a_detached_thread_aborts", libc::SIGABRT);
    assert!(words.contains("in the result's destructor"), "{words}");
    assert!(words.contains("a thread's result panicked when it was dropped"), "{words}");
}

#[test]
fn a_panics_payload_reaches_join() {
    fn payload_of(body: fn()) -> Box<dyn Any + Send> {
        thread::spawn(body).join().unwrap_err()
    }
    on_each_kind(|| {
        assert_eq!(payload_of(|| panic!("words")).downcast_ref::<&str>(), Some(&"words"));
        let number = std::hint::black_box(7);
        let text = thread::spawn(move || panic!("number {number}")).join().unwrap_err();
        assert_eq!(text.downcast_ref::<String>().map(String::as_str), Some("number 7"));
        assert_eq!(payload_of(|| panic_any(5_u64)).downcast_ref::<u64>(), Some(&5));
        assert_eq!(payload_of(|| resume_unwind(Box::new('x'))).downcast_ref::<char>(), Some(&'x'));
        assert!(payload_of(|| panic_any(Aligned([1; 200]))).is::<Aligned>());
    });
}

#[test]
fn a_panic_unwinds_its_own_thread_only() {
    sinew::run(|| {
        let drops = Arc::new(AtomicUsize::new(0));
        for _ in 0..50 {
            let (outer, inner) = (CountsDrops(drops.clone()), CountsDrops(drops.clone()));
            let handle = thread::spawn(move || {
                let _outer = outer;
                thread::yield_now();
                let _inner = inner;
                assert!(!thread::panicking());
                panic!("unwind");
            });
            assert!(handle.join().is_err());
            assert!(!thread::panicking());
            assert!(!std::thread::panicking());
        }
        assert_eq!(drops.load(Ordering::SeqCst), 100);
    });
}

#[test]
fn a_panic_in_a_captures_destructor_reaches_join() {
    on_each_kind(|| {
        let bomb = OnDrop(|| panic!("captured"));
        let payload = thread::spawn(move || drop(bomb)).join().unwrap_err();
        assert_eq!(payload.downcast_ref::<&str>(), Some(&"captured"));
    });
}

#[test]
fn a_panic_is_caught_inside_the_thread_across_suspensions() {
    sinew::run(|| {
        let threads: Vec<_> = (0..100)
            .map(|i| {
                thread::spawn(move || {
                    let caught = catch_unwind(|| {
                        thread::yield_now();
                        panic_any(i);
                    });
                    thread::yield_now();
                    caught.unwrap_err().downcast_ref::<i32>() == Some(&i)
                })
            })
            .collect();
        assert!(threads.into_iter().all(|thread| thread.join().unwrap()));
    });
}

#[test]
fn a_destructor_may_suspend_while_its_thread_unwinds() {
    // One worker, so that all of them are in the middle of an unwind on one OS thread.
    let runtime = Runtime::builder().workers(1).build().unwrap();
    runtime.run(|| {
        let threads: Vec<_> = (0..100)
            .map(|i| {
                thread::spawn(move || {
                    let seen = Arc::new(AtomicBool::new(false));
                    let inside = seen.clone();
                    let caught = catch_unwind(move || {
                        let _waits = OnDrop(|| {
                            assert!(std::thread::panicking());
                            for _ in 0..i % 7 {
                                thread::yield_now();
                            }
                            inside.store(true, Ordering::SeqCst);
                        });
                        panic_any(i);
                    });
                    assert_eq!(caught.unwrap_err().downcast_ref::<i32>(), Some(&i));
                    seen.load(Ordering::SeqCst)
                })
            })
            .collect();
        assert!(threads.into_iter().all(|thread| thread.join().unwrap()));
        assert!(!std::thread::panicking());
    });
}

#[test]
fn numbers_are_unique() {
    let mut all = HashSet::new();
    let threads: Vec<_> = (0..1_000).map(|_| thread::spawn(|| thread::current().id())).collect();
    for thread in threads {
        let id = thread.thread().id();
        assert_eq!(thread.join().unwrap(), id);
        assert!(all.insert(id));
    }
    assert!(all.insert(thread::current().id()));
    assert!(all.insert(std::thread::spawn(|| thread::current().id()).join().unwrap()));
    assert_eq!(thread::current().id(), thread::current().id());
}

#[test]
fn a_spawn_on_a_green_thread_stays_in_its_runtime() {
    let runtime = Runtime::builder().workers(1).worker_name("own").build().unwrap();
    let names = runtime.run(|| {
        let name = || std::thread::current().name().map(str::to_owned);
        [
            thread::spawn(name).join().unwrap(),
            thread::spawn(move || thread::spawn(name).join().unwrap()).join().unwrap(),
        ]
    });
    assert_eq!(names, [Some("own-0".to_owned()), Some("own-0".to_owned())]);
}

#[test]
fn local_threads_share_what_is_not_send() {
    let runtime = Runtime::builder().workers(4).build().unwrap();
    runtime.run(|| {
        let count = std::rc::Rc::new(std::cell::Cell::new(0));
        let here = std::thread::current().id();
        let threads: Vec<_> = (0..200)
            .map(|_| {
                let count = count.clone();
                thread::spawn_local(move || {
                    thread::yield_now();
                    count.set(count.get() + 1);
                    assert_eq!(std::thread::current().id(), here);
                    count
                })
            })
            .collect();
        for thread in threads {
            drop(thread.join().unwrap());
        }
        assert_eq!(count.get(), 200);
        assert_eq!(std::rc::Rc::strong_count(&count), 1);
    });
    let refused = std::thread::spawn(|| drop(thread::spawn_local(|| ()))).join();
    assert!(refused.is_err(), "an OS thread has nowhere to keep a local thread");
}

#[test]
fn the_types_are_as_shareable_as_those_of_std() {
    use std::panic::{RefUnwindSafe, UnwindSafe};
    fn handles<T: Send + Sync + Unpin>() {}
    fn caught<T: UnwindSafe + RefUnwindSafe>() {}
    fn lent_and_caught<T: RefUnwindSafe>() {}
    type NotUnpin = std::marker::PhantomPinned;
    handles::<std::thread::JoinHandle<NotUnpin>>();
    handles::<thread::JoinHandle<NotUnpin>>();
    handles::<std::thread::ScopedJoinHandle<'_, NotUnpin>>();
    handles::<thread::ScopedJoinHandle<'_, NotUnpin>>();
    handles::<std::thread::Thread>();
    handles::<thread::Thread>();
    handles::<thread::Scope<'_, '_>>();
    caught::<std::thread::Thread>();
    caught::<thread::Thread>();
    lent_and_caught::<std::thread::Scope<'_, '_>>();
    lent_and_caught::<thread::Scope<'_, '_>>();
}
