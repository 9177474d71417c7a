//! A future's place in a wait list, from poll to poll.

use super::{FutureNode, Listed, Node, Waiters, Want};
use std::{
    cell::{Cell, UnsafeCell},
    task::{Poll, Waker},
};

/// What a future waits with. It belongs to the future, and is used in its polls and its drop alone; others see the node only.
pub(crate) struct Polled {
    /// Fresh, listed, or granted.
    node: UnsafeCell<Option<FutureNode>>,
    stage: Cell<Stage>,
}

#[derive(Clone, Copy)]
enum Stage {
    Idle,
    Listed,
    /// With the giver's number, until the future has done what follows.
    Granted(usize),
}

impl Polled {
    pub(crate) const fn new() -> Self {
        Self { node: UnsafeCell::new(None), stage: Cell::new(Stage::Idle) }
    }

    /// The node, while it is listed.
    fn listed_in<'a>(&'a self, list: &'a Waiters) -> Option<Listed<'a, 'a>> {
        match self.stage.get() {
            // SAFETY: replaced by `prepare` only, which is not called while it is listed.
            Stage::Listed => unsafe { (*self.node.get()).as_ref() }.map(|node| Listed { list, node }),
            Stage::Idle | Stage::Granted(_) => None,
        }
    }

    /// What a poll begins with: pending if the node waits, and then `waker` will be called; otherwise what was granted, if anything was.
    ///
    /// # Safety
    /// The node was listed in this list, if in any.
    pub(crate) unsafe fn poll(&self, list: &Waiters, waker: &Waker) -> Poll<Option<usize>> {
        if let Some(listed) = self.listed_in(list) {
            if listed.rearm(waker) {
                return Poll::Pending;
            }
            self.stage.set(Stage::Granted(listed.node.outcome()));
        }
        Poll::Ready(self.granted())
    }

    fn granted(&self) -> Option<usize> {
        match self.stage.get() {
            Stage::Granted(outcome) => Some(outcome),
            Stage::Idle | Stage::Listed => None,
        }
    }

    /// A node to be listed, and then [`is_listed`](Self::is_listed) is called, before anything can unwind; or not to be. Not while one is listed.
    pub(crate) fn prepare(&self, want: Want, waker: &Waker) -> &Node {
        debug_assert!(!matches!(self.stage.get(), Stage::Listed), "listed twice");
        let node = Node::for_future(want, waker.clone());
        // SAFETY: no node is listed, so nobody else sees it, and what `prepare` gave last is not used any more.
        unsafe {
            let old = (*self.node.get()).take();
            drop(old);
            (*self.node.get()).insert(node)
        }
    }

    /// The node that was prepared is listed. What was granted before is forgotten.
    pub(crate) fn is_listed(&self) {
        self.stage.set(Stage::Listed);
    }

    /// What was granted has been used.
    pub(crate) fn finish(&self) {
        self.stage.set(Stage::Idle);
    }

    /// Before the future goes: unlists the node, and gives what was granted and not used.
    ///
    /// # Safety
    /// The node was listed in this list, if in any.
    pub(crate) unsafe fn leave(&self, list: &Waiters) -> Option<usize> {
        if let Some(listed) = self.listed_in(list) {
            let node = listed.node;
            self.stage.set(match listed.leave() {
                Some(_) => Stage::Idle,
                None => Stage::Granted(node.outcome()),
            });
        }
        self.granted()
    }
}
