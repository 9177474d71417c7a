//! Skynet: a tree of threads, each of which spawns its children, joins them and adds their numbers; the leaves are a
//! million (ten children a node), or 2^20 (two). Fork-join work in which almost every thread lives briefly.

use std::array;
use std::future::Future;
use std::pin::Pin;
use std::time::Instant;

use crate::model::{Entry, Row, Sample, Scale, at_most, at_most_times, below, below_figure};
use crate::peers::on_tokio::Flavour;
use crate::peers::program::go_entry;
use crate::peers::{on_sinew, on_tokio};

fn ten_leaves(scale: Scale) -> u64 {
    scale.of(1_000_000, 100)
}

fn two_leaves(scale: Scale) -> u64 {
    scale.of(1 << 20, 1 << 6)
}

fn leaves<const CHILDREN: usize>(scale: Scale) -> u64 {
    if CHILDREN == 10 { ten_leaves(scale) } else { two_leaves(scale) }
}

/// All nodes of a tree with so many leaves.
fn nodes<const CHILDREN: usize>(leaves: u64) -> u64 {
    (leaves * CHILDREN as u64 - 1) / (CHILDREN as u64 - 1)
}

fn check(sum: u64, leaves: u64) {
    assert_eq!(sum, leaves * (leaves - 1) / 2, "skynet's sum");
}

fn on_sinew<const CHILDREN: usize>(first: u64, size: u64) -> u64 {
    if size == 1 {
        return first;
    }
    let part = size / CHILDREN as u64;
    let children: [_; CHILDREN] =
        array::from_fn(|i| sinew::spawn(move || on_sinew::<CHILDREN>(first + i as u64 * part, part)));
    children.into_iter().map(|child| child.join().expect("it does not panic")).sum()
}

fn on_tokio<const CHILDREN: usize>(first: u64, size: u64) -> Pin<Box<dyn Future<Output = u64> + Send>> {
    Box::pin(async move {
        if size == 1 {
            return first;
        }
        let part = size / CHILDREN as u64;
        let children: [_; CHILDREN] =
            array::from_fn(|i| tokio::spawn(on_tokio::<CHILDREN>(first + i as u64 * part, part)));
        let mut sum = 0;
        for child in children {
            sum += child.await.expect("it does not panic");
        }
        sum
    })
}

fn millis(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1e3
}

fn sinew_entry<const CHILDREN: usize>(label: &str, workers: usize) -> Entry {
    let mut kept = None;
    Entry::new(label, move |scale| {
        let runtime = kept.get_or_insert_with(|| on_sinew::runtime(workers));
        let before = runtime.metrics();
        let leaves = leaves::<CHILDREN>(scale);
        let time = runtime.run(move || {
            let began = Instant::now();
            let sum = on_sinew::<CHILDREN>(0, leaves);
            let time = millis(began);
            check(sum, leaves);
            time
        });
        let after = runtime.metrics();
        let placed = (after.placed - before.placed) as f64;
        Ok(Sample::new(time)
            .max("stacks", after.stacks as f64)
            .max("steals", (after.steals - before.steals) as f64)
            .max("passed-on", placed)
            .max("passed-on-per-1000", placed * 1000.0 / nodes::<CHILDREN>(leaves) as f64))
    })
}

async fn tokio_work<const CHILDREN: usize>(scale: Scale) -> Sample {
    let leaves = leaves::<CHILDREN>(scale);
    let began = Instant::now();
    let sum = on_tokio::<CHILDREN>(0, leaves).await;
    let time = millis(began);
    check(sum, leaves);
    Sample::new(time)
}

fn row<const CHILDREN: usize>(row: Row, go: [Entry; 2]) -> Row {
    row.runs(5)
        .entry(sinew_entry::<CHILDREN>("sinew/1", 1))
        .entry(sinew_entry::<CHILDREN>("sinew/2", 2))
        .entries(on_tokio::one_worker(tokio_work::<CHILDREN>))
        .entry(on_tokio::entry(Flavour::Multi(2), tokio_work::<CHILDREN>))
        .entries(go)
        .goal(at_most_times("sinew/1", 0.1, "go/1"))
        .goal(below(("sinew/1", "stacks"), 1000.0))
        .goal(below_figure("sinew/2", "sinew/1"))
        .goal(below(("sinew/2", "stacks"), 1000.0))
        .goal(at_most(("sinew/2", "passed-on-per-1000"), 1.0))
}

pub fn ten() -> Row {
    let go = [1, 2].map(|processors| go_entry("skynet-10", processors, ten_leaves));
    row::<10>(Row::new("skynet-10", "skynet by join, 1,000,000 leaves, 10 children a node", "ms"), go)
}

pub fn two() -> Row {
    let go = [1, 2].map(|processors| go_entry("skynet-2", processors, two_leaves));
    row::<2>(Row::new("skynet-2", "skynet by join, a binary tree of 2^20 leaves", "ms"), go)
}
