//! A queue that any thread pushes to and any worker takes from, oldest first: the injector of a runtime, and each
//! worker's mailbox of threads that were placed with it, and its queue of those that are to start there (from which it
//! alone takes).
//!
//! A plain intrusive list under a lock: it sees one push for each spawn from outside or each thread passed on, and is
//! emptied in batches, so it is not what a runtime's speed hangs on. Beside the lock stands the length, so that
//! looking whether there is anything costs one load.
//!
//! For the sleep protocol (`idle`) a push counts as *submitted* when the length is stored; whoever then passes a SeqCst
//! fence and looks for sleepers, and a worker that announces its sleep, passes its fence and looks at the length,
//! cannot both miss. The nodes themselves are seen through the lock.

use super::inbox::{Link, next, set_next};
use crate::primitive::{AtomicUsize, Mutex, Ordering, lock};
use std::{fmt, iter, ptr, ptr::NonNull};

struct List<N> {
    oldest: *mut N,
    newest: *mut N,
}

/// An intrusive first-in-first-out queue under a lock. See the module's head.
///
/// Dropping it drops no node.
#[repr(align(128))]
pub(crate) struct SharedQueue<A: Link> {
    /// Written only under the lock.
    len: AtomicUsize,
    list: Mutex<List<A::Node>>,
}

// SAFETY: the queue moves pointers between threads and touches nothing behind them but their links, under the lock;
// whoever pushes a node answers for its being sent.
unsafe impl<A: Link> Send for SharedQueue<A> {}
// SAFETY: as above.
unsafe impl<A: Link> Sync for SharedQueue<A> {}

impl<A: Link> SharedQueue<A> {
    pub(crate) fn new() -> Self {
        Self { len: AtomicUsize::new(0), list: Mutex::new(List { oldest: ptr::null_mut(), newest: ptr::null_mut() }) }
    }

    /// How many nodes there are: one load.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// Whether there is none: one load.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a node at the end.
    ///
    /// # Safety
    /// The node is in no list through this link, and stays alive until it has been taken out.
    pub(crate) unsafe fn push(&self, node: NonNull<A::Node>) {
        // SAFETY: the caller's promise.
        unsafe { self.push_many(iter::once(node)) };
    }

    /// Adds nodes at the end in their order, and returns how many. Linked before the lock is taken.
    ///
    /// # Safety
    /// As for [`push`](Self::push), for each of them.
    pub(crate) unsafe fn push_many(&self, nodes: impl IntoIterator<Item = NonNull<A::Node>>) -> usize {
        let mut nodes = nodes.into_iter();
        let Some(first) = nodes.next() else {
            return 0;
        };
        let (mut last, mut count) = (first, 1);
        for node in nodes {
            // SAFETY: the caller gives us the node, alive and in no list.
            unsafe { set_next::<A>(last, node.as_ptr()) };
            (last, count) = (node, count + 1);
        }
        // SAFETY: as above.
        unsafe { set_next::<A>(last, ptr::null_mut()) };

        let mut list = lock(&self.list);
        match NonNull::new(list.newest) {
            // SAFETY: a node of the list is alive, and its link is the lock holder's to write.
            Some(newest) => unsafe { set_next::<A>(newest, first.as_ptr()) },
            None => list.oldest = first.as_ptr(),
        }
        list.newest = last.as_ptr();
        self.len.store(self.len() + count, Ordering::SeqCst);
        count
    }

    /// Takes the oldest node. Costs one load if there is none.
    pub(crate) fn pop(&self) -> Option<NonNull<A::Node>> {
        let mut taken = None;
        self.pop_batch(1, |node| taken = Some(node));
        taken
    }

    /// Takes up to `max` nodes and hands them over, the oldest first, after the lock is let go. Returns how many.
    ///
    /// A node is the caller's when it is handed over, and may be pushed again at once.
    pub(crate) fn pop_batch(&self, max: usize, mut take: impl FnMut(NonNull<A::Node>)) -> usize {
        let (mut node, count) = self.detach(max);
        for _ in 0..count {
            let taken = NonNull::new(node).expect("a detached list is as long as it was counted");
            // SAFETY: the node was detached and not handed over yet, so it is alive and ours.
            node = unsafe { next::<A>(taken) };
            take(taken);
        }
        count
    }

    /// Takes all nodes and hands them over, the oldest first. Returns how many.
    #[cfg(test)]
    pub(crate) fn drain(&self, take: impl FnMut(NonNull<A::Node>)) -> usize {
        self.pop_batch(usize::MAX, take)
    }

    /// Cuts up to `max` of the oldest nodes off the list: the first of them, and how many. The last one's link is stale.
    fn detach(&self, max: usize) -> (*mut A::Node, usize) {
        if self.is_empty() || max == 0 {
            return (ptr::null_mut(), 0);
        }
        let mut list = lock(&self.list);
        let len = self.len();
        let count = len.min(max);
        let first = list.oldest;
        if count == len {
            *list = List { oldest: ptr::null_mut(), newest: ptr::null_mut() };
        } else {
            for _ in 0..count {
                let node = NonNull::new(list.oldest).expect("the list is as long as its length says");
                // SAFETY: a node of the list is alive, and its link is the lock holder's to read.
                list.oldest = unsafe { next::<A>(node) };
            }
        }
        self.len.store(len - count, Ordering::SeqCst);
        (first, count)
    }
}

impl<A: Link> fmt::Debug for SharedQueue<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedQueue").field("len", &self.len()).finish()
    }
}

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, not(loom)))]
mod tests;
