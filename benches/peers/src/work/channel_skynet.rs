//! Skynet over channels: each node gives its children a channel and adds the numbers that come from it.
//!
//! may starts the oldest first, so all its nodes live at once, and a million stacks are more mappings than the system gives: it has a row
//! of its own, with ten thousand leaves.

use std::future::Future;
use std::pin::Pin;
use std::time::Instant;

use crate::model::{Row, Sample, Scale, at_most_times};
use crate::peers::program::go_entry;
use crate::peers::{on_may, on_sinew, on_tokio};

const CHILDREN: u64 = 10;

fn leaves(scale: Scale) -> u64 {
    scale.of(1_000_000, 100)
}

fn few_leaves(scale: Scale) -> u64 {
    scale.of(10_000, 100)
}

fn timed(leaves: u64, tree: impl FnOnce(u64) -> u64) -> Sample {
    let began = Instant::now();
    let sum = tree(leaves);
    let elapsed = began.elapsed();
    assert_eq!(sum, leaves * (leaves - 1) / 2, "skynet's sum");
    Sample::new(elapsed.as_secs_f64() * 1e3)
}

fn sinew_node(to: &sinew::channel::Sender<u64>, first: u64, size: u64) {
    let sum = if size == 1 {
        first
    } else {
        let (sender, receiver) = sinew::channel::bounded(CHILDREN as usize);
        let part = size / CHILDREN;
        for child in 0..CHILDREN {
            let sender = sender.clone();
            drop(sinew::spawn(move || sinew_node(&sender, first + child * part, part)));
        }
        (0..CHILDREN).map(|_| receiver.recv().expect("a child sends")).sum()
    };
    to.send(sum).expect("the parent receives");
}

fn sinew_tree(leaves: u64) -> u64 {
    let (sender, receiver) = sinew::channel::bounded(1);
    sinew_node(&sender, 0, leaves);
    receiver.recv().expect("it was sent")
}

fn sinew_work(scale: Scale) -> Sample {
    timed(leaves(scale), sinew_tree)
}

fn may_node(to: &may::sync::mpsc::Sender<u64>, first: u64, size: u64) {
    let sum = if size == 1 {
        first
    } else {
        let (sender, receiver) = may::sync::mpsc::channel();
        let part = size / CHILDREN;
        for child in 0..CHILDREN {
            let sender = sender.clone();
            drop(on_may::spawn(move || may_node(&sender, first + child * part, part)));
        }
        (0..CHILDREN).map(|_| receiver.recv().expect("a child sends")).sum()
    };
    to.send(sum).expect("the parent receives");
}

fn may_work(scale: Scale) -> Sample {
    timed(few_leaves(scale), |leaves| {
        let (sender, receiver) = may::sync::mpsc::channel();
        may_node(&sender, 0, leaves);
        receiver.recv().expect("it was sent")
    })
}

type Sender = tokio::sync::mpsc::Sender<u64>;

fn tokio_node(to: Sender, first: u64, size: u64) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        let mut sum = first;
        if size > 1 {
            sum = 0;
            let (sender, mut receiver) = tokio::sync::mpsc::channel(CHILDREN as usize);
            let part = size / CHILDREN;
            for child in 0..CHILDREN {
                tokio::spawn(tokio_node(sender.clone(), first + child * part, part));
            }
            for _ in 0..CHILDREN {
                sum += receiver.recv().await.expect("a child sends");
            }
        }
        to.send(sum).await.expect("the parent receives");
    })
}

async fn tokio_work(scale: Scale) -> Sample {
    let leaves = leaves(scale);
    let began = Instant::now();
    let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
    tokio_node(sender, 0, leaves).await;
    let sum = receiver.recv().await;
    let elapsed = began.elapsed();
    assert_eq!(sum, Some(leaves * (leaves - 1) / 2), "skynet's sum");
    Sample::new(elapsed.as_secs_f64() * 1e3)
}

pub fn row() -> Row {
    let title = "skynet over channels of 10, 1,000,000 leaves, 10 children a node";
    Row::new("skynet-channels", title, "ms")
        .runs(5)
        .entry(on_sinew::entry("sinew/1", 1, sinew_work))
        .entry(on_sinew::entry("sinew/2", 2, sinew_work))
        .entries(on_tokio::one_worker(tokio_work))
        .entry(go_entry("skynet-channels", 1, leaves))
        .entry(go_entry("skynet-channels", 2, leaves))
        .goal(at_most_times("sinew/1", 0.15, "go"))
        .goal(at_most_times("sinew/1", 0.2, "tokio"))
}

pub fn few() -> Row {
    let title = "skynet over channels of 10 (may: unbounded), 10,000 leaves, 10 children a node";
    Row::new("skynet-channels-10k", title, "ms")
        .entry(on_sinew::entry("sinew/1", 1, |scale| timed(few_leaves(scale), sinew_tree)))
        .entry(on_may::entry(1, may_work))
        .goal(at_most_times("sinew/1", 0.1, "may"))
}
