//! A bounded queue of a mutex and two condition variables: what is put in is taken out, once and in order, and no notification is lost.

use std::collections::VecDeque;
use std::sync::Arc;

use sinew::sync::{Condvar, Mutex, MutexGuard};

use crate::actor::Actor;
use crate::ledger::{Ledger, Message, Receiving, Sending};
use crate::stage::{End, Part, Setting, Stage};

const TAKERS: usize = 3;

type Queue = VecDeque<Message>;

struct Buffer {
    queue: Mutex<Queue>,
    not_empty: Condvar,
    not_full: Condvar,
    capacity: usize,
    /// One notification wakes all.
    notify_all: bool,
    ledger: Ledger,
}

pub(crate) fn stage(setting: &mut Setting) -> Arc<dyn Stage> {
    Arc::new(Buffer {
        queue: Mutex::default(),
        not_empty: Condvar::new(),
        not_full: Condvar::new(),
        capacity: 1 + setting.random.below(8),
        notify_all: setting.random.one_in(4),
        ledger: Ledger::default(),
    })
}

impl Stage for Buffer {
    fn parts(self: Arc<Self>) -> Vec<Part> {
        let (puts, takes) = (Arc::clone(&self), self);
        vec![
            Part::new(
                "putter",
                3,
                move |_| Puts { sending: puts.ledger.sending(), buffer: Arc::clone(&puts) },
                &[
                    ("wait and put", Puts::wait),
                    ("wait_while and put", Puts::wait_while),
                    ("wait_timeout and put", Puts::wait_timeout),
                ],
            ),
            Part::new(
                "taker",
                TAKERS,
                move |_| Takes { receiving: Receiving::default(), buffer: Arc::clone(&takes) },
                &[
                    ("wait and take", Takes::wait),
                    ("wait_timeout and take", Takes::wait_timeout),
                    ("wait_timeout_while and take", Takes::wait_timeout_while),
                ],
            )
            .ends(End::Itself),
        ]
    }

    /// Each taker gets a message that ends it, so that one whose notification was lost is found out.
    fn part_ended(&self, part: usize) {
        if part == 0 {
            for _ in 0..TAKERS {
                // Beyond what the buffer should hold, as the driver must not wait for the takers.
                self.queue.lock().expect("no actor panics").push_back(self.ledger.last());
                self.not_empty.notify_one();
            }
        }
    }

    fn check(&self) -> Result<(), String> {
        let queue = self.queue.try_lock().map_err(|error| format!("nobody uses the mutex: {error}"))?;
        match queue.len() {
            0 => self.ledger.check(),
            left => Err(format!("{left} messages are left")),
        }
    }
}

impl Buffer {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().expect("a cancellation poisons nothing")
    }

    fn notify(&self, condvar: &Condvar) {
        if self.notify_all { condvar.notify_all() } else { condvar.notify_one() }
    }
}

/// A putter's own.
struct Puts {
    buffer: Arc<Buffer>,
    sending: Sending,
}

impl Puts {
    fn put(&self, mut queue: MutexGuard<'_, Queue>, actor: &Actor) {
        actor.check(queue.len() < self.buffer.capacity, || format!("{} messages are in the queue", queue.len()));
        queue.push_back(self.sending.message());
        self.sending.sent();
        self.buffer.notify(&self.buffer.not_empty);
    }

    fn wait(&mut self, actor: &mut Actor) {
        let mut queue = self.buffer.lock();
        while queue.len() >= self.buffer.capacity {
            queue = self.buffer.not_full.wait(queue).expect("a cancellation poisons nothing");
        }
        self.put(queue, actor);
    }

    fn wait_while(&mut self, actor: &mut Actor) {
        let full = |queue: &mut Queue| queue.len() >= self.buffer.capacity;
        let queue = self.buffer.not_full.wait_while(self.buffer.lock(), full);
        self.put(queue.expect("a cancellation poisons nothing"), actor);
    }

    fn wait_timeout(&mut self, actor: &mut Actor) {
        let full = |queue: &mut Queue| queue.len() >= self.buffer.capacity;
        let waited = self.buffer.not_full.wait_timeout_while(self.buffer.lock(), actor.random.micros(2_000), full);
        let (queue, result) = waited.expect("a cancellation poisons nothing");
        if !result.timed_out() {
            self.put(queue, actor);
        } else if queue.len() < self.buffer.capacity {
            actor.check(false, || "wait_timeout_while says that the condition holds, but it does not".into());
        }
    }
}

/// A taker's own.
struct Takes {
    buffer: Arc<Buffer>,
    receiving: Receiving,
}

impl Takes {
    fn take(&mut self, mut queue: MutexGuard<'_, Queue>, actor: &mut Actor) {
        let Some(message) = queue.pop_front() else { return };
        self.buffer.notify(&self.buffer.not_full);
        drop(queue);
        self.buffer.ledger.got(message, &mut self.receiving, actor);
    }

    fn wait(&mut self, actor: &mut Actor) {
        let buffer = Arc::clone(&self.buffer);
        let mut queue = buffer.lock();
        while queue.is_empty() {
            queue = buffer.not_empty.wait(queue).expect("a cancellation poisons nothing");
        }
        self.take(queue, actor);
    }

    fn wait_timeout(&mut self, actor: &mut Actor) {
        let buffer = Arc::clone(&self.buffer);
        let queue = buffer.lock();
        if queue.is_empty() {
            let waited = buffer.not_empty.wait_timeout(queue, actor.random.micros(2_000));
            return self.take(waited.expect("a cancellation poisons nothing").0, actor);
        }
        self.take(queue, actor);
    }

    fn wait_timeout_while(&mut self, actor: &mut Actor) {
        let buffer = Arc::clone(&self.buffer);
        let time = actor.random.micros(2_000);
        let waited = buffer.not_empty.wait_timeout_while(buffer.lock(), time, |queue| queue.is_empty());
        self.take(waited.expect("a cancellation poisons nothing").0, actor);
    }
}
