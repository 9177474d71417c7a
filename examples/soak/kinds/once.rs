//! `Once` and `OnceLock`, which several children race for, some of them cancelled in the middle of it: it is done once, to the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sinew::sync::{Once, OnceLock};
use sinew::thread;

use crate::actor::Actor;
use crate::stage::{Part, Setting, Stage};

struct Races;

pub(crate) fn stage(_: &mut Setting) -> Arc<dyn Stage> {
    Arc::new(Races)
}

impl Stage for Races {
    fn parts(self: Arc<Self>) -> Vec<Part> {
        let steps = &[
            ("Once", (|(), actor| once(actor)) as fn(&mut (), &mut Actor)),
            ("OnceLock", |(), actor| once_lock(actor)),
        ];
        vec![Part::new("parent", 2, |_| (), steps)]
    }

    fn check(&self) -> Result<(), String> {
        Ok(())
    }
}

/// Runs some children on `race`, and cancels a few; whether any was not.
fn race(actor: &mut Actor, race: impl Fn() + Sync) -> bool {
    let mut left = false;
    thread::scope(|scope| {
        for _ in 0..2 + actor.random.below(6) {
            let child = scope.spawn(&race);
            match actor.random.one_in(3) {
                true => child.thread().cancel(),
                false => left = true,
            }
        }
    });
    left
}

fn once(actor: &mut Actor) {
    let (once, done) = (Once::new(), AtomicUsize::new(0));
    let left = race(actor, || {
        once.call_once(|| {
            thread::yield_now();
            done.fetch_add(1, Ordering::Relaxed);
        });
        assert!(once.is_completed(), "call_once returned before it was done");
    });
    let done = done.load(Ordering::Relaxed);
    let right = done <= 1 && once.is_completed() == (done == 1) && (done == 1 || !left);
    actor.check(right, || format!("done {done} times, is_completed says {}", once.is_completed()));
}

fn once_lock(actor: &mut Actor) {
    let (lock, made) = (OnceLock::new(), AtomicUsize::new(0));
    let left = race(actor, || {
        let value = *lock.get_or_init(|| {
            thread::yield_now();
            1 + made.fetch_add(1, Ordering::Relaxed)
        });
        assert_eq!(value, *lock.wait(), "it has two values");
    });
    let made = made.load(Ordering::Relaxed);
    let right = made <= 1 && lock.get().is_some() == (made == 1) && (made == 1 || !left);
    actor.check(right, || format!("made {made} times, and holds {:?}", lock.get()));
}
