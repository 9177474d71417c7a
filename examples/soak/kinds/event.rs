//! An event that is set and cleared all the time: whoever waits is let go, and what came before the set is seen.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use sinew::{sync::Event, thread};

use crate::actor::Actor;
use crate::stage::{Part, Setting, Stage};

#[derive(Default)]
struct Signal {
    event: Event,
    /// How often it was set; changed before.
    sets: AtomicU64,
}

pub(crate) fn stage(_: &mut Setting) -> Arc<dyn Stage> {
    Arc::new(Signal::default())
}

impl Stage for Signal {
    fn parts(self: Arc<Self>) -> Vec<Part> {
        let (waiters, setters) = (Arc::clone(&self), self);
        vec![
            Part::new(
                "waiter",
                4,
                move |_| Arc::clone(&waiters),
                &[("wait", wait), ("wait_timeout", wait_timeout), ("wait_until", wait_until)],
            ),
            Part::new(
                "setter",
                2,
                move |_| Arc::clone(&setters),
                &[
                    ("set", |stage: &mut Arc<Signal>, actor| {
                        set(stage);
                        actor.dawdle();
                    }),
                    ("set and clear", |stage: &mut Arc<Signal>, _| {
                        set(stage);
                        stage.event.clear();
                    }),
                    ("clear", |stage: &mut Arc<Signal>, actor| {
                        stage.event.clear();
                        thread::sleep(actor.random.micros(500));
                    }),
                ],
            ),
        ]
    }

    fn check(&self) -> Result<(), String> {
        let set = self.event.is_set();
        self.event.set();
        match self.event.is_set() && (!set || self.sets.load(Ordering::SeqCst) > 0) {
            true => Ok(()),
            false => Err("it is set but was not, or the reverse".into()),
        }
    }
}

fn set(stage: &Signal) {
    stage.sets.fetch_add(1, Ordering::Relaxed);
    stage.event.set();
}

fn seen(stage: &Signal, actor: &Actor) {
    actor.check(stage.sets.load(Ordering::Relaxed) > 0, || "a wait ended before anybody set the event".into());
}

fn wait(stage: &mut Arc<Signal>, actor: &mut Actor) {
    stage.event.wait();
    seen(stage, actor);
}

fn wait_timeout(stage: &mut Arc<Signal>, actor: &mut Actor) {
    let (start, time) = (Instant::now(), actor.random.micros(2_000));
    if stage.event.wait_timeout(time) {
        seen(stage, actor);
    } else {
        actor.check(start.elapsed() >= time, || format!("{time:?} were over after {:?}", start.elapsed()));
    }
}

fn wait_until(stage: &mut Arc<Signal>, actor: &mut Actor) {
    let deadline = Instant::now() + actor.random.micros(2_000);
    if stage.event.wait_until(deadline) {
        seen(stage, actor);
    } else {
        actor.check(Instant::now() >= deadline, || "a deadline had passed before it came".into());
    }
}
