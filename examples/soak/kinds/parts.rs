//! Parts of a thread's run that end by themselves: timeouts, tokens, shields, groups, races, sets. What ran in a part that was ended is
//! gone, what is shielded is not, and no part ends with another's end.

use std::sync::Arc;
use std::time::Instant;

use sinew::cancel::{CancelToken, shield};
use sinew::generator::Generator;
use sinew::group::{JoinSet, gather, group, race};
use sinew::sync::Semaphore;
use sinew::time::{Duration, timeout, timeout_with};
use sinew::{Cancelled, thread};

use crate::actor::Actor;
use crate::ledger::Living;
use crate::stage::{Part, Setting, Stage};

const PERMITS: usize = 3;

struct Parts {
    living: Living,
    permits: Semaphore,
}

pub(crate) fn stage(_: &mut Setting) -> Arc<dyn Stage> {
    Arc::new(Parts { living: Living::default(), permits: Semaphore::new(PERMITS) })
}

impl Stage for Parts {
    fn parts(self: Arc<Self>) -> Vec<Part> {
        vec![Part::new(
            "player",
            6,
            move |_| Player(Arc::clone(&self)),
            &[
                ("timeout", Player::timeout),
                ("timeout in a timeout", Player::nested),
                ("a timeout that is put off", Player::put_off),
                ("run_until_cancelled", Player::token),
                ("shield", Player::shield),
                ("group", Player::group),
                ("gather", Player::gather),
                ("race", Player::race),
                ("JoinSet", Player::join_set),
                ("a generator in a timeout", Player::generator),
            ],
        )]
    }

    fn check(&self) -> Result<(), String> {
        self.living.check("values in parts that have ended")?;
        match self.permits.available_permits() {
            PERMITS => Ok(()),
            other => Err(format!("of {PERMITS} permits {other} are left")),
        }
    }
}

struct Player(Arc<Parts>);

/// What comes out of here was cancelled.
fn wait_for_ever() -> ! {
    loop {
        thread::park();
    }
}

fn no_sooner(actor: &Actor, start: Instant, time: Duration, what: &str) {
    let elapsed = start.elapsed();
    actor.check(elapsed >= time, || format!("{what} of {time:?} was over after {elapsed:?}"));
}

impl Player {
    fn timeout(&mut self, actor: &mut Actor) {
        let (time, sleep) = (actor.random.micros(3_000), actor.random.micros(3_000));
        let start = Instant::now();
        let result = timeout(time, || {
            let _live = self.0.living.one();
            let _permit = self.0.permits.acquire();
            thread::sleep(sleep);
        });
        no_sooner(actor, start, if result.is_ok() { sleep } else { time }, "a timeout");
    }

    fn nested(&mut self, actor: &mut Actor) {
        let (outer, inner) = (actor.random.micros(3_000), actor.random.micros(3_000));
        let start = Instant::now();
        let result = timeout(outer, || {
            let _live = self.0.living.one();
            timeout(inner, || -> () { wait_for_ever() })
        });
        match result {
            Err(_) => no_sooner(actor, start, outer, "an outer timeout"),
            Ok(result) => {
                no_sooner(actor, start, inner, "an inner timeout");
                actor.check(result.is_err(), || "a wait for ever has ended".into());
            }
        }
    }

    fn put_off(&mut self, actor: &mut Actor) {
        let (time, more) = (actor.random.micros(2_000), Duration::from_millis(1) + actor.random.micros(2_000));
        let start = Instant::now();
        let result = timeout_with(time, |timeout| -> () {
            let _live = self.0.living.one();
            timeout.reschedule(start + more);
            wait_for_ever()
        });
        actor.check(result.is_err(), || "a wait for ever has ended".into());
        no_sooner(actor, start, time.min(more), "a timeout that was put off");
    }

    fn token(&mut self, actor: &mut Actor) {
        let (token, time) = (CancelToken::new(), actor.random.micros(1_000));
        let child = token.child_token();
        let canceller = thread::spawn(move || {
            thread::sleep(time);
            token.cancel();
        });
        let result = child.run_until_cancelled(|| -> () {
            let _live = self.0.living.one();
            wait_for_ever()
        });
        let result: Result<(), Cancelled> = result;
        actor
            .check(result.is_err() && child.is_cancelled(), || "a token that is not cancelled has ended a part".into());
        child.wait();
        actor.check(canceller.join().is_ok(), || "one who cancels a token was cancelled".into());
    }

    fn shield(&mut self, actor: &mut Actor) {
        let time = actor.random.micros(1_000);
        let start = Instant::now();
        let ended = shield(|| {
            let _live = self.0.living.one();
            thread::sleep(time);
            // Its own parts work as ever.
            timeout(Duration::ZERO, || -> () { wait_for_ever() }).is_err()
        });
        actor.check(ended, || "a wait for ever has ended in a shield".into());
        no_sooner(actor, start, time, "a sleep in a shield");
    }

    fn group(&mut self, actor: &mut Actor) {
        let (children, failing) = (1 + actor.random.below(6), actor.random.below(3));
        let time = actor.random.micros(1_000);
        let living = &self.0.living;
        let result = group(|group| {
            for number in 0..children {
                group.spawn(move || {
                    let _live = living.one();
                    thread::sleep(time);
                    if number < failing { Err(number) } else { Ok(()) }
                });
            }
            if failing > 0 {
                wait_for_ever();
            }
            Ok(children)
        });
        match result {
            Ok(value) => actor.check(failing == 0 && value == children, || "a group did not see an error".into()),
            Err(error) => {
                let known = error.errors().iter().all(|&error| error < failing);
                actor.check(known && !error.errors().is_empty(), || {
                    format!("{failing} of {children} threads of a group failed, with {:?}", error.errors())
                });
            }
        }
    }

    fn gather(&mut self, actor: &mut Actor) {
        let (count, time) = (1 + actor.random.below(6), actor.random.micros(500));
        let living = &self.0.living;
        let squares = gather((0..count).map(|number| {
            move || {
                let _live = living.one();
                thread::sleep(time);
                number * number
            }
        }));
        let right = squares.iter().copied().eq((0..count).map(|number| number * number));
        actor.check(right, || format!("{squares:?} were gathered as squares"));
    }

    fn race(&mut self, actor: &mut Actor) {
        let (count, time) = (1 + actor.random.below(5), actor.random.micros(500));
        let winner = actor.random.below(count);
        let living = &self.0.living;
        let first = race((0..count).map(|number| {
            move || {
                let _live = living.one();
                if number != winner {
                    wait_for_ever();
                }
                thread::sleep(time);
                number
            }
        }));
        actor.check(first == winner, || format!("{first} has won the race of {winner}"));
    }

    /// Shielded: a set that is dropped in an unwind waits there, and meanwhile a panic in another thread of the worker poisons nothing.
    fn join_set(&mut self, actor: &mut Actor) {
        shield(|| self.join_set_to_its_end(actor));
    }

    fn join_set_to_its_end(&self, actor: &mut Actor) {
        let (count, waits) = (1 + actor.random.below(6), actor.random.one_in(3));
        let mut set = JoinSet::new();
        for number in 0..count {
            let (live, time) = (self.0.living.one(), actor.random.micros(500));
            set.spawn(move || {
                let _live = live;
                thread::sleep(time);
                if waits { wait_for_ever() } else { number }
            });
        }
        if waits {
            set.cancel_all();
        }
        let (mut sum, mut cancelled) = (0, 0);
        while let Some(result) = set.join_next() {
            match result {
                Ok(number) => sum += number,
                Err(_) => cancelled += 1,
            }
        }
        let right = if waits { (0, count) } else { (count * (count - 1) / 2, 0) };
        actor.check((sum, cancelled) == right, || format!("a set of {count} gave {sum}, and {cancelled} cancelled"));
    }

    /// Suspended inside its timeout, it takes that along: this thread, which waits meanwhile, is not concerned.
    fn generator(&mut self, actor: &mut Actor) {
        let (time, pause) = (actor.random.micros(1_500), actor.random.micros(1_500));
        let live = self.0.living.one();
        let start = Instant::now();
        let values = Generator::<bool, ()>::new(move |y| {
            let _live = live;
            let elapsed = timeout(time, || {
                y.yield_(false);
                thread::sleep(pause);
            });
            y.yield_(elapsed.is_err());
        });
        let first = values.next();
        thread::sleep(pause);
        let ended = values.next();
        actor.check(first == Some(false) && ended.is_some(), || "a generator has lost a value".into());
        if ended == Some(true) {
            no_sooner(actor, start, time, "a timeout in a generator");
        }
    }
}
