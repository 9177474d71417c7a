//! Many threads that wait for everything in `sync`, with and without limits, and are cancelled at random. Which order things happen in
//! is chance; that nothing is lost, held or entered twice is not.
//!
//! `SINEW_STRESS=N` makes it N times as long.

mod harness;

use harness::Random;
use sinew::{
    Cancelled, JoinHandle, Runtime,
    sync::{Condvar, Mutex, Notify, RwLock, Semaphore},
    thread,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// How much longer than usual.
fn times() -> usize {
    std::env::var("SINEW_STRESS").ok().and_then(|times| times.parse().ok()).unwrap_or(1)
}

fn end<T>(handle: JoinHandle<T>) {
    if let Err(payload) = handle.join() {
        assert!(payload.is::<Cancelled>(), "it panicked");
    }
}

/// What the threads of the storm share.
struct World {
    mutex: Mutex<usize>,
    items: Mutex<usize>,
    changed: Condvar,
    lock: RwLock<usize>,
    semaphore: Semaphore,
    notify: Notify,
    inside: AtomicUsize,
}

/// Threads that wait for all of these with and without limits, and are cancelled at random.
#[test]
fn a_storm_of_cancellations_loses_nothing() {
    for workers in [1, 2, 8] {
        let runtime = Runtime::builder().workers(workers).build().unwrap();
        runtime.run(move || {
            let world = Arc::new(World {
                mutex: Mutex::new(0),
                items: Mutex::new(0),
                changed: Condvar::new(),
                lock: RwLock::new(0),
                semaphore: Semaphore::new(4),
                notify: Notify::new(),
                inside: AtomicUsize::new(0),
            });
            let mut random = Random::new(workers as u64);
            for _ in 0..20 * times() {
                let threads: Vec<_> = (0..40)
                    .map(|_| {
                        let (world, seed) = (world.clone(), random.next());
                        thread::spawn(move || storm(&world, &mut Random::new(seed)))
                    })
                    .collect();
                let os = std::thread::spawn({
                    let (world, seed) = (world.clone(), random.next());
                    move || storm(&world, &mut Random::new(seed))
                });
                while threads.iter().any(|thread| !thread.is_finished()) || !os.is_finished() {
                    threads[random.below(threads.len())].thread().cancel();
                    if random.below(4) == 0 {
                        world.notify.notify_one();
                        world.changed.notify_one();
                        thread::sleep(Duration::from_millis(random.below(2) as u64));
                    }
                    thread::yield_now();
                }
                threads.into_iter().for_each(end);
                os.join().unwrap();
                let World { mutex, items, lock, semaphore, .. } = &*world;
                assert!(mutex.try_lock().is_ok() && items.try_lock().is_ok() && lock.try_write().is_ok());
                assert_eq!(semaphore.available_permits(), 4);
                assert_eq!(world.inside.load(Ordering::SeqCst), 0);
            }
        });
    }
}

fn storm(world: &World, random: &mut Random) {
    let limit = Duration::from_millis(1);
    for _ in 0..30 {
        match random.below(8) {
            0 => *world.mutex.lock().unwrap() += 1,
            1 => {
                let _held = world.mutex.lock().unwrap();
                let _inside = Inside::new(&world.inside, 1_000, 1);
                thread::yield_now();
            }
            2 => drop(world.lock.read().map(|value| {
                thread::yield_now();
                *value
            })),
            3 => {
                let mut held = world.lock.write().unwrap();
                *held += 1;
                thread::yield_now();
            }
            4 => {
                let amount = 1 + random.below(4);
                let _permit = world.semaphore.acquire_many(amount).unwrap();
                let _inside = Inside::new(&world.inside, 1, 4);
                thread::yield_now();
            }
            5 => drop(world.semaphore.acquire_timeout(4, limit)),
            6 => {
                let held = world.items.lock().unwrap();
                let (mut held, _) = world.changed.wait_timeout(held, limit).unwrap();
                *held += 1;
                world.changed.notify_one();
            }
            _ => drop(world.notify.wait_timeout(limit)),
        }
    }
}

/// Counts who is inside: so many of a kind at most.
struct Inside<'a>(&'a AtomicUsize, usize);

impl<'a> Inside<'a> {
    fn new(count: &'a AtomicUsize, unit: usize, most: usize) -> Self {
        let before = count.fetch_add(unit, Ordering::SeqCst);
        assert!(before / unit % 1_000 < most, "too many inside");
        Self(count, unit)
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(self.1, Ordering::SeqCst);
    }
}
