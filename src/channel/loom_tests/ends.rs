//! Models of the last end of a side that goes: while a message is on its way, while a select waits; a message is dropped once, whoever has it then.
//!
//! Preemption bound 4 throughout.

use super::{super::*, *};
use crate::primitive::{Arc, AtomicUsize, Ordering, models::model};

/// A message that counts its drop.
struct Message(Arc<AtomicUsize>);

impl Drop for Message {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// One is sent while the only receiver goes; it is dropped once, as is one that was there before.
fn a_message_is_dropped_once(new: fn() -> (Sender<Message>, Receiver<Message>), before: usize) {
    model(4, move || {
        let dropped = Arc::new(AtomicUsize::new(0));
        let (sender, receiver) = new();
        (0..before).for_each(|_| assert!(sender.try_send(Message(Arc::clone(&dropped))).is_ok()));
        let message = Message(Arc::clone(&dropped));
        let keeps = sender.clone();
        let other = thread::spawn(move || {
            // Sent, or given back and dropped.
            let _ = sender.send(message);
        });
        drop(receiver);
        other.join().unwrap();
        assert_eq!(dropped.load(Ordering::Relaxed), before + 1, "while a sender keeps the channel");
        drop(keeps);
        assert_eq!(dropped.load(Ordering::Relaxed), before + 1);
    });
}

#[test]
fn loom_what_is_sent_into_a_ring_as_its_receiver_goes_is_dropped_once() {
    a_message_is_dropped_once(|| bounded(2), 1);
}

#[test]
fn loom_what_waits_for_room_in_a_ring_as_its_receiver_goes_is_dropped_once() {
    a_message_is_dropped_once(|| bounded(1), 1);
}

#[test]
fn loom_what_is_sent_into_blocks_as_their_receiver_goes_is_dropped_once() {
    a_message_is_dropped_once(unbounded, 1);
}

#[test]
fn loom_what_is_to_be_handed_over_as_its_receiver_goes_is_dropped_once() {
    a_message_is_dropped_once(|| bounded(0), 0);
}

/// A select has room reserved, and brings its message as the receiver goes.
fn a_message_of_a_select_is_dropped_once(new: fn() -> (Sender<Message>, Receiver<Message>)) {
    model(4, move || {
        let dropped = Arc::new(AtomicUsize::new(0));
        let (sender, receiver) = new();
        let message = Message(Arc::clone(&dropped));
        let keeps = sender.clone();
        let other = thread::spawn(move || {
            let mut select = Select::new_biased();
            select.send(&sender);
            let _ = select.select().send(&sender, message);
        });
        drop(receiver);
        other.join().unwrap();
        assert_eq!(dropped.load(Ordering::Relaxed), 1, "while a sender keeps the channel");
        drop(keeps);
        assert_eq!(dropped.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn loom_what_a_select_brings_to_a_ring_as_its_receiver_goes_is_dropped_once() {
    a_message_of_a_select_is_dropped_once(|| bounded(1));
}

#[test]
fn loom_what_a_select_brings_to_blocks_as_their_receiver_goes_is_dropped_once() {
    a_message_of_a_select_is_dropped_once(unbounded);
}

/// A select that waits for two channels of which one is disconnected is told so, and the other's message is still there.
fn a_select_sees_a_disconnection(capacity: usize) {
    model(4, move || {
        let (one, two) = (bounded::<u32>(capacity), bounded::<u32>(1));
        let gone = one.0;
        let other = thread::spawn(move || drop(gone));
        let mut select = Select::new_biased();
        select.recv(&one.1);
        select.recv(&two.1);
        let chosen = select.select();
        assert_eq!(chosen.index(), 0);
        assert!(chosen.recv(&one.1).is_err());
        other.join().unwrap();
        assert_eq!(two.1.len(), 0);
    });
}

#[test]
fn loom_a_select_that_waits_sees_a_disconnection() {
    a_select_sees_a_disconnection(1);
}

#[test]
fn loom_a_select_that_waits_to_meet_sees_a_disconnection() {
    a_select_sees_a_disconnection(0);
}

/// The last receiver goes while one select waits to send there, and another channel has room only later.
#[test]
fn loom_a_select_that_sends_sees_that_its_receiver_has_gone() {
    model(4, || {
        let (sender, receiver) = bounded::<u32>(0);
        let (full, other) = bounded::<u32>(1);
        full.send(1).unwrap();
        let goes = thread::spawn(move || drop(receiver));
        let mut select = Select::new_biased();
        select.send(&full);
        select.send(&sender);
        let chosen = select.select();
        assert_eq!(chosen.index(), 1);
        assert!(chosen.send(&sender, 2).is_err());
        goes.join().unwrap();
        assert_eq!(other.try_recv(), Ok(1));
    });
}
