//! `sync::mpsc`, bounded and unbounded, whose one receiver is passed from hand to hand under a mutex.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sinew::sync::Mutex;
use sinew::sync::mpsc::{
    Receiver, RecvTimeoutError, Sender, SyncSender, TryRecvError, TrySendError, channel, sync_channel,
};
use sinew::thread;

use crate::actor::{Actor, locked};
use crate::ledger::{Ledger, Message, Receiving, Sending};
use crate::stage::{End, Part, Setting, Stage};

/// Messages that a life of a sender sends without a bound.
const MOST: u64 = 2_000;

struct Mpsc {
    senders: std::sync::Mutex<Option<(SyncSender<Message>, Sender<Message>)>>,
    receivers: [Mutex<Receiver<Message>>; 2],
    ledger: Ledger,
    disconnected: AtomicBool,
}

pub(crate) fn stage(setting: &mut Setting) -> Arc<dyn Stage> {
    let ((sync, from_sync), (sender, receiver)) = (sync_channel(setting.random.below(4)), channel());
    Arc::new(Mpsc {
        senders: std::sync::Mutex::new(Some((sync, sender))),
        receivers: [from_sync, receiver].map(Mutex::new),
        ledger: Ledger::default(),
        disconnected: AtomicBool::new(false),
    })
}

impl Stage for Mpsc {
    fn parts(self: Arc<Self>) -> Vec<Part> {
        let (senders, receivers) = (Arc::clone(&self), self);
        vec![
            Part::new(
                "sender",
                3,
                move |_| {
                    let (sync, sender) =
                        locked(&senders.senders).clone().expect("they are taken after all senders have ended");
                    Sends { sync, sender, count: 0, sending: [(); 2].map(|()| senders.ledger.sending()) }
                },
                &[
                    ("SyncSender::send", Sends::send_sync),
                    ("SyncSender::try_send", Sends::try_send),
                    ("Sender::send", Sends::send),
                ],
            ),
            Part::new(
                "receiver",
                4,
                // Each keeps to one of the two: senders may all wait for the other.
                move |actor| Receives {
                    mpsc: Arc::clone(&receivers),
                    receiving: Receiving::default(),
                    at: actor.card.number % 2,
                },
                &[("recv", Receives::recv), ("try_recv", Receives::try_recv), ("recv_timeout", Receives::recv_timeout)],
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
        for receiver in &self.receivers {
            drop(receiver.try_lock().map_err(|error| format!("the mutex of a receiver, which nobody uses: {error}"))?);
        }
        self.ledger.check()
    }
}

/// A sender's own.
struct Sends {
    sync: SyncSender<Message>,
    sender: Sender<Message>,
    count: u64,
    sending: [Sending; 2],
}

impl Sends {
    fn send_sync(&mut self, actor: &mut Actor) {
        let sent = self.sync.send(self.sending[0].message());
        actor.check(sent.is_ok(), || "send says that the receiver has gone".into());
        self.sending[0].sent();
    }

    fn try_send(&mut self, actor: &mut Actor) {
        match self.sync.try_send(self.sending[0].message()) {
            Ok(()) => self.sending[0].sent(),
            Err(TrySendError::Full(_)) => {}
            Err(TrySendError::Disconnected(_)) => {
                actor.check(false, || "try_send says that the receiver has gone".into())
            }
        }
    }

    fn send(&mut self, actor: &mut Actor) {
        self.count += 1;
        if self.count > MOST {
            return thread::sleep(actor.random.micros(1_000));
        }
        let sent = self.sender.send(self.sending[1].message());
        actor.check(sent.is_ok(), || "send says that the receiver has gone".into());
        self.sending[1].sent();
    }
}

/// A receiver's own.
struct Receives {
    mpsc: Arc<Mpsc>,
    receiving: Receiving,
    at: usize,
}

impl Receives {
    fn book(&mut self, got: Result<Option<Message>, ()>, actor: &mut Actor) {
        match got {
            Ok(Some(message)) => self.mpsc.ledger.got(message, &mut self.receiving, actor),
            Ok(None) => {}
            Err(()) => {
                let right = self.mpsc.disconnected.load(Ordering::SeqCst);
                actor.check(right, || "a receive says that all senders have gone".into());
                actor.finish();
            }
        }
    }

    fn with(&mut self, actor: &mut Actor, receive: impl FnOnce(&Receiver<Message>) -> Result<Option<Message>, ()>) {
        let mpsc = Arc::clone(&self.mpsc);
        let receiver = mpsc.receivers[self.at].lock();
        actor.check(receiver.is_ok(), || "a cancellation poisoned a mutex".into());
        let Ok(receiver) = receiver else { return };
        self.book(receive(&receiver), actor);
    }

    fn recv(&mut self, actor: &mut Actor) {
        self.with(actor, |receiver| receiver.recv().map(Some).map_err(drop));
    }

    fn try_recv(&mut self, actor: &mut Actor) {
        self.with(actor, |receiver| match receiver.try_recv() {
            Ok(message) => Ok(Some(message)),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(()),
        });
    }

    fn recv_timeout(&mut self, actor: &mut Actor) {
        let time = actor.random.micros(2_000);
        self.with(actor, |receiver| match receiver.recv_timeout(time) {
            Ok(message) => Ok(Some(message)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(()),
        });
    }
}
