//! Actors: threads that take steps until they are told to end. Each life of an actor has a card, from which others see what it does.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sinew::thread::{self, Thread};

use crate::random::Random;
use crate::stage::Step;

/// What the whole run shares.
#[derive(Default)]
pub(crate) struct World {
    /// The first thing that was wrong.
    failure: Mutex<Option<String>>,
    failed: AtomicBool,
    /// How often each step of each kind was taken.
    pub(crate) tally: Mutex<BTreeMap<(&'static str, &'static str), u64>>,
    pub(crate) operations: AtomicU64,
    pub(crate) cancelled: AtomicU64,
    pub(crate) lives: AtomicU64,
    /// Who lives now.
    pub(crate) roster: Mutex<Vec<Arc<Card>>>,
    /// What the driver does, and how often that has changed.
    pub(crate) driver: Mutex<(String, u64)>,
}

impl World {
    /// Notes that something is wrong; the driver ends the run.
    pub(crate) fn fail(&self, text: String) {
        locked(&self.failure).get_or_insert(text);
        self.failed.store(true, Ordering::Release);
    }

    pub(crate) fn failure(&self) -> Option<String> {
        self.failed.load(Ordering::Acquire).then(|| locked(&self.failure).clone().unwrap_or_default())
    }

    pub(crate) fn driver_does(&self, what: impl Into<String>) {
        let mut driver = locked(&self.driver);
        *driver = (what.into(), driver.1 + 1);
    }
}

/// Locks one of the program's own mutexes, which are held for a moment and never across a wait.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One life of an actor, as others see it.
pub(crate) struct Card {
    pub(crate) kind: &'static str,
    pub(crate) part: &'static str,
    pub(crate) number: usize,
    pub(crate) life: u64,
    pub(crate) os: bool,
    /// Steps taken.
    pub(crate) moved: AtomicU64,
    pub(crate) step: Mutex<&'static str>,
    pub(crate) thread: Mutex<Option<Thread>>,
    /// Whether it was ever cancelled.
    pub(crate) cancelled: AtomicBool,
    /// Shared by the actors of a part.
    pub(crate) told: Arc<AtomicBool>,
    pub(crate) cancellable: bool,
}

impl Card {
    pub(crate) fn cancel(&self) {
        // The thread is there, or the cancellation is not tried.
        if let Some(thread) = locked(&self.thread).clone() {
            self.cancelled.store(true, Ordering::SeqCst);
            thread.cancel();
        }
    }

    pub(crate) fn unpark(&self) {
        let thread = locked(&self.thread).clone();
        thread.inspect(Thread::unpark);
    }

    pub(crate) fn describe(&self) -> String {
        let kind = if self.os { "OS thread" } else { "green thread" };
        format!(
            "{}: {} {} ({kind}, life {}), after {} steps, in {:?}",
            self.kind,
            self.part,
            self.number,
            self.life,
            self.moved.load(Ordering::Relaxed),
            locked(&self.step),
        )
    }
}

/// What an actor's thread has in its hands.
pub(crate) struct Actor {
    pub(crate) random: Random,
    pub(crate) card: Arc<Card>,
    pub(crate) world: Arc<World>,
    /// The names of its steps, and how often it has taken each.
    taken: Vec<(&'static str, u64)>,
    finished: bool,
}

impl Actor {
    pub(crate) fn new(random: Random, card: Arc<Card>, world: Arc<World>) -> Actor {
        Actor { random, card, world, taken: Vec::new(), finished: false }
    }

    /// Takes steps until it is told to end, or has finished.
    pub(crate) fn play<Own>(&mut self, own: &mut Own, steps: &[Step<Own>]) {
        self.taken = steps.iter().map(|(name, _)| (*name, 0)).collect();
        while !self.finished && !self.is_told() {
            let number = self.random.below(steps.len());
            let (name, step) = steps[number];
            *locked(&self.card.step) = name;
            step(own, self);
            self.taken[number].1 += 1;
            self.card.moved.fetch_add(1, Ordering::Relaxed);
            // Whoever has finished must not be cancelled any more: another life would wait for what this one has had.
            if self.random.one_in(2) && !self.finished {
                thread::yield_now();
            }
        }
        *locked(&self.card.step) = "the end";
    }

    /// Whether it is time to end.
    pub(crate) fn is_told(&self) -> bool {
        self.card.told.load(Ordering::Acquire)
    }

    /// It has nothing more to do.
    pub(crate) fn finish(&mut self) {
        self.finished = true;
    }

    pub(crate) fn has_finished(&self) -> bool {
        self.finished
    }

    /// Fails the run unless the condition holds.
    #[track_caller]
    pub(crate) fn check(&self, holds: bool, text: impl FnOnce() -> String) {
        if !holds {
            self.world.fail(format!("{}: {}", self.card.describe(), text()));
        }
    }

    /// A little work that suspends: what may be done with something held.
    pub(crate) fn dawdle(&mut self) {
        match self.random.below(16) {
            0 => thread::sleep(self.random.micros(500)),
            1..=4 => thread::yield_now(),
            5 => (0..self.random.below(2_000)).for_each(|number| _ = std::hint::black_box(number)),
            _ => {}
        }
    }
}

impl Drop for Actor {
    /// Counts what this life has done, whatever became of it.
    fn drop(&mut self) {
        let mut tally = locked(&self.world.tally);
        for &(name, count) in &self.taken {
            *tally.entry((self.card.kind, name)).or_default() += count;
        }
        drop(tally);
        let sum = self.taken.iter().map(|(_, count)| count).sum();
        self.world.operations.fetch_add(sum, Ordering::Relaxed);
    }
}
