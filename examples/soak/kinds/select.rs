//! Senders and receivers that choose among channels of three flavours: of each select exactly one arm takes effect, or none.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use sinew::channel::{Receiver, RecvError, Select, Sender, after, bounded, never, select, select_biased, unbounded};
use sinew::thread;

use crate::actor::{Actor, locked};
use crate::ledger::{Ledger, Message, Receiving, Sending};
use crate::stage::{End, Part, Setting, Stage};

/// Messages in the unbounded channel beyond which its senders pause.
const PLENTY: usize = 1_000;

struct Choices {
    senders: Mutex<Option<[Sender<Message>; 3]>>,
    receivers: [Receiver<Message>; 3],
    ledger: Ledger,
    disconnected: AtomicBool,
}

pub(crate) fn stage(setting: &mut Setting) -> Arc<dyn Stage> {
    let channels = [bounded(0), bounded(1 + setting.random.below(4)), unbounded()];
    let receivers = [0, 1, 2].map(|at| channels[at].1.clone());
    Arc::new(Choices {
        senders: Mutex::new(Some(channels.map(|(sender, _)| sender))),
        receivers,
        ledger: Ledger::default(),
        disconnected: AtomicBool::new(false),
    })
}

impl Stage for Choices {
    fn parts(self: Arc<Self>) -> Vec<Part> {
        let (senders, receivers) = (Arc::clone(&self), self);
        vec![
            Part::new(
                "sender",
                4,
                move |_| Sends {
                    to: locked(&senders.senders).clone().expect("they are taken after all senders have ended"),
                    sending: [(); 3].map(|()| senders.ledger.sending()),
                },
                &[
                    ("select! of sends", Sends::select),
                    ("select! of sends, default", Sends::select_default),
                    ("select! of sends, default(time)", Sends::select_timeout),
                    ("Select::select of sends", Sends::dynamic),
                    ("send", Sends::send),
                ],
            ),
            Part::new(
                "receiver",
                4,
                move |_| Receives {
                    from: receivers.receivers.clone(),
                    left: 3,
                    choices: Arc::clone(&receivers),
                    receiving: Receiving::default(),
                },
                &[
                    ("select! of receives", Receives::select),
                    ("select_biased! of receives", Receives::biased),
                    ("select! of receives, default", Receives::select_default),
                    ("select! of receives, default(time)", Receives::select_timeout),
                    ("select! of receives, after", Receives::select_after),
                    ("Select::select of receives", Receives::dynamic),
                    ("Select::ready", Receives::ready),
                    ("recv", Receives::recv),
                ],
            )
            .ends(End::Itself),
        ]
    }

    fn part_ended(&self, part: usize) {
        if part == 0 {
            self.disconnected.store(true, Ordering::SeqCst);
            drop(locked(&self.senders).take());
        }
    }

    fn check(&self) -> Result<(), String> {
        self.ledger.check()
    }
}

/// A sender's own.
struct Sends {
    to: [Sender<Message>; 3],
    sending: [Sending; 3],
}

impl Sends {
    fn is_plenty(&self, actor: &mut Actor) -> bool {
        let plenty = self.to[2].len() > PLENTY;
        if plenty {
            thread::sleep(actor.random.micros(1_000));
        }
        plenty
    }

    fn book<E>(&self, at: usize, sent: Result<(), E>, actor: &Actor) {
        actor.check(sent.is_ok(), || format!("a select says that the receivers of channel {at} have gone"));
        self.sending[at].sent();
    }

    fn select(&mut self, actor: &mut Actor) {
        let ([a, b, c], [x, y, z]) = (&self.to, &self.sending);
        if self.is_plenty(actor) {
            select! {
                send(a, x.message()) -> sent => self.book(0, sent, actor),
                send(b, y.message()) -> sent => self.book(1, sent, actor),
            }
        } else {
            select! {
                send(a, x.message()) -> sent => self.book(0, sent, actor),
                send(b, y.message()) -> sent => self.book(1, sent, actor),
                send(c, z.message()) -> sent => self.book(2, sent, actor),
            }
        }
    }

    fn select_default(&mut self, actor: &mut Actor) {
        let ([a, b, _], [x, y, _]) = (&self.to, &self.sending);
        select! {
            send(a, x.message()) -> sent => self.book(0, sent, actor),
            send(b, y.message()) -> sent => self.book(1, sent, actor),
            default => {}
        }
    }

    fn select_timeout(&mut self, actor: &mut Actor) {
        let ([a, b, _], [x, y, _]) = (&self.to, &self.sending);
        select! {
            send(b, y.message()) -> sent => self.book(1, sent, actor),
            send(a, x.message()) -> sent => self.book(0, sent, actor),
            default(actor.random.micros(2_000)) => {}
        }
    }

    fn dynamic(&mut self, actor: &mut Actor) {
        let mut select = Select::new();
        for sender in &self.to[..2] {
            select.send(sender);
        }
        if let Ok(operation) = select.select_timeout(actor.random.micros(20_000)) {
            let at = operation.index();
            let sent = operation.send(&self.to[at], self.sending[at].message());
            self.book(at, sent, actor);
        }
    }

    fn send(&mut self, actor: &mut Actor) {
        let at = actor.random.below(2);
        let sent = self.to[at].send(self.sending[at].message());
        self.book(at, sent, actor);
    }
}

/// A receiver's own.
struct Receives {
    /// Where all senders have gone, a channel to which nothing comes takes the place.
    from: [Receiver<Message>; 3],
    left: usize,
    choices: Arc<Choices>,
    receiving: Receiving,
}

impl Receives {
    fn book(&mut self, at: usize, got: Result<Message, RecvError>, actor: &mut Actor) {
        match got {
            Ok(message) => self.choices.ledger.got(message, &mut self.receiving, actor),
            Err(_) => {
                let right = self.choices.disconnected.load(Ordering::SeqCst);
                actor.check(right, || format!("a select says that the senders of channel {at} have gone"));
                self.from[at] = never();
                self.left -= 1;
                if self.left == 0 {
                    actor.finish();
                }
            }
        }
    }

    fn select(&mut self, actor: &mut Actor) {
        let [a, b, c] = &self.from;
        select! {
            recv(a) -> got => self.book(0, got, actor),
            recv(b) -> got => self.book(1, got, actor),
            recv(c) -> got => self.book(2, got, actor),
        }
    }

    fn biased(&mut self, actor: &mut Actor) {
        let [a, b, c] = &self.from;
        select_biased! {
            recv(c) -> got => self.book(2, got, actor),
            recv(a) -> got => self.book(0, got, actor),
            recv(b) -> got => self.book(1, got, actor),
        }
    }

    fn select_default(&mut self, actor: &mut Actor) {
        let [a, b, c] = &self.from;
        select! {
            recv(a) -> got => self.book(0, got, actor),
            recv(b) -> got => self.book(1, got, actor),
            recv(c) -> got => self.book(2, got, actor),
            default => {}
        }
    }

    fn select_timeout(&mut self, actor: &mut Actor) {
        let [a, b, c] = &self.from;
        select! {
            recv(a) -> got => self.book(0, got, actor),
            recv(b) -> got => self.book(1, got, actor),
            recv(c) -> got => self.book(2, got, actor),
            default(actor.random.micros(2_000)) => {}
        }
    }

    fn select_after(&mut self, actor: &mut Actor) {
        let [a, b, _] = &self.from;
        select! {
            recv(a) -> got => self.book(0, got, actor),
            recv(b) -> got => self.book(1, got, actor),
            recv(after(actor.random.micros(2_000))) -> _ => {}
        }
    }

    fn dynamic(&mut self, actor: &mut Actor) {
        let mut select = Select::new();
        for receiver in &self.from {
            select.recv(receiver);
        }
        let operation = select.select();
        let at = operation.index();
        let got = operation.recv(&self.from[at]);
        self.book(at, got, actor);
    }

    fn ready(&mut self, actor: &mut Actor) {
        let mut select = Select::new();
        for receiver in &self.from {
            select.recv(receiver);
        }
        let Ok(at) = select.ready_timeout(actor.random.micros(5_000)) else { return };
        // Others may have been faster.
        match self.from[at].try_recv() {
            Ok(message) => self.book(at, Ok(message), actor),
            Err(error) if error.is_disconnected() => self.book(at, Err(RecvError), actor),
            Err(_) => {}
        }
    }

    fn recv(&mut self, actor: &mut Actor) {
        let at = actor.random.below(3);
        match self.from[at].recv_timeout(actor.random.micros(5_000)) {
            Ok(message) => self.book(at, Ok(message), actor),
            Err(error) if error.is_disconnected() => self.book(at, Err(RecvError), actor),
            Err(_) => {}
        }
    }
}
