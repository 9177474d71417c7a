//! A worker's timers: a hierarchical timing wheel (Varghese and Lauck, *Hashed and Hierarchical Timing Wheels*, 1987)
//! with a grain of one millisecond.
//!
//! An entry lies in the frame of whoever waits, so setting a timer allocates nothing; the wheel belongs to one worker and
//! is used by it alone. Inserting and removing touch a list and a bit.
//!
//! # State
//!
//! Time counts in *ticks* of a millisecond since the wheel's origin. `elapsed` is the tick up to which all has fired.
//! Level L has 64 slots, each 64^L ticks wide; six levels reach 2.2 years. An entry lies at the level of the highest
//! base-64 digit in which its tick differs from `elapsed`, in the slot of its own digit there. Besides, there are three
//! slots without a time: `FAR` for what lies beyond the levels, `DUE` for what had passed when it was inserted, and
//! `FIRING` for what `advance` is at. A bit for each slot says whether it holds anything.
//!
//! # Invariants
//!
//! 1. An entry at level L agrees with `elapsed` in all digits above L, and is greater there. So the lowest
//!    occupied slot of the lowest occupied level comes first, and an occupied slot is found by counting zeros.
//! 2. When `elapsed` reaches a slot's first tick, the slot is emptied: what is due fires, and the rest, which now agrees
//!    with `elapsed` in that digit as well, goes to lower levels, each of them empty.
//! 3. Slots are lists, appended to at the end and moved in order; of two entries with the same tick the later
//!    one is never at a higher level, and by 2 not in a lower one either. So equal deadlines fire in the order in which
//!    they were set.
//! 4. A deadline is rounded up to a tick, and the time down to one. So nothing fires early.
//! 5. An entry that is in a list has `place` set to its slot, and one that is not, to `NOWHERE`; an entry in a list is
//!    alive and does not move (promised to [`Wheel::insert`]).

use super::region::Region;
use crate::task::Task;
use std::{
    fmt,
    marker::PhantomPinned,
    ptr::NonNull,
    time::{Duration, Instant},
};

const LEVELS: u16 = 6;
/// Bits of a base-64 digit.
const DIGIT: u16 = 6;
const SLOTS: u16 = 1 << DIGIT;

const FAR: u16 = LEVELS * SLOTS;
const DUE: u16 = FAR + 1;
const FIRING: u16 = FAR + 2;
const PLACES: usize = FAR as usize + 3;
const NOWHERE: u16 = u16::MAX;

type Pointer<P> = Option<NonNull<Entry<P>>>;

/// What a worker's timers are for.
#[derive(Clone, Copy)]
pub(crate) enum Alarm {
    /// Wakes this thread of the worker with `wake::EVENT`.
    Thread(NonNull<Task>),
    /// The region's time is up.
    Region(NonNull<Region>),
}

/// One timer, to be kept where it is while it is set: in the waiter's suspended frame.
pub(crate) struct Entry<P> {
    tick: u64,
    previous: Pointer<P>,
    next: Pointer<P>,
    place: u16,
    payload: P,
    /// The wheel points here, so a `&mut Entry` must not claim to be the only way to it.
    _pinned: PhantomPinned,
}

impl<P: Copy> Entry<P> {
    /// A timer that is not set. `payload` is what [`Wheel::advance`] hands over when it fires.
    pub(crate) fn new(payload: P) -> Self {
        Self { tick: 0, previous: None, next: None, place: NOWHERE, payload, _pinned: PhantomPinned }
    }

    /// Whether it is set: inserted, and neither fired nor removed since.
    pub(crate) fn is_set(&self) -> bool {
        self.place != NOWHERE
    }
}

impl<P> Drop for Entry<P> {
    fn drop(&mut self) {
        debug_assert!(self.place == NOWHERE, "a timer was dropped while it was set");
    }
}

#[derive(Clone, Copy)]
struct List<P> {
    first: Pointer<P>,
    last: Pointer<P>,
}

/// The timers of one worker. See the module's head.
pub(crate) struct Wheel<P> {
    origin: Instant,
    elapsed: u64,
    len: usize,
    /// A bit for each place: a word for each level, and one for the places after them.
    occupied: [u64; LEVELS as usize + 1],
    lists: Box<[List<P>; PLACES]>,
}

impl<P: Copy> Wheel<P> {
    /// An empty wheel, whose time starts at `origin`.
    pub(crate) fn new(origin: Instant) -> Self {
        let lists = Box::new([List { first: None, last: None }; PLACES]);
        Self { origin, elapsed: 0, len: 0, occupied: [0; LEVELS as usize + 1], lists }
    }

    /// How many timers are set.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Whether no timer is set.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Sets a timer. One whose deadline has passed fires at the next [`advance`](Self::advance), as if it were due at the
    /// last one's time.
    ///
    /// # Safety
    /// The entry is not set. Until it has fired or been removed, it stays alive and where it is, and is used only through
    /// this wheel; nobody holds a reference to it while the wheel is used.
    pub(crate) unsafe fn insert(&mut self, entry: NonNull<Entry<P>>, deadline: Instant) {
        let tick = ticks(deadline.saturating_duration_since(self.origin), 999_999);
        let place = if tick <= self.elapsed { DUE } else { self.place_of(tick) };
        // SAFETY: the caller's promise.
        unsafe {
            debug_assert!(!entry.as_ref().is_set());
            (*entry.as_ptr()).tick = tick;
            self.append(place, entry);
        }
        self.len += 1;
    }

    /// Takes a timer back, and returns whether it was set.
    ///
    /// # Safety
    /// The entry is alive, and not set in another wheel; nobody holds a reference to it.
    pub(crate) unsafe fn remove(&mut self, entry: NonNull<Entry<P>>) -> bool {
        // SAFETY: the caller's promise, and invariant 5.
        unsafe {
            let is_set = entry.as_ref().is_set();
            if is_set {
                self.unlink(entry);
                self.len -= 1;
            }
            is_set
        }
    }

    /// Moves the time on to `now` and fires what is due, in the order of the deadlines' ticks. Returns how many fired.
    ///
    /// An entry is no longer set when `fire` gets its payload, so its frame may go and it may be set again. `fire` gets
    /// the wheel too: what it sets for `now` or before fires in the same call, unless it had passed already by then: that
    /// waits for the next call, so that nothing sets itself for ever.
    pub(crate) fn advance(&mut self, now: Instant, mut fire: impl FnMut(&mut Self, P)) -> usize {
        let now = ticks(now.saturating_duration_since(self.origin), 0);
        let mut fired = 0;
        // Passed before this call: these come first, since all else is later than `elapsed`.
        // SAFETY: invariant 5.
        unsafe { self.move_all(DUE, |_, _| FIRING) };
        loop {
            while let Some(entry) = self.lists[FIRING as usize].first {
                // SAFETY: invariant 5. It is out of the wheel, and not used again, before `fire` can end its life.
                let payload = unsafe {
                    self.unlink(entry);
                    entry.as_ref().payload
                };
                self.len -= 1;
                fired += 1;
                fire(self, payload);
            }
            match self.next_slot() {
                Some((place, tick)) if tick <= now => {
                    self.elapsed = tick;
                    let choose = |wheel: &Self, tick| if tick <= wheel.elapsed { FIRING } else { wheel.place_of(tick) };
                    // SAFETY: invariant 5.
                    unsafe { self.move_all(place, choose) };
                }
                _ => break,
            }
        }
        self.elapsed = self.elapsed.max(now);
        fired
    }

    /// When to [`advance`](Self::advance) next: never later than the earliest deadline's tick; earlier if that one first
    /// has to move to a lower level, which happens at most once a level.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let tick = if self.is_occupied(DUE) || self.is_occupied(FIRING) { self.elapsed } else { self.next_slot()?.1 };
        self.origin.checked_add(Duration::from_millis(tick))
    }

    /// The next slot of the levels (or `FAR`) to be emptied, and its first tick.
    #[inline]
    fn next_slot(&self) -> Option<(u16, u64)> {
        for level in 0..LEVELS {
            let slots = self.occupied[level as usize];
            if slots != 0 {
                let slot = slots.trailing_zeros() as u16;
                let above = self.elapsed >> ((level + 1) * DIGIT) << DIGIT;
                return Some((level * SLOTS + slot, (above | u64::from(slot)) << (level * DIGIT)));
            }
        }
        // All levels are empty, so nothing happens before their highest digits come round.
        let turn = (self.elapsed >> (LEVELS * DIGIT)) + 1;
        self.is_occupied(FAR).then_some((FAR, turn << (LEVELS * DIGIT)))
    }

    /// Where a tick after `elapsed` belongs.
    #[inline]
    fn place_of(&self, tick: u64) -> u16 {
        let level = (63 - (tick ^ self.elapsed).leading_zeros() as u16) / DIGIT;
        if level >= LEVELS {
            return FAR;
        }
        let slot = (tick >> (level * DIGIT)) as u16 & (SLOTS - 1);
        level * SLOTS + slot
    }

    #[inline]
    fn is_occupied(&self, place: u16) -> bool {
        self.occupied[(place / SLOTS) as usize] & 1 << (place % SLOTS) != 0
    }

    /// Takes everything out of a slot and appends each entry, in order, to the place that its tick gets from `choose`.
    ///
    /// # Safety
    /// Invariant 5 holds.
    unsafe fn move_all(&mut self, place: u16, choose: impl Fn(&Self, u64) -> u16) {
        let mut from = std::mem::replace(&mut self.lists[place as usize], List { first: None, last: None }).first;
        self.occupied[(place / SLOTS) as usize] &= !(1 << (place % SLOTS));
        while let Some(entry) = from {
            // SAFETY: invariant 5.
            unsafe {
                from = entry.as_ref().next;
                let to = choose(self, entry.as_ref().tick);
                self.append(to, entry);
            }
        }
    }

    /// # Safety
    /// The entry is alive, and in no list.
    #[inline]
    unsafe fn append(&mut self, place: u16, entry: NonNull<Entry<P>>) {
        let list = &mut self.lists[place as usize];
        let previous = list.last.replace(entry);
        match previous {
            // SAFETY: invariant 5.
            Some(previous) => unsafe { (*previous.as_ptr()).next = Some(entry) },
            None => {
                list.first = Some(entry);
                self.occupied[(place / SLOTS) as usize] |= 1 << (place % SLOTS);
            }
        }
        let entry = entry.as_ptr();
        // SAFETY: the caller's promise.
        unsafe {
            (*entry).previous = previous;
            (*entry).next = None;
            (*entry).place = place;
        }
    }

    /// # Safety
    /// The entry is in a list of this wheel.
    #[inline]
    unsafe fn unlink(&mut self, entry: NonNull<Entry<P>>) {
        let entry = entry.as_ptr();
        // SAFETY: invariant 5, for the entry and its neighbours.
        unsafe {
            let Entry { previous, next, place, .. } = *entry;
            let list = &mut self.lists[place as usize];
            match previous {
                Some(previous) => (*previous.as_ptr()).next = next,
                None => list.first = next,
            }
            match next {
                Some(next) => (*next.as_ptr()).previous = previous,
                None => list.last = previous,
            }
            if list.first.is_none() {
                self.occupied[(place / SLOTS) as usize] &= !(1 << (place % SLOTS));
            }
            (*entry).place = NOWHERE;
        }
    }
}

/// Whole milliseconds in `duration`, after `more` nanoseconds (less than a millisecond) were added. As many as fit.
#[inline]
fn ticks(duration: Duration, more: u32) -> u64 {
    let below = u64::from((duration.subsec_nanos() + more) / 1_000_000);
    duration.as_secs().saturating_mul(1000).saturating_add(below)
}

impl<P> fmt::Debug for Wheel<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wheel").field("elapsed", &self.elapsed).field("len", &self.len).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
