//! Channels between green threads, OS threads and both, over one, two and eight workers.

mod harness;

use harness::{on_every_crew, spawn_started};
use sinew::channel::{bounded, select, unbounded};
use std::sync::{Arc, Mutex};

const CAPACITIES: [Option<usize>; 4] = [Some(0), Some(1), Some(64), None];

#[test]
fn messages_of_one_sender_come_in_order() {
    on_every_crew(|crew| {
        for capacity in CAPACITIES {
            let (sender, receiver) = capacity.map_or_else(unbounded, bounded);
            let producer = crew.spawn(move || (0..2_000).for_each(|number| sender.send(number).unwrap()));
            let consumer = crew.spawn(move || receiver.iter().eq(0..2_000));
            producer.join().unwrap();
            assert!(consumer.join().unwrap());
        }
    });
}

#[test]
fn many_send_to_many_and_each_sees_each_sender_in_order() {
    on_every_crew(|crew| {
        for capacity in CAPACITIES {
            let (sender, receiver) = capacity.map_or_else(unbounded, bounded);
            let total = Arc::new(Mutex::new(vec![0; 4]));
            let sum = total.clone();
            let mut members = Vec::new();
            for number in 0..4 {
                let sender = sender.clone();
                members.push(crew.spawn(move || (0..300).for_each(|count| sender.send((number, count)).unwrap())));
            }
            drop(sender);
            for _ in 0..4 {
                let (receiver, total) = (receiver.clone(), total.clone());
                members.push(crew.spawn(move || {
                    let mut last = [None; 4];
                    for (number, count) in receiver {
                        assert!(last[number] < Some(count), "out of order");
                        last[number] = Some(count);
                        total.lock().unwrap()[number] += count;
                    }
                }));
            }
            members.into_iter().for_each(|member| member.join().unwrap());
            assert_eq!(*sum.lock().unwrap(), [300 * 299 / 2; 4]);
        }
    });
}

#[test]
fn two_threads_answer_each_other() {
    on_every_crew(|crew| {
        for capacity in CAPACITIES {
            let (ping, to_answer) = capacity.map_or_else(unbounded, bounded);
            let (answer, pong) = capacity.map_or_else(unbounded, bounded);
            let other = crew.spawn(move || to_answer.iter().for_each(|number: u32| answer.send(number + 1).unwrap()));
            let asker = crew.spawn(move || {
                for number in 0..500 {
                    ping.send(number).unwrap();
                    assert_eq!(pong.recv(), Ok(number + 1));
                }
            });
            asker.join().unwrap();
            other.join().unwrap();
        }
    });
}

#[test]
fn of_several_arms_one_takes_effect() {
    on_every_crew(|crew| {
        for capacity in CAPACITIES {
            let channels: [_; 3] = std::array::from_fn(|_| capacity.map_or_else(unbounded, bounded));
            let [one, two, three] = channels.clone();
            let consumer = move || {
                let mut got = Vec::new();
                for _ in 0..450 {
                    got.push(select! {
                        recv(one.1) -> message => message.unwrap(),
                        recv(two.1) -> message => message.unwrap(),
                        recv(three.1) -> message => message.unwrap(),
                    });
                }
                got
            };
            let consumers = [crew.spawn(consumer.clone()), crew.spawn(consumer)];
            let [one, two, three] = channels;
            let producer = move |start: usize| {
                move || {
                    for message in start..start + 300 {
                        select! {
                            send(one.0, message) -> sent => sent.unwrap(),
                            send(two.0, message) -> sent => sent.unwrap(),
                            send(three.0, message) -> sent => sent.unwrap(),
                        }
                    }
                }
            };
            let producers = [0, 300, 600].map(|start| crew.spawn(producer.clone()(start)));
            producers.into_iter().for_each(|producer| producer.join().unwrap());
            let mut got: Vec<_> = consumers.into_iter().flat_map(|consumer| consumer.join().unwrap()).collect();
            got.sort_unstable();
            assert!(got.into_iter().eq(0..900));
        }
    });
}

#[test]
fn threads_that_wait_are_served_in_order() {
    for capacity in CAPACITIES {
        sinew::Runtime::builder().workers(1).build().unwrap().run(move || {
            let (sender, receiver) = capacity.map_or_else(unbounded, bounded);
            let got = Arc::new(Mutex::new(Vec::new()));
            let waiters: Vec<_> = (0..8)
                .map(|number| {
                    let (receiver, got) = (receiver.clone(), got.clone());
                    // On the one worker, a thread that has begun goes on until it waits.
                    spawn_started(move || {
                        let message: usize = receiver.recv().unwrap();
                        got.lock().unwrap().push((number, message));
                    })
                })
                .collect();
            (0..8).for_each(|message| sender.send(message).unwrap());
            waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
            let mut got = got.lock().unwrap().clone();
            got.sort_unstable();
            assert!(got.iter().all(|(number, message)| number == message), "{got:?}");
        });
    }
}

#[test]
fn what_is_left_is_dropped_once() {
    on_every_crew(|crew| {
        for capacity in [Some(100), None] {
            let message = Arc::new(());
            let (sender, receiver) = capacity.map_or_else(unbounded, bounded);
            (0..70).for_each(|_| sender.send(message.clone()).unwrap());
            let member = crew.spawn(move || drop((receiver.recv().unwrap(), receiver)));
            member.join().unwrap();
            assert_eq!(Arc::strong_count(&message), 1, "the last receiver drops what is left");
            assert!(sender.send(message.clone()).is_err());
        }
    });
}
