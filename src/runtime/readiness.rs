//! What is known of one descriptor's readiness, and who waits for it: the protocol between the threads that use a
//! socket and the poller that hears of it. It knows neither the poller nor the scheduler, so loom can run it.
//!
//! # The problem
//! The poller is edge-triggered: it tells once that something has come, not that it is still there. Threads remember
//! that in a flag, try their system call while the flag is set, and clear the flag when the call has shown that nothing
//! is left. Between the call and the clearing a new edge can be told, by a poller on another worker; the clearing must
//! not wipe it out.
//!
//! # The word
//! | bits | name | meaning | set by | cleared by |
//! |---|---|---|---|---|
//! | 0 | `READABLE` | a receive may find something | poller | `drained`, `blocked` |
//! | 1 | `READ_ENDED` | the peer has sent its end, or an error or hang-up is there | poller | `blocked` |
//! | 2 | `WRITABLE` | a send may find room | poller | `drained`, `blocked` |
//! | 3 | `WRITE_ENDED` | an error or hang-up is there | poller | `blocked` |
//! | 4 | `URGENT` | urgent data have come | poller | never |
//! | 8… | tick | counts the poller's events for this descriptor | poller | |
//!
//! Both directions start as ready, so that a first call is tried.
//!
//! # No edge is lost
//! 1. A thread loads the word (`seen`), makes its call, and clears by a compare-exchange that fails if the tick is not
//!    the one in `seen`.
//! 2. Take an event. If its update of the word comes before the load of `seen`, then what it told of was in the kernel
//!    before the call, and the call took it or left it deliberately. If it comes between the load and the clearing, the
//!    tick differs and nothing is cleared: at worst one call is made in vain. If it comes after the clearing, the flag is
//!    set again.
//! 3. What comes after the call and has not been told is told later, since each arrival makes an edge. (The tick has
//!    at least 24 bits; it would have to wrap exactly between a load and its clearing to deceive.)
//!
//! # Two ways to clear
//! A call that would have blocked proves that nothing is there: no data, no end, no error (`blocked`). It clears the
//! ended bit too: an error that is not for this direction must not make its threads turn round for ever.
//! A receive that filled less than its buffer proves only that the *data* were at their end (`drained`), and saves the
//! call that would have found that out. It clears only the plain flag: the end of the stream that came with the last
//! data makes no second edge. Urgent data stop a receive short although more follow, so after any of them `drained`
//! does nothing.
//!
//! # No waiter is lost
//! 1. A waiter takes the lock, looks at the word, and lists itself only if the word says not ready.
//! 2. The poller updates the word, and takes the lock afterwards. If its critical section came first, the waiter sees
//!    the update, being behind the same lock; if it came second, it finds the waiter listed.
//! 3. It unlists a waiter, wakes it, and only then says so in the node (`woken`, release). So a waiter that sees `woken`
//!    (acquire) may leave, and take its node with it, without the lock; one that does not see it takes the lock first,
//!    and finds itself either listed, which it undoes, or woken. So whom the poller wakes is still there.
//! 4. A waiter on another worker can be running again before the poller has said `woken`. So one that comes out of its
//!    wait without seeing it takes the lock, which the poller holds until then, and looks again, before it waits anew.
//!
//! The flags and the tick follow mio's and tokio's use of epoll (tokio's `ScheduledIo`), where an event's tick was
//! introduced for the same reason; the rule on short receives is epoll(7)'s own, question 9.

use std::{marker::PhantomPinned, ptr};

use crate::{
    primitive::{AtomicBool, AtomicPtr, AtomicUsize, Mutex, Ordering, UnsafeCell, lock},
    sys::prefetch::prefetch,
};

/// The name by which a waiter is woken.
pub(crate) trait Wake: Copy {
    /// Wakes the waiter.
    ///
    /// # Safety
    /// The waiter is still in the call that listed this name.
    unsafe fn wake(self);
}

/// Which of its two directions a descriptor is used in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Direction {
    /// Receiving, accepting.
    Read,
    /// Sending, connecting.
    Write,
}

/// The plain flag: a receive may find something.
pub(crate) const READABLE: usize = 1;
/// The peer's end, an error or a hang-up: a receive returns at once.
pub(crate) const READ_ENDED: usize = 1 << 1;
/// The plain flag: a send may find room.
pub(crate) const WRITABLE: usize = 1 << 2;
/// An error or a hang-up: a send returns at once.
pub(crate) const WRITE_ENDED: usize = 1 << 3;
/// Urgent data have come: a short receive says nothing.
pub(crate) const URGENT: usize = 1 << 4;

const ONE_TICK: usize = 1 << 8;
const TICK: usize = !(ONE_TICK - 1);

impl Direction {
    fn plain(self) -> usize {
        match self {
            Direction::Read => READABLE,
            Direction::Write => WRITABLE,
        }
    }

    fn any(self) -> usize {
        match self {
            Direction::Read => READABLE | READ_ENDED,
            Direction::Write => WRITABLE | WRITE_ENDED,
        }
    }
}

/// The word as a thread saw it before its system call.
#[derive(Clone, Copy)]
pub(crate) struct Seen(usize);

impl Seen {
    /// Whether a call in this direction is worth trying.
    #[inline]
    pub(crate) fn is_ready(self, direction: Direction) -> bool {
        self.0 & direction.any() != 0
    }
}

/// One waiter's place in a list; stays where it is while it is [`Listed`].
pub(crate) struct Node<W> {
    waker: W,
    direction: Direction,
    /// What the waiter touches when it runs again, besides its stack's end: only to fetch it early.
    near: *const (),
    /// Set, as the last thing, by whoever has unlisted and woken this waiter.
    woken: AtomicBool,
    /// Guarded by the lock of the lists.
    links: UnsafeCell<Links<W>>,
    _stays: PhantomPinned,
}

struct Links<W> {
    previous: *const Node<W>,
    next: *const Node<W>,
}

impl<W> Node<W> {
    pub(crate) fn new(direction: Direction, waker: W, near: *const ()) -> Self {
        let links = UnsafeCell::new(Links { previous: ptr::null(), next: ptr::null() });
        Self { waker, direction, near, woken: AtomicBool::new(false), links, _stays: PhantomPinned }
    }

    fn is_woken(&self) -> bool {
        self.woken.load(Ordering::Acquire)
    }
}

/// The first waiter of each direction. Invariant: every node reachable from here is alive, since a waiter leaves its
/// frame only after it has been unlisted.
struct Lists<W> {
    read: *const Node<W>,
    write: *const Node<W>,
}

// SAFETY: the pointers are used under the lock only, and name nodes whose wakers may be sent.
unsafe impl<W: Send> Send for Lists<W> {}

impl<W> Lists<W> {
    fn head(&mut self, direction: Direction) -> &mut *const Node<W> {
        match direction {
            Direction::Read => &mut self.read,
            Direction::Write => &mut self.write,
        }
    }
}

/// The readiness of one descriptor, and its waiters.
pub(crate) struct Readiness<W> {
    word: AtomicUsize,
    /// Where the first waiter lies that listed itself last: only to fetch its memory early.
    hint: AtomicPtr<Node<W>>,
    lists: Mutex<Lists<W>>,
}

impl<W: Wake> Readiness<W> {
    pub(crate) fn new() -> Self {
        Self {
            word: AtomicUsize::new(READABLE | WRITABLE),
            hint: AtomicPtr::new(ptr::null_mut()),
            lists: Mutex::new(Lists { read: ptr::null(), write: ptr::null() }),
        }
    }

    /// The word, to be loaded before the system call that it is compared with.
    #[inline]
    pub(crate) fn seen(&self) -> Seen {
        // Acquire: the call that follows finds in the kernel what the poller has told of.
        Seen(self.word.load(Ordering::Acquire))
    }

    /// A call in this direction, made after `seen`, would have blocked.
    #[inline]
    pub(crate) fn blocked(&self, direction: Direction, seen: Seen) {
        self.clear(direction.any(), seen);
    }

    /// A call in this direction, made after `seen`, moved fewer bytes than it could have.
    #[inline]
    pub(crate) fn drained(&self, direction: Direction, seen: Seen) {
        if direction == Direction::Write || seen.0 & URGENT == 0 {
            self.clear(direction.plain(), seen);
        }
    }

    /// A call in this direction is worth trying, for all that is known. No event tells of it, so it wakes nobody.
    #[cfg(all(feature = "io-uring", target_os = "linux"))]
    #[inline]
    pub(crate) fn ready(&self, direction: Direction) {
        if !self.seen().is_ready(direction) {
            self.word.fetch_or(direction.plain(), Ordering::AcqRel);
        }
    }

    #[inline]
    fn clear(&self, bits: usize, seen: Seen) {
        let mut word = seen.0;
        // Fails for another reason than the tick only if a thread of the other direction, or another of this one, has
        // cleared its bits.
        while word & TICK == seen.0 & TICK && word & bits != 0 {
            match self.word.compare_exchange_weak(word, word & !bits, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return,
                Err(now) => word = now,
            }
        }
    }

    /// An event is about to be told: starts to fetch what waking the waiter will touch.
    #[inline]
    pub(crate) fn prefetch(&self) {
        prefetch(self.hint.load(Ordering::Relaxed));
    }

    /// The poller was told these bits: remembers them and wakes whom they concern.
    pub(crate) fn event(&self, bits: usize) {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            let new = (word | bits).wrapping_add(ONE_TICK);
            match self.word.compare_exchange_weak(word, new, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => break,
                Err(now) => word = now,
            }
        }
        let mut lists = lock(&self.lists);
        for direction in [Direction::Read, Direction::Write] {
            if bits & direction.any() != 0 {
                wake_list(lists.head(direction));
            }
        }
    }

    /// Wakes every waiter, so that it looks again at where it is registered. The word stays.
    pub(crate) fn wake_all(&self) {
        let mut lists = lock(&self.lists);
        wake_list(lists.head(Direction::Read));
        wake_list(lists.head(Direction::Write));
    }

    /// Lists a waiter, which then waits until [`Listed::is_woken`] or gives up. None, and it is not listed, if its direction is
    /// ready.
    #[inline]
    pub(crate) fn list<'a>(&'a self, node: &'a Node<W>) -> Option<Listed<'a, W>> {
        {
            let mut lists = lock(&self.lists);
            if self.seen().is_ready(node.direction) {
                return None;
            }
            let head = lists.head(node.direction);
            let first = *head;
            // SAFETY: links are read and written under the lock only, which we hold.
            node.links.with_mut(|links| unsafe { (*links).next = first });
            // SAFETY: a listed node is alive (invariant of `Lists`), and its links are ours under the lock.
            unsafe {
                if let Some(first) = first.as_ref() {
                    first.links.with_mut(|links| (*links).previous = node);
                }
            }
            *head = node;
            self.hint.store(ptr::from_ref(node).cast_mut(), Ordering::Relaxed);
        }
        Some(Listed { readiness: self, node })
    }

    fn unlist(&self, node: &Node<W>) {
        let mut lists = lock(&self.lists);
        if node.is_woken() {
            return;
        }
        // SAFETY: the lock is ours, so the links are, and the node is listed still: so its neighbours are alive.
        unsafe {
            let (previous, next) = node.links.with(|links| ((*links).previous, (*links).next));
            match previous.as_ref() {
                Some(previous) => previous.links.with_mut(|links| (*links).next = next),
                None => *lists.head(node.direction) = next,
            }
            if let Some(next) = next.as_ref() {
                next.links.with_mut(|links| (*links).previous = previous);
            }
        }
    }
}

/// Empties a list and wakes who was on it. The caller holds the lock.
fn wake_list<W: Wake>(head: &mut *const Node<W>) {
    let mut at = std::mem::replace(head, ptr::null());
    // SAFETY: a listed node is alive (invariant of `Lists`), and stays so until `woken` is stored: its frame takes our
    // lock to leave before. What is needed of it is read before that store. Its waiter is thus in `listed`, as `wake`
    // demands.
    unsafe {
        while let Some(node) = at.as_ref() {
            at = node.links.with(|links| (*links).next);
            prefetch(node.near);
            node.waker.wake();
            node.woken.store(true, Ordering::Release);
        }
    }
}

/// A waiter that is listed, or was until it was woken; on no list any more when this is gone.
pub(crate) struct Listed<'a, W: Wake> {
    readiness: &'a Readiness<W>,
    node: &'a Node<W>,
}

impl<W: Wake> Listed<'_, W> {
    /// Whether an event has woken this waiter. To be asked after each wait: `false` means that a wake is still to come.
    #[inline]
    pub(crate) fn is_woken(&self) -> bool {
        self.node.is_woken() || self.is_woken_slow()
    }

    #[cold]
    fn is_woken_slow(&self) -> bool {
        let _poller_is_not_between_waking_and_saying_so = lock(&self.readiness.lists);
        self.node.is_woken()
    }
}

impl<W: Wake> Drop for Listed<'_, W> {
    fn drop(&mut self) {
        if !self.node.is_woken() {
            self.readiness.unlist(self.node);
        }
    }
}

#[cfg(test)]
#[path = "readiness_tests.rs"]
mod tests;
