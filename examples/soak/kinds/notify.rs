//! A letter box of which a `Notify` tells that something is in it: no notification is lost with a waiter that is cancelled or out of time.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use sinew::sync::Notify;

use crate::actor::{Actor, locked};
use crate::ledger::{Ledger, Message, Receiving, Sending};
use crate::stage::{End, Part, Setting, Stage};

const TAKERS: usize = 3;

/// Letters beyond which those who put them in pause.
const PLENTY: usize = 1_000;

struct LetterBox {
    letters: Mutex<VecDeque<Message>>,
    notify: Notify,
    ledger: Ledger,
}

pub(crate) fn stage(_: &mut Setting) -> Arc<dyn Stage> {
    Arc::new(LetterBox { letters: Mutex::default(), notify: Notify::new(), ledger: Ledger::default() })
}

impl Stage for LetterBox {
    fn parts(self: Arc<Self>) -> Vec<Part> {
        let (puts, takes) = (Arc::clone(&self), self);
        vec![
            Part::new(
                "putter",
                2,
                move |_| Puts { sending: puts.ledger.sending(), to: Arc::clone(&puts) },
                &[("put, notify_one", Puts::put), ("put, notify_waiters", Puts::put_for_all)],
            ),
            Part::new(
                "taker",
                TAKERS,
                move |_| Takes { receiving: Receiving::default(), from: Arc::clone(&takes) },
                &[("wait, take all", Takes::wait), ("wait_timeout, take all", Takes::wait_timeout)],
            )
            .ends(End::Itself),
        ]
    }

    fn part_ended(&self, part: usize) {
        if part == 0 {
            locked(&self.letters).extend((0..TAKERS).map(|_| self.ledger.last()));
            self.notify.notify_one();
        }
    }

    fn check(&self) -> Result<(), String> {
        match locked(&self.letters).len() {
            0 => self.ledger.check(),
            left => Err(format!("{left} letters are left")),
        }
    }
}

/// What one who puts letters in has for its own.
struct Puts {
    to: Arc<LetterBox>,
    sending: Sending,
}

impl Puts {
    fn put(&mut self, actor: &mut Actor) {
        let many = {
            let mut letters = locked(&self.to.letters);
            letters.push_back(self.sending.message());
            letters.len() > PLENTY
        };
        self.sending.sent();
        self.to.notify.notify_one();
        if many {
            sinew::sleep(actor.random.micros(1_000));
        }
    }

    fn put_for_all(&mut self, actor: &mut Actor) {
        self.to.notify.notify_waiters();
        // It leaves nothing for those who come.
        self.put(actor);
    }
}

/// What one who takes them out has for its own.
struct Takes {
    from: Arc<LetterBox>,
    receiving: Receiving,
}

impl Takes {
    /// Without a wait, since it may have the notification for all of them.
    fn take_all(&mut self, actor: &mut Actor) {
        loop {
            let Some(letter) = locked(&self.from.letters).pop_front() else { return };
            self.from.ledger.got(letter, &mut self.receiving, actor);
            if actor.has_finished() {
                // The rest is for others.
                return self.from.notify.notify_one();
            }
        }
    }

    fn wait(&mut self, actor: &mut Actor) {
        self.from.notify.wait();
        self.take_all(actor);
    }

    fn wait_timeout(&mut self, actor: &mut Actor) {
        if self.from.notify.wait_timeout(actor.random.micros(2_000)) {
            self.take_all(actor);
        }
    }
}
