//! `sync::Mutex`: what std documents of it, from green threads, OS threads and both.

mod harness;

use harness::{Crew, on_every_crew, still_waits, wait_until};
use sinew::{
    sync::{Event, Mutex, MutexGuard, TryLockError},
    thread,
};
use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

#[test]
fn one_thread_at_a_time_holds_it() {
    on_every_crew(|crew| {
        let count = Arc::new((Mutex::new(0), AtomicUsize::new(0)));
        let shared = count.clone();
        crew.all(8, move |_| {
            for turn in 0..500 {
                let mut held = shared.0.lock().unwrap();
                assert_eq!(shared.1.fetch_add(1, Ordering::SeqCst), 0);
                *held += 1;
                if turn % 50 == 0 {
                    thread::yield_now();
                }
                shared.1.fetch_sub(1, Ordering::SeqCst);
            }
        });
        assert_eq!(*count.0.lock().unwrap(), 4_000);
    });
}

/// Every mixture of a holder that is suspended, or blocked, and a waiter.
#[test]
fn a_waiter_gets_it_from_a_holder_of_either_kind() {
    type Spawn = fn(&Crew, Box<dyn FnOnce() + Send>) -> harness::Member<()>;
    on_every_crew(|crew| {
        let (green, os): (Spawn, Spawn) = (|crew, body| crew.green(body), |crew, body| crew.os(body));
        for (holder, waiter) in [(green, green), (green, os), (os, green), (os, os)] {
            let shared = Arc::new((Mutex::new(0), Event::new(), Event::new()));
            let (one, two) = (shared.clone(), shared.clone());
            let holder = holder(
                crew,
                Box::new(move || {
                    let mut held = one.0.lock().unwrap();
                    one.1.set();
                    one.2.wait();
                    *held = 1;
                }),
            );
            shared.1.wait();
            let waiter = waiter(crew, Box::new(move || assert_eq!(*two.0.lock().unwrap(), 1)));
            assert!(still_waits(&waiter));
            shared.2.set();
            holder.join().unwrap();
            waiter.join().unwrap();
        }
    });
}

#[test]
fn try_lock_never_waits() {
    on_every_crew(|crew| {
        let mutex = Arc::new(Mutex::new(5));
        let held = mutex.lock().unwrap();
        let other = mutex.clone();
        crew.spawn(move || assert!(matches!(other.try_lock(), Err(TryLockError::WouldBlock)))).join().unwrap();
        drop(held);
        assert_eq!(*mutex.try_lock().unwrap(), 5);
    });
}

#[test]
fn a_limited_time_ends_and_takes_nothing() {
    on_every_crew(|crew| {
        let mutex = Arc::new(Mutex::new(()));
        let held = mutex.lock().unwrap();
        let other = mutex.clone();
        let waiter = crew.spawn(move || {
            let start = Instant::now();
            let outcome = other.try_lock_for(Duration::from_millis(5)).is_err();
            (outcome, start.elapsed())
        });
        let (failed, time) = waiter.join().unwrap();
        assert!(failed && time >= Duration::from_millis(5));
        drop(held);
        assert!(mutex.try_lock_for(Duration::from_millis(5)).is_ok());
        assert!(mutex.try_lock_for(Duration::MAX).is_ok());
        assert!(mutex.try_lock_until(Instant::now()).is_ok());
    });
}

/// A waiter for which the mutex is never free when it looks, gets it all the same.
#[test]
fn a_waiter_gets_it_from_one_that_takes_it_again_at_once() {
    on_every_crew(|crew| {
        let shared = Arc::new((Mutex::new(()), Event::new()));
        let greedy = shared.clone();
        let greedy = crew.spawn(move || {
            while !greedy.1.is_set() {
                let _held = greedy.0.lock().unwrap();
                thread::sleep(Duration::from_millis(1));
            }
        });
        let waiter = shared.clone();
        let waiter = crew.spawn(move || {
            for _ in 0..5 {
                drop(waiter.0.lock().unwrap());
            }
        });
        waiter.join().unwrap();
        shared.1.set();
        greedy.join().unwrap();
    });
}

#[test]
fn a_panic_poisons() {
    on_every_crew(|crew| {
        let mutex = Arc::new(Mutex::new(1));
        let other = mutex.clone();
        let panicked = crew.spawn(move || {
            let mut held = other.lock().unwrap();
            *held = 2;
            std::panic::resume_unwind(Box::new("expected"));
        });
        assert!(panicked.join().is_err());
        assert!(mutex.is_poisoned());
        assert_eq!(*mutex.lock().unwrap_err().into_inner(), 2);
        assert!(matches!(mutex.try_lock(), Err(TryLockError::Poisoned(held)) if **held.get_ref() == 2));
        mutex.clear_poison();
        assert_eq!(*mutex.lock().unwrap(), 2);
    });
}

#[test]
fn a_poisoned_mutex_gives_its_value_with_the_error() {
    let mut mutex = Mutex::new(String::from("value"));
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        let _held = mutex.lock();
        std::panic::resume_unwind(Box::new("expected"));
    }));
    assert!(unwound.is_err());
    assert_eq!(mutex.get_mut().unwrap_err().into_inner(), "value");
    assert_eq!(format!("{mutex:?}"), "Mutex { data: \"value\", poisoned: true, .. }");
    assert_eq!(mutex.into_inner().unwrap_err().into_inner(), "value");
}

#[test]
fn a_lock_taken_by_a_destructor_in_a_panic_is_not_poisoned() {
    struct Locks<'a>(&'a Mutex<u32>);
    impl Drop for Locks<'_> {
        fn drop(&mut self) {
            *self.0.lock().unwrap() += 1;
        }
    }
    harness::on_each_kind(|| {
        let mutex = Mutex::new(0);
        let unwound = catch_unwind(AssertUnwindSafe(|| {
            let _locks = Locks(&mutex);
            std::panic::resume_unwind(Box::new("expected"));
        }));
        assert!(unwound.is_err());
        assert_eq!(*mutex.lock().unwrap(), 1);
    });
}

#[test]
fn a_cancelled_holder_poisons_nothing_and_releases_it() {
    harness::on_workers(|| {
        let mutex = Arc::new(Mutex::new(0));
        let other = mutex.clone();
        let holder = harness::spawn_started(move || {
            let _held = other.lock().unwrap();
            thread::park();
        });
        harness::let_others_run();
        holder.thread().cancel();
        harness::assert_cancelled(holder);
        assert_eq!(*mutex.lock().unwrap(), 0);
    });
}

/// A cancellation that was caught does not hide a panic that follows.
#[test]
fn a_panic_after_a_caught_cancellation_poisons() {
    harness::on_workers(|| {
        let mutex = Arc::new(Mutex::new(0));
        let other = mutex.clone();
        let panics = harness::spawn_started(move || {
            let caught = catch_unwind(thread::park);
            assert!(caught.unwrap_err().is::<sinew::Cancelled>());
            let _held = other.lock().unwrap();
            std::panic::resume_unwind(Box::new("expected"));
        });
        panics.thread().cancel();
        assert_eq!(*panics.join().unwrap_err().downcast::<&str>().unwrap(), "expected");
        assert!(mutex.is_poisoned());
    });
}

/// Rule 16: std's count of panics belongs to the OS thread.
#[test]
fn another_thread_suspended_in_a_panic_poisons_nothing() {
    struct Suspends(Arc<Event>, Arc<Event>);
    impl Drop for Suspends {
        fn drop(&mut self) {
            self.0.set();
            self.1.wait();
        }
    }
    let runtime = sinew::Runtime::builder().workers(1).build().unwrap();
    runtime.run(|| {
        let (suspended, go_on) = (Arc::new(Event::new()), Arc::new(Event::new()));
        let suspends = Suspends(suspended.clone(), go_on.clone());
        let unwinds = thread::spawn(move || {
            let _suspends = suspends;
            std::panic::resume_unwind(Box::new("expected"));
        });
        let mutex = Mutex::new(0);
        let held = mutex.lock().unwrap();
        suspended.wait();
        drop(held);
        assert!(!mutex.is_poisoned());
        drop(mutex.lock().unwrap());
        assert!(!mutex.is_poisoned());
        go_on.set();
        assert!(unwinds.join().is_err());
    });
}

#[test]
fn the_first_to_wait_is_the_first_to_be_handed_it() {
    let runtime = sinew::Runtime::builder().workers(1).build().unwrap();
    runtime.run(|| {
        let shared = Arc::new((Mutex::new(Vec::new()), AtomicUsize::new(0)));
        let held = shared.0.lock().unwrap();
        let waiters: Vec<_> = (0..20)
            .map(|number| {
                let own = shared.clone();
                let waiter = thread::spawn(move || {
                    own.1.fetch_add(1, Ordering::SeqCst);
                    own.0.lock().unwrap().push(number);
                });
                wait_until(|| shared.1.load(Ordering::SeqCst) == number + 1);
                waiter
            })
            .collect();
        drop(held);
        waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
        assert_eq!(*shared.0.lock().unwrap(), (0..20).collect::<Vec<_>>());
    });
}

#[test]
fn it_looks_and_converts_as_stds() {
    let mutex = Mutex::from(3);
    assert_eq!(format!("{mutex:?}"), format!("{:?}", std::sync::Mutex::new(3)));
    let held = mutex.lock().unwrap();
    assert_eq!(format!("{mutex:?} {held:?} {held}"), "Mutex { data: <locked>, poisoned: false, .. } 3 3");
    drop(held);
    assert_eq!(Mutex::<u8>::default().into_inner().unwrap(), 0);
    let unsized_value: &Mutex<[i32]> = &Mutex::new([1, 2, 3]);
    assert_eq!(unsized_value.lock().unwrap().len(), 3);
    static STATIC: Mutex<Vec<u8>> = Mutex::new(Vec::new());
    STATIC.lock().unwrap().push(1);
}

#[test]
fn its_bounds_are_stds() {
    fn assert_send<T: Send>() {}
    fn assert_sync<T: Sync>() {}
    assert_send::<Mutex<Cell<u8>>>();
    assert_sync::<Mutex<Cell<u8>>>();
    assert_sync::<MutexGuard<'_, u8>>();
    assert!(size_of::<Mutex<()>>() <= 24);
}

#[test]
fn a_coroutine_that_is_dropped_while_it_holds_the_lock_poisons_it() {
    use sinew::coroutine::Coroutine;
    on_every_crew(|crew| {
        crew.spawn(|| {
            let mutex = Arc::new(Mutex::new(0));
            for (finishes, poisoned) in [(true, false), (false, true)] {
                let held = mutex.clone();
                let mut coroutine = Coroutine::<(), (), ()>::new(move |yielder, ()| {
                    let _guard = held.lock().unwrap();
                    yielder.suspend(());
                });
                coroutine.resume(());
                if finishes {
                    coroutine.resume(());
                }
                drop(coroutine);
                assert_eq!(mutex.is_poisoned(), poisoned);
            }
        })
        .join()
        .unwrap();
    });
}
