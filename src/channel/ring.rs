//! A queue of fixed capacity: a ring of slots with stamps.
//!
//! The algorithm is Dmitry Vyukov's bounded MPMC queue, with two additions of crossbeam-channel's array flavour: laps, by which any
//! capacity will do, and the mark in the tail that says that nothing is pushed any more. Places that are announced before their message
//! is there (of a select, whose message is computed once its arm was chosen) are added here.
//!
//! # Words
//! A *position* counts pushes, or pops: an index into the ring in its lowest bits, and the lap in its highest. Between the two lie two
//! bits that are zero in a position as such.
//!
//! | in | bit | name | meaning |
//! |---|---|---|---|
//! | tail | `gone` | | nothing is pushed any more |
//! | stamp | `gone` | reserved | announced; its message is yet to come |
//! | stamp | `void` | void | announced, and given up: there is nothing in it |
//!
//! A slot's stamp is the position at which it may be written next, or one more than the position at which it was written.
//!
//! # Invariants
//! 1. A slot whose stamp is `p` belongs to whoever moves the tail on from `p`; one whose stamp is `p` + 1, to whoever moves the head on
//!    from `p`. So it has one user at a time, who passes it on by storing the next stamp (release), which the next reads (acquire).
//! 2. A message lies in a slot exactly if the stamp is a position plus one, without a bit.
//! 3. What is in the middle of an operation is finished by an OS thread that goes on by itself; except places that were
//!    announced, whose thread may be suspended, and which are marked. So one may wait for the former in place, and for the latter one
//!    has to list oneself.
//!
//! A push and a pop are inlined whatever the compiler thinks of their size: called, they hand a message over by way of memory, and
//! from processor to processor that halves the rate (measured, one producer and one consumer: 20 million messages a second instead
//! of 39).

use super::queue::{Apart, Popped, Queue, Refused, Reserved};
use crate::primitive::{AtomicUsize, Awaited, Ordering, UnsafeCell};
use std::mem::MaybeUninit;

struct Slot<T> {
    stamp: Awaited,
    message: UnsafeCell<MaybeUninit<T>>,
}

/// See the module's documentation. In this order, so that what both sides only read stands apart from what they write, and from
/// the wait lists, which stand behind the ring.
#[repr(C)]
pub(crate) struct Ring<T> {
    fixed: Apart<Fixed<T>>,
    head: Apart<AtomicUsize>,
    tail: Apart<AtomicUsize>,
}

struct Fixed<T> {
    slots: Box<[Slot<T>]>,
    gone: usize,
}

// SAFETY: a message goes from the thread that pushes to the one that pops; nothing else of it is shared (invariant 1).
unsafe impl<T: Send> Send for Ring<T> {}
// SAFETY: the same.
unsafe impl<T: Send> Sync for Ring<T> {}

impl<T> Ring<T> {
    /// # Panics
    /// If the capacity is zero.
    pub(crate) fn new(capacity: usize) -> Self {
        assert_ne!(capacity, 0, "a ring has room");
        let slot = |index| Slot { stamp: Awaited::new(index), message: UnsafeCell::new(MaybeUninit::uninit()) };
        Self {
            fixed: Apart::new(Fixed {
                slots: (0..capacity).map(slot).collect(),
                gone: (capacity + 1).next_power_of_two(),
            }),
            head: Apart::new(AtomicUsize::new(0)),
            tail: Apart::new(AtomicUsize::new(0)),
        }
    }

    #[inline(always)]
    fn void(&self) -> usize {
        self.fixed.gone << 1
    }

    #[inline(always)]
    fn lap(&self) -> usize {
        self.fixed.gone << 2
    }

    #[inline(always)]
    fn index(&self, position: usize) -> usize {
        position & (self.fixed.gone - 1)
    }

    #[inline(always)]
    fn after(&self, position: usize) -> usize {
        if self.index(position) + 1 < self.fixed.slots.len() {
            position + 1
        } else {
            (position & !(self.lap() - 1)).wrapping_add(self.lap())
        }
    }

    fn is_void(&self, head: usize) -> bool {
        self.fixed.slots[self.index(head)].stamp.load(Ordering::SeqCst) == (head + 1) | self.void()
    }

    /// Moves the head on from a void slot.
    #[cold]
    fn skip(&self, head: usize) {
        if self.head.compare_exchange(head, self.after(head), Ordering::SeqCst, Ordering::Relaxed).is_ok() {
            self.fixed.slots[self.index(head)].stamp.store(head.wrapping_add(self.lap()), Ordering::Release);
        }
    }

    /// Moves the tail on, and gives the position whose slot is now the caller's.
    #[inline(always)]
    fn advance_tail(&self) -> Result<usize, Refused<()>> {
        let mut turn = 0;
        let mut tail = self.tail.load(Ordering::Relaxed);
        loop {
            if tail & self.fixed.gone != 0 {
                return Err(Refused::Disconnected(()));
            }
            let slot = &self.fixed.slots[self.index(tail)];
            let stamp = slot.stamp.load(Ordering::Acquire);
            if stamp == tail {
                let next = self.after(tail);
                match self.tail.compare_exchange_weak(tail, next, Ordering::SeqCst, Ordering::Relaxed) {
                    Ok(_) => return Ok(tail),
                    Err(now) => tail = now,
                }
                continue;
            }
            let head = self.head.load(Ordering::SeqCst);
            if head.wrapping_add(self.lap()) == tail {
                if self.is_void(head) {
                    self.skip(head);
                    continue;
                }
                return Err(Refused::Full(()));
            }
            // A receiver is about to leave the slot, or the tail is an old one.
            let now = self.tail.load(Ordering::Relaxed);
            if now == tail {
                slot.stamp.pause(stamp, &mut turn);
            }
            tail = now;
        }
    }
}

impl<T> Queue for Ring<T> {
    type Message = T;

    #[inline(always)]
    fn push(&self, message: T) -> Result<(), Refused<T>> {
        match self.advance_tail() {
            Ok(position) => {
                let slot = &self.fixed.slots[self.index(position)];
                // SAFETY: invariant 1.
                slot.message.with_mut(|place| unsafe { (*place).write(message) });
                slot.stamp.store(position + 1, Ordering::Release);
                Ok(())
            }
            Err(Refused::Full(())) => Err(Refused::Full(message)),
            Err(Refused::Disconnected(())) => Err(Refused::Disconnected(message)),
        }
    }

    #[inline(always)]
    fn pop(&self) -> Popped<T> {
        let mut turn = 0;
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            let slot = &self.fixed.slots[self.index(head)];
            let stamp = slot.stamp.load(Ordering::SeqCst);
            let void = stamp == (head + 1) | self.void();
            if stamp == head + 1 || void {
                let next = self.after(head);
                if let Err(now) = self.head.compare_exchange_weak(head, next, Ordering::SeqCst, Ordering::Relaxed) {
                    head = now;
                    continue;
                }
                // SAFETY: invariants 1 and 2.
                let message = (!void).then(|| slot.message.with_mut(|place| unsafe { (*place).assume_init_read() }));
                slot.stamp.store(head.wrapping_add(self.lap()), Ordering::Release);
                return message.map_or(Popped::Skipped, Popped::Message);
            }
            if stamp == head {
                let tail = self.tail.load(Ordering::SeqCst);
                if tail & !self.fixed.gone == head {
                    return if tail == head { Popped::Empty } else { Popped::Disconnected };
                }
            } else if stamp == (head + 1) | self.fixed.gone {
                return Popped::Empty;
            }
            // A sender is about to fill the slot, or the head is an old one.
            let now = self.head.load(Ordering::Relaxed);
            if now == head {
                slot.stamp.pause(stamp, &mut turn);
            }
            head = now;
        }
    }

    fn reserve(&self) -> Result<Reserved, Refused<()>> {
        let position = self.advance_tail()?;
        let index = self.index(position);
        // Invariant 3.
        self.fixed.slots[index].stamp.store((position + 1) | self.fixed.gone, Ordering::Release);
        Ok(Reserved { index, stamp: position + 1 })
    }

    fn fill(&self, place: Reserved, message: T) -> Result<(), T> {
        let slot = &self.fixed.slots[place.index];
        // SAFETY: invariant 1: this thread moved the tail.
        slot.message.with_mut(|place| unsafe { (*place).write(message) });
        slot.stamp.store(place.stamp, Ordering::SeqCst);
        Ok(())
    }

    fn give_up(&self, place: Reserved) {
        self.fixed.slots[place.index].stamp.store(place.stamp | self.void(), Ordering::SeqCst);
    }

    #[inline]
    fn can_push(&self) -> bool {
        let tail = self.tail.load(Ordering::SeqCst);
        let head = self.head.load(Ordering::SeqCst);
        // A head that is newer than the tail makes room where there may be none; a push will tell.
        tail & self.fixed.gone != 0 || head.wrapping_add(self.lap()) != tail || self.is_void(head)
    }

    #[inline]
    fn can_pop(&self) -> bool {
        let head = self.head.load(Ordering::SeqCst);
        let stamp = self.fixed.slots[self.index(head)].stamp.load(Ordering::SeqCst);
        // A tail that is newer than the head: there was something.
        stamp != (head + 1) | self.fixed.gone && self.tail.load(Ordering::SeqCst) != head
    }

    #[inline]
    fn is_empty(&self) -> bool {
        let head = self.head.load(Ordering::SeqCst);
        self.tail.load(Ordering::SeqCst) & !self.fixed.gone == head
    }

    fn len(&self) -> usize {
        loop {
            let tail = self.tail.load(Ordering::SeqCst);
            let head = self.head.load(Ordering::SeqCst);
            if self.tail.load(Ordering::SeqCst) != tail {
                continue;
            }
            let (first, end) = (self.index(head), self.index(tail));
            return if first < end {
                end - first
            } else if first > end {
                self.fixed.slots.len() - first + end
            } else if tail & !self.fixed.gone == head {
                0
            } else {
                self.fixed.slots.len()
            };
        }
    }

    fn capacity(&self) -> Option<usize> {
        Some(self.fixed.slots.len())
    }

    fn disconnect(&self) -> bool {
        self.tail.fetch_or(self.fixed.gone, Ordering::SeqCst) & self.fixed.gone == 0
    }

    fn is_disconnected(&self) -> bool {
        self.tail.load(Ordering::SeqCst) & self.fixed.gone != 0
    }
}

impl<T> Drop for Ring<T> {
    fn drop(&mut self) {
        while let Popped::Message(_) | Popped::Skipped = self.pop() {}
    }
}
