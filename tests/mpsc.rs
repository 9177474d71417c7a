//! `sinew::sync::mpsc` between green threads, OS threads and both, over one, two and eight workers.

mod harness;

use harness::{assert_cancelled, let_others_run, on_every_crew, on_workers, spawn_started};
use sinew::sync::mpsc;

#[test]
fn each_message_arrives_once_and_in_order() {
    on_every_crew(|crew| {
        for bound in [0, 1, 16] {
            let (sender, receiver) = mpsc::sync_channel(bound);
            let senders: Vec<_> = (0..4)
                .map(|number| {
                    let sender = sender.clone();
                    crew.spawn(move || (0..200).for_each(|count| sender.send((number, count)).unwrap()))
                })
                .collect();
            drop(sender);
            let receiver = crew.spawn(move || {
                let mut next = [0; 4];
                for (number, count) in receiver {
                    assert_eq!(next[number], count);
                    next[number] += 1;
                }
                next
            });
            senders.into_iter().for_each(|sender| sender.join().unwrap());
            assert_eq!(receiver.join().unwrap(), [200; 4]);
        }
    });
}

#[test]
fn a_cancelled_receiver_lets_its_senders_know() {
    on_workers(|| {
        let (sender, receiver) = mpsc::channel::<i32>();
        let waiter = spawn_started(move || receiver.recv());
        let_others_run();
        waiter.thread().cancel();
        assert_cancelled(waiter);
        assert_eq!(sender.send(1), Err(mpsc::SendError(1)));
    });
}
