//! Models of selects by their public face: of the operations of each exactly one takes effect, also if it is another select that serves it,
//! or if it gives up or is cancelled meanwhile.
//!
//! Preemption bound 4, unless another is said.

use super::{super::*, *};
use crate::{primitive::models::model, runtime::exact};

/// What a select did: sent, or received this.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Did {
    Sent,
    Received(u32),
}

/// Sends `message`, or receives, whichever can be done first. `sends_first` if both can.
fn send_or_receive(sender: &Sender<u32>, message: u32, receiver: &Receiver<u32>, sends_first: bool) -> Did {
    let mut select = Select::new_biased();
    if sends_first {
        select.send(sender);
    }
    select.recv(receiver);
    if !sends_first {
        select.send(sender);
    }
    let chosen = select.select();
    match (chosen.index() == 0) == sends_first {
        true => {
            chosen.send(sender, message).unwrap();
            Did::Sent
        }
        false => Did::Received(chosen.recv(receiver).unwrap()),
    }
}

/// Each sends on one channel without room what the other receives there: one message goes over, in one direction.
fn two_selects_meet(sends_first: [bool; 2]) {
    model(4, move || {
        let ((to_other, from_me), (to_me, from_other)) = (bounded(0), bounded(0));
        let other = thread::spawn(move || send_or_receive(&to_me, 2, &from_me, sends_first[0]));
        let mine = send_or_receive(&to_other, 1, &from_other, sends_first[1]);
        let theirs = other.join().unwrap();
        assert!(matches!((mine, theirs), (Did::Sent, Did::Received(1)) | (Did::Received(2), Did::Sent)));
    });
}

#[test]
fn loom_two_selects_that_send_first_meet() {
    two_selects_meet([true, true]);
}

#[test]
fn loom_two_selects_that_receive_first_meet() {
    two_selects_meet([false, false]);
}

#[test]
fn loom_two_selects_of_which_one_sends_first_meet() {
    two_selects_meet([true, false]);
}

/// Both directions are one channel's: a select does not meet itself, but the other.
#[test]
fn loom_selects_on_one_channel_meet_each_other() {
    model(4, || {
        let (sender, receiver) = bounded(0);
        let ends = (sender.clone(), receiver.clone());
        let other = thread::spawn(move || send_or_receive(&ends.0, 2, &ends.1, false));
        let mine = send_or_receive(&sender, 1, &receiver, true);
        let theirs = other.join().unwrap();
        assert!(matches!((mine, theirs), (Did::Sent, Did::Received(1)) | (Did::Received(2), Did::Sent)));
    });
}

/// A select that sends to one who receives, until its time is over: it was received exactly if it was sent.
#[test]
fn loom_a_select_that_gives_up_has_sent_or_not() {
    model(4, || {
        let (sender, receiver) = bounded(0);
        let parker = Parker::current();
        let other = thread::spawn(move || {
            parker.interrupt();
            receiver.try_recv().is_ok()
        });
        let mut select = Select::new_biased();
        select.send(&sender);
        let sent = match select.select_deadline(exact::deadline()) {
            Ok(chosen) => chosen.send(&sender, 1).is_ok(),
            Err(_) => false,
        };
        // A receiver that has gone lets it be chosen, and not succeed.
        assert_eq!(other.join().unwrap(), sent);
    });
}

/// A select that was chosen to send and does not: whoever was to receive waits on, and gets the next.
#[test]
fn loom_a_receiver_whose_select_unwinds_gets_another_message() {
    model(4, || {
        let (sender, receiver) = bounded(0);
        let other = thread::spawn(move || receiver.recv());
        let mut arms = [Arm::new(&sender, None)];
        let mut chosen = choose(&mut arms, Patience::Until(None), true).unwrap();
        sender.abandon(&mut chosen.token);
        sender.send(2).unwrap();
        assert_eq!(other.join().unwrap(), Ok(2));
    });
}

/// One that waits to receive from a channel with room and one without is cancelled: the messages are where they were, or it has one.
/// `at` is where the message is sent. Preemption bound 2.
fn a_select_is_cancelled(at: usize) {
    model(2, move || {
        let channels = [bounded::<u32>(1), bounded::<u32>(0)];
        let parker = Parker::current();
        let canceller = thread::spawn(move || parker.cancel());
        let sender = channels[at].0.clone();
        let other = thread::spawn(move || sender.send(7).unwrap());
        let got = exact::catch(|| {
            let mut select = Select::new_biased();
            channels.iter().for_each(|channel| _ = select.recv(&channel.1));
            let chosen = select.select();
            (chosen.index(), chosen)
        });
        let got = got.map(|(index, chosen)| (index, chosen.recv(&channels[index].1)));
        let _mask = exact::Current::get().mask();
        match got {
            Some(got) => assert_eq!(got, (at, Ok(7))),
            None => assert_eq!(channels[at].1.recv(), Ok(7)),
        }
        other.join().unwrap();
        canceller.join().unwrap();
        assert!(channels.iter().all(|channel| channel.1.try_recv().is_err()));
    });
}

#[test]
fn loom_a_select_that_is_cancelled_leaves_the_message_in_its_ring() {
    a_select_is_cancelled(0);
}

#[test]
fn loom_a_select_that_is_cancelled_leaves_the_message_with_its_sender() {
    a_select_is_cancelled(1);
}
