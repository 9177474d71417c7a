//! Models of the inbox: what is pushed comes out once, and no wake is lost.

use super::*;
use crate::primitive::{AtomicBool, UnsafeCell, fence};
use loom::{sync::Arc, thread};

struct Node {
    /// Written before the push and taken after the drain, so that loom sees it if the two are not ordered.
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
    inbox: Inbox<ByLink>,
    asleep: AtomicBool,
    nodes: Vec<Node>,
}

impl Model {
    fn new(nodes: usize) -> Arc<Self> {
        let node = |_| Node { value: UnsafeCell::new(None), link: AtomicPtr::new(ptr::null_mut()) };
        Arc::new(Self { inbox: Inbox::new(), asleep: AtomicBool::new(false), nodes: (0..nodes).map(node).collect() })
    }

    fn push(&self, number: usize) -> bool {
        let node = &self.nodes[number];
        // SAFETY: nobody else knows the node; loom checks it.
        node.value.with_mut(|value| unsafe { *value = Some(number) });
        // As `runtime::wait` sends a wake.
        // SAFETY: each node is pushed once, and outlives the model's threads.
        unsafe { !self.inbox.push_behind(NonNull::from(node)) && self.inbox.push(NonNull::from(node)) }
    }

    fn drain(&self) -> Vec<usize> {
        // SAFETY: the nodes outlive the model's threads.
        let take = |node: NonNull<Node>| unsafe { node.as_ref() }.value.with_mut(|value| unsafe { (*value).take() });
        self.inbox.drain().map(|node| take(node).expect("taken twice")).collect()
    }
}

#[test]
fn loom_two_pushers_and_the_owner_lose_nothing() {
    loom::model(|| {
        let shared = Model::new(3);
        let pushers: Vec<_> = [0..2, 2..3]
            .into_iter()
            .map(|numbers| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || numbers.filter(|number| shared.push(*number)).count())
            })
            .collect();
        let mut taken = shared.drain();
        for pusher in pushers {
            pusher.join().unwrap();
        }
        taken.extend(shared.drain());
        let place = |number| taken.iter().position(|taken| *taken == number).unwrap();
        assert!(place(0) < place(1), "one pusher's nodes keep their order");
        assert!(place(2) < taken.len() && taken.len() == 3);
    });
}

#[test]
fn loom_a_sleeping_owner_is_woken() {
    loom::model(|| {
        let shared = Model::new(2);
        let pushers: Vec<_> = (0..2)
            .map(|number| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || shared.push(number) && shared.asleep.load(Ordering::SeqCst))
            })
            .collect();
        shared.asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        let sleeps = shared.inbox.is_empty();
        let woken = pushers.into_iter().map(|pusher| pusher.join().unwrap()).filter(|woke| *woke).count();
        assert!(!sleeps || woken == 1, "the owner sleeps on a full inbox, or was woken twice");
    });
}
