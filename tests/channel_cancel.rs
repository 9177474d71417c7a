//! Cancellation and deadlines of channel operations: they have had no effect, and no message is lost or doubled.

mod harness;

use harness::{Crew, Kind, Random, assert_cancelled, let_others_run, on_every_crew, on_workers, spawn_started};
use sinew::{
    channel::{Receiver, Select, Sender, bounded, select, unbounded},
    thread,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

/// One channel of each flavour.
fn flavours<T>() -> [(Sender<T>, Receiver<T>); 4] {
    [bounded(0), bounded(1), bounded(7), unbounded()]
}

#[test]
fn a_cancelled_receive_has_taken_nothing() {
    on_workers(|| {
        for (sender, receiver) in flavours() {
            let waiter = spawn_started({
                let receiver = receiver.clone();
                move || receiver.recv()
            });
            let_others_run();
            waiter.thread().cancel();
            assert_cancelled(waiter);
            let next = spawn_started(move || receiver.recv());
            sender.send("message").unwrap();
            assert_eq!(next.join().unwrap(), Ok("message"));
        }
    });
}

#[test]
fn a_cancelled_send_has_sent_nothing() {
    on_workers(|| {
        for capacity in [0, 1, 7] {
            let (sender, receiver) = bounded(capacity);
            (0..capacity).for_each(|number| sender.send(Arc::new(number)).unwrap());
            let message = Arc::new(99);
            let waiter = spawn_started({
                let (sender, message) = (sender.clone(), message.clone());
                move || sender.send(message)
            });
            let_others_run();
            waiter.thread().cancel();
            assert_cancelled(waiter);
            assert_eq!(Arc::strong_count(&message), 1, "the unwind dropped it");
            drop(sender);
            assert_eq!(receiver.iter().map(|number| *number).collect::<Vec<_>>(), (0..capacity).collect::<Vec<_>>());
        }
    });
}

#[test]
fn a_cancelled_select_has_done_nothing() {
    on_workers(|| {
        let (full, from_full) = bounded(1);
        full.send(1).unwrap();
        let (zero, from_zero) = bounded(0);
        let waiter = spawn_started({
            let (full, from_zero) = (full.clone(), from_zero.clone());
            move || {
                select! {
                    send(full, 2) -> _ => {},
                    recv(from_zero) -> _ => {},
                }
            }
        });
        let_others_run();
        waiter.thread().cancel();
        assert_cancelled(waiter);
        assert!(zero.try_send(3).is_err(), "nobody receives");
        assert_eq!(from_full.try_iter().collect::<Vec<_>>(), [1]);
        full.try_send(4).unwrap();
    });
}

/// A select that was chosen computes its message, and unwinds in that.
#[test]
fn a_message_that_is_not_computed_is_not_sent() {
    on_workers(|| {
        for capacity in [0, 1, 2] {
            let (sender, receiver) = bounded::<i32>(capacity);
            let first = spawn_started({
                let receiver = receiver.clone();
                move || receiver.recv()
            });
            let_others_run();
            let selects = spawn_started({
                let sender = sender.clone();
                move || {
                    select! {
                        send(sender, { thread::park(); 1 }) -> _ => {},
                    }
                }
            });
            let_others_run();
            // The announced place is in the way of nobody who does not wait.
            assert_eq!(sender.try_send(2).is_ok(), capacity == 2);
            assert!(receiver.try_recv().is_err());
            selects.thread().cancel();
            assert_cancelled(selects);
            sender.send(3).unwrap();
            let mut got = vec![first.join().unwrap().unwrap()];
            if capacity == 2 {
                got.push(receiver.recv().unwrap());
                got.sort_unstable();
                assert_eq!(got, [2, 3]);
            } else {
                assert_eq!(got, [3]);
            }
            assert!(receiver.is_empty());
        }
    });
}

#[test]
fn a_message_that_takes_long_to_compute_keeps_its_place() {
    on_workers(|| {
        for capacity in [0, 1, 2] {
            let (sender, receiver) = bounded::<i32>(capacity);
            let consumer = thread::spawn(move || receiver.iter().collect::<Vec<_>>());
            let producer = sender.clone();
            let selects = thread::spawn(move || {
                for number in 0..20 {
                    select! {
                        send(producer, { thread::yield_now(); number }) -> sent => sent.unwrap(),
                    }
                }
            });
            selects.join().unwrap();
            drop(sender);
            assert_eq!(consumer.join().unwrap(), (0..20).collect::<Vec<_>>());
        }
    });
}

#[test]
fn a_sender_gets_the_room_of_a_message_that_is_not_computed() {
    on_workers(|| {
        let (sender, receiver) = bounded::<i32>(1);
        let selects = spawn_started({
            let sender = sender.clone();
            move || select! { send(sender, { thread::park(); 1 }) -> _ => {} }
        });
        let_others_run();
        let waits = spawn_started(move || sender.send(2));
        let_others_run();
        selects.thread().cancel();
        assert_cancelled(selects);
        waits.join().unwrap().unwrap();
        assert_eq!(receiver.iter().collect::<Vec<_>>(), [2]);
    });
}

/// Threads send and receive, each in a way that it chooses at random; some are cancelled and run into deadlines all the time. What was sent, and
/// said so, is received once.
#[test]
fn no_message_is_lost_or_doubled() {
    on_every_crew(|crew| {
        for (flavour, channel) in flavours().into_iter().enumerate() {
            storm(crew, flavour as u64, channel);
        }
    });
}

const SENDERS: usize = 4;
const EACH: usize = 150;

fn storm(crew: &Crew, seed: u64, (sender, receiver): (Sender<usize>, Receiver<usize>)) {
    let counts: Arc<Vec<AtomicUsize>> = Arc::new((0..SENDERS * EACH).map(|_| AtomicUsize::new(0)).collect());
    let sent: Arc<Vec<AtomicBool>> = Arc::new((0..SENDERS * EACH).map(|_| AtomicBool::new(false)).collect());
    let senders: Vec<_> = (0..SENDERS)
        .map(|number| {
            let (sender, sent) = (sender.clone(), sent.clone());
            crew.spawn(move || {
                let mut random = Random::new(seed * 100 + number as u64);
                (number * EACH..(number + 1) * EACH).for_each(|message| {
                    send_somehow(&mut random, &sender, message);
                    sent[message].store(true, Ordering::SeqCst);
                });
            })
        })
        .collect();
    let receivers: Vec<_> = (0..3)
        .map(|number| {
            let (receiver, counts) = (receiver.clone(), counts.clone());
            crew.spawn(move || {
                let mut random = Random::new(seed * 100 + 50 + number);
                while let Some(message) = receive_somehow(&mut random, &receiver) {
                    counts[message].fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    if crew.kind != Kind::Os {
        // Those that never receive or send anything, since they are cancelled.
        for _ in 0..40 {
            let (receiver, counts) = (receiver.clone(), counts.clone());
            let victim = crew.green(move || {
                if let Ok(message) = receiver.recv() {
                    counts[message].fetch_add(1, Ordering::SeqCst);
                }
            });
            thread::yield_now();
            victim.green().unwrap().cancel();
            // It may have been faster.
            drop(victim.join());
        }
    }
    drop((sender, receiver));
    let ended: Vec<_> = senders.into_iter().chain(receivers).map(|member| member.join().is_ok()).collect();
    assert!(ended.iter().all(|&well| well));
    for (message, count) in counts.iter().enumerate() {
        assert_eq!((sent[message].load(Ordering::SeqCst), count.load(Ordering::SeqCst)), (true, 1), "{message}");
    }
}

fn send_somehow(random: &mut Random, sender: &Sender<usize>, mut message: usize) {
    loop {
        let result = match random.below(5) {
            0 => return sender.send(message).unwrap(),
            1 => sender.try_send(message).map_err(|error| error.into_inner()),
            2 => sender
                .send_timeout(message, Duration::from_micros(random.below(300) as u64))
                .map_err(|error| error.into_inner()),
            3 => select! {
                send(sender, message) -> sent => sent.map_err(|error| error.into_inner()),
                default(Duration::from_micros(200)) => Err(message),
            },
            _ => {
                let mut select = Select::new();
                select.send(sender);
                match select.select_timeout(Duration::from_micros(200)) {
                    Ok(operation) => operation.send(sender, message).map_err(|error| error.into_inner()),
                    Err(_) => Err(message),
                }
            }
        };
        match result {
            Ok(()) => return,
            Err(back) => message = back,
        }
        thread::yield_now();
    }
}

fn receive_somehow(random: &mut Random, receiver: &Receiver<usize>) -> Option<usize> {
    use sinew::channel::{RecvTimeoutError, TryRecvError};
    loop {
        let result = match random.below(5) {
            0 => return receiver.recv().ok(),
            1 => receiver.try_recv(),
            2 => receiver.recv_timeout(Duration::from_micros(random.below(300) as u64)).map_err(|error| match error {
                RecvTimeoutError::Timeout => TryRecvError::Empty,
                RecvTimeoutError::Disconnected => TryRecvError::Disconnected,
            }),
            3 => select! {
                recv(receiver) -> message => return message.ok(),
                default(Duration::from_micros(200)) => Err(TryRecvError::Empty),
            },
            _ => {
                let mut select = Select::new();
                select.recv(receiver);
                match select.select_timeout(Duration::from_micros(200)) {
                    Ok(operation) => return operation.recv(receiver).ok(),
                    Err(_) => Err(TryRecvError::Empty),
                }
            }
        };
        match result {
            Ok(message) => return Some(message),
            Err(TryRecvError::Disconnected) => return None,
            Err(TryRecvError::Empty) => thread::yield_now(),
        }
    }
}
