//! Many threads that do everything to each other, and nothing is lost. The random numbers repeat; what the machine makes of
//! them does not.

mod harness;

use harness::{CountsDrops, Random, at_most_suspended, wait_until};
use sinew::{Cancelled, Runtime, thread};
use std::{
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

/// One at a time: each takes the machine.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn runtime(workers: usize) -> Runtime {
    Runtime::builder().workers(workers).build().unwrap()
}

struct Woken {
    threads: Vec<OnceLock<thread::Thread>>,
    received: Vec<AtomicU32>,
    /// Whom each thread wakes, one permutation a round: so each is woken exactly once a round.
    targets: Vec<Vec<u32>>,
}

impl Woken {
    fn send(&self, from: usize, round: usize) {
        let target = self.targets[round][from] as usize;
        self.received[target].fetch_add(1, Ordering::Relaxed);
        self.threads[target].get().expect("all are known").unpark();
    }
}

/// Each thread sends a wake, and another one for each that it receives: so some wake is always on its way until all
/// have received theirs, and if one is lost this never ends.
fn wake_at_random(workers: usize, count: usize, seed: u64) {
    let runtime = runtime(workers);
    let mut random = Random::new(seed);
    let rounds = 5;
    let shared = Arc::new(Woken {
        threads: (0..count).map(|_| OnceLock::new()).collect(),
        received: (0..count).map(|_| AtomicU32::new(0)).collect(),
        targets: (0..rounds).map(|_| random.permutation(count)).collect(),
    });
    runtime.run(|| {
        let threads: Vec<_> = (0..count)
            .map(|i| {
                let woken = shared.clone();
                thread::spawn(move || {
                    // Until all are spawned.
                    thread::park();
                    woken.send(i, 0);
                    let mut seen = 0;
                    while seen < rounds {
                        if woken.received[i].load(Ordering::Relaxed) as usize > seen {
                            seen += 1;
                            if seen < rounds {
                                woken.send(i, seen);
                            }
                        } else {
                            thread::park();
                        }
                    }
                })
            })
            .collect();
        for (place, thread) in shared.threads.iter().zip(&threads) {
            assert!(place.set(thread.thread().clone()).is_ok());
        }
        threads.iter().for_each(|thread| thread.thread().unpark());
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
    assert!(shared.received.iter().all(|received| received.load(Ordering::Relaxed) as usize == rounds));
}

#[test]
fn a_hundred_thousand_wake_each_other_at_random_on_one_worker() {
    let _alone = alone();
    wake_at_random(1, at_most_suspended(100_000), 1);
}

#[test]
fn a_hundred_thousand_wake_each_other_at_random_on_two_workers() {
    let _alone = alone();
    wake_at_random(2, at_most_suspended(100_000), 2);
}

#[test]
fn a_hundred_thousand_wake_each_other_at_random_on_eight_workers() {
    let _alone = alone();
    wake_at_random(8, at_most_suspended(100_000), 3);
}

#[test]
fn two_hundred_thousand_parked_threads_are_all_woken() {
    let _alone = alone();
    let count = at_most_suspended(200_000);
    let runtime = runtime(2);
    runtime.run(|| {
        let parked = Arc::new(AtomicUsize::new(0));
        let threads: Vec<_> = (0..count)
            .map(|i| {
                let parked = parked.clone();
                thread::spawn(move || {
                    parked.fetch_add(1, Ordering::Relaxed);
                    thread::park();
                    i
                })
            })
            .collect();
        while parked.load(Ordering::Relaxed) < count {
            thread::yield_now();
        }
        threads.iter().for_each(|thread| thread.thread().unpark());
        assert!(threads.into_iter().enumerate().all(|(i, thread)| thread.join().unwrap() == i));
    });
}

#[test]
fn a_hundred_thousand_parked_threads_are_all_cancelled_by_the_end() {
    let _alone = alone();
    let (count, drops) = (at_most_suspended(100_000), Arc::new(AtomicUsize::new(0)));
    let runtime = runtime(2);
    runtime.run(|| {
        for _ in 0..count {
            let captured = CountsDrops(drops.clone());
            drop(thread::spawn(move || {
                let _captured = captured;
                thread::park();
            }));
        }
        thread::yield_now();
    });
    drop(runtime);
    assert_eq!(drops.load(Ordering::SeqCst), count);
}

#[test]
fn os_threads_spawn_storms() {
    let _alone = alone();
    for workers in [1, 2, 8] {
        let runtime = runtime(workers);
        let (sum, each) = (Arc::new(AtomicU64::new(0)), 10_000_u64);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let (handle, sum) = (runtime.handle(), sum.clone());
                scope.spawn(move || {
                    let mut kept = Vec::new();
                    for i in 0..each {
                        let sum = sum.clone();
                        let thread = handle.spawn(move || {
                            sum.fetch_add(i, Ordering::Relaxed);
                            i
                        });
                        // Some joined at once, some later, some never.
                        match i % 50 {
                            0 => assert_eq!(thread.unwrap().join().unwrap(), i),
                            1..10 => kept.push((i, thread.unwrap())),
                            _ => drop(thread.unwrap()),
                        }
                    }
                    assert!(kept.into_iter().all(|(i, thread)| thread.join().unwrap() == i));
                });
            }
        });
        wait_until(|| runtime.metrics().ended == 4 * each);
        assert_eq!(sum.load(Ordering::Relaxed), 4 * (each * (each - 1) / 2));
    }
}

#[test]
fn storms_of_detached_threads_that_spawn_others() {
    fn storm(depth: u32, ended: &Arc<AtomicUsize>) {
        for _ in 0..4 {
            let ended = ended.clone();
            drop(thread::spawn(move || {
                if depth > 0 {
                    storm(depth - 1, &ended);
                }
                if depth.is_multiple_of(2) {
                    thread::yield_now();
                }
                ended.fetch_add(1, Ordering::Relaxed);
            }));
        }
    }
    let _alone = alone();
    for workers in [1, 2, 8] {
        let runtime = runtime(workers);
        let ended = Arc::new(AtomicUsize::new(0));
        runtime.run(|| storm(6, &ended));
        let all = (4_usize.pow(8) - 4) / 3;
        wait_until(|| ended.load(Ordering::Relaxed) == all);
    }
}

/// What the random trees count: every thread that was spawned ends in one of these ways, and drops what it captured.
#[derive(Default)]
struct Ledger {
    spawned: AtomicUsize,
    returned: AtomicUsize,
    cancelled: AtomicUsize,
    panicked: AtomicUsize,
    detached: AtomicUsize,
    drops: Arc<AtomicUsize>,
}

impl Ledger {
    fn settle(&self, result: thread::Result<u64>, number: u64) {
        let count = match result {
            Ok(value) => {
                assert_eq!(value, number);
                &self.returned
            }
            Err(payload) if payload.is::<Cancelled>() => &self.cancelled,
            Err(payload) => {
                assert_eq!(payload.downcast_ref::<u64>(), Some(&number));
                &self.panicked
            }
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    fn spawn(self: &Arc<Self>, number: u64, depth: u32) -> thread::JoinHandle<u64> {
        self.spawned.fetch_add(1, Ordering::Relaxed);
        let (ledger, captured) = (self.clone(), CountsDrops(self.drops.clone()));
        thread::spawn(move || {
            let _captured = captured;
            live(&ledger, number, depth)
        })
    }
}

/// A thread of the tree: does what its number says.
fn live(ledger: &Arc<Ledger>, number: u64, depth: u32) -> u64 {
    let mut random = Random::new(number);
    for step in 0..random.below(6) {
        match random.below(12) {
            0 | 1 => thread::yield_now(),
            2 => thread::sleep(Duration::from_micros(random.below(2_000) as u64)),
            3 => thread::park_timeout(Duration::from_micros(random.below(1_000) as u64)),
            4 => {
                let me = thread::current();
                let waker = thread::spawn(move || me.unpark());
                thread::park();
                // A cancelled waker may not have run, but then neither was this woken by it.
                let _ = waker.join();
            }
            5 if depth > 0 => {
                // A scope whose threads lend from this stack.
                let numbers: Vec<u64> = (0..4).map(|_| random.next()).collect();
                let sum = AtomicU64::new(0);
                thread::scope(|scope| {
                    for number in &numbers {
                        let sum = &sum;
                        scope.spawn(move || {
                            thread::yield_now();
                            sum.fetch_add(*number, Ordering::Relaxed);
                        });
                    }
                });
                let expected = numbers.iter().fold(0_u64, |sum, &number| sum.wrapping_add(number));
                assert_eq!(sum.into_inner(), expected);
            }
            6 if random.below(20) == 0 => std::panic::resume_unwind(Box::new(number)),
            _ if depth > 0 => {
                let children: Vec<_> = (0..random.below(5) as u64)
                    .map(|i| {
                        let child = number.wrapping_mul(31).wrapping_add(i + step as u64);
                        (child, ledger.spawn(child, depth - 1))
                    })
                    .collect();
                for (number, child) in children {
                    match random.below(8) {
                        0 => {
                            ledger.detached.fetch_add(1, Ordering::Relaxed);
                            drop(child);
                        }
                        1 => {
                            child.thread().cancel();
                            ledger.settle(child.join(), number);
                        }
                        _ => {
                            child.thread().unpark();
                            ledger.settle(child.join(), number);
                        }
                    }
                }
            }
            _ => {}
        }
    }
    number
}

#[test]
fn random_trees_lose_no_thread_and_no_drop() {
    let _alone = alone();
    for (workers, seed) in [(1, 10), (2, 20), (3, 30), (8, 40)] {
        let runtime = runtime(workers);
        let ledger = Arc::new(Ledger::default());
        let roots = 150_u64;
        runtime.run(|| {
            let threads: Vec<_> = (0..roots).map(|i| (i + seed * 1_000, ledger.spawn(i + seed * 1_000, 6))).collect();
            for (number, thread) in threads {
                ledger.settle(thread.join(), number);
            }
        });
        // The detached ones, and those whose joiner was cancelled, go on by themselves.
        wait_until(|| {
            let metrics = runtime.metrics();
            metrics.spawned == metrics.ended
        });
        let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
        assert_eq!(count(&ledger.drops), count(&ledger.spawned));
        let settled = count(&ledger.returned) + count(&ledger.cancelled) + count(&ledger.panicked);
        assert!(settled + count(&ledger.detached) <= count(&ledger.spawned));
        assert!(count(&ledger.spawned) > 2_000 && count(&ledger.cancelled) > 20 && count(&ledger.panicked) > 0);
    }
}

#[test]
fn random_trees_end_in_a_shutdown() {
    let _alone = alone();
    for (workers, seed) in [(1, 50), (2, 60), (8, 70)] {
        for round in 0..5 {
            let runtime = runtime(workers);
            let ledger = Arc::new(Ledger::default());
            let (roots, inside) = (50_u64, ledger.clone());
            let go = runtime.handle().spawn(move || {
                for i in 0..roots {
                    drop(inside.spawn(i + seed * 1_000 + round * 100, 6));
                    thread::yield_now();
                }
            });
            wait_until(|| ledger.spawned.load(Ordering::Relaxed) > 50 * round as usize);
            runtime.shutdown(std::time::Instant::now() + Duration::from_secs(300)).unwrap();
            drop(go);
            assert_eq!(ledger.drops.load(Ordering::Relaxed), ledger.spawned.load(Ordering::Relaxed));
        }
    }
}

#[test]
fn pairs_on_different_workers_hand_a_turn_to_each_other() {
    let _alone = alone();
    for workers in [2, 8] {
        let runtimes: Vec<_> = (0..2).map(|_| runtime(workers / 2)).collect();
        let (pairs, rounds) = (20, 500_u32);
        let threads: Vec<_> = (0..pairs)
            .flat_map(|_| {
                let turn = Arc::new(AtomicU32::new(0));
                let others: Arc<[OnceLock<thread::Thread>; 2]> = Arc::default();
                let pair: Vec<_> = (0..2_u32)
                    .map(|side| {
                        let (turn, others) = (turn.clone(), others.clone());
                        let body = move || {
                            // Both are known when the first token comes.
                            thread::park();
                            let other = others[1 - side as usize].get().unwrap();
                            for round in 0..rounds {
                                while turn.load(Ordering::Relaxed) != 2 * round + side {
                                    thread::park();
                                }
                                turn.store(2 * round + side + 1, Ordering::Relaxed);
                                other.unpark();
                            }
                        };
                        runtimes[side as usize].handle().spawn(body).unwrap()
                    })
                    .collect();
                for (place, thread) in others.iter().zip(&pair) {
                    assert!(place.set(thread.thread().clone()).is_ok());
                }
                pair.iter().for_each(|thread| thread.thread().unpark());
                pair
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    }
}
