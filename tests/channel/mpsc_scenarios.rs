// One text for two modules: each that includes it has one of them in scope, as `mpsc`.

use mpsc::{RecvError, RecvTimeoutError, SendError, TryRecvError, TrySendError};
use std::{thread, time::Duration};

const SHORT: Duration = Duration::from_millis(3);

#[test]
fn many_send_and_one_receives() {
    let (sender, receiver) = mpsc::channel();
    let senders: Vec<_> = (0..4)
        .map(|_| {
            let sender: mpsc::Sender<u64> = sender.clone();
            thread::spawn(move || (0..1_000).for_each(|number| sender.send(number).unwrap()))
        })
        .collect();
    drop(sender);
    assert_eq!(receiver.iter().sum::<u64>(), 4 * 499_500);
    assert_eq!(receiver.recv(), Err(RecvError));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    assert_eq!(receiver.recv_timeout(SHORT), Err(RecvTimeoutError::Disconnected));
    senders.into_iter().for_each(|sender| sender.join().unwrap());
}

#[test]
fn a_bound_holds() {
    let (sender, receiver): (mpsc::SyncSender<_>, _) = mpsc::sync_channel(2);
    sender.send(1).unwrap();
    sender.try_send(2).unwrap();
    assert_eq!(sender.try_send(3), Err(TrySendError::Full(3)));
    assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [1, 2]);
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    assert_eq!(receiver.recv_timeout(SHORT), Err(RecvTimeoutError::Timeout));
    let other = sender.clone();
    let producer = thread::spawn(move || (0..100).for_each(|number| other.send(number).unwrap()));
    drop(sender);
    assert_eq!((0..50).zip(&receiver).count(), 50);
    assert_eq!(receiver.into_iter().last(), Some(99));
    producer.join().unwrap();
}

#[test]
fn a_bound_of_zero_is_a_rendezvous() {
    let (sender, receiver) = mpsc::sync_channel(0);
    assert_eq!(sender.try_send(1), Err(TrySendError::Full(1)));
    let consumer = thread::spawn(move || (receiver.recv(), receiver.recv()));
    sender.send(1).unwrap();
    sender.send(2).unwrap();
    assert_eq!(consumer.join().unwrap(), (Ok(1), Ok(2)));
    assert_eq!(sender.send(3), Err(SendError(3)));
    assert_eq!(sender.try_send(3), Err(TrySendError::Disconnected(3)));
}

#[test]
fn errors_are_stds() {
    let (sender, receiver) = mpsc::channel();
    drop(receiver);
    let error: std::sync::mpsc::SendError<i32> = sender.send(1).unwrap_err();
    assert_eq!(error, SendError(1));
}
