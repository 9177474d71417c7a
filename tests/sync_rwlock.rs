//! `sync::RwLock`: what std documents of it, from green threads, OS threads and both; and that neither side starves.

mod harness;

use harness::{on_every_crew, still_waits};
use sinew::{
    sync::{Event, RwLock, RwLockReadGuard, RwLockWriteGuard, TryLockError},
    thread,
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

#[test]
fn a_writer_excludes_all_and_readers_are_together() {
    on_every_crew(|crew| {
        let shared = Arc::new((RwLock::new(0), AtomicUsize::new(0)));
        let own = shared.clone();
        crew.all(8, move |number| {
            for turn in 0..200 {
                if (turn + number) % 4 == 0 {
                    let mut held = own.0.write().unwrap();
                    assert_eq!(own.1.fetch_add(1_000, Ordering::SeqCst), 0);
                    *held += 1;
                    if turn % 40 == 0 {
                        thread::yield_now();
                    }
                    own.1.fetch_sub(1_000, Ordering::SeqCst);
                } else {
                    let _held = own.0.read().unwrap();
                    assert!(own.1.fetch_add(1, Ordering::SeqCst) < 1_000);
                    if turn % 40 == 1 {
                        thread::yield_now();
                    }
                    own.1.fetch_sub(1, Ordering::SeqCst);
                }
            }
        });
        assert_eq!(*shared.0.read().unwrap(), 8 * 50);
    });
}

#[test]
fn two_readers_hold_it_at_once() {
    on_every_crew(|crew| {
        let lock = Arc::new(RwLock::new(1));
        let held = lock.read().unwrap();
        let other = lock.clone();
        assert_eq!(crew.spawn(move || *other.read().unwrap()).join().unwrap(), 1);
        assert!(matches!(lock.try_write(), Err(TryLockError::WouldBlock)));
        assert!(matches!(lock.try_write_for(Duration::from_millis(1)), Err(TryLockError::WouldBlock)));
        drop(held);
        let held = lock.try_write().unwrap();
        assert!(matches!(lock.try_read(), Err(TryLockError::WouldBlock)));
        assert!(matches!(lock.try_read_for(Duration::from_millis(1)), Err(TryLockError::WouldBlock)));
        drop(held);
    });
}

/// Readers that overlap without end.
#[test]
fn a_writer_does_not_starve() {
    on_every_crew(|crew| {
        let shared = Arc::new((RwLock::new(false), AtomicBool::new(false)));
        let readers: Vec<_> = (0..3)
            .map(|_| {
                let own = shared.clone();
                crew.spawn(move || {
                    while !own.1.load(Ordering::SeqCst) {
                        let _held = own.0.read().unwrap();
                        thread::sleep(Duration::from_millis(1));
                    }
                })
            })
            .collect();
        let own = shared.clone();
        crew.spawn(move || *own.0.write().unwrap() = true).join().unwrap();
        shared.1.store(true, Ordering::SeqCst);
        readers.into_iter().for_each(|reader| reader.join().unwrap());
        assert!(*shared.0.read().unwrap());
    });
}

/// Writers that queue without end.
#[test]
fn a_reader_does_not_starve() {
    on_every_crew(|crew| {
        let shared = Arc::new((RwLock::new(0), AtomicBool::new(false)));
        let writers: Vec<_> = (0..3)
            .map(|_| {
                let own = shared.clone();
                crew.spawn(move || {
                    while !own.1.load(Ordering::SeqCst) {
                        let mut held = own.0.write().unwrap();
                        *held += 1;
                        thread::sleep(Duration::from_millis(1));
                    }
                })
            })
            .collect();
        let own = shared.clone();
        crew.spawn(move || (0..3).for_each(|_| drop(own.0.read().unwrap()))).join().unwrap();
        shared.1.store(true, Ordering::SeqCst);
        writers.into_iter().for_each(|writer| writer.join().unwrap());
    });
}

#[test]
fn a_downgraded_writer_lets_readers_in_and_keeps_writers_out() {
    on_every_crew(|crew| {
        let shared = Arc::new((RwLock::new(0), Event::new()));
        let mut held = shared.0.write().unwrap();
        let (one, two) = (shared.clone(), shared.clone());
        let reader = crew.spawn(move || {
            assert_eq!(*one.0.read().unwrap(), 1);
            one.1.set();
        });
        assert!(still_waits(&reader));
        *held = 1;
        let held = RwLockWriteGuard::downgrade(held);
        shared.1.wait();
        let writer = crew.spawn(move || *two.0.write().unwrap() = 2);
        assert!(still_waits(&writer));
        assert_eq!(*held, 1);
        drop(held);
        reader.join().unwrap();
        writer.join().unwrap();
        assert_eq!(*shared.0.read().unwrap(), 2);
    });
}

#[test]
fn a_writers_panic_poisons_and_a_readers_does_not() {
    on_every_crew(|crew| {
        let lock = Arc::new(RwLock::new(1));
        let (one, two) = (lock.clone(), lock.clone());
        let reads = crew.spawn(move || {
            let _held = one.read().unwrap();
            std::panic::resume_unwind(Box::new("expected"));
        });
        assert!(reads.join().is_err() && !lock.is_poisoned());
        let writes = crew.spawn(move || {
            let _held = two.write().unwrap();
            std::panic::resume_unwind(Box::new("expected"));
        });
        assert!(writes.join().is_err() && lock.is_poisoned());
        assert_eq!(*lock.read().unwrap_err().into_inner(), 1);
        assert!(lock.write().is_err());
        lock.clear_poison();
        assert!(lock.write().is_ok());
    });
}

#[test]
fn a_poisoned_lock_gives_its_value_with_the_error() {
    let mut lock = RwLock::new(5);
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        let _held = lock.write();
        std::panic::resume_unwind(Box::new("expected"));
    }));
    assert!(unwound.is_err());
    assert_eq!(*lock.get_mut().unwrap_err().into_inner(), 5);
    assert_eq!(lock.into_inner().unwrap_err().into_inner(), 5);
}

#[test]
fn it_looks_and_converts_as_stds() {
    let lock = RwLock::from(3);
    assert_eq!(format!("{lock:?}"), format!("{:?}", std::sync::RwLock::new(3)));
    let held = lock.write().unwrap();
    assert_eq!(format!("{lock:?} {held:?} {held}"), "RwLock { data: <locked>, poisoned: false, .. } 3 3");
    drop(held);
    assert_eq!(format!("{:?}", lock.read().unwrap()), "3");
    assert_eq!(RwLock::<u8>::default().into_inner().unwrap(), 0);
    fn assert_sync<T: Sync>() {}
    assert_sync::<RwLockReadGuard<'_, u8>>();
    assert_sync::<RwLockWriteGuard<'_, u8>>();
}
