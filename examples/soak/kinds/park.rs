//! A ring of threads that pass a turn round by unparking each other: no turn is taken twice or lost, whatever else wakes them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use sinew::thread::{self, Thread};

use crate::actor::{Actor, locked};
use crate::stage::{Part, Setting, Stage};

const RING: usize = 4;

#[derive(Default)]
struct Ring {
    turn: AtomicU64,
    taken: [AtomicU64; RING],
    /// Who lives in each place.
    threads: [Mutex<Option<Thread>>; RING],
}

pub(crate) fn stage(_: &mut Setting) -> Arc<dyn Stage> {
    Arc::new(Ring::default())
}

impl Stage for Ring {
    fn parts(self: Arc<Self>) -> Vec<Part> {
        let own = move |actor: &mut Actor| {
            // Before it looks for the first time, so that whoever passes the turn on either finds it or is seen.
            *locked(&self.threads[actor.card.number]) = Some(thread::current());
            Arc::clone(&self)
        };
        let steps = &[
            ("park for a turn", (|ring, actor| take(ring, actor, Actor::park)) as fn(&mut Arc<Ring>, &mut Actor)),
            ("park_timeout for a turn", |ring, actor| take(ring, actor, Actor::park_timeout)),
        ];
        vec![Part::new("one of the ring", RING, own, steps)]
    }

    fn check(&self) -> Result<(), String> {
        let turn = self.turn.load(Ordering::SeqCst);
        for (number, taken) in self.taken.iter().enumerate() {
            // Those before the present place have had one more.
            let due = turn / RING as u64 + u64::from(turn % RING as u64 > number as u64);
            let taken = taken.load(Ordering::SeqCst);
            if taken != due {
                return Err(format!("place {number} took {taken} turns, where {due} were due"));
            }
        }
        Ok(())
    }
}

impl Actor {
    fn park(&mut self) {
        thread::park();
    }

    fn park_timeout(&mut self) {
        thread::park_timeout(self.random.micros(1_000));
    }
}

fn take(ring: &mut Arc<Ring>, actor: &mut Actor, park: fn(&mut Actor)) {
    let number = actor.card.number;
    while ring.turn.load(Ordering::SeqCst) % RING as u64 != number as u64 {
        if actor.is_told() {
            return;
        }
        park(actor);
    }
    ring.taken[number].fetch_add(1, Ordering::Relaxed);
    ring.turn.fetch_add(1, Ordering::SeqCst);
    let next = locked(&ring.threads[(number + 1) % RING]).clone();
    next.inspect(Thread::unpark);
}
