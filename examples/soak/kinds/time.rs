//! Waits for time: none ends early, and none ends with what it did not wait for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sinew::channel::{RecvTimeoutError, after, at, never, tick};
use sinew::sync::{Condvar, Mutex};
use sinew::thread;

use crate::actor::Actor;
use crate::stage::{Part, Setting, Stage};

struct Time;

pub(crate) fn stage(_: &mut Setting) -> Arc<dyn Stage> {
    Arc::new(Time)
}

impl Stage for Time {
    fn parts(self: Arc<Self>) -> Vec<Part> {
        vec![Part::new(
            "sleeper",
            6,
            |_| (),
            &[
                ("sleep", |(), actor| waits(actor, thread::sleep)),
                ("sleep_until", |(), actor| waits(actor, |time| thread::sleep_until(Instant::now() + time))),
                ("after", |(), actor| waits(actor, |time| _ = after(time).recv())),
                ("at", |(), actor| waits(actor, |time| _ = at(Instant::now() + time).recv())),
                ("Condvar::wait_timeout", |(), actor| waits(actor, condvar)),
                ("park_timeout", |(), actor| thread::park_timeout(actor.random.micros(1_000))),
                ("recv_timeout", |(), actor| {
                    let time = actor.random.micros(3_000);
                    let start = Instant::now();
                    let got = never::<()>().recv_timeout(time);
                    actor.check(got == Err(RecvTimeoutError::Timeout), || format!("{got:?} came from never"));
                    early(actor, start, time);
                }),
                ("tick", |(), actor| {
                    let (start, time) = (Instant::now(), Duration::from_micros(200) + actor.random.micros(1_000));
                    let ticks = tick(time);
                    for _ in 0..3 {
                        actor.check(ticks.recv().is_ok(), || "a tick was refused".into());
                    }
                    early(actor, start, time * 3);
                }),
            ],
        )]
    }

    fn check(&self) -> Result<(), String> {
        Ok(())
    }
}

fn waits(actor: &mut Actor, wait: fn(Duration)) {
    let time = actor.random.micros(3_000);
    let start = Instant::now();
    wait(time);
    early(actor, start, time);
}

fn early(actor: &Actor, start: Instant, time: Duration) {
    let elapsed = start.elapsed();
    actor.check(elapsed >= time, || format!("{time:?} were over after {elapsed:?}"));
}

fn condvar(time: Duration) {
    let (mutex, condvar) = (Mutex::new(()), Condvar::new());
    let guard = mutex.lock().expect("it is new");
    drop(condvar.wait_timeout_while(guard, time, |()| true));
}
