//! A waiter's place in a wait list, and the claim of one that waits in several.

use super::super::exact::{Apart, Current, Ended, Name};
use crate::{
    primitive::{AtomicPtr, Ordering, UnsafeCell},
    task::foreign::Foreign,
};
use std::{
    marker::PhantomPinned,
    mem::{self, ManuallyDrop},
    ops::Deref,
    ptr::{self, NonNull},
    time::Instant,
};

/// Whom a grant wakes. Nothing in it is dropped by itself, so that a thread's node costs nothing when it goes.
pub(crate) enum Waker {
    /// A thread, green or not, in [`Current::wait`].
    Thread(Name),
    /// A thread that waits apart. This outlives the node's time in the list.
    Apart(NonNull<Apart>),
    /// A task of an async executor. Dropped by its [`FutureNode`].
    Future(ManuallyDrop<Foreign>),
    /// Nobody: it was granted.
    Nobody,
}

impl Waker {
    #[inline(always)]
    fn of(current: &Current<'_>) -> Self {
        match current.waits_apart() {
            None => Self::Thread(current.name()),
            Some(apart) => Self::Apart(NonNull::from(apart)),
        }
    }

    pub(super) fn foreign(waker: std::task::Waker) -> Self {
        Self::Future(ManuallyDrop::new(Foreign::new(waker)))
    }

    /// A future's.
    pub(super) fn into_foreign(self) -> Option<Foreign> {
        match self {
            Self::Future(foreign) => Some(ManuallyDrop::into_inner(foreign)),
            _ => None,
        }
    }
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
    pub(super) want: Want,
    claim: *const Claim,
    guarded: UnsafeCell<Guarded>,
    _stays: PhantomPinned,
}

/// Invariant 1.
pub(super) struct Guarded {
    pub(super) previous: *const Node,
    pub(super) next: *const Node,
    pub(super) listed: bool,
    pub(super) outcome: usize,
    /// Taken out by the grant, unless it is a thread's.
    pub(super) waker: Waker,
}

impl Node {
    pub(super) fn with(want: Want, claim: *const Claim, waker: Waker) -> Self {
        let guarded = Guarded { previous: ptr::null(), next: ptr::null(), listed: false, outcome: 0, waker };
        Self { want, claim, guarded: UnsafeCell::new(guarded), _stays: PhantomPinned }
    }

    /// For the current thread.
    #[inline]
    pub(crate) fn new(want: Want, current: &Current<'_>) -> Self {
        Self::with(want, ptr::null(), Waker::of(current))
    }

    /// The same for a thread that waits in several lists. The claim outlives the node's time in the list.
    pub(crate) fn with_claim(want: Want, current: &Current<'_>, claim: &Claim) -> Self {
        Self::with(want, claim, Waker::of(current))
    }

    /// For a future that is being polled; see [`Polled`](super::Polled).
    pub(crate) fn for_future(want: Want, waker: std::task::Waker) -> FutureNode {
        FutureNode(Self::with(want, ptr::null(), Waker::foreign(waker)))
    }

    /// Whether who waits here may run code of strangers between its listing and its wait ([`Apart`](super::super::exact::Apart)). To be asked before it is listed.
    pub(crate) fn waits_apart(&self) -> bool {
        // SAFETY: not listed, so the caller's alone.
        self.guarded.with(|guarded| matches!(unsafe { &(*guarded).waker }, Waker::Apart(_)))
    }

    /// Who waits here has `claim`.
    pub(crate) fn is_of(&self, claim: &Claim) -> bool {
        ptr::eq(self.claim, claim)
    }

    pub(super) fn has_claim(&self) -> bool {
        !self.claim.is_null()
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
    pub(super) unsafe fn guarded<R>(&self, f: impl FnOnce(&mut Guarded) -> R) -> R {
        // SAFETY: by the caller's promise.
        self.guarded.with_mut(|guarded| f(unsafe { &mut *guarded }))
    }

    /// Wins the node's claim, if it has one: only then may it be granted.
    ///
    /// # Safety
    /// The caller holds the lock under which it took the node out of its list.
    #[inline(always)]
    pub(super) unsafe fn win(&self) -> bool {
        // SAFETY: the claim outlives the node's time in the list, of which this hold of the lock is the end.
        self.claim.is_null() || unsafe { (*self.claim).exchange(ptr::from_ref(self).cast_mut()) }
    }

    /// # Safety
    /// As for [`guarded`](Self::guarded).
    #[inline(always)]
    pub(super) unsafe fn next(&self) -> *const Node {
        // SAFETY: by the caller's promise.
        unsafe { self.guarded(|guarded| guarded.next) }
    }
}

/// A future's node, which owns its waker.
pub(crate) struct FutureNode(Node);

impl Deref for FutureNode {
    type Target = Node;

    fn deref(&self) -> &Node {
        &self.0
    }
}

impl Drop for FutureNode {
    fn drop(&mut self) {
        // SAFETY: it goes, so it is in no list (invariant 2), and nobody else uses it.
        let waker = unsafe { self.0.guarded(|guarded| mem::replace(&mut guarded.waker, Waker::Nobody)) };
        drop(waker.into_foreign());
    }
}

/// # Safety
/// The lock is held of the list to whose ring `first` belongs, and `node` belongs to no ring.
pub(super) unsafe fn insert_before(first: &Node, node: &Node) {
    // SAFETY: as promised; nodes of a ring are alive.
    unsafe {
        let last = first.guarded(|first| std::mem::replace(&mut first.previous, node));
        node.guarded(|guarded| (guarded.previous, guarded.next, guarded.listed) = (last, first, true));
        (*last).guarded(|last| last.next = node);
    }
}

/// # Safety
/// The lock is held of the list to whose ring `node` belongs.
pub(super) unsafe fn unlink(node: &Node) {
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
