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
//! - A future makes its node with a [`std::task::Waker`]; see [`Node::for_future`].
//!
//! State that must change together with the list (a semaphore's permits) is read and written under the list's lock, or by
//! an atomic word that tells the fast path to come by the lock (a bit for "somebody waits", set and cleared under it).
//!
//! # The word
//! A list is one pointer: its first node, with the lowest bit set while somebody holds the lock. The nodes form a ring, so the first knows
//! the last, and a node in the middle is unlinked without asking whose ring it is in.
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

use super::exact::{Current, Ended, Name};
use crate::primitive::{AtomicPtr, Ordering, UnsafeCell, pause};
#[cfg(loom)]
use crate::primitive::{Mutex, MutexGuard, lock};
use std::{
    fmt,
    marker::PhantomPinned,
    mem::MaybeUninit,
    ptr::{self, NonNull},
    time::Instant,
};

const LOCKED: usize = 1;
/// How many are woken after one hold of the lock.
const BATCH: usize = 16;

/// Whom a grant wakes.
#[derive(Clone)]
pub(crate) enum Waker {
    /// A thread, green or not, in [`Current::wait`].
    Thread(Name),
    /// A task of an async executor.
    Future(std::task::Waker),
}

/// What a thread waits for, in terms of the primitive.
#[derive(Clone, Copy)]
pub(crate) struct Want {
    /// A number: permits, or which kind.
    pub(crate) amount: usize,
    /// Where what is handed over goes, or null.
    pub(crate) slot: *mut (),
    /// Before all that wait already: for who was at the front before.
    pub(crate) first: bool,
}

impl Want {
    pub(crate) const fn amount(amount: usize) -> Self {
        Self { amount, slot: ptr::null_mut(), first: false }
    }
}

/// Which of several lists won. See the module's head.
pub(crate) struct Claim(AtomicPtr<Node>);

impl Claim {
    pub(crate) fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// What stands in the claim once the waiter has left.
    fn left() -> *mut Node {
        ptr::without_provenance_mut(1)
    }

    fn exchange(&self, to: *mut Node) -> bool {
        self.0.compare_exchange(ptr::null_mut(), to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// The waiter gives up, or serves itself. False if a node was granted: its wake is on its way.
    pub(crate) fn leave(&self) -> bool {
        self.exchange(Self::left())
    }

    /// Suspends the current thread, whose claim this is, until one of its nodes is granted, and gives that; or until it gives up. Then, or if it
    /// was granted, nothing more is granted, but the nodes are still to be unlisted.
    pub(crate) fn wait(&self, current: &Current<'_>, deadline: Option<Instant>) -> Result<NonNull<Node>, Ended> {
        let ended = current.wait(deadline);
        if ended != Ended::Woken {
            if self.leave() {
                return Err(ended);
            }
            // Invariants 3 and 5.
            current.wait_for_wake();
        }
        Ok(self.winner().expect("a wake comes after a grant"))
    }

    /// The node that was granted.
    pub(crate) fn winner(&self) -> Option<NonNull<Node>> {
        NonNull::new(self.0.load(Ordering::Acquire)).filter(|&node| node.as_ptr() != Self::left())
    }
}

/// A waiter's place in one list. Stays where it is while it is [`Listed`].
pub(crate) struct Node {
    want: Want,
    claim: *const Claim,
    guarded: UnsafeCell<Guarded>,
    _stays: PhantomPinned,
}

/// Invariant 1.
struct Guarded {
    previous: *const Node,
    next: *const Node,
    listed: bool,
    outcome: usize,
    /// Taken out by the grant.
    waker: Option<Waker>,
}

impl Node {
    fn with(want: Want, claim: *const Claim, waker: Option<Waker>) -> Self {
        let guarded = Guarded { previous: ptr::null(), next: ptr::null(), listed: false, outcome: 0, waker };
        Self { want, claim, guarded: UnsafeCell::new(guarded), _stays: PhantomPinned }
    }

    /// For the current thread.
    #[inline]
    pub(crate) fn new(want: Want, current: &Current<'_>) -> Self {
        Self::with(want, ptr::null(), Some(Waker::Thread(current.name())))
    }

    /// The same for a thread that waits in several lists. The claim outlives the node's time in the list.
    pub(crate) fn with_claim(want: Want, current: &Current<'_>, claim: &Claim) -> Self {
        Self::with(want, claim, Some(Waker::Thread(current.name())))
    }

    /// For a future that is being polled. A later poll that brings another waker puts it in by [`Listed::rearm`]; a drop looks
    /// under the lock whether the node was granted ([`Listed::leave`]), and if so passes on what it was given.
    pub(crate) fn for_future(want: Want, waker: std::task::Waker) -> Self {
        Self::with(want, ptr::null(), Some(Waker::Future(waker)))
    }

    /// Who waits here has `claim`.
    pub(crate) fn is_of(&self, claim: &Claim) -> bool {
        ptr::eq(self.claim, claim)
    }

    pub(crate) fn want(&self) -> Want {
        self.want
    }

    /// What the grant said. To be asked by a waiter that was woken.
    #[inline]
    pub(crate) fn outcome(&self) -> usize {
        // SAFETY: the node is in no list any more, and the wake, or the lock, came after the grant (invariants 3 and 4).
        self.guarded.with(|guarded| unsafe { (*guarded).outcome })
    }

    /// # Safety
    /// The caller holds the lock of the node's list, and makes no other such reference meanwhile.
    #[inline(always)]
    unsafe fn guarded<R>(&self, f: impl FnOnce(&mut Guarded) -> R) -> R {
        // SAFETY: by the caller's promise.
        self.guarded.with_mut(|guarded| f(unsafe { &mut *guarded }))
    }

    /// # Safety
    /// As for [`guarded`](Self::guarded).
    #[inline(always)]
    unsafe fn next(&self) -> *const Node {
        // SAFETY: by the caller's promise.
        unsafe { self.guarded(|guarded| guarded.next) }
    }
}

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
        let first = self.first.load(Ordering::Relaxed);
        let first = if self.try_lock(first) { first } else { self.lock_slow() };
        Locked {
            list: self,
            first,
            #[cfg(loom)]
            _turn: Some(turn),
        }
    }

    #[inline(always)]
    fn try_lock(&self, first: *mut Node) -> bool {
        let locked = first.map_addr(|at| at | LOCKED);
        locked != first && self.first.compare_exchange(first, locked, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    #[cold]
    fn lock_slow(&self) -> *mut Node {
        let mut turn = 0;
        loop {
            let first = self.first.load(Ordering::Relaxed);
            if self.try_lock(first) {
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
        unsafe { locked.push(node) };
        Some(Listed { list: self, node })
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

impl fmt::Debug for Waiters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.first.load(Ordering::Relaxed);
        f.debug_struct("Waiters").field("is_empty", &first.map_addr(|at| at & !LOCKED).is_null()).finish()
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
                        if node.claim.is_null() || (*node.claim).exchange(at.cast_mut()) {
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

    /// [`take`](Self::take) for the first, whoever it is.
    #[inline]
    pub(crate) fn take_first(&mut self) -> Option<Taken<'_>> {
        self.take(|_| Choice::Take)
    }

    /// Grants everybody who waits now, releases the lock, and wakes them by turns. Those who come meanwhile are not concerned.
    pub(crate) fn grant_all(mut self, outcome: usize) {
        let list = self.list;
        let end = Node::with(Want::amount(0), ptr::null(), None);
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

/// # Safety
/// The lock is held of the list to whose ring `first` belongs, and `node` belongs to no ring.
unsafe fn insert_before(first: &Node, node: &Node) {
    // SAFETY: as promised; nodes of a ring are alive.
    unsafe {
        let last = first.guarded(|first| std::mem::replace(&mut first.previous, node));
        node.guarded(|guarded| (guarded.previous, guarded.next, guarded.listed) = (last, first, true));
        (*last).guarded(|last| last.next = node);
    }
}

/// # Safety
/// The lock is held of the list to whose ring `node` belongs.
unsafe fn unlink(node: &Node) {
    // SAFETY: as promised; nodes of a ring are alive.
    unsafe {
        let (previous, next) = node.guarded(|guarded| {
            guarded.listed = false;
            (guarded.previous, guarded.next)
        });
        if !ptr::eq(next, node) {
            (*previous).guarded(|previous| previous.next = next);
            (*next).guarded(|next| next.previous = previous);
        }
    }
}

/// A node that was taken out, still under the lock: its waiter waits for what the caller is about to give.
#[must_use = "its waiter would wait for ever"]
pub(crate) struct Taken<'a>(&'a Node);

impl Taken<'_> {
    pub(crate) fn want(&self) -> Want {
        self.0.want
    }

    /// Grants. What goes to the slot has been written.
    #[inline]
    pub(crate) fn grant(self, outcome: usize) -> Wakeup {
        // SAFETY: the lock is held, as `self` borrows it.
        let waker = unsafe {
            self.0.guarded(|guarded| {
                guarded.outcome = outcome;
                guarded.waker.take()
            })
        };
        Wakeup(waker.expect("a node is granted once"))
    }
}

/// Wakes a waiter that was granted, once the lock has been released.
#[must_use = "the waiter waits for this"]
pub(crate) struct Wakeup(Waker);

impl Wakeup {
    #[inline]
    pub(crate) fn wake(self) {
        match self.0 {
            // SAFETY: it was granted, and waits for this wake (invariant 4), which comes once.
            Waker::Thread(name) => unsafe { name.wake() },
            Waker::Future(waker) => waker.wake(),
        }
    }
}

/// Some wakeups, without an allocation.
pub(crate) struct Wakeups {
    wakeups: [MaybeUninit<Wakeup>; BATCH],
    length: usize,
}

impl Wakeups {
    pub(crate) fn new() -> Self {
        Self { wakeups: [const { MaybeUninit::uninit() }; BATCH], length: 0 }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.length == BATCH
    }

    /// # Panics
    /// If it is full.
    pub(crate) fn push(&mut self, wakeup: Wakeup) {
        self.wakeups[self.length].write(wakeup);
        self.length += 1;
    }

    /// Grants the nodes of `end`'s ring while there is room; true if none is left.
    ///
    /// # Safety
    /// The lock of the list is held from which they were moved there.
    unsafe fn fill(&mut self, end: &Node, outcome: usize) -> bool {
        while !self.is_full() {
            // SAFETY: the lock is held; nodes of the ring are alive (invariant 2, and a left one has unlinked itself).
            unsafe {
                let at = end.next();
                if ptr::eq(at, end) {
                    return true;
                }
                let node = &*at;
                unlink(node);
                if node.claim.is_null() || (*node.claim).exchange(at.cast_mut()) {
                    self.push(Taken(node).grant(outcome));
                }
            }
        }
        // SAFETY: as above.
        ptr::eq(unsafe { end.next() }, end)
    }

    /// Wakes them all, the first first.
    pub(crate) fn wake(self) {
        for wakeup in &self.wakeups[..self.length] {
            // SAFETY: the first `length` were written, and each is read once.
            unsafe { wakeup.assume_init_read() }.wake();
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
    #[inline]
    pub(crate) fn wait(
        self,
        current: &Current<'_>,
        deadline: Option<Instant>,
        left: impl FnOnce(Locked<'a>),
    ) -> Waited {
        let node = self.node;
        let ended = current.wait(deadline);
        if ended != Ended::Woken {
            if let Some(locked) = self.leave() {
                left(locked);
                if ended == Ended::Cancelled {
                    current.raise();
                }
                return Waited::TimedOut;
            }
            // Invariant 3.
            current.wait_for_wake();
        }
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
    pub(crate) fn rearm(&self, waker: std::task::Waker) -> bool {
        let locked = self.list.lock();
        // SAFETY: the lock of the node's list is held.
        let (listed, old) = unsafe {
            self.node.guarded(|guarded| {
                let old = if guarded.listed { guarded.waker.replace(Waker::Future(waker)) } else { None };
                (guarded.listed, old)
            })
        };
        drop(locked);
        // Only now: what a waker's destructor does is not ours to know.
        drop(old);
        listed
    }
}

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, not(loom)))]
mod tests;
