//! A worker's inbox: what other threads hand to it, a lock-free list that any thread pushes to and the owner empties.
//!
//! The nodes carry their own link, so a push allocates nothing. The head is Treiber's stack without its pop: pushes swap
//! a node in for the head, and the owner takes the whole list at once, so no node is ever compared with one
//! that came back in the meantime (no ABA). The owner turns the list round, so that nodes come out in the order they
//! went in.
//!
//! # The wake
//!
//! Only the push that finds the inbox empty has to see to it that the owner looks: the pushers after it rely on the
//! first. That neither misses the other:
//!
//! 1. The pusher stores its node (SeqCst read-modify-write), then loads whether the owner sleeps (SeqCst).
//! 2. The owner announces its sleep, passes a SeqCst fence, then loads the head, and sleeps only if it is null.
//! 3. If the pusher's load misses the announcement, it comes before the owner's fence in the total order of SeqCst
//!    operations; the push comes before that load, so the owner's load comes after the push and sees a node.

use crate::primitive::{AtomicPtr, Ordering, between_seqcst_accesses};
use std::{fmt, marker::PhantomData, ptr, ptr::NonNull};

/// Where a kind of node keeps the link that a list runs through. One node can have several, one for each kind of list
/// that it may be in at the same time.
///
/// # Safety
/// `link` always gives the same place for the same node, inside the node or outliving it, and nobody else uses that
/// place while the node is in a list that runs through it.
pub(crate) unsafe trait Link {
    /// What the list is made of.
    type Node;

    /// The node's link.
    ///
    /// # Safety
    /// The node is alive.
    unsafe fn link(node: NonNull<Self::Node>) -> NonNull<AtomicPtr<Self::Node>>;
}

/// Reads a node's link.
///
/// # Safety
/// The node is alive.
#[inline]
pub(crate) unsafe fn next<A: Link>(node: NonNull<A::Node>) -> *mut A::Node {
    // SAFETY: the node is alive, so by `Link`'s contract its link is.
    unsafe { A::link(node).as_ref() }.load(Ordering::Relaxed)
}

/// Writes a node's link.
///
/// # Safety
/// The node is alive, and the caller's to link.
#[inline]
pub(crate) unsafe fn set_next<A: Link>(node: NonNull<A::Node>, next: *mut A::Node) {
    // SAFETY: the node is alive, so by `Link`'s contract its link is.
    unsafe { A::link(node).as_ref() }.store(next, Ordering::Relaxed);
}

/// A list that any thread pushes to and one owner empties. See the module's head.
///
/// Dropping it drops no node.
pub(crate) struct Inbox<A: Link> {
    newest: AtomicPtr<A::Node>,
}

impl<A: Link> Inbox<A> {
    pub(crate) fn new() -> Self {
        Self { newest: AtomicPtr::new(ptr::null_mut()) }
    }

    /// Adds a node, and returns whether the inbox was empty: then the caller must look whether the owner sleeps, by a
    /// SeqCst load (or one behind a SeqCst fence), and wake it.
    ///
    /// # Safety
    /// The node is in no list through this link, and stays alive until the owner has taken it out. What is written to it
    /// before the push, the owner sees after.
    #[inline]
    pub(crate) unsafe fn push(&self, node: NonNull<A::Node>) -> bool {
        let mut newest = self.newest.load(Ordering::Relaxed);
        loop {
            // SAFETY: the node is alive, and in no list before the exchange below succeeds.
            unsafe { set_next::<A>(node, newest) };
            match self.newest.compare_exchange_weak(newest, node.as_ptr(), Ordering::SeqCst, Ordering::Relaxed) {
                Ok(_) => break,
                Err(found) => newest = found,
            }
        }
        between_seqcst_accesses();
        newest.is_null()
    }

    /// Adds a node if there are others already, on whose pushers it then relies; says whether it did.
    ///
    /// # Safety
    /// As for [`push`](Self::push). Once the node is in, this does not touch the inbox any more, so it need not live longer than until
    /// the owner has the node.
    #[inline]
    pub(crate) unsafe fn push_behind(&self, node: NonNull<A::Node>) -> bool {
        let mut newest = self.newest.load(Ordering::Relaxed);
        while !newest.is_null() {
            // SAFETY: the node is alive, and in no list before the exchange below succeeds.
            unsafe { set_next::<A>(node, newest) };
            match self.newest.compare_exchange_weak(newest, node.as_ptr(), Ordering::SeqCst, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(found) => newest = found,
            }
        }
        false
    }

    /// Whether the inbox is empty: one load, for the owner's recheck (behind its fence) before it sleeps.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.newest.load(Ordering::Relaxed).is_null()
    }

    /// Takes all nodes out, the oldest first. Costs one load if there are none.
    ///
    /// A node is the caller's from the moment the iterator returns it, and may be pushed again at once. Those that a
    /// dropped iterator has not returned are lost to the inbox.
    #[inline]
    pub(crate) fn drain(&self) -> Drain<A> {
        Drain { next: if self.is_empty() { ptr::null_mut() } else { self.take_all() }, _list: PhantomData }
    }

    /// Takes the list and turns it round.
    fn take_all(&self) -> *mut A::Node {
        // Acquire pairs with every pusher's exchange, not only the newest's: each continues the release sequence of those
        // before it.
        let mut from = self.newest.swap(ptr::null_mut(), Ordering::Acquire);
        let mut turned = ptr::null_mut();
        while let Some(node) = NonNull::new(from) {
            // SAFETY: the node was in the list, so it is alive, and the swap made it ours.
            unsafe {
                from = next::<A>(node);
                set_next::<A>(node, turned);
            }
            turned = node.as_ptr();
        }
        turned
    }
}

impl<A: Link> fmt::Debug for Inbox<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").field("is_empty", &self.is_empty()).finish()
    }
}

/// The nodes of a drained inbox, the oldest first.
#[must_use = "nodes that are not taken are lost"]
pub(crate) struct Drain<A: Link> {
    next: *mut A::Node,
    _list: PhantomData<A>,
}

impl<A: Link> Iterator for Drain<A> {
    type Item = NonNull<A::Node>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let node = NonNull::new(self.next)?;
        // Before the node is handed out: afterwards its link may be in use again, or the node gone.
        // SAFETY: the node is one of those that `take_all` took and nobody has been given, so it is alive and ours.
        self.next = unsafe { next::<A>(node) };
        Some(node)
    }
}

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, not(loom)))]
mod tests;
