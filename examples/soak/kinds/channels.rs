//! Channels of each flavour, with several senders and receivers: every message arrives once, each sender's in order.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use sinew::channel::{self, Receiver, RecvTimeoutError, SendTimeoutError, Sender, TryRecvError, TrySendError};
use sinew::{sync::Event, thread};

use crate::actor::{Actor, locked};
use crate::args::Mistake;
use crate::ledger::{Ledger, Message, Receiving, Sending};
use crate::stage::{End, Part, Setting, Stage};

const RECEIVERS: usize = 3;

/// Messages in an unbounded channel beyond which its senders pause.
const PLENTY: usize = 1_000;

/// One channel.
struct Channel {
    /// Taken out in the end.
    sender: Mutex<Option<Sender<Message>>>,
    receiver: Receiver<Message>,
    ledger: Ledger,
    /// The receivers end because all senders have gone. Otherwise each gets a message that says so: a receiver whose wake was lost gets none, and is
    /// found out.
    by_disconnecting: bool,
    disconnected: AtomicBool,
    stuck: bool,
}

pub(crate) fn zero(setting: &mut Setting) -> Arc<dyn Stage> {
    stage(setting, channel::bounded(0))
}

pub(crate) fn one(setting: &mut Setting) -> Arc<dyn Stage> {
    stage(setting, channel::bounded(1))
}

pub(crate) fn several(setting: &mut Setting) -> Arc<dyn Stage> {
    let capacity = 2 + setting.random.below(30);
    stage(setting, channel::bounded(capacity))
}

pub(crate) fn unbounded(setting: &mut Setting) -> Arc<dyn Stage> {
    stage(setting, channel::unbounded())
}

fn stage(setting: &mut Setting, (sender, receiver): (Sender<Message>, Receiver<Message>)) -> Arc<dyn Stage> {
    Arc::new(Channel {
        sender: Mutex::new(Some(sender)),
        receiver,
        ledger: Ledger::new(setting.plant),
        by_disconnecting: setting.random.one_in(2),
        disconnected: AtomicBool::new(false),
        stuck: setting.plant == Some(Mistake::Stuck),
    })
}

impl Stage for Channel {
    fn parts(self: Arc<Self>) -> Vec<Part> {
        let (senders, receivers) = (Arc::clone(&self), Arc::clone(&self));
        let mut parts = vec![
            Part::new(
                "sender",
                3,
                move |_| Sends {
                    sender: locked(&senders.sender).clone().expect("it is taken after all senders have ended"),
                    sending: senders.ledger.sending(),
                },
                &[
                    ("send", Sends::send),
                    ("try_send", Sends::try_send),
                    ("send_timeout", Sends::send_timeout),
                    ("send, several", |own, actor| (0..actor.random.below(20)).for_each(|_| own.send(actor))),
                ],
            ),
            Part::new(
                "receiver",
                RECEIVERS,
                move |_| Receives { channel: Arc::clone(&receivers), receiving: Receiving::default() },
                &[
                    ("recv", Receives::recv),
                    ("try_recv", Receives::try_recv),
                    ("recv_timeout", Receives::recv_timeout),
                    ("iter", Receives::iter),
                    ("try_iter", Receives::try_iter),
                ],
            )
            .ends(End::Itself),
        ];
        if self.stuck {
            let waits = Part::new("one who waits", 1, |_| (), &[("Event::wait", |(), _| Event::new().wait())]);
            parts.push(waits.never_cancelled());
        }
        parts
    }

    fn part_ended(&self, part: usize) {
        if part != 0 {
            return;
        }
        let sender = locked(&self.sender).take().expect("it is taken once");
        if self.by_disconnecting {
            self.disconnected.store(true, Ordering::SeqCst);
            return;
        }
        // Some of them wait for the receivers, which the driver has to attend to.
        let lasts: Vec<_> = (0..RECEIVERS).map(|_| self.ledger.last()).collect();
        let disconnected = self.receiver.clone();
        std::thread::spawn(move || {
            lasts.into_iter().for_each(|last| sender.send(last).expect("the stage has a receiver"));
            drop(disconnected);
        });
    }

    fn check(&self) -> Result<(), String> {
        if !self.receiver.is_empty() {
            return Err(format!("{} messages are left", self.receiver.len()));
        }
        self.ledger.check()
    }
}

/// A sender's own.
struct Sends {
    sender: Sender<Message>,
    sending: Sending,
}

impl Sends {
    fn is_plenty(&self, actor: &mut Actor) -> bool {
        let plenty = self.sender.capacity().is_none() && self.sender.len() > PLENTY;
        if plenty {
            thread::sleep(actor.random.micros(1_000));
        }
        plenty
    }

    fn send(&mut self, actor: &mut Actor) {
        if !self.is_plenty(actor) {
            let sent = self.sender.send(self.sending.message());
            actor.check(sent.is_ok(), || "send says that all receivers have gone".into());
            self.sending.sent();
        }
    }

    fn try_send(&mut self, actor: &mut Actor) {
        if !self.is_plenty(actor) {
            match self.sender.try_send(self.sending.message()) {
                Ok(()) => self.sending.sent(),
                Err(TrySendError::Full(_)) => {}
                Err(TrySendError::Disconnected(_)) => {
                    actor.check(false, || "try_send says that all receivers have gone".into())
                }
            }
        }
    }

    fn send_timeout(&mut self, actor: &mut Actor) {
        if !self.is_plenty(actor) {
            match self.sender.send_timeout(self.sending.message(), actor.random.micros(2_000)) {
                Ok(()) => self.sending.sent(),
                Err(SendTimeoutError::Timeout(_)) => {}
                Err(SendTimeoutError::Disconnected(_)) => {
                    actor.check(false, || "send_timeout says that all receivers have gone".into())
                }
            }
        }
    }
}

/// A receiver's own.
struct Receives {
    channel: Arc<Channel>,
    receiving: Receiving,
}

impl Receives {
    fn got(&mut self, message: Message, actor: &mut Actor) {
        self.channel.ledger.got(message, &mut self.receiving, actor);
    }

    fn disconnected(&self, actor: &mut Actor) {
        let right = self.channel.disconnected.load(Ordering::SeqCst);
        actor.check(right, || "a receive says that all senders have gone".into());
        actor.finish();
    }

    fn recv(&mut self, actor: &mut Actor) {
        match self.channel.receiver.recv() {
            Ok(message) => self.got(message, actor),
            Err(_) => self.disconnected(actor),
        }
    }

    fn try_recv(&mut self, actor: &mut Actor) {
        match self.channel.receiver.try_recv() {
            Ok(message) => self.got(message, actor),
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => self.disconnected(actor),
        }
    }

    fn recv_timeout(&mut self, actor: &mut Actor) {
        match self.channel.receiver.recv_timeout(actor.random.micros(2_000)) {
            Ok(message) => self.got(message, actor),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => self.disconnected(actor),
        }
    }

    fn iter(&mut self, actor: &mut Actor) {
        for _ in 0..1 + actor.random.below(20) {
            let Some(message) = self.channel.receiver.iter().next() else { return self.disconnected(actor) };
            self.got(message, actor);
            if actor.has_finished() {
                return;
            }
        }
    }

    fn try_iter(&mut self, actor: &mut Actor) {
        let channel = Arc::clone(&self.channel);
        for message in channel.receiver.try_iter().take(20) {
            self.got(message, actor);
            if actor.has_finished() {
                return;
            }
        }
    }
}
