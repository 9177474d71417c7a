//! The deque of unstarted threads: its owner pushes and pops the newest without a lock, a fence or an atomic
//! read-modify-write; thieves take the oldest, several at a time.
//!
//! This is the THE protocol of Cilk-5 (Frigo, Leiserson and Randall, *The Implementation of the Cilk-5 Multithreaded
//! Language*, 1998) with an asymmetric fence in the place of its symmetric one, and batches in the place of its single
//! steals.
//!
//! # State
//!
//! Positions count up for ever and wrap; an element at position `p` lies in slot `p mod capacity`. A stored position is
//! twice its number, so that its lowest bit is free for a mark.
//!
//! | field | is | written by |
//! |---|---|---|
//! | `head` H | position of the oldest element; with the mark: a thief is asking for what lies below | the lock's holder |
//! | `tail` T | position after the newest element | the owner |
//! | `drains` | how many pops have taken the last element | the owner |
//! | `ring` | the slots | slots: the owner; their replacement: the owner under the lock |
//! | `head_bound` | an H that the owner read under the lock | the owner |
//!
//! # Invariants
//!
//! 1. *A marked H is seen only while a thief holds the lock.* It marks H, and unmarks it before it unlocks.
//! 2. *An unmarked H never falls, and never passes T.* A steal ends with H between its old value and a value of T below
//!    which the owner takes nothing any more (proof below).
//! 3. *`head_bound` ≤ every later unmarked H.* By 2.
//!
//! # Why no element is taken twice, or lost
//!
//! A pop lowers T to `p`, passes the light fence, loads H, and takes `p` if H ≤ `p`. A thief raises H to a marked `e`,
//! passes the heavy fence, loads T and calls it `t`. The fences are a pair: if the thief does not see the pop's T, then
//! the pop sees the thief's H, or one that was stored later.
//!
//! 4. A pop whose store of T comes after `t` sees the marked `e`, the H that ends this steal, or a later one. With the
//!    mark it takes nothing at or below `e`; with the others only what lies at or above the steal's end.
//! 5. A pop whose store of T is `t` or came before it took, if anything, an element that was no longer in the deque when
//!    T became `t`: everything below `t` was pushed, and not popped since.
//! 6. So when the thief ends its steal at any H ≤ `e` and ≤ `t`, what lies from the old H to there is its own. If `t` < `e`
//!    it *retracts*: it halves what is left and ends at or below `t`. The load of T is Acquire and each store of T is
//!    Release, so it sees the slots, and what the pusher wrote into the elements.
//! 7. A pop that finds H > `p` puts T back and asks again under the lock, where H is unmarked and no steal goes on. The
//!    thief may have seen the lowered T, which hid one element from it, or the restored one: either does by 6.
//! 8. *A push overwrites nothing that is still wanted.* It uses position T only while T − `head_bound` < capacity, so the
//!    slot's last element lay below `head_bound`; the owner read that under the lock, hence after the thief that took the
//!    element had copied it. An unlocked H would not do: it may be retracted, and its thief may still be copying.
//! 9. *`pop` says `None` only of an empty deque*: of an unmarked H equal to T, or under the lock. Without the mark
//!    it could meet an `e` that is equal to T just before it is retracted.
//!
//! The owner itself takes the oldest under the lock, where it needs no fence, because it is not popping meanwhile.
//!
//! # Whether the oldest has waited
//!
//! A thief looks twice, some tens of microseconds apart, before it pays for a heavy fence. The oldest element is the same
//! one if H is the same and no pop has emptied the deque in between, which `drains` counts. The answer is a
//! heuristic (a steal that retracts can blur it); safety never rests on it.
//!
//! Rejected: Chase and Lev's deque, whose owner needs a fence at each pop, whose thieves take one element for one
//! read-modify-write on a shared line, and whose old buffers must outlive their readers.

use crate::primitive::{AtomicPtr, AtomicUsize, Mutex, MutexGuard, Ordering, UnsafeCell, asymmetric, lock, try_lock};
use std::{mem::MaybeUninit, ptr, ptr::NonNull, sync::Arc};

/// What one position adds to a stored one.
const STEP: usize = 2;
/// The mark of an H that a thief may still retract.
const TENTATIVE: usize = 1;
/// Slots of a new deque.
const CAPACITY: usize = 256;
/// The most that one steal moves.
pub(crate) const MAX_BATCH: usize = 128;

type Ring<T> = Arc<[AtomicPtr<T>]>;

/// A pair of cache lines of its own, since processors fetch lines in pairs.
#[repr(align(128))]
struct Apart<V>(V);

struct Ends {
    head: AtomicUsize,
    tail: AtomicUsize,
    drains: AtomicUsize,
}

struct OwnerSide<T> {
    ring: Ring<T>,
    head_bound: usize,
}

/// A deque of pointers: one owner at its new end, any number of thieves at its old one. See the module's head.
///
/// The elements are the runtime's: dropping a deque drops none of them.
pub(crate) struct Deque<T> {
    ends: Apart<Ends>,
    owner: Apart<UnsafeCell<OwnerSide<T>>>,
    /// The same ring as the owner's. Holding it keeps everyone else's H still.
    ring: Apart<Mutex<Ring<T>>>,
}

// SAFETY: a deque moves pointers between threads and never looks behind them; whoever pushes answers for that. The
// owner's side is reached only through `unsafe` methods whose callers are the owner; the rest is atomic or locked.
unsafe impl<T> Send for Deque<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Deque<T> {}

/// What a thief saw of a deque that was not empty; see "Whether the oldest has waited".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Observation {
    head: usize,
    drains: usize,
}

/// Whether `a` comes before `b`, in positions that wrap.
#[inline(always)]
fn before(a: usize, b: usize) -> bool {
    (a.wrapping_sub(b) as isize) < 0
}

/// How many elements lie from `head` to `tail`; none if `tail` has been lowered below `head`.
#[inline(always)]
fn distance(head: usize, tail: usize) -> usize {
    if before(head, tail) { tail.wrapping_sub(head) / STEP } else { 0 }
}

fn new_ring<T>(capacity: usize) -> Ring<T> {
    (0..capacity).map(|_| AtomicPtr::new(ptr::null_mut())).collect()
}

#[inline(always)]
fn slot<T>(ring: &[AtomicPtr<T>], position: usize) -> &AtomicPtr<T> {
    let index = (position / STEP) & (ring.len() - 1);
    // SAFETY: a ring's length is a power of two, at least 1, so the masked index is below it.
    unsafe { ring.get_unchecked(index) }
}

/// Reads a slot that holds an element.
#[inline(always)]
fn element<T>(ring: &[AtomicPtr<T>], position: usize) -> NonNull<T> {
    let pointer = slot(ring, position).load(Ordering::Relaxed);
    debug_assert!(!pointer.is_null());
    // SAFETY: the position was pushed, from a `NonNull`, and by invariant 8 not overwritten since.
    unsafe { NonNull::new_unchecked(pointer) }
}

impl<T> Deque<T> {
    pub(crate) fn new() -> Self {
        Self::with_capacity(CAPACITY)
    }

    /// An empty deque of so many slots, a power of two.
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        assert!(capacity.is_power_of_two());
        let ring = new_ring(capacity);
        Self {
            ends: Apart(Ends { head: AtomicUsize::new(0), tail: AtomicUsize::new(0), drains: AtomicUsize::new(0) }),
            owner: Apart(UnsafeCell::new(OwnerSide { ring: Arc::clone(&ring), head_bound: 0 })),
            ring: Apart(Mutex::new(ring)),
        }
    }

    /// Adds an element at the new end.
    ///
    /// # Safety
    /// The caller is the owner.
    #[inline]
    pub(crate) unsafe fn push(&self, element: NonNull<T>) {
        let tail = self.ends.0.tail.load(Ordering::Relaxed);
        let full = self.owner.0.with(|owner| {
            // SAFETY: only the owner comes here (caller's promise), and it holds no other reference.
            let owner = unsafe { &*owner };
            tail.wrapping_sub(owner.head_bound) >= owner.ring.len() * STEP
        });
        if full {
            // SAFETY: the caller is the owner.
            unsafe { self.make_room(tail) };
        }
        self.owner.0.with(|owner| {
            // SAFETY: as above.
            slot(unsafe { &(*owner).ring }, tail).store(element.as_ptr(), Ordering::Relaxed);
        });
        self.ends.0.tail.store(tail.wrapping_add(STEP), Ordering::Release);
    }

    /// Learns how far thieves have come, and doubles the ring if it is full all the same.
    ///
    /// # Safety
    /// The caller is the owner.
    #[cold]
    unsafe fn make_room(&self, tail: usize) {
        let mut shared = lock(&self.ring.0);
        let head = self.ends.0.head.load(Ordering::Relaxed);
        self.owner.0.with_mut(|owner| {
            // SAFETY: only the owner comes here, and it holds no other reference.
            let owner = unsafe { &mut *owner };
            owner.head_bound = head;
            if distance(head, tail) >= shared.len() {
                let larger = new_ring(shared.len() * 2);
                let mut position = head;
                while position != tail {
                    let pointer = slot(&shared, position).load(Ordering::Relaxed);
                    slot(&larger, position).store(pointer, Ordering::Relaxed);
                    position = position.wrapping_add(STEP);
                }
                // Thieves read the ring only under the lock, so the old one can go.
                owner.ring = Arc::clone(&larger);
                *shared = larger;
            }
        });
    }

    /// Takes the newest element. `None` means that there is none: never that a thief is in the way.
    ///
    /// # Safety
    /// The caller is the owner.
    #[inline]
    pub(crate) unsafe fn pop(&self) -> Option<NonNull<T>> {
        let tail = self.ends.0.tail.load(Ordering::Relaxed);
        if tail == self.ends.0.head.load(Ordering::Relaxed) {
            return None;
        }
        // SAFETY: the caller is the owner.
        unsafe { self.pop_from(tail) }
    }

    /// Takes the newest element if it is exactly this one, and says whether it did.
    ///
    /// # Safety
    /// The caller is the owner.
    #[inline]
    pub(crate) unsafe fn pop_if(&self, expected: NonNull<T>) -> bool {
        let tail = self.ends.0.tail.load(Ordering::Relaxed);
        if tail == self.ends.0.head.load(Ordering::Relaxed) {
            return false;
        }
        // Only the owner writes slots, so it may look before it asks; what it reads may have been stolen, though, and
        // then the protocol says no.
        let newest = self.owner.0.with(|owner| {
            // SAFETY: only the owner comes here, and it holds no other reference.
            slot(unsafe { &(*owner).ring }, tail.wrapping_sub(STEP)).load(Ordering::Relaxed)
        });
        // SAFETY: the caller is the owner.
        newest == expected.as_ptr() && unsafe { self.pop_from(tail) }.is_some()
    }

    /// # Safety
    /// The caller is the owner, and `tail` is T.
    #[inline(always)]
    unsafe fn pop_from(&self, tail: usize) -> Option<NonNull<T>> {
        let newest = tail.wrapping_sub(STEP);
        self.ends.0.tail.store(newest, Ordering::Release);
        asymmetric::light();
        let head = self.ends.0.head.load(Ordering::Relaxed);
        if before(newest, head) {
            // SAFETY: the caller is the owner.
            return unsafe { self.pop_slow(tail) };
        }
        // SAFETY: the caller is the owner, and by 4 and 5 the element is its own.
        Some(unsafe { self.popped(newest, head) })
    }

    /// A thief is in the way, or has left nothing: asks under the lock, as 7 says.
    ///
    /// # Safety
    /// The caller is the owner, which has just lowered T from `tail`.
    #[cold]
    unsafe fn pop_slow(&self, tail: usize) -> Option<NonNull<T>> {
        self.ends.0.tail.store(tail, Ordering::Release);
        let _still = lock(&self.ring.0);
        let head = self.ends.0.head.load(Ordering::Relaxed);
        debug_assert!(!before(tail, head));
        if head == tail {
            return None;
        }
        let newest = tail.wrapping_sub(STEP);
        self.ends.0.tail.store(newest, Ordering::Release);
        // SAFETY: the caller is the owner, and no steal goes on.
        Some(unsafe { self.popped(newest, head) })
    }

    /// # Safety
    /// The caller is the owner, which has taken the element at `newest` and saw this `head` meanwhile.
    #[inline(always)]
    unsafe fn popped(&self, newest: usize, head: usize) -> NonNull<T> {
        if newest == head {
            let drains = &self.ends.0.drains;
            drains.store(drains.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        }
        // SAFETY: only the owner comes here, and it holds no other reference.
        self.owner.0.with(|owner| element(unsafe { &(*owner).ring }, newest))
    }

    /// Takes the oldest element if it is as wanted. Locks: for once a tick.
    ///
    /// # Safety
    /// The caller is the owner.
    pub(crate) unsafe fn take_oldest_if(&self, wanted: impl FnOnce(NonNull<T>) -> bool) -> Option<NonNull<T>> {
        if self.is_empty() {
            return None;
        }
        let ring = lock(&self.ring.0);
        let head = self.ends.0.head.load(Ordering::Relaxed);
        if head == self.ends.0.tail.load(Ordering::Relaxed) {
            return None;
        }
        let oldest = element(&ring, head);
        if !wanted(oldest) {
            return None;
        }
        self.ends.0.head.store(head.wrapping_add(STEP), Ordering::Relaxed);
        Some(oldest)
    }

    /// About how many elements there are; exact for the owner while no thief is at work.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        let head = self.ends.0.head.load(Ordering::Relaxed) & !TENTATIVE;
        distance(head, self.ends.0.tail.load(Ordering::Relaxed))
    }

    /// Whether the deque looks empty. What a thief is about to take counts as taken: it is a searcher, and answers for it.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What there is to steal; `None` if the deque is empty, or a thief is at work.
    pub(crate) fn observe(&self) -> Option<Observation> {
        // In this order, so that a pop that empties the deque after the other two were read shows next time.
        let drains = self.ends.0.drains.load(Ordering::Acquire);
        let head = self.ends.0.head.load(Ordering::Acquire);
        let tail = self.ends.0.tail.load(Ordering::Acquire);
        (head & TENTATIVE == 0 && before(head, tail)).then_some(Observation { head, drains })
    }

    /// Takes up to half of the elements, rounded up, at most `max` and at most [`MAX_BATCH`], oldest first, and hands
    /// them to `into` after it has let go of the deque. Returns how many: none if another thief is at work, or if the
    /// deque is no longer as it was observed.
    pub(crate) fn steal(&self, expect: Observation, into: &mut impl FnMut(NonNull<T>), max: usize) -> usize {
        let Some(ring) = try_lock(&self.ring.0) else {
            return 0;
        };
        let mut batch = [MaybeUninit::uninit(); MAX_BATCH];
        let taken = self.steal_locked(&ring, expect, &mut batch, max);
        // `into` may lock another deque: two that steal from each other must not wait for each other.
        drop(ring);
        for item in &batch[..taken] {
            // SAFETY: `steal_locked` has filled the first `taken` items.
            into(unsafe { item.assume_init() });
        }
        taken
    }

    fn steal_locked(
        &self,
        ring: &MutexGuard<'_, Ring<T>>,
        expect: Observation,
        batch: &mut [MaybeUninit<NonNull<T>>; MAX_BATCH],
        max: usize,
    ) -> usize {
        let Ends { head, tail, drains } = &self.ends.0;
        let oldest = head.load(Ordering::Relaxed);
        if oldest != expect.head || drains.load(Ordering::Relaxed) != expect.drains {
            return 0;
        }
        let wanted = distance(oldest, tail.load(Ordering::Relaxed)).div_ceil(2).min(max).min(MAX_BATCH);
        if wanted == 0 {
            return 0;
        }
        head.store(oldest.wrapping_add(wanted * STEP) | TENTATIVE, Ordering::Relaxed);
        asymmetric::heavy();
        let left = distance(oldest, tail.load(Ordering::Acquire));
        let taken = if left < wanted { left.div_ceil(2) } else { wanted };
        head.store(oldest.wrapping_add(taken * STEP), Ordering::Relaxed);
        for (index, item) in batch[..taken].iter_mut().enumerate() {
            item.write(element(ring, oldest.wrapping_add(index * STEP)));
        }
        taken
    }
}

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, not(loom)))]
mod tests;
