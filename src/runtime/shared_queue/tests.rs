//! Tests of the shared queue by itself and under load; `loom_tests` holds the model.

use super::*;
use crate::primitive::AtomicPtr;
use std::{sync::atomic::AtomicUsize as Counter, thread};

struct Node {
    number: usize,
    link: AtomicPtr<Node>,
}

struct ByLink;

// SAFETY: a field of the node, used by nothing else.
unsafe impl Link for ByLink {
    type Node = Node;
    unsafe fn link(node: NonNull<Node>) -> NonNull<AtomicPtr<Node>> {
        // SAFETY: the node is alive (caller's promise).
        NonNull::from(unsafe { &node.as_ref().link })
    }
}

fn node(number: usize) -> NonNull<Node> {
    NonNull::from(Box::leak(Box::new(Node { number, link: AtomicPtr::new(ptr::null_mut()) })))
}

fn number(node: NonNull<Node>) -> usize {
    // SAFETY: it came out of a queue, so it is ours, and was leaked by `node`.
    unsafe { Box::from_raw(node.as_ptr()) }.number
}

fn push(queue: &SharedQueue<ByLink>, numbers: impl IntoIterator<Item = usize>) -> usize {
    // SAFETY: new nodes, freed by `number` only when they were taken out.
    unsafe { queue.push_many(numbers.into_iter().map(node)) }
}

fn batch(queue: &SharedQueue<ByLink>, max: usize) -> Vec<usize> {
    let mut taken = Vec::new();
    let count = queue.pop_batch(max, |node| taken.push(number(node)));
    assert_eq!(count, taken.len());
    taken
}

#[test]
fn nodes_come_out_in_the_order_they_went_in() {
    let queue = SharedQueue::new();
    assert!(queue.is_empty() && queue.pop().is_none());
    // SAFETY: a new node, freed when it was taken out.
    unsafe { queue.push(node(1)) };
    assert_eq!(push(&queue, []), 0);
    assert_eq!(push(&queue, 2..=6), 5);
    assert_eq!(queue.len(), 6);
    assert_eq!(queue.pop().map(number), Some(1));
    assert_eq!(batch(&queue, 2), [2, 3]);
    assert!(batch(&queue, 0).is_empty());
    assert_eq!(push(&queue, [7]), 1);
    assert_eq!(queue.len(), 4);
    assert_eq!(batch(&queue, 100), [4, 5, 6, 7]);
    assert!(queue.is_empty());
    push(&queue, 8..=9);
    let mut rest = Vec::new();
    assert_eq!(queue.drain(|node| rest.push(number(node))), 2);
    assert_eq!(rest, [8, 9]);
    assert!(queue.pop().is_none());
}

#[test]
fn a_node_may_be_pushed_again_as_soon_as_it_is_handed_over() {
    let queue = SharedQueue::<ByLink>::new();
    push(&queue, 1..=3);
    // SAFETY: each node has just come out, and is freed only by the last batch.
    queue.drain(|node| unsafe { queue.push(node) });
    assert_eq!(batch(&queue, 10), [1, 2, 3]);
}

#[test]
fn under_load_each_node_comes_out_once() {
    const EACH: usize = 20_000;
    let queue = SharedQueue::new();
    let (count, sum) = (Counter::new(0), Counter::new(0));
    thread::scope(|scope| {
        for pusher in 0..2 {
            let queue = &queue;
            scope.spawn(move || {
                for turn in 0..EACH / 4 {
                    push(queue, (0..4).map(|k| pusher + 2 * (4 * turn + k)));
                }
            });
        }
        for _ in 0..2 {
            scope.spawn(|| {
                while count.load(Ordering::Relaxed) < 2 * EACH {
                    for number in batch(&queue, 3) {
                        count.fetch_add(1, Ordering::Relaxed);
                        sum.fetch_add(number, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert_eq!(sum.into_inner(), (0..2 * EACH).sum::<usize>());
    assert!(queue.is_empty());
}
