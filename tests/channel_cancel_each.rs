//! Cancellation and time limits of channel operations, systematically: a thread sends, receives or selects several times, and is driven
//! through its suspensions by what others take and put; at the k-th it is cancelled, or left to time out, for each k. Afterwards what was sent was
//! received once, and another thread in the same place has done all that it wanted.
//!
//! On one worker the thread is suspended whenever the driver runs, so each k is another suspension; on two, it is where it is.

mod harness;

use harness::{on_workers, spawn_started};
use sinew::{
    Cancelled, JoinHandle, Runtime,
    channel::{Receiver, Select, Sender, after, at, bounded, select, tick, unbounded},
    thread,
};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

/// Operations of each thread.
const ROUNDS: u32 = 3;
const LIMIT: Duration = Duration::from_millis(2);
const LONG: Duration = Duration::from_secs(3_600);

type Channel = (Sender<u32>, Receiver<u32>);

/// Two channels of one flavour, and what went in and came out.
struct World {
    a: Channel,
    b: Channel,
    sent: Mutex<Vec<u32>>,
    got: Mutex<Vec<u32>>,
    next: AtomicU32,
}

impl World {
    fn new(make: fn() -> Channel) -> Self {
        Self { a: make(), b: make(), sent: Mutex::default(), got: Mutex::default(), next: AtomicU32::new(0) }
    }

    /// A message unlike all others.
    fn message(&self) -> u32 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    fn sent(&self, message: u32) {
        self.sent.lock().unwrap().push(message);
    }

    fn got(&self, message: u32) {
        self.got.lock().unwrap().push(message);
    }

    fn put(&self, channel: &Channel) -> bool {
        let message = self.message();
        let put = channel.0.try_send(message).is_ok();
        if put {
            self.sent(message);
        }
        put
    }

    fn take(&self, channel: &Channel) {
        if let Ok(message) = channel.1.try_recv() {
            self.got(message);
        }
    }

    fn check(&self, name: &str) {
        for channel in [&self.a, &self.b] {
            channel.1.try_iter().for_each(|message| self.got(message));
        }
        let (mut sent, mut got) = (self.sent.lock().unwrap(), self.got.lock().unwrap());
        sent.sort_unstable();
        got.sort_unstable();
        assert_eq!(*sent, *got, "{name}: sent and received");
        drop((sent, got));
        assert!(self.put(&self.a) != (self.a.0.capacity() == Some(0)), "{name}: nobody waits and nothing is taken up");
    }
}

/// An operation, how it is made to wait, and what lets it go on.
struct Case {
    name: &'static str,
    /// False if its time is over.
    operation: fn(&World, Option<Duration>) -> bool,
    full: bool,
    looks: bool,
    step: fn(&World, usize),
}

fn put_both(world: &World, number: usize) {
    world.put(if number.is_multiple_of(2) { &world.a } else { &world.b });
}

fn take_both(world: &World, number: usize) {
    world.take(if number.is_multiple_of(2) { &world.a } else { &world.b });
}

const CASES: &[Case] = &[
    Case {
        name: "send",
        operation: |world, limit| {
            let message = world.message();
            let sent = match limit {
                None => world.a.0.send(message).is_ok(),
                Some(limit) => world.a.0.send_timeout(message, limit).is_ok(),
            };
            if sent {
                world.sent(message);
            }
            sent
        },
        full: true,
        looks: false,
        step: |world, _| world.take(&world.a),
    },
    Case {
        name: "receive",
        operation: |world, limit| {
            let got = match limit {
                None => world.a.1.recv().ok(),
                Some(limit) => world.a.1.recv_timeout(limit).ok(),
            };
            got.map(|message| world.got(message)).is_some()
        },
        full: false,
        looks: false,
        step: |world, _| {
            world.put(&world.a);
        },
    },
    Case {
        name: "a select that receives",
        operation: |world, limit| {
            select! {
                recv(world.a.1) -> message => world.got(message.unwrap()),
                recv(world.b.1) -> message => world.got(message.unwrap()),
                default(limit.unwrap_or(LONG)) => return false,
            }
            true
        },
        full: false,
        looks: false,
        step: put_both,
    },
    Case {
        name: "a select that receives, with a clock's channel",
        operation: |world, limit| {
            select! {
                recv(world.a.1) -> message => world.got(message.unwrap()),
                recv(after(limit.unwrap_or(LONG))) -> _ => return false,
            }
            true
        },
        full: false,
        looks: false,
        step: |world, _| {
            world.put(&world.a);
        },
    },
    Case {
        name: "a select that sends",
        operation: |world, limit| {
            let message = world.message();
            select! {
                send(world.a.0, message) -> sent => sent.unwrap(),
                send(world.b.0, message) -> sent => sent.unwrap(),
                default(limit.unwrap_or(LONG)) => return false,
            }
            world.sent(message);
            true
        },
        full: true,
        looks: false,
        step: take_both,
    },
    Case {
        name: "a select that receives here and sends there",
        operation: |world, limit| {
            let message = world.message();
            let operation = {
                let mut select = Select::new();
                let (receives, _) = (select.recv(&world.a.1), select.send(&world.b.0));
                let selected = match limit {
                    None => Some(select.select()),
                    Some(limit) => select.select_timeout(limit).ok(),
                };
                selected.map(|operation| match operation.index() == receives {
                    true => world.got(operation.recv(&world.a.1).unwrap()),
                    false => {
                        operation.send(&world.b.0, message).unwrap();
                        world.sent(message);
                    }
                })
            };
            operation.is_some()
        },
        full: true,
        looks: false,
        step: |world, number| match number.is_multiple_of(2) {
            true => world.take(&world.b),
            false => {
                world.put(&world.a);
            }
        },
    },
    Case {
        name: "a look whether a receive would succeed",
        operation: |world, limit| {
            let mut select = Select::new();
            select.recv(&world.a.1);
            select.recv(&world.b.1);
            let ready = match limit {
                None => Some(select.ready()),
                Some(limit) => select.ready_timeout(limit).ok(),
            };
            match ready {
                Some(index) => world.take([&world.a, &world.b][index]),
                None => return false,
            }
            true
        },
        full: false,
        looks: true,
        step: put_both,
    },
];

/// Fills what sends are to find full.
fn prepare(case: &Case, world: &World) {
    if case.full {
        while world.put(&world.b) {}
        // The first arm of the case that also receives finds nothing.
        if case.name == "send" || case.name == "a select that sends" {
            while world.put(&world.a) {}
        }
    }
}

fn end(handle: JoinHandle<()>) {
    if let Err(payload) = handle.join() {
        assert!(payload.is::<Cancelled>(), "it panicked");
    }
}

/// Has the others run until they wait.
fn settle(workers: usize) {
    (0..8).for_each(|_| sinew::yield_now());
    if workers > 1 {
        sinew::sleep(Duration::from_millis(1));
    }
}

fn drive(case: &'static Case, make: fn() -> Channel, workers: usize, limit: Option<Duration>, k: usize) {
    let name = format!("{}, {workers} workers, {limit:?}, after step {k}", case.name);
    let world = Arc::new(World::new(make));
    prepare(case, &world);
    let spawn = |limit| {
        let world = world.clone();
        thread::spawn(move || {
            for _ in 0..ROUNDS {
                if !(case.operation)(&world, limit) {
                    return;
                }
            }
        })
    };
    let (one, two) = (spawn(limit), spawn(None));
    let mut number = 0;
    while number <= k || !one.is_finished() || !two.is_finished() {
        if number == k {
            match limit {
                None => one.thread().cancel(),
                Some(limit) => sinew::sleep(limit * 2),
            }
        }
        settle(workers);
        (case.step)(&world, number);
        number += 1;
    }
    end(one);
    two.join().expect("nobody cancelled it");
    world.check(&name);
}

fn on(workers: usize, limit: Option<Duration>) {
    let runtime = Runtime::builder().workers(workers).build().unwrap();
    runtime.run(move || {
        let bounds: [fn() -> Channel; 3] = [|| bounded(0), || bounded(1), || bounded(2)];
        for case in CASES {
            for k in 0..=2 * ROUNDS as usize + 1 {
                // Who only looks is not met by who does not wait.
                let bounds = &bounds[usize::from(case.looks)..];
                bounds.iter().for_each(|&make| drive(case, make, workers, limit, k));
                if !case.full {
                    drive(case, unbounded, workers, limit, k);
                }
            }
        }
    });
}

#[test]
fn whoever_is_cancelled_at_any_suspension_has_lost_and_doubled_nothing() {
    on(1, None);
    on(2, None);
}

#[test]
fn whoever_runs_out_of_time_at_any_suspension_has_lost_and_doubled_nothing() {
    on(1, Some(LIMIT));
    on(2, Some(LIMIT));
}

#[test]
fn a_cancelled_wait_for_time_leaves_the_message_to_others() {
    on_workers(|| {
        let soon = Duration::from_millis(20);
        for make in [|soon| after(soon), |soon| at(Instant::now() + soon), |soon| tick(soon)] {
            let receiver = make(soon);
            let got = Arc::new(AtomicU32::new(0));
            let waiter = spawn_started({
                let (receiver, got) = (receiver.clone(), got.clone());
                move || {
                    receiver.recv().unwrap();
                    got.store(1, Ordering::SeqCst);
                }
            });
            waiter.thread().cancel();
            end(waiter);
            // Unless the cancellation came too late.
            assert!(got.load(Ordering::SeqCst) == 1 || receiver.recv().is_ok());
        }
    });
}

#[test]
fn a_tick_that_was_waited_for_in_vain_comes_all_the_same() {
    on_workers(|| {
        let ticks = tick(Duration::from_millis(3));
        for rounds in 0..4 {
            let waiter = spawn_started({
                let ticks = ticks.clone();
                move || (0..rounds).for_each(|_| assert!(ticks.recv().is_ok()))
            });
            thread::sleep(Duration::from_millis(rounds));
            waiter.thread().cancel();
            end(waiter);
            assert!(ticks.recv().is_ok());
        }
    });
}
