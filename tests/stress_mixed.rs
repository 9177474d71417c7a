//! Many threads that do everything at once, on one to four workers: spawn, join, park, unpark, sleep, cancel, detach, lend their
//! stacks; and a shutdown into the midst of it while other OS threads still hold handles and wake. Which order things happen in
//! is chance; what has to hold is not: every value is dropped once, every wait ends, every runtime ends.
//!
//! `SINEW_STRESS=N` makes it N times as long.

use sinew::{Cancelled, Runtime, thread};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

/// How much longer than usual.
fn times() -> usize {
    std::env::var("SINEW_STRESS").ok().and_then(|times| times.parse().ok()).unwrap_or(1)
}

/// Counts itself while it lives.
struct Counted(Arc<AtomicUsize>, Box<usize>);

impl Counted {
    fn new(count: &Arc<AtomicUsize>, value: usize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count), Box::new(value))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        assert_ne!(*self.1, usize::MAX, "dropped twice");
        *self.1 = usize::MAX;
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Marsaglia's xorshift: each thread has one of its own.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 8) % bound
    }
}

/// What the threads of one round share.
struct World {
    alive: Arc<AtomicUsize>,
    /// Handles of threads, ended or not, for whoever wants to wake one.
    known: Mutex<Vec<thread::Thread>>,
    over: AtomicBool,
}

impl World {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            alive: Arc::new(AtomicUsize::new(0)),
            known: Mutex::new(Vec::new()),
            over: AtomicBool::new(false),
        })
    }

    fn meet(&self, thread: &thread::Thread, random: &mut Random) {
        let mut known = self.known.lock().unwrap();
        if known.len() < 64 {
            known.push(thread.clone());
        } else {
            let place = random.below(64) as usize;
            known[place] = thread.clone();
        }
    }

    fn disturb(&self, random: &mut Random) {
        let known = self.known.lock().unwrap();
        if known.is_empty() {
            return;
        }
        let somebody = known[random.below(known.len() as u64) as usize].clone();
        drop(known);
        match random.below(32) {
            0 => somebody.cancel(),
            1 => drop(somebody.name().map(str::len)),
            _ => somebody.unpark(),
        }
    }
}

/// One thread's life: a few steps at random, some of which make more threads.
fn live(world: &Arc<World>, seed: u64, depth: u32) -> Counted {
    let mut random = Random::new(seed);
    let own = Counted::new(&world.alive, seed as usize & 0xffff);
    for step in 0..4 {
        let next = seed.wrapping_mul(31).wrapping_add(step + 1);
        match random.below(if depth == 0 { 7 } else { 14 }) {
            0 => sinew::yield_now(),
            1 => thread::park_timeout(Duration::from_micros(random.below(300))),
            2 => sinew::sleep(Duration::from_micros(random.below(300))),
            3..=5 => world.disturb(&mut random),
            6 => assert_eq!(thread::blocking(|| *own.1), *own.1),
            7 | 8 => {
                let child = spawn(world, next, depth - 1);
                world.meet(child.thread(), &mut random);
                check(child.join());
            }
            9 => drop(spawn(world, next, depth - 1)),
            10 => {
                let children: Vec<_> = (0..4).map(|i| spawn(world, next + 7 * i, depth - 1)).collect();
                children.into_iter().for_each(|child| check(child.join()));
            }
            11 => {
                let mut lent = [0; 3];
                thread::scope(|scope| {
                    for (place, number) in lent.iter_mut().zip(1..) {
                        let own = &own;
                        scope.spawn(move || {
                            sinew::yield_now();
                            *place = number + *own.1;
                        });
                    }
                });
                // A shutdown keeps those that have not started from it.
                assert!(lent.iter().zip(1..).all(|(place, number)| [0, number + *own.1].contains(place)));
            }
            12 => {
                let shared = std::rc::Rc::new(Counted::new(&world.alive, 2));
                let other = std::rc::Rc::clone(&shared);
                let local = thread::spawn_local(move || {
                    sinew::yield_now();
                    *other.1
                });
                world.meet(local.thread(), &mut random);
                if let Ok(value) = local.join() {
                    assert_eq!(value, *shared.1);
                }
            }
            _ => {
                let world = Arc::clone(world);
                let parked = thread::spawn(move || {
                    let _own = Counted::new(&world.alive, 1);
                    while !world.over.load(Ordering::Relaxed) {
                        thread::park();
                    }
                });
                wake_and_cancel(parked, &mut random);
            }
        }
    }
    own
}

/// A parked thread is woken or cancelled, in either order with its start, and joined or left.
fn wake_and_cancel(parked: thread::JoinHandle<()>, random: &mut Random) {
    parked.thread().unpark();
    if random.below(2) == 0 {
        sinew::yield_now();
    }
    parked.thread().cancel();
    if random.below(2) == 0 {
        assert!(parked.join().is_err_and(|payload| payload.is::<Cancelled>()));
    }
}

fn spawn(world: &Arc<World>, seed: u64, depth: u32) -> thread::JoinHandle<Counted> {
    let world = Arc::clone(world);
    let wait = Counted::new(&world.alive, 0);
    thread::spawn(move || {
        let _moved_in = wait;
        live(&world, seed, depth)
    })
}

/// A thread ends well or is cancelled, and panics never.
fn check(outcome: thread::Result<Counted>) {
    if let Err(payload) = outcome {
        assert!(payload.is::<Cancelled>(), "a thread panicked");
    }
}

#[test]
fn every_value_is_dropped_once_whatever_ends_a_thread() {
    for round in 0..24 * times() as u64 {
        let world = World::new();
        let runtime = Runtime::builder().workers(1 + round as usize % 4).build().unwrap();
        let disturbers: Vec<_> = (0..2)
            .map(|number| {
                let world = Arc::clone(&world);
                std::thread::spawn(move || {
                    let mut random = Random::new(round * 2 + number);
                    while !world.over.load(Ordering::Relaxed) {
                        world.disturb(&mut random);
                        if random.below(64) == 0 {
                            std::thread::sleep(Duration::from_micros(random.below(500)));
                        }
                    }
                    // The runtime ends meanwhile.
                    for _ in 0..1000 {
                        world.disturb(&mut random);
                    }
                })
            })
            .collect();
        let handle = runtime.handle();
        let roots: Vec<_> = (0..16)
            .map(|number| {
                let other = Arc::clone(&world);
                let root = handle.spawn(move || live(&other, round * 1000 + number, 4)).unwrap();
                world.meet(root.thread(), &mut Random::new(number + 1));
                root
            })
            .collect();
        for (number, root) in roots.into_iter().enumerate() {
            // Some are joined from here, an OS thread; the others are left to the shutdown.
            if number % 4 != 3 || round % 2 == 0 {
                check(root.join());
            }
        }
        world.over.store(true, Ordering::Relaxed);
        runtime.shutdown(Instant::now() + Duration::from_secs(300)).unwrap();
        disturbers.into_iter().for_each(|disturber| disturber.join().unwrap());
        assert_eq!(world.alive.load(Ordering::Relaxed), 0, "left over, or dropped twice");
    }
}

#[test]
fn two_runtimes_and_an_os_thread_pass_a_token_round() {
    const TURNS: usize = 2_000;
    let runtimes = [1, 2].map(|workers| Runtime::builder().workers(workers).build().unwrap());
    let turns = TURNS * times();
    let token = Arc::new(AtomicUsize::new(0));
    let ring: Arc<Mutex<Vec<thread::Thread>>> = Arc::default();
    let ready = Arc::new(AtomicUsize::new(0));
    let life = |number: usize| {
        let (token, ring, ready) = (Arc::clone(&token), Arc::clone(&ring), Arc::clone(&ready));
        move || {
            while ready.load(Ordering::Acquire) == 0 {
                thread::park();
            }
            let next = ring.lock().unwrap()[(number + 1) % 5].clone();
            for turn in 0..turns {
                while token.load(Ordering::Relaxed) != turn * 5 + number {
                    thread::park();
                }
                token.store(turn * 5 + number + 1, Ordering::Relaxed);
                next.unpark();
            }
        }
    };
    let threads: Vec<_> = (0..4).map(|number| runtimes[number % 2].handle().spawn(life(number)).unwrap()).collect();
    ring.lock().unwrap().extend(threads.iter().map(|thread| thread.thread().clone()));
    ring.lock().unwrap().push(thread::current());
    ready.store(1, Ordering::Release);
    threads.iter().for_each(|thread| thread.thread().unpark());
    life(4)();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(token.load(Ordering::Relaxed), turns * 5);
}

#[test]
fn work_that_a_sleeping_worker_can_take_does_not_wait_for_a_busy_one() {
    // Bursts with pauses in which the workers fall asleep, so that each burst begins with the wake.
    let runtime = Runtime::builder().workers(3).build().unwrap();
    let sum = Arc::new(AtomicUsize::new(0));
    for burst in 0..200 * times() {
        let sum = Arc::clone(&sum);
        runtime.run(move || {
            let children: Vec<_> = (0..20)
                .map(|_| {
                    let sum = Arc::clone(&sum);
                    thread::spawn(move || {
                        for _ in 0..burst % 5 {
                            sinew::yield_now();
                        }
                        sum.fetch_add(1, Ordering::Relaxed);
                    })
                })
                .collect();
            children.into_iter().for_each(|child| child.join().unwrap());
        });
        if burst % 3 == 0 {
            std::thread::sleep(Duration::from_micros(300));
        }
    }
    assert_eq!(sum.load(Ordering::Relaxed), 4_000 * times());
}
