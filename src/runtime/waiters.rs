//! The wait list that everything in `sync` and `channel` is built from: threads that wait, first come, first served, each for
//! something that is handed to it exactly once.
//!
//! # The problem
//! A thread says what it wants and goes to sleep; another gives it that and wakes it. Meanwhile the first may give up, because it is
//! cancelled or its time is over, or may wait in several lists at once, of which one must win (`select`). Whatever was
//! given to a thread must not be lost, nor given twice.
//!
//! # How it is used
//! - A waiter makes a [`Node`] in its own frame and lists it ([`Waiters::list`]), unless under the lock it finds that it need not
//!   wait. Then it does what must follow the listing (a condition variable releases its mutex) and calls [`Listed::wait`].
//!   [`Waiters::wait`] is both at once.
//! - A giver locks the list, takes a node out ([`Locked::take`]), puts what it gives where the node's `slot` points, says
//!   by a number of the primitive's own what it gave ([`Taken::grant`]), unlocks, and only then wakes ([`Wakeup::wake`]).
//! - A waiter of several lists makes one [`Claim`], and for each list a node that points to it, and waits by [`Claim::wait`]. A giver
//!   takes a node by winning its claim. A waiter that finds under a list's lock that it can serve itself, wins its own claim
//!   first ([`Claim::leave`]). Whichever won, it unlists what it listed.
//! - A future has a [`Polled`] in its own, pinned, memory, by which it lists a node at one poll, and learns at another what it was granted. Who
//!   wakes it calls its waker, which is a stranger's code: so it does that last, with nothing of its own listed, or, if that cannot be, waits
//!   [`Apart`](super::exact::Apart).
//!
//! State that must change together with the list (a semaphore's permits) is read and written under the list's lock, or by
//! an atomic word that tells the fast path to come by the lock (a bit for "somebody waits", set and cleared under it).
//!
//! # The word
//! A list is one pointer: its first node, or [`LOCKED`] while somebody holds the lock, who then has that node. The nodes form a ring, so
//! the first knows the last, and a node in the middle is unlinked without asking whose ring it is in.
//!
//! # Invariants
//! 1. Nodes' links, `listed` and `outcome` are touched under the lock of the list to which the node was given.
//! 2. A listed node is alive and does not move: its frame unlists it, under the lock, before it goes.
//! 3. A node is taken out at most once, and then granted, under one hold of the lock. The grant decides: a thread that gives up
//!    takes the lock, and is either still listed, and then nobody will ever wake it, or was granted, and
//!    then waits for its wake, which is on its way, and has what it was given. So nothing granted is lost, a
//!    cancellation that comes too late is raised at the thread's next suspension, and a deadline that comes too late
//!    has not passed.
//! 4. A granted thread stays in its wait until its wake has come (`wake::EXACT`, rule 14), so it may be woken after the lock was
//!    released. A future may go as soon as the lock is released: its waker is taken out under the lock, and so everything that is
//!    handed over is written under the lock.
//! 5. Of the nodes of one claim at most one is granted: who takes one first exchanges the claim from "waiting" to the node. A waiter that
//!    gives up exchanges it to "left", and, if it comes too late, has been granted.
//!
//! # The lock
//! Critical sections are some tens of instructions, allocate nothing, never suspend and never wake anybody, so it is a spin
//! lock: taking it is one exchange, leaving it a plain store. No thread of the same worker can find it taken (nothing switches
//! inside). If the kernel preempts the OS thread that holds it, others first spin, then yield their processor, then sleep in steps of 50 µs,
//! so that even a waiter of a higher real-time priority lets the holder run.
//!
//! Rejected: a table of lists by address, as parking_lot's (a hundred thousand waiting threads make it grow, and strangers
//! share its locks); an atomic list without a lock (leaving from the middle is what a wait list does most, next to waking);
//! std's `Mutex` (its release is a second exchange).

mod node;
mod polled;
mod wakeup;

pub(crate) use node::{Claim, FutureNode, Node, Want};
pub(crate) use polled::Polled;
pub(crate) use wakeup::{Taken, Wakeup, Wakeups};

use super::exact::{Current, Ended};
use crate::primitive::{AtomicPtr, Ordering, pause};
#[cfg(loom)]
use crate::primitive::{Mutex, MutexGuard, lock};
use node::{Waker, insert_before, unlink};
use std::{
    fmt, mem,
    panic::{RefUnwindSafe, UnwindSafe},
    ptr,
    time::Instant,
};

/// What stands in the place of the first node while somebody holds the lock, and with it the list.
const LOCKED: *mut Node = ptr::without_provenance_mut(1);

/// Threads that wait. See the module's head.
pub(crate) struct Waiters {
    first: AtomicPtr<Node>,
    /// Has models wait for the lock without spinning, of which loom would try every number of turns.
    #[cfg(loom)]
    turn: Mutex<()>,
}

// SAFETY: the nodes behind the pointer are used under the lock; what of them reaches other threads is a `Waker`, which may be sent, and
// the caller's `slot`, for which the primitive answers.
unsafe impl Send for Waiters {}
// SAFETY: the same.
unsafe impl Sync for Waiters {}

// What a panic leaves behind is as it was: nothing unwinds while the list is locked.
impl UnwindSafe for Waiters {}
impl RefUnwindSafe for Waiters {}

impl Waiters {
    #[cfg(not(loom))]
    pub(crate) const fn new() -> Self {
        Self { first: AtomicPtr::new(ptr::null_mut()) }
    }

    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Self { first: AtomicPtr::new(ptr::null_mut()), turn: Mutex::new(()) }
    }

    /// Locks the list. The caller does nothing slow while it holds the lock, and does not wake or suspend.
    #[inline]
    pub(crate) fn lock(&self) -> Locked<'_> {
        #[cfg(loom)]
        let turn = lock(&self.turn);
        let first = self.try_lock().unwrap_or_else(|| self.lock_slow());
        Locked {
            list: self,
            first,
            #[cfg(loom)]
            _turn: Some(turn),
        }
    }

    /// Whether nobody waits: whoever listed itself before something that the caller has seen, by an acquiring operation, is seen.
    ///
    /// The load, and the exchange that takes the lock, are sequentially consistent. So of two threads of which one locks the
    /// list and then looks at a state, and the other changes that state and then looks at the list, by sequentially consistent operations, at least one
    /// sees the other: a held lock does not seem empty.
    #[inline]
    pub(crate) fn seem_empty(&self) -> bool {
        self.first.load(Ordering::SeqCst).is_null()
    }

    /// Unlists a node that may or may not be listed here.
    ///
    /// # Safety
    /// If it is in a list, then in this one.
    pub(crate) unsafe fn unlist(&self, node: &Node) {
        // SAFETY: by the caller's promise.
        unsafe { self.lock().remove(node) };
    }

    #[inline(always)]
    fn try_lock(&self) -> Option<*mut Node> {
        let first = self.first.swap(LOCKED, Ordering::SeqCst);
        (first != LOCKED).then_some(first)
    }

    #[cold]
    fn lock_slow(&self) -> *mut Node {
        let mut turn = 0;
        loop {
            // Who waits only looks, so the holder keeps the line.
            let first = self.first.load(Ordering::Relaxed);
            if first != LOCKED
                && self.first.compare_exchange(first, LOCKED, Ordering::SeqCst, Ordering::Relaxed).is_ok()
            {
                return first;
            }
            pause(&mut turn);
        }
    }

    /// Lists the node, unless `unless` says under the lock that there is no need to wait.
    ///
    /// # Safety
    /// The node is in no list, and neither goes nor moves before the result was waited for, or left, or, if the node has a claim,
    /// before its wake. So nothing may unwind in between.
    #[inline]
    pub(crate) unsafe fn list<'a, 'n>(
        &'a self,
        node: &'n Node,
        unless: impl FnOnce(&mut Locked<'a>) -> bool,
    ) -> Option<Listed<'a, 'n>> {
        let mut locked = self.lock();
        if unless(&mut locked) {
            return None;
        }
        // SAFETY: by the caller's promise.
        Some(unsafe { locked.list(node) })
    }

    /// Suspends the current thread, green or not, until it is granted what it wants or gives up; not at all if `unless` says under the
    /// lock that there is no need. If it gives up, `left` is called with the lock held and the thread unlisted; it releases the lock.
    ///
    /// Unwinds if the thread is cancelled, after `left`.
    #[inline]
    pub(crate) fn wait<'a>(
        &'a self,
        want: Want,
        deadline: Option<Instant>,
        unless: impl FnOnce(&mut Locked<'a>) -> bool,
        left: impl FnOnce(Locked<'a>),
    ) -> Waited {
        let current = Current::get();
        let node = Node::new(want, &current);
        // SAFETY: the node is fresh, and waited for in the same breath.
        match unsafe { self.list(&node, unless) } {
            None => Waited::Needless,
            Some(listed) => listed.wait(&current, deadline, left),
        }
    }
}

impl Default for Waiters {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Waiters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiters").field("is_empty", &self.first.load(Ordering::Relaxed).is_null()).finish()
    }
}

/// What [`Locked::take`] does with a node.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice {
    Take,
    /// It stays, and the next is looked at.
    Skip,
    /// It stays, and so do all behind it.
    Stop,
}

/// A list whose lock is held.
pub(crate) struct Locked<'a> {
    list: &'a Waiters,
    /// Written back when the lock is released.
    first: *const Node,
    #[cfg(loom)]
    _turn: Option<MutexGuard<'a, ()>>,
}

impl Drop for Locked<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        self.list.first.store(self.first.cast_mut(), Ordering::Release);
    }
}

impl<'a> Locked<'a> {
    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_null()
    }

    /// The first that waits.
    pub(crate) fn first(&self) -> Option<&Node> {
        // SAFETY: a listed node is alive (invariant 2), and stays listed while the lock is held and not used mutably.
        unsafe { self.first.as_ref() }
    }

    /// Lists the node and releases the lock.
    ///
    /// # Safety
    /// As for [`Waiters::list`].
    #[inline]
    pub(crate) unsafe fn list<'n>(mut self, node: &'n Node) -> Listed<'a, 'n> {
        // SAFETY: by the caller's promise.
        unsafe { self.push(node) };
        Listed { list: self.list, node }
    }

    /// How many wait that `counts` counts.
    pub(crate) fn count(&self, counts: impl Fn(&Node) -> bool) -> usize {
        let mut count = 0;
        let mut at = self.first;
        // SAFETY: the lock is held; listed nodes are alive.
        while let Some(node) = unsafe { at.as_ref() } {
            count += usize::from(counts(node));
            // SAFETY: as above.
            let next = unsafe { node.next() };
            at = if ptr::eq(next, self.first) { ptr::null() } else { next };
        }
        count
    }

    /// # Safety
    /// The node is in no list, and stays alive and in its place until it has been taken out.
    unsafe fn push(&mut self, node: &Node) {
        // SAFETY: the lock is held; the nodes of the ring are alive (invariant 2).
        unsafe {
            match self.first.as_ref() {
                None => {
                    node.guarded(|guarded| (guarded.previous, guarded.next, guarded.listed) = (node, node, true));
                    self.first = node;
                }
                Some(first) => {
                    insert_before(first, node);
                    if node.want.first {
                        self.first = node;
                    }
                }
            }
        }
    }

    /// Unlinks the node if it is listed, and says whether it was.
    ///
    /// # Safety
    /// It was given to this list.
    unsafe fn remove(&mut self, node: &Node) -> bool {
        // SAFETY: the lock is held; a listed node's neighbours are alive (invariant 2).
        unsafe {
            if !node.guarded(|guarded| guarded.listed) {
                return false;
            }
            if ptr::eq(self.first, node) {
                let next = node.next();
                self.first = if ptr::eq(next, node) { ptr::null() } else { next };
            }
            unlink(node);
        }
        true
    }

    /// Moves all nodes into a ring that ends with `end`; false if there are none.
    ///
    /// # Safety
    /// `end` is in no ring, and stays until its ring is empty.
    unsafe fn move_behind(&mut self, end: &Node) -> bool {
        // SAFETY: as promised; the lock is held, and listed nodes are alive.
        unsafe {
            let Some(first) = self.first.as_ref() else { return false };
            insert_before(first, end);
        }
        self.first = ptr::null();
        true
    }

    /// Takes out the first node that `choose` chooses and whose claim can be won. Nodes whose claim was won by another list,
    /// or whose waiter has left, are dropped from the list on the way.
    #[inline]
    pub(crate) fn take(&mut self, mut choose: impl FnMut(&Node) -> Choice) -> Option<Taken<'_>> {
        let mut at = self.first;
        // SAFETY: the lock is held; listed nodes are alive, and this list's.
        unsafe {
            let last = at.as_ref()?.guarded(|guarded| guarded.previous);
            loop {
                let node = &*at;
                let (next, is_last) = (node.next(), ptr::eq(at, last));
                match choose(node) {
                    Choice::Stop => return None,
                    Choice::Skip => {}
                    Choice::Take => {
                        self.remove(node);
                        if node.win() {
                            return Some(Taken(node));
                        }
                    }
                }
                if is_last {
                    return None;
                }
                at = next;
            }
        }
    }

    /// Takes out the first, if it wants this amount and waits in no other list.
    #[inline(always)]
    pub(crate) fn take_plain(&mut self, amount: usize) -> Option<Taken<'_>> {
        // SAFETY: the lock is held; listed nodes are alive, and this list's.
        unsafe {
            let node = self.first.as_ref()?;
            if node.want.amount != amount || node.has_claim() {
                return None;
            }
            let next = node.next();
            self.first = if ptr::eq(next, node) { ptr::null() } else { next };
            unlink(node);
            Some(Taken(node))
        }
    }

    /// [`take`](Self::take) for the first, whoever it is.
    #[inline]
    pub(crate) fn take_first(&mut self) -> Option<Taken<'_>> {
        self.take(|_| Choice::Take)
    }

    /// Grants everybody who waits now, releases the lock, and wakes them by turns. Those who come meanwhile are not concerned.
    pub(crate) fn grant_all(mut self, outcome: usize) {
        let list = self.list;
        let end = Node::with(Want::amount(0), ptr::null(), Waker::Nobody);
        // SAFETY: `end` stays until its ring is empty.
        if !unsafe { self.move_behind(&end) } {
            return;
        }
        let mut locked = self;
        loop {
            let mut wakeups = Wakeups::new();
            // SAFETY: the nodes behind `end` are this list's, and its lock is held.
            let emptied = unsafe { wakeups.fill(&end, outcome) };
            drop(locked);
            wakeups.wake();
            if emptied {
                return;
            }
            locked = list.lock();
        }
    }
}

/// How a wait ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Waited {
    /// Granted, with the giver's number.
    Granted(usize),
    /// There was no need to wait.
    Needless,
    /// The deadline passed; nothing was given.
    TimedOut,
}

/// A node that is listed, or was until it was granted.
#[must_use = "the node stays in the list"]
pub(crate) struct Listed<'a, 'n> {
    list: &'a Waiters,
    node: &'n Node,
}

impl<'a> Listed<'a, '_> {
    /// Suspends the current thread, whose node this is, until it is granted or gives up; the second part of [`Waiters::wait`].
    #[inline(always)]
    pub(crate) fn wait(
        self,
        current: &Current<'_>,
        deadline: Option<Instant>,
        left: impl FnOnce(Locked<'a>),
    ) -> Waited {
        match current.wait(deadline) {
            Ended::Woken => Waited::Granted(self.node.outcome()),
            ended => self.give_up(current, ended, left),
        }
    }

    /// The wait ended by something else than the wake.
    #[cold]
    fn give_up(self, current: &Current<'_>, ended: Ended, left: impl FnOnce(Locked<'a>)) -> Waited {
        let node = self.node;
        if let Some(locked) = self.leave() {
            left(locked);
            if ended == Ended::Cancelled {
                current.raise();
            }
            return Waited::TimedOut;
        }
        // Invariant 3.
        current.wait_for_wake();
        Waited::Granted(node.outcome())
    }

    /// Unlists the node, and gives the lock under which that was done. None if it was granted: then a thread has its wake yet to come
    /// ([`Current::wait_for_wake`]), unless it was for the wake that it left.
    #[inline]
    pub(crate) fn leave(self) -> Option<Locked<'a>> {
        let mut locked = self.list.lock();
        // SAFETY: the node was given to this list.
        unsafe { locked.remove(self.node) }.then_some(locked)
    }

    /// Gives a future's node the waker of a later poll; false if it was granted.
    pub(crate) fn rearm(&self, waker: &std::task::Waker) -> bool {
        let mut fresh = None;
        loop {
            let locked = self.list.lock();
            // SAFETY: the lock of the node's list is held.
            let (listed, same, old) = unsafe {
                self.node.guarded(|guarded| {
                    let same = matches!(&guarded.waker, Waker::Future(old) if old.will_wake(waker));
                    let fresh = if guarded.listed && !same { fresh.take() } else { None };
                    let replaced = fresh.is_some();
                    let old = fresh.map(|fresh| mem::replace(&mut guarded.waker, fresh));
                    (guarded.listed, same || replaced, old.and_then(Waker::into_foreign))
                })
            };
            drop(locked);
            // Cloned and dropped without the lock: what a waker does then is not ours to know.
            drop(old);
            if !listed || same {
                return listed;
            }
            fresh = Some(Waker::foreign(waker.clone()));
        }
    }
}

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, not(loom)))]
mod tests;
