//! A queue without a bound: a list of blocks of slots.
//!
//! The algorithm is that of crossbeam-channel's list flavour (and of crossbeam's `SegQueue`).
//!
//! # Words
//! A position counts places; each block has [`PLACES`] of them, of which the last has no slot: while the tail, or the head, stands there,
//! whoever moved it on to there is about to put it into the next block. Positions are stored twice as large, and the lowest bit says,
//! in the tail, that nothing is pushed any more, and in the head, that the tail is in a later block, so that it need not be looked
//! at.
//!
//! # Invariants
//! 1. A slot belongs first to whoever moved the tail on from its position, until that sets [`WRITTEN`], then to whoever moved
//!    the head on from there.
//! 2. A block is freed once all its slots were read: by the reader of the last one, or, if it finds a slot that is still being read, by that
//!    slot's reader, to whom it says so by [`FREE`]. Nobody else comes back to the block: positions only grow.
//! 3. What is in the middle of an operation is finished by an OS thread that goes on by itself, so one may wait for it in
//!    place.

use super::queue::{Apart, Popped, Queue, Refused, Reserved};
use crate::primitive::{AtomicPtr, AtomicUsize, Ordering, UnsafeCell, pause};
use std::{mem::MaybeUninit, ptr};

/// Places a block.
const PLACES: usize = 32;
const SLOTS: usize = PLACES - 1;
/// The lowest bit of a stored position.
const MARK: usize = 1;
const ONE: usize = 2;

/// The slot holds a message.
const WRITTEN: usize = 1;
/// Its message was taken out.
const READ: usize = 1 << 1;
/// Whoever reads it frees the block, from the next slot on.
const FREE: usize = 1 << 2;

struct Slot<T> {
    message: UnsafeCell<MaybeUninit<T>>,
    state: AtomicUsize,
}

struct Block<T> {
    next: AtomicPtr<Block<T>>,
    slots: [Slot<T>; SLOTS],
}

impl<T> Block<T> {
    /// In its place, not made on the stack and moved there: for large messages that has no room.
    #[cfg(not(loom))]
    fn new() -> Box<Self> {
        let mut block = Box::<Self>::new_uninit();
        let at = block.as_mut_ptr();
        // SAFETY: the block's own memory; all is written but the messages, which need not be.
        unsafe {
            (&raw mut (*at).next).write(AtomicPtr::new(ptr::null_mut()));
            for index in 0..SLOTS {
                (&raw mut (*at).slots[index].state).write(AtomicUsize::new(0));
            }
            block.assume_init()
        }
    }

    #[cfg(loom)]
    fn new() -> Box<Self> {
        let slot = |_| Slot { message: UnsafeCell::new(MaybeUninit::uninit()), state: AtomicUsize::new(0) };
        Box::new(Self { next: AtomicPtr::new(ptr::null_mut()), slots: std::array::from_fn(slot) })
    }

    /// Frees the block if the slots from `start` on were read, all but the last, whose reader this is; else leaves it to another reader.
    ///
    /// # Safety
    /// Invariant 2.
    unsafe fn free(this: *mut Self, start: usize) {
        for index in start..SLOTS - 1 {
            // SAFETY: the block is not freed before its last reader comes by here.
            let state = unsafe { &(*this).slots[index].state };
            if state.load(Ordering::Acquire) & READ == 0 && state.fetch_or(FREE, Ordering::AcqRel) & READ == 0 {
                return;
            }
        }
        // SAFETY: it came from a box, and nobody uses it any more.
        drop(unsafe { Box::from_raw(this) });
    }
}

/// An end of the queue.
struct End<T> {
    position: AtomicUsize,
    block: AtomicPtr<Block<T>>,
}

impl<T> End<T> {
    fn new() -> Apart<Self> {
        Apart::new(Self { position: AtomicUsize::new(0), block: AtomicPtr::new(ptr::null_mut()) })
    }
}

/// See the module's documentation.
#[repr(C)]
pub(crate) struct Blocks<T> {
    head: Apart<End<T>>,
    tail: Apart<End<T>>,
}

// SAFETY: a message goes from the thread that pushes to the one that pops; nothing else of it is shared (invariant 1).
unsafe impl<T: Send> Send for Blocks<T> {}
// SAFETY: the same.
unsafe impl<T: Send> Sync for Blocks<T> {}

impl<T> Blocks<T> {
    pub(crate) fn new() -> Self {
        Self { head: End::new(), tail: End::new() }
    }

    /// The first block, allocated with the first message.
    #[cold]
    fn first_block(&self) {
        let block = Box::into_raw(Block::new());
        let put = self.tail.block.compare_exchange(ptr::null_mut(), block, Ordering::AcqRel, Ordering::Acquire).is_ok();
        if put {
            self.head.block.store(block, Ordering::Release);
        } else {
            // SAFETY: made above, and seen by nobody.
            drop(unsafe { Box::from_raw(block) });
        }
    }
}

const fn offset(position: usize) -> usize {
    (position / ONE) % PLACES
}

const fn lap(position: usize) -> usize {
    (position / ONE) / PLACES
}

impl<T> Queue for Blocks<T> {
    type Message = T;

    #[inline]
    fn push(&self, message: T) -> Result<(), Refused<T>> {
        let mut turn = 0;
        let mut spare = None;
        let mut tail = self.tail.position.load(Ordering::Acquire);
        loop {
            if tail & MARK != 0 {
                return Err(Refused::Disconnected(message));
            }
            let block = self.tail.block.load(Ordering::Acquire);
            let at = offset(tail);
            if at == SLOTS {
                pause(&mut turn);
                tail = self.tail.position.load(Ordering::Acquire);
                continue;
            }
            if at + 1 == SLOTS && spare.is_none() {
                // Before the others have to wait for it.
                spare = Some(Block::new());
            }
            if block.is_null() {
                self.first_block();
                tail = self.tail.position.load(Ordering::Acquire);
                continue;
            }
            // The block was loaded after the position: if the position has not changed meanwhile, they belong together.
            if let Err(now) =
                self.tail.position.compare_exchange_weak(tail, tail + ONE, Ordering::SeqCst, Ordering::Acquire)
            {
                tail = now;
                continue;
            }
            // SAFETY: the block has an unwritten slot, ours, so it is not freed before that was read.
            unsafe {
                if at + 1 == SLOTS {
                    let next = Box::into_raw(spare.take().expect("made above"));
                    self.tail.block.store(next, Ordering::Release);
                    // An addition: the mark may be set meanwhile.
                    self.tail.position.fetch_add(ONE, Ordering::SeqCst);
                    (*block).next.store(next, Ordering::Release);
                }
                let slot = &(*block).slots[at];
                slot.message.with_mut(|place| (*place).write(message));
                slot.state.fetch_or(WRITTEN, Ordering::Release);
            }
            return Ok(());
        }
    }

    #[inline]
    fn pop(&self) -> Popped<T> {
        let mut turn = 0;
        let mut head = self.head.position.load(Ordering::Acquire);
        loop {
            let block = self.head.block.load(Ordering::Acquire);
            let at = offset(head);
            let mut wait = at == SLOTS;
            let mut next = head.wrapping_add(ONE);
            if !wait && head & MARK == 0 {
                let tail = self.tail.position.load(Ordering::SeqCst);
                if tail & !MARK == head {
                    return if tail & MARK == 0 { Popped::Empty } else { Popped::Disconnected };
                }
                next |= usize::from(lap(tail) != lap(head)) * MARK;
                // The first message is on its way.
                wait = block.is_null();
            }
            if wait {
                pause(&mut turn);
                head = self.head.position.load(Ordering::Acquire);
                continue;
            }
            if let Err(now) = self.head.position.compare_exchange_weak(head, next, Ordering::SeqCst, Ordering::Acquire)
            {
                head = now;
                continue;
            }
            // SAFETY: the block has an unread slot, ours, so it is not freed before we have read it (invariant 2).
            unsafe {
                if at + 1 == SLOTS {
                    let mut after = (*block).next.load(Ordering::Acquire);
                    while after.is_null() {
                        pause(&mut turn);
                        after = (*block).next.load(Ordering::Acquire);
                    }
                    let further = !(*after).next.load(Ordering::Relaxed).is_null();
                    let position = (next & !MARK).wrapping_add(ONE) | (usize::from(further) * MARK);
                    self.head.block.store(after, Ordering::Release);
                    self.head.position.store(position, Ordering::SeqCst);
                }
                let slot = &(*block).slots[at];
                while slot.state.load(Ordering::Acquire) & WRITTEN == 0 {
                    pause(&mut turn);
                }
                let message = slot.message.with_mut(|place| (*place).assume_init_read());
                if at + 1 == SLOTS {
                    Block::free(block, 0);
                } else if slot.state.fetch_or(READ, Ordering::AcqRel) & FREE != 0 {
                    Block::free(block, at + 1);
                }
                return Popped::Message(message);
            }
        }
    }

    /// There is always room, so nothing need be announced.
    fn reserve(&self) -> Result<Reserved, Refused<()>> {
        if self.is_disconnected() {
            return Err(Refused::Disconnected(()));
        }
        Ok(Reserved { index: 0, stamp: 0 })
    }

    fn fill(&self, _: Reserved, message: T) -> Result<(), T> {
        match self.push(message) {
            Ok(()) => Ok(()),
            Err(Refused::Full(message) | Refused::Disconnected(message)) => Err(message),
        }
    }

    fn give_up(&self, _: Reserved) {}

    #[inline]
    fn can_push(&self) -> bool {
        true
    }

    #[inline]
    fn can_pop(&self) -> bool {
        let head = self.head.position.load(Ordering::SeqCst) & !MARK;
        self.tail.position.load(Ordering::SeqCst) != head
    }

    #[inline]
    fn is_empty(&self) -> bool {
        let head = self.head.position.load(Ordering::SeqCst) & !MARK;
        self.tail.position.load(Ordering::SeqCst) & !MARK == head
    }

    fn len(&self) -> usize {
        loop {
            let tail = self.tail.position.load(Ordering::SeqCst);
            let head = self.head.position.load(Ordering::SeqCst);
            if self.tail.position.load(Ordering::SeqCst) == tail {
                // The places without a slot do not count.
                let slots = |position: usize| {
                    let place = position / ONE;
                    place / PLACES * SLOTS + (place % PLACES).min(SLOTS)
                };
                return slots(tail) - slots(head);
            }
        }
    }

    fn capacity(&self) -> Option<usize> {
        None
    }

    fn disconnect(&self) -> bool {
        self.tail.position.fetch_or(MARK, Ordering::SeqCst) & MARK == 0
    }

    fn is_disconnected(&self) -> bool {
        self.tail.position.load(Ordering::SeqCst) & MARK != 0
    }
}

impl<T> Drop for Blocks<T> {
    fn drop(&mut self) {
        while let Popped::Message(_) = self.pop() {}
        let block = self.head.block.load(Ordering::Relaxed);
        if !block.is_null() {
            // SAFETY: every message was popped, and so every block before this one was freed; nobody uses the queue any more.
            drop(unsafe { Box::from_raw(block) });
        }
    }
}
