//! A model of the shared queue: the length and the sleep handshake, and that two takers share the nodes out.

use super::*;
use crate::primitive::{AtomicBool, AtomicPtr, UnsafeCell, fence};
use loom::{sync::Arc, thread};

struct Node {
    value: UnsafeCell<Option<usize>>,
    link: AtomicPtr<Node>,
}

// SAFETY: loom checks each access to the cell.
unsafe impl Sync for Node {}
// SAFETY: as above.
unsafe impl Send for Node {}

struct ByLink;

// SAFETY: a field of the node, used by nothing else.
unsafe impl Link for ByLink {
    type Node = Node;
    unsafe fn link(node: NonNull<Node>) -> NonNull<AtomicPtr<Node>> {
        // SAFETY: the node is alive (caller's promise).
        NonNull::from(unsafe { &node.as_ref().link })
    }
}

struct Model {
    queue: SharedQueue<ByLink>,
    asleep: AtomicBool,
    nodes: Vec<Node>,
}

impl Model {
    fn new(nodes: usize) -> Arc<Self> {
        let node = |_| Node { value: UnsafeCell::new(None), link: AtomicPtr::new(ptr::null_mut()) };
        Arc::new(Self {
            queue: SharedQueue::new(),
            asleep: AtomicBool::new(false),
            nodes: (0..nodes).map(node).collect(),
        })
    }

    fn push(&self, numbers: std::ops::Range<usize>) {
        let nodes = numbers.map(|number| {
            let node = &self.nodes[number];
            // SAFETY: nobody else knows the node; loom checks it.
            node.value.with_mut(|value| unsafe { *value = Some(number) });
            NonNull::from(node)
        });
        // SAFETY: each node is pushed once, and outlives the model's threads.
        unsafe { self.queue.push_many(nodes) };
    }

    fn take(&self, max: usize) -> usize {
        self.queue.pop_batch(max, |node| {
            // SAFETY: the nodes outlive the model's threads.
            let value = unsafe { node.as_ref() }.value.with_mut(|value| unsafe { (*value).take() });
            value.expect("taken twice");
        })
    }
}

#[test]
fn loom_two_takers_share_out_what_is_pushed() {
    loom::model(|| {
        let shared = Model::new(3);
        shared.push(0..1);
        let pusher = thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.push(1..3)
        });
        let taker = thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.take(2)
        });
        let mut taken = shared.take(2);
        taken += taker.join().unwrap();
        pusher.join().unwrap();
        taken += shared.take(usize::MAX);
        assert_eq!((taken, shared.queue.len()), (3, 0));
    });
}

#[test]
fn loom_a_sleeper_and_a_pusher_do_not_both_miss() {
    loom::model(|| {
        let shared = Model::new(1);
        let pusher = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                shared.push(0..1);
                fence(Ordering::SeqCst);
                shared.asleep.load(Ordering::Relaxed)
            }
        });
        shared.asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        let sleeps = shared.queue.is_empty();
        assert!(pusher.join().unwrap() || !sleeps);
        assert_eq!(shared.take(1), 1);
    });
}
