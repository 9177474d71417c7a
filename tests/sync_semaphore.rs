//! `sync::Semaphore`: permits are conserved, come in order, and end with `close`.

mod harness;

use harness::{on_every_crew, spawn_started, still_waits, wait_until};
use sinew::{
    Runtime,
    sync::{Semaphore, TryAcquireError},
    thread,
};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

#[test]
fn no_more_are_inside_than_there_are_permits() {
    on_every_crew(|crew| {
        let shared = Arc::new((Semaphore::new(3), AtomicUsize::new(0)));
        let own = shared.clone();
        crew.all(8, move |number| {
            for turn in 0..200 {
                let wanted = 1 + (number + turn) % 3;
                let _permit = own.0.acquire_many(wanted).unwrap();
                assert!(own.1.fetch_add(wanted, Ordering::SeqCst) + wanted <= 3);
                if turn % 20 == 0 {
                    thread::yield_now();
                }
                own.1.fetch_sub(wanted, Ordering::SeqCst);
            }
        });
        assert_eq!(shared.0.available_permits(), 3);
    });
}

#[test]
fn one_that_wants_many_is_not_overtaken() {
    let runtime = Runtime::builder().workers(1).build().unwrap();
    runtime.run(|| {
        let shared = Arc::new((Semaphore::new(1), Mutex::new(Vec::new())));
        let spawn = |wanted: usize| {
            let own = shared.clone();
            // On the one worker, a thread that has begun goes on until it waits.
            spawn_started(move || {
                let permit = own.0.acquire_many(wanted).unwrap();
                own.1.lock().unwrap().push(wanted);
                permit.forget();
            })
        };
        let waiters = [spawn(3), spawn(1), spawn(2)];
        assert_eq!(shared.0.try_acquire().unwrap_err(), TryAcquireError::NoPermits, "others wait");
        shared.0.add_permits(5);
        waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
        assert_eq!(*shared.1.lock().unwrap(), [3, 1, 2]);
        assert_eq!(shared.0.available_permits(), 0);
    });
}

#[test]
fn closing_refuses_who_waits_and_who_comes() {
    on_every_crew(|crew| {
        let semaphore = Arc::new(Semaphore::new(1));
        let permit = semaphore.acquire().unwrap();
        let waiters: Vec<_> = (0..20)
            .map(|_| {
                let own = semaphore.clone();
                crew.spawn(move || own.acquire().is_err())
            })
            .collect();
        assert!(still_waits(&waiters[0]));
        semaphore.close();
        assert!(waiters.into_iter().all(|waiter| waiter.join().unwrap()));
        assert!(semaphore.is_closed());
        assert_eq!(semaphore.try_acquire().unwrap_err(), TryAcquireError::Closed);
        drop(permit);
        assert_eq!(semaphore.available_permits(), 1);
    });
}

#[test]
fn a_limited_time_ends_and_takes_nothing() {
    on_every_crew(|_| {
        let semaphore = Semaphore::new(1);
        let refused = semaphore.acquire_timeout(2, Duration::from_millis(3)).unwrap_err();
        assert_eq!(refused, TryAcquireError::NoPermits);
        assert_eq!(semaphore.acquire_timeout(1, Duration::MAX).unwrap().num_permits(), 1);
        assert_eq!(semaphore.available_permits(), 1);
    });
}

#[test]
fn permits_are_split_merged_forgotten_and_owned() {
    on_every_crew(|crew| {
        let semaphore = Arc::new(Semaphore::new(5));
        let mut permit = semaphore.acquire_many(4).unwrap();
        let part = permit.split(1).unwrap();
        assert!(permit.split(4).is_none());
        assert_eq!((permit.num_permits(), part.num_permits(), semaphore.available_permits()), (3, 1, 1));
        permit.merge(part);
        drop(permit);
        semaphore.acquire_many(2).unwrap().forget();
        assert_eq!(semaphore.forget_permits(1), 1);
        assert_eq!(semaphore.forget_permits(9), 2);
        semaphore.add_permits(2);
        let owned = semaphore.clone().acquire_owned(2).unwrap();
        assert!(semaphore.clone().try_acquire_owned(1).is_err());
        crew.spawn(move || drop(owned)).join().unwrap();
        wait_until(|| semaphore.available_permits() == 2);
    });
}

#[test]
#[should_panic(expected = "more permits than a semaphore can count")]
fn too_many_permits_panic() {
    Semaphore::new(Semaphore::MAX_PERMITS).add_permits(1);
}

#[test]
#[should_panic(expected = "permits of different semaphores")]
fn permits_of_different_semaphores_do_not_merge() {
    let (one, two) = (Semaphore::new(1), Semaphore::new(1));
    one.acquire().unwrap().merge(two.acquire().unwrap());
}
