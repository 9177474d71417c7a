//! The wait list's order and rings, without waiting: futures' nodes, whose wakers count.

use super::*;
use std::{
    ops::Deref,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::Wake,
};

/// As many as are woken by turns.
const TURN: usize = 16;

#[derive(Default)]
struct Counts(AtomicUsize);

impl Wake for Counts {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn node(amount: usize, first: bool, wakes: &Arc<Counts>) -> FutureNode {
    Node::for_future(Want { amount, first, slot: ptr::null_mut() }, wakes.clone().into())
}

/// Lists a node that the test unlists or has granted before it goes.
fn list<'a>(list: &'a Waiters, node: &'a Pin<impl Deref<Target = FutureNode>>) -> Listed<'a, 'a> {
    // SAFETY: pinned, and every test ends with an empty list.
    unsafe { list.list(node, |_| false) }.unwrap()
}

fn grant(list: &Waiters, choose: impl FnMut(&Node) -> Choice) -> Option<usize> {
    let mut locked = list.lock();
    let taken = locked.take(choose)?;
    let amount = taken.want().amount;
    let wakeup = taken.grant(amount + 100);
    drop(locked);
    wakeup.wake();
    Some(amount)
}

#[test]
fn the_first_that_waits_is_the_first_that_is_granted() {
    let (waiters, wakes) = (Waiters::new(), Arc::new(Counts::default()));
    let nodes = [pin!(node(0, false, &wakes)), pin!(node(1, false, &wakes)), pin!(node(2, false, &wakes))];
    let listed = nodes.each_ref().map(|node| list(&waiters, node));
    let hurried = pin!(node(3, true, &wakes));
    let _listed = list(&waiters, &hurried);
    let order: Vec<_> = std::iter::from_fn(|| grant(&waiters, |_| Choice::Take)).collect();
    assert_eq!(order, [3, 0, 1, 2]);
    assert_eq!(wakes.0.load(Ordering::SeqCst), 4);
    assert_eq!(nodes[2].outcome(), 102);
    assert!(listed.into_iter().all(|listed| listed.leave().is_none()));
    assert!(waiters.lock().is_empty());
}

#[test]
fn any_node_may_leave() {
    for leaver in 0..4 {
        let (waiters, wakes) = (Waiters::new(), Arc::new(Counts::default()));
        let nodes: Vec<_> = (0..4).map(|i| Box::pin(node(i, false, &wakes))).collect();
        let mut listed: Vec<_> = nodes.iter().map(|node| list(&waiters, node)).collect();
        assert!(listed.remove(leaver).leave().is_some());
        let order: Vec<_> = std::iter::from_fn(|| grant(&waiters, |_| Choice::Take)).collect();
        assert_eq!(order, (0..4).filter(|&i| i != leaver).collect::<Vec<_>>());
        drop(listed);
    }
}

#[test]
fn a_choice_skips_and_stops() {
    let (waiters, wakes) = (Waiters::new(), Arc::new(Counts::default()));
    let nodes: Vec<_> = (0..4).map(|i| Box::pin(node(i, false, &wakes))).collect();
    let _listed: Vec<_> = nodes.iter().map(|node| list(&waiters, node)).collect();
    let stop_at = |limit| {
        move |node: &Node| match node.want().amount {
            amount if amount >= limit => Choice::Stop,
            amount if amount % 2 == 1 => Choice::Take,
            _ => Choice::Skip,
        }
    };
    assert_eq!(grant(&waiters, stop_at(1)), None);
    assert_eq!(grant(&waiters, stop_at(4)), Some(1));
    assert_eq!(grant(&waiters, stop_at(4)), Some(3));
    assert_eq!(grant(&waiters, stop_at(4)), None);
    assert_eq!(grant(&waiters, |_| Choice::Skip), None);
    assert_eq!(waiters.lock().first().unwrap().want().amount, 0);
    waiters.lock().grant_all(0);
    assert!(waiters.lock().is_empty());
}

/// More than are woken by turns.
#[test]
fn all_are_granted_but_those_that_left() {
    let (waiters, wakes) = (Waiters::new(), Arc::new(Counts::default()));
    let nodes: Vec<_> = (0..100).map(|i| Box::pin(node(i, false, &wakes))).collect();
    let mut listed: Vec<_> = nodes.iter().map(|node| list(&waiters, node)).collect();
    assert!(listed.pop().unwrap().leave().is_some());
    waiters.lock().grant_all(9);
    assert_eq!(wakes.0.load(Ordering::SeqCst), 99);
    assert!(listed.into_iter().all(|listed| listed.leave().is_none()));
    assert!(nodes[..99].iter().all(|node| node.outcome() == 9) && nodes[99].outcome() == 0);
}

/// A waker that, when woken, takes another node out of the very list: what `grant_all` must stand, since it wakes without the lock.
#[test]
fn a_node_leaves_while_all_are_being_granted() {
    struct Leaves(Mutex<Option<Box<dyn FnOnce() + Send>>>);
    impl Wake for Leaves {
        fn wake(self: Arc<Self>) {
            if let Some(leave) = self.0.lock().unwrap().take() {
                leave();
            }
        }
    }
    static WAITERS: Waiters = Waiters::new();
    let leaves = Arc::new(Leaves(Mutex::new(None)));
    let wakes = Arc::new(Counts::default());
    let mut nodes = Vec::new();
    let mut lasting = |node| {
        nodes.push(Box::into_raw(Box::new(node)));
        // SAFETY: it goes at the test's end, when it is in no list.
        unsafe { &*nodes[nodes.len() - 1] }
    };
    let last = lasting(node(0, false, &Arc::new(Counts::default())));
    let first = lasting(Node::for_future(Want::amount(0), leaves.clone().into()));
    // SAFETY: none of these goes or moves before the test's end.
    let left = unsafe {
        WAITERS.list(first, |_| false).unwrap().rearm(&leaves.clone().into());
        for _ in 0..TURN {
            WAITERS.list(lasting(node(0, false, &wakes)), |_| false).unwrap().rearm(&wakes.clone().into());
        }
        WAITERS.list(last, |_| false).unwrap()
    };
    struct Sends<T>(T);
    // SAFETY: used on this thread alone.
    unsafe impl<T> Send for Sends<T> {}
    let left = Sends(left);
    *leaves.0.lock().unwrap() = Some(Box::new(move || {
        let left = left;
        assert!(left.0.leave().is_some());
    }));
    WAITERS.lock().grant_all(1);
    assert_eq!(wakes.0.load(Ordering::SeqCst), TURN);
    assert!(WAITERS.lock().is_empty());
    for node in nodes {
        // SAFETY: made by `into_raw`, and in no list any more.
        drop(unsafe { Box::from_raw(node) });
    }
}

/// A waker that panics when it is woken and when it is dropped.
#[test]
fn a_waker_that_panics_keeps_no_other_from_its_wake() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            std::panic::resume_unwind(Box::new("the waker"));
        }
    }
    impl Drop for Panics {
        fn drop(&mut self) {
            if !std::thread::panicking() {
                std::panic::resume_unwind(Box::new("the waker's end"));
            }
        }
    }
    let (waiters, wakes) = (Waiters::new(), Arc::new(Counts::default()));
    let panics = || Node::for_future(Want::amount(0), Arc::new(Panics).into());
    let nodes: Vec<_> =
        (0..40).map(|number| Box::pin(if number % 3 == 0 { panics() } else { node(0, false, &wakes) })).collect();
    let _listed: Vec<_> = nodes.iter().map(|node| list(&waiters, node)).collect();
    waiters.lock().grant_all(0);
    assert_eq!(wakes.0.load(Ordering::SeqCst), 26);
    let node = pin!(panics());
    let listed = list(&waiters, &node);
    assert!(listed.rearm(&Arc::new(Panics).into()) && listed.leave().is_some());
}
