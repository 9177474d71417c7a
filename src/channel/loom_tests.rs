//! Models of each flavour, and of a select over two channels: what was sent is received once, by threads that wait, give up, or both.
//!
//! Preemption bound 2 throughout.

use super::{
    blocks::Blocks,
    buffered::{Buffered, Unreceived, Unsent},
    place::Place,
    queue::{Queue, Refused},
    ring::Ring,
    select::{Arm, Operand, Patience, Token, TokenState, choose},
    zero::Zero,
};
use crate::{
    primitive::{Arc, between_seqcst_accesses, model::Builder, thread},
    runtime::{
        exact::Parker,
        waiters::{Claim, Node, Polled, Waiters},
    },
};
use std::{
    cell::Cell,
    task::{Poll, Waker},
    time::Instant,
};

mod ends;
mod select;

fn model(body: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(body);
}

fn spawn<C: 'static, R: 'static>(channel: &Arc<C>, body: impl FnOnce(&C) -> R + 'static) -> thread::JoinHandle<R> {
    let channel = Arc::clone(channel);
    thread::spawn(move || body(&channel))
}

fn sent<T>(result: Result<(), Unsent<T>>) {
    assert!(result.is_ok());
}

/// Two messages through a channel, whatever its queue.
fn two_messages_come_in_order<Q: Queue<Message = u32> + 'static>(new: fn() -> Q) {
    model(move || {
        let channel = Arc::new(Buffered::new(new()));
        let sender = spawn(&channel, |channel| (1..=2).for_each(|message| sent(channel.send(message, None))));
        assert_eq!([channel.recv(None), channel.recv(None)], [Ok(1), Ok(2)]);
        sender.join().unwrap();
        assert!(channel.queue().is_empty());
    });
}

/// A message that comes while its receiver gives up: it is received, or it is there.
fn a_message_is_not_lost_by_one_who_gives_up<Q: Queue<Message = u32> + 'static>(new: fn() -> Q) {
    model(move || {
        let channel = Arc::new(Buffered::new(new()));
        let parker = Parker::current();
        let sender = spawn(&channel, move |channel| {
            parker.interrupt();
            sent(channel.send(1, None));
        });
        let got = channel.recv(Some(Instant::now()));
        sender.join().unwrap();
        assert_eq!(channel.queue().len(), usize::from(got != Ok(1)));
    });
}

fn a_disconnection_is_seen<Q: Queue<Message = u32> + 'static>(new: fn() -> Q) {
    model(move || {
        let channel = Arc::new(Buffered::new(new()));
        let sender = spawn(&channel, |channel| {
            sent(channel.send(1, None));
            channel.disconnect();
        });
        assert_eq!(channel.recv(None), Ok(1));
        assert_eq!(channel.recv(None), Err(Unreceived::Disconnected));
        sender.join().unwrap();
    });
}

#[test]
fn loom_a_ring_keeps_the_order() {
    two_messages_come_in_order(|| Ring::new(1));
}

#[test]
fn loom_blocks_keep_the_order() {
    two_messages_come_in_order(Blocks::new);
}

#[test]
fn loom_a_rings_message_is_not_lost() {
    a_message_is_not_lost_by_one_who_gives_up(|| Ring::new(1));
}

#[test]
fn loom_a_message_in_blocks_is_not_lost() {
    a_message_is_not_lost_by_one_who_gives_up(Blocks::new);
}

#[test]
fn loom_a_rings_disconnection_is_seen() {
    a_disconnection_is_seen(|| Ring::new(1));
}

#[test]
fn loom_a_disconnection_of_blocks_is_seen() {
    a_disconnection_is_seen(Blocks::new);
}

#[test]
fn loom_a_sender_that_gives_up_has_sent_or_not() {
    model(|| {
        let channel = Arc::new(Buffered::new(Ring::new(1)));
        sent(channel.send(1, None));
        let parker = Parker::current();
        let receiver = spawn(&channel, move |channel| {
            parker.interrupt();
            channel.recv(None)
        });
        let second = channel.send(2, Some(Instant::now())).is_ok();
        assert_eq!(receiver.join().unwrap(), Ok(1));
        assert_eq!(channel.queue().len(), usize::from(second));
    });
}

#[test]
fn loom_two_senders_find_room_for_one() {
    model(|| {
        let channel = Arc::new(Buffered::new(Ring::new(1)));
        let senders = [1, 2].map(|message| spawn(&channel, move |channel| sent(channel.send(message, None))));
        let got = [channel.recv(None).unwrap(), channel.recv(None).unwrap()];
        assert_eq!(got[0] + got[1], 3);
        senders.into_iter().for_each(|sender| sender.join().unwrap());
    });
}

#[test]
fn loom_a_place_that_is_given_up_is_room_again() {
    model(|| {
        let channel = Arc::new(Buffered::new(Ring::new(1)));
        let reserved = channel.reserve().unwrap();
        let sender = spawn(&channel, |channel| sent(channel.send(1, None)));
        channel.give_up(reserved);
        assert_eq!(channel.recv(None), Ok(1));
        sender.join().unwrap();
    });
}

#[test]
fn loom_a_send_and_a_receive_meet() {
    model(|| {
        let channel = Arc::new(Zero::new());
        let sender = spawn(&channel, |channel| (1..=2).for_each(|message| sent(channel.send(message, None))));
        assert_eq!([channel.recv(None), channel.recv(None)], [Ok(1), Ok(2)]);
        sender.join().unwrap();
    });
}

#[test]
fn loom_a_send_that_gives_up_was_received_or_not() {
    model(|| {
        let channel = Arc::new(Zero::new());
        let parker = Parker::current();
        let receiver = spawn(&channel, move |channel| {
            parker.interrupt();
            channel.try_recv()
        });
        let result = channel.send(1, Some(Instant::now()));
        assert_eq!(receiver.join().unwrap().is_ok(), result.is_ok());
    });
}

/// The receiving side of a ring.
struct Receives<'a>(&'a Buffered<Ring<u32>>);

impl Operand for Receives<'_> {
    fn sends(&self) -> bool {
        false
    }

    fn attempt(&self, place: Place, state: &mut TokenState) -> bool {
        let Ok(message) = self.0.try_recv() else { return false };
        // SAFETY: the select's own place.
        unsafe { place.put(message) };
        *state = TokenState::Received;
        true
    }

    fn is_ready(&self) -> bool {
        self.0.queue().can_pop()
    }

    unsafe fn list(&self, node: &Node, _: &Claim) -> bool {
        let ready = |_: &mut _| {
            between_seqcst_accesses();
            self.is_ready()
        };
        // SAFETY: by the caller's promise.
        unsafe { self.0.receivers().list(node, ready) }.is_some()
    }

    fn waiters(&self) -> Option<&Waiters> {
        Some(self.0.receivers())
    }

    fn abandon(&self, _: &mut Token) {}
}

/// Receives from either, by a select.
fn receive_either(channels: [&Buffered<Ring<u32>>; 2], deadline: Option<Instant>) -> Option<u32> {
    let operands = channels.map(Receives);
    let got = Cell::new(None::<u32>);
    let mut arms = operands.each_ref().map(|operand| Arm::new(operand, Some(Place::Typed(got.as_ptr().cast()))));
    choose(&mut arms, Patience::Until(deadline), true)?;
    got.take()
}

#[test]
fn loom_a_select_takes_one_of_two() {
    model(|| {
        let channels = [1, 2].map(|_| Arc::new(Buffered::new(Ring::new(1))));
        let senders = [0, 1].map(|at| spawn(&channels[at], move |channel| sent(channel.send(at as u32, None))));
        let got = receive_either([&channels[0], &channels[1]], None).unwrap() as usize;
        senders.into_iter().for_each(|sender| sender.join().unwrap());
        assert_eq!((channels[got].queue().len(), channels[1 - got].queue().len()), (0, 1));
        assert_eq!(channels[1 - got].try_recv(), Ok(1 - got as u32));
    });
}

#[test]
fn loom_two_selects_take_one_each() {
    model(|| {
        let channels = [1, 2].map(|_| Arc::new(Buffered::new(Ring::new(1))));
        let [one, two] = channels.clone();
        let other = thread::spawn(move || receive_either([&two, &one], None).unwrap());
        for (at, channel) in channels.iter().enumerate() {
            assert!(!matches!(channel.try_send(at as u32), Err(Refused::Full(_) | Refused::Disconnected(_))));
        }
        let mine = receive_either([&channels[0], &channels[1]], None).unwrap();
        assert_eq!(mine + other.join().unwrap(), 1);
    });
}

/// A future that is polled once and dropped, beside a thread that waits: the message is received once, and the thread gets one.
macro_rules! a_future_that_goes_holds_up_nobody {
    ($name:ident, $new:expr, $abandon:expr) => {
        #[test]
        fn $name() {
            model(|| {
                let channel = Arc::new($new);
                let receiver = spawn(&channel, |channel| channel.recv(None));
                let future = spawn(&channel, |channel| {
                    let polled = Polled::new();
                    // SAFETY: it stays here until it has left the list.
                    let received = unsafe { channel.poll_recv(&polled, Waker::noop()) };
                    $abandon(channel, &polled);
                    received
                });
                sent(channel.send(1, None));
                let got = future.join().unwrap();
                if got.is_ready() {
                    sent(channel.send(2, None));
                }
                let other = receiver.join().unwrap();
                assert!(matches!((got, other), (Poll::Pending, Ok(1)) | (Poll::Ready(Ok(1)), Ok(2))));
            });
        }
    };
}

a_future_that_goes_holds_up_nobody!(
    loom_a_future_that_leaves_blocks_holds_up_nobody,
    Buffered::new(Blocks::new()),
    // SAFETY: it waited there.
    |channel: &Buffered<_>, polled: &Polled| unsafe { channel.abandon(polled, channel.receivers()) }
);

a_future_that_goes_holds_up_nobody!(
    loom_a_future_that_leaves_a_channel_without_room_holds_up_nobody,
    Zero::new(),
    // SAFETY: it waited there.
    |channel: &Zero<_>, polled: &Polled| unsafe { channel.abandon_recv(polled) }
);

a_future_that_goes_holds_up_nobody!(
    loom_a_future_that_leaves_a_ring_holds_up_nobody,
    Buffered::new(Ring::new(1)),
    // SAFETY: it waited there.
    |channel: &Buffered<_>, polled: &Polled| unsafe { channel.abandon(polled, channel.receivers()) }
);

/// One that waits and one that does not: whoever gets the message, the next is for the other.
#[test]
fn loom_one_who_tries_and_one_who_waits_get_a_message_each() {
    model(|| {
        let channel = Arc::new(Buffered::new(Ring::new(1)));
        let waits = spawn(&channel, |channel| channel.recv(None));
        let tries = spawn(&channel, |channel| channel.try_recv());
        sent(channel.send(1, None));
        let got = tries.join().unwrap();
        if got.is_ok() {
            sent(channel.send(2, None));
        }
        assert!(matches!((got, waits.join().unwrap()), (Err(_), Ok(1)) | (Ok(1), Ok(2))));
    });
}
