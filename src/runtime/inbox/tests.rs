//! Tests of the inbox by itself and under load; `loom_tests` holds the models.

use super::*;
use std::{sync::atomic::AtomicBool, thread};

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

fn push(inbox: &Inbox<ByLink>, number: usize) -> bool {
    let node = Box::leak(Box::new(Node { number, link: AtomicPtr::new(ptr::null_mut()) }));
    // SAFETY: a new node, freed by `number` only when it was taken out.
    unsafe { inbox.push(NonNull::from(node)) }
}

fn number(node: NonNull<Node>) -> usize {
    // SAFETY: it came out of the inbox, so it is ours, and was leaked by `push`.
    unsafe { Box::from_raw(node.as_ptr()) }.number
}

#[test]
fn nodes_come_out_in_the_order_they_went_in() {
    let inbox = Inbox::new();
    assert!(inbox.is_empty());
    assert!(inbox.drain().next().is_none());
    assert!(push(&inbox, 1));
    assert!(!push(&inbox, 2));
    assert!(!push(&inbox, 3));
    assert!(!inbox.is_empty());
    assert!(inbox.drain().map(number).eq([1, 2, 3]));
    assert!(inbox.is_empty());
    assert!(push(&inbox, 4), "a drained inbox is empty again");
    assert!(inbox.drain().map(number).eq([4]));
}

#[test]
fn a_node_may_be_pushed_again_as_soon_as_it_is_handed_out() {
    let inbox = Inbox::new();
    push(&inbox, 1);
    push(&inbox, 2);
    for node in inbox.drain() {
        // SAFETY: the node has just come out, and is never freed before the last drain.
        unsafe { inbox.push(node) };
    }
    assert!(inbox.drain().map(number).eq([1, 2]));
}

#[test]
fn under_load_nothing_is_lost_and_each_pusher_keeps_its_order() {
    const EACH: usize = 50_000;
    let inbox = Inbox::new();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let inbox = &inbox;
        let pushers: Vec<_> = (0..3)
            .map(|pusher| scope.spawn(move || (0..EACH).filter(|turn| push(inbox, turn * 3 + pusher)).count()))
            .collect();
        let reader = scope.spawn(|| {
            let mut turns = [0; 3];
            loop {
                let last = done.load(Ordering::Acquire);
                for number in inbox.drain().map(number) {
                    assert_eq!(number / 3, turns[number % 3]);
                    turns[number % 3] += 1;
                }
                if last {
                    return turns;
                }
            }
        });
        for pusher in pushers {
            pusher.join().unwrap();
        }
        done.store(true, Ordering::Release);
        assert_eq!(reader.join().unwrap(), [EACH; 3]);
    });
}
