//! Messages through channels: two threads that answer each other, one producer and one consumer, eight of each.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::model::{Entry, Row, Sample, Scale, at_least_times, at_most, at_most_times};
use crate::peers::on_sinew::{Place, beside};
use crate::peers::on_tokio::Flavour;
use crate::peers::program::go_entry;
use crate::peers::{on_may, on_sinew, on_tokio};

fn turns(scale: Scale) -> u64 {
    scale.of(500_000, 500)
}

fn messages(scale: Scale) -> u64 {
    scale.of(2_000_000, 2_000)
}

fn made<T>(bounded: bool) -> (sinew::channel::Sender<T>, sinew::channel::Receiver<T>) {
    if bounded { sinew::channel::bounded(1) } else { sinew::channel::unbounded() }
}

fn sinew_pair<const BOUNDED: bool>(scale: Scale, place: Place) -> Sample {
    let n = turns(scale);
    let ((ping, to_answer), (answer, pong)) = (made(BOUNDED), made(BOUNDED));
    let other = beside(place, move || {
        for number in to_answer {
            answer.send(number).expect("it is received");
        }
    });
    let began = Instant::now();
    for number in 0..n {
        ping.send(number).expect("it is received");
        assert_eq!(pong.recv(), Ok(number));
    }
    let elapsed = began.elapsed();
    drop(ping);
    other.join();
    Sample::per(elapsed, n)
}

async fn tokio_bounded_pair(scale: Scale) -> Sample {
    let n = turns(scale);
    let ((ping, mut to_answer), (answer, mut pong)) = (tokio::sync::mpsc::channel(1), tokio::sync::mpsc::channel(1));
    tokio::spawn(async move {
        while let Some(number) = to_answer.recv().await {
            answer.send(number).await.expect("it is received");
        }
    });
    let began = Instant::now();
    for number in 0..n {
        ping.send(number).await.expect("it is received");
        assert_eq!(pong.recv().await, Some(number));
    }
    Sample::per(began.elapsed(), n)
}

async fn tokio_unbounded_pair(scale: Scale) -> Sample {
    use tokio::sync::mpsc::unbounded_channel;
    let n = turns(scale);
    let ((ping, mut to_answer), (answer, mut pong)) = (unbounded_channel(), unbounded_channel());
    tokio::spawn(async move {
        while let Some(number) = to_answer.recv().await {
            answer.send(number).expect("it is received");
        }
    });
    let began = Instant::now();
    for number in 0..n {
        ping.send(number).expect("it is received");
        assert_eq!(pong.recv().await, Some(number));
    }
    Sample::per(began.elapsed(), n)
}

fn may_pair(scale: Scale) -> Sample {
    let n = turns(scale);
    let ((ping, to_answer), (answer, pong)) = (may::sync::mpsc::channel(), may::sync::mpsc::channel());
    on_may::spawn(move || {
        while let Ok(number) = to_answer.recv() {
            answer.send(number).expect("it is received");
        }
    });
    let began = Instant::now();
    for number in 0..n {
        ping.send(number).expect("it is received");
        assert_eq!(pong.recv(), Ok(number));
    }
    Sample::per(began.elapsed(), n)
}

fn pair<const BOUNDED: bool>(row: Row) -> Row {
    let row = row.entries(on_sinew::one_worker(sinew_pair::<BOUNDED>));
    let row = if BOUNDED {
        row.entries(on_tokio::one_worker(tokio_bounded_pair))
    } else {
        row.entries(on_tokio::one_worker(tokio_unbounded_pair))
    };
    row.entry(on_may::entry(1, may_pair))
        .entry(go_entry("channel-pair", 1, turns))
        .goal(at_most("sinew/1", 80.0))
        .goal(at_most_times("sinew/1", 0.25, "tokio"))
        .goal(at_most_times("sinew/1", 0.2, "may"))
        .goal(at_most_times("sinew/1", 0.2, "go"))
}

pub fn bounded_pair() -> Row {
    let title = "a question and its answer through bounded(1), one worker (may: unbounded; Go: a buffer of 1)";
    pair::<true>(Row::new("channel-pair-1", title, "ns a round trip"))
}

pub fn unbounded_pair() -> Row {
    let title = "a question and its answer through unbounded(), one worker (Go: a buffer of 1)";
    pair::<false>(Row::new("channel-pair-inf", title, "ns a round trip"))
}

/// Millions of messages a second.
fn rate(elapsed: Duration, messages: u64) -> Sample {
    Sample::new(messages as f64 / elapsed.as_secs_f64() / 1e6)
}

enum Side {
    Produces,
    Consumes,
}

/// Starts a thread of some kind; what it gives waits for the end.
type Start = fn(Side, Box<dyn FnOnce() + Send>) -> Box<dyn FnOnce()>;

/// Producers on one worker, consumers on another: every message goes from processor to processor.
fn start_apart(side: Side, body: Box<dyn FnOnce() + Send>) -> Box<dyn FnOnce()> {
    let handle = sinew::runtime::Handle::current().spawn_on(side as usize, body).expect("there are stacks");
    Box::new(|| handle.join().expect("it does not panic"))
}

/// Wherever the scheduler puts them.
fn start_green(_: Side, body: Box<dyn FnOnce() + Send>) -> Box<dyn FnOnce()> {
    let handle = sinew::spawn(body);
    Box::new(|| handle.join().expect("it does not panic"))
}

fn start_os(_: Side, body: Box<dyn FnOnce() + Send>) -> Box<dyn FnOnce()> {
    let handle = std::thread::spawn(body);
    Box::new(|| handle.join().expect("it does not panic"))
}

/// Defines the work for a channel that blocks.
macro_rules! blocking_many {
    ($name:ident, $bounded:path) => {
        fn $name(scale: Scale, sides: u64, capacity: usize, start: Start) -> Sample {
            let each = messages(scale) / sides;
            let (sender, receiver) = $bounded(capacity);
            let began = Instant::now();
            let mut ends = Vec::new();
            for _ in 0..sides {
                let (sender, receiver) = (sender.clone(), receiver.clone());
                let produce = move || (0..each).for_each(|number| sender.send(number).expect("it is received"));
                ends.push(start(Side::Produces, Box::new(produce)));
                ends.push(start(Side::Consumes, Box::new(move || for _ in receiver {})));
            }
            drop((sender, receiver));
            ends.into_iter().for_each(|end| end());
            rate(began.elapsed(), each * sides)
        }
    };
}

blocking_many!(sinew_many, sinew::channel::bounded);
blocking_many!(crossbeam_many, crossbeam_channel::bounded);

async fn tokio_one(scale: Scale) -> Sample {
    let n = messages(scale);
    let (sender, mut receiver) = tokio::sync::mpsc::channel(1024);
    let began = Instant::now();
    let producer = tokio::spawn(async move {
        for number in 0..n {
            sender.send(number).await.expect("it is received");
        }
    });
    let consumer = tokio::spawn(async move { while receiver.recv().await.is_some() {} });
    producer.await.expect("it does not panic");
    consumer.await.expect("it does not panic");
    rate(began.elapsed(), n)
}

/// Defines the work for an asynchronous channel with many receivers.
macro_rules! async_many {
    ($name:ident, $bounded:path, $send:ident, $recv:ident) => {
        async fn $name(scale: Scale) -> Sample {
            let each = messages(scale) / 8;
            let (sender, receiver) = $bounded(64);
            let receiver = Arc::new(receiver);
            let began = Instant::now();
            let mut tasks = Vec::new();
            for _ in 0..8 {
                let (sender, receiver) = (sender.clone(), Arc::clone(&receiver));
                tasks.push(tokio::spawn(async move {
                    for number in 0..each {
                        sender.$send(number).await.expect("it is received");
                    }
                }));
                tasks.push(tokio::spawn(async move { while receiver.$recv().await.is_ok() {} }));
            }
            drop(sender);
            for task in tasks {
                task.await.expect("it does not panic");
            }
            rate(began.elapsed(), each * 8)
        }
    };
}

async_many!(flume_many, flume::bounded, send_async, recv_async);
async_many!(async_channel_many, async_channel::bounded, send, recv);

fn renamed(mut entry: Entry, label: &str) -> Entry {
    entry.label = label.into();
    entry
}

pub fn one_to_one() -> Row {
    let title =
        "1 producer, 1 consumer, a channel of 1024, 2 workers (sinew: one on each; others: as their schedulers do)";
    Row::new("channel-1x1", title, "million messages a second")
        .more_is_better()
        .entry(on_sinew::entry("sinew/2", 2, |scale| sinew_many(scale, 1, 1024, start_apart)))
        .entry(on_sinew::entry("unplaced/2", 2, |scale| sinew_many(scale, 1, 1024, start_green)))
        .entry(Entry::new("sinew/os", |scale| Ok(sinew_many(scale, 1, 1024, start_os))))
        .entry(on_tokio::entry(Flavour::Multi(2), tokio_one))
        .entry(Entry::new("crossbeam/os", |scale| Ok(crossbeam_many(scale, 1, 1024, start_os))))
        .entry(go_entry("channel-1x1", 2, messages))
        .goal(at_least_times("sinew/2", 1.2, "tokio"))
        .goal(at_least_times("sinew/2", 0.97, "crossbeam"))
        .goal(at_least_times("sinew/os", 0.97, "crossbeam"))
}

pub fn many_to_many() -> Row {
    let title =
        "8 producers, 8 consumers, a channel of 64, 2 workers, placed by the schedulers (apart: a side on each)";
    Row::new("channel-8x8", title, "million messages a second")
        .more_is_better()
        .entry(on_sinew::entry("sinew/2", 2, |scale| sinew_many(scale, 8, 64, start_green)))
        .entry(on_sinew::entry("apart/2", 2, |scale| sinew_many(scale, 8, 64, start_apart)))
        .entry(renamed(on_tokio::entry(Flavour::Multi(2), flume_many), "flume/tokio2"))
        .entry(renamed(on_tokio::entry(Flavour::Multi(2), async_channel_many), "async-channel/tokio2"))
        .entry(Entry::new("crossbeam/os", |scale| Ok(crossbeam_many(scale, 8, 64, start_os))))
        .entry(go_entry("channel-8x8", 2, messages))
        .goal(at_least_times("sinew/2", 1.5, "flume"))
        .goal(at_least_times("sinew/2", 1.5, "async-channel"))
        .goal(at_least_times("sinew/2", 1.5, "go"))
}
