//! A worker's timers: a hierarchical timing wheel (Varghese and Lauck, *Hashed and Hierarchical Timing Wheels*, 1987)
//! with a grain of one millisecond.
//!
//! The wheel belongs to one worker and is used by it alone. A timer is a node in the wheel's own memory ([`nodes`]), and whoever
//! set it has its key. Inserting and removing touch a list and a bit; now and then an insertion allocates a chunk of nodes.
//!
//! # State
//!
//! Time counts in *ticks* of a millisecond since the wheel's origin. `elapsed` is the tick up to which all has fired.
//! Level L has 256 slots, each 256^L ticks wide; four levels reach 49 days. A timer lies at the level of the highest
//! base-256 digit in which its tick differs from `elapsed`, in the slot of its own digit there. Besides, there are three
//! slots without a time: `FAR` for what lies beyond the levels, `DUE` for what had passed when it was inserted, and
//! `FIRING` for what `advance` is at. A slot's number is its *place*: level by level, then these three. A bit for each
//! place says whether it holds anything, and a bit for each word of those whether any of its bits is set.
//!
//! # Invariants
//!
//! 1. A timer at level L agrees with `elapsed` in all digits above L, and is greater there. So the first occupied place
//!    comes first in time, `FAR` after all levels, and it is found by counting zeros twice.
//! 2. When `elapsed` reaches a slot's first tick, the slot is emptied: what is due fires, and the rest, which now agrees
//!    with `elapsed` in that digit as well, goes to lower levels, each of them empty.
//! 3. Slots are lists, appended to at the end and moved in order; of two timers with the same tick the later
//!    one is never at a higher level, and by 2 not in a lower one either. So equal deadlines fire in the order in which
//!    they were set.
//! 4. A deadline is rounded up to a tick, and the time down to one. So nothing fires early.
//! 5. A node in use is in the list of its `place`, and a free one in none, except inside `insert`, `unlink` and `move_all`. No two
//!    timers of a wheel ever have the same turn. So a key finds its timer as long as that is set, and nothing afterwards.
//!
//! Rejected: entries in the frames of those who wait. That allocates nothing, but each frame lies on a page of its own, which is cold
//! when its slot is emptied, and then the wheel points into frames that must not move.

use super::region::Region;
use crate::task::Task;
use nodes::{NONE, Nodes};
use std::{
    fmt,
    ptr::NonNull,
    time::{Duration, Instant},
};

pub(crate) use nodes::Key;

mod nodes;

const LEVELS: u16 = 4;
/// Bits of a base-256 digit.
const DIGIT: u16 = 8;
const SLOTS: u16 = 1 << DIGIT;

const FAR: u16 = LEVELS * SLOTS;
const DUE: u16 = FAR + 1;
const FIRING: u16 = FAR + 2;
const PLACES: usize = FAR as usize + 3;
/// Places of one word of bits.
const WORD: u16 = u64::BITS as u16;
const WORDS: usize = PLACES.div_ceil(WORD as usize);

/// What a worker's timers are for.
#[derive(Clone, Copy)]
pub(crate) enum Alarm {
    /// Wakes this thread of the worker with `wake::EVENT`.
    Thread(NonNull<Task>),
    /// The region's time is up.
    Region(NonNull<Region>),
}

#[derive(Clone, Copy)]
struct List {
    first: u32,
    last: u32,
}

const EMPTY: List = List { first: NONE, last: NONE };

/// The timers of one worker. See the module's head.
pub(crate) struct Wheel<P> {
    origin: Instant,
    elapsed: u64,
    /// Which places hold anything.
    occupied: [u64; WORDS],
    /// Which words of `occupied` are not zero.
    words: u32,
    lists: Box<[List; PLACES]>,
    nodes: Nodes<P>,
}

impl<P: Copy> Wheel<P> {
    /// An empty wheel, whose time starts at `origin`.
    pub(crate) fn new(origin: Instant) -> Self {
        let lists = Box::new([EMPTY; PLACES]);
        Self { origin, elapsed: 0, occupied: [0; WORDS], words: 0, lists, nodes: Nodes::new() }
    }

    /// How many timers are set.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether no timer is set.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.nodes.len() == 0
    }

    /// Sets a timer; `payload` is what [`advance`](Self::advance) hands over when it fires. One whose deadline has passed fires at
    /// the next `advance`, as if it were due at the last one's time.
    pub(crate) fn insert(&mut self, payload: P, deadline: Instant) -> Key {
        let tick = ticks(deadline.saturating_duration_since(self.origin), 999_999);
        let place = if tick <= self.elapsed { DUE } else { self.place_of(tick) };
        let (node, key) = self.nodes.take(payload);
        self.nodes[node].tick = tick;
        self.append(place, node);
        key
    }

    /// Takes a timer back, and returns whether it was set.
    pub(crate) fn remove(&mut self, key: Key) -> bool {
        let node = self.nodes.find(key);
        if let Some(node) = node {
            self.unlink(node);
            self.nodes.give_back(node);
        }
        node.is_some()
    }

    /// Whether a timer is set: neither fired nor removed since.
    #[inline]
    pub(crate) fn is_set(&self, key: Key) -> bool {
        self.nodes.find(key).is_some()
    }

    /// Moves the time on to `now` and fires what is due, in the order of the deadlines' ticks. Returns how many fired.
    ///
    /// A timer is no longer set when `fire` gets its payload. `fire` gets the wheel too: what it sets for `now` or before fires in
    /// the same call, unless it had passed already by then: that waits for the next call, so that nothing sets itself for ever.
    pub(crate) fn advance(&mut self, now: Instant, mut fire: impl FnMut(&mut Self, P)) -> usize {
        let now = ticks(now.saturating_duration_since(self.origin), 0);
        let mut fired = 0;
        // Passed before this call: these come first, since all else is later than `elapsed`.
        self.move_all(DUE, |_, _| FIRING);
        loop {
            loop {
                let node = self.lists[FIRING as usize].first;
                if node == NONE {
                    break;
                }
                self.unlink(node);
                let payload = self.nodes.give_back(node);
                fired += 1;
                fire(self, payload);
            }
            match self.next_slot() {
                Some((place, tick)) if tick <= now => {
                    self.elapsed = tick;
                    self.move_all(
                        place,
                        |wheel, tick| if tick <= wheel.elapsed { FIRING } else { wheel.place_of(tick) },
                    );
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
        if self.words == 0 {
            return None;
        }
        let word = self.words.trailing_zeros() as u16;
        let place = word * WORD + self.occupied[word as usize].trailing_zeros() as u16;
        let (level, slot) = (place / SLOTS, place % SLOTS);
        let above = self.elapsed >> ((level + 1) * DIGIT);
        match place {
            ..FAR => Some((place, (above << DIGIT | u64::from(slot)) << (level * DIGIT))),
            // All levels are empty, so nothing happens before their highest digits come round.
            FAR => Some((FAR, ((self.elapsed >> (LEVELS * DIGIT)) + 1) << (LEVELS * DIGIT))),
            _ => None,
        }
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
        self.lists[place as usize].first != NONE
    }

    #[inline]
    fn note_occupied(&mut self, place: u16) {
        self.occupied[(place / WORD) as usize] |= 1 << (place % WORD);
        self.words |= 1 << (place / WORD);
    }

    #[inline]
    fn note_empty(&mut self, place: u16) {
        let word = &mut self.occupied[(place / WORD) as usize];
        *word &= !(1 << (place % WORD));
        self.words &= !(u32::from(*word == 0) << (place / WORD));
    }

    /// Takes everything out of a slot and appends each timer, in order, to the place that its tick gets from `choose`.
    fn move_all(&mut self, place: u16, choose: impl Fn(&Self, u64) -> u16) {
        let mut node = std::mem::replace(&mut self.lists[place as usize], EMPTY).first;
        self.note_empty(place);
        while node != NONE {
            let next = self.nodes[node].next;
            let to = choose(self, self.nodes[node].tick);
            self.append(to, node);
            node = next;
        }
    }

    /// Puts a node that is in no list at the end of one.
    #[inline]
    fn append(&mut self, place: u16, number: u32) {
        let previous = std::mem::replace(&mut self.lists[place as usize].last, number);
        if previous == NONE {
            self.lists[place as usize].first = number;
            self.note_occupied(place);
        } else {
            self.nodes[previous].next = number;
        }
        let node = &mut self.nodes[number];
        (node.previous, node.next, node.place) = (previous, NONE, place);
    }

    /// Takes a node out of its list.
    #[inline]
    fn unlink(&mut self, number: u32) {
        let node = &self.nodes[number];
        let (previous, next, place) = (node.previous, node.next, node.place);
        if previous == NONE {
            self.lists[place as usize].first = next;
        } else {
            self.nodes[previous].next = next;
        }
        if next == NONE {
            self.lists[place as usize].last = previous;
            if previous == NONE {
                self.note_empty(place);
            }
        } else {
            self.nodes[next].previous = previous;
        }
    }
}

/// Whole milliseconds in `duration`, after `more` nanoseconds (less than a millisecond) were added. As many as fit.
#[inline]
fn ticks(duration: Duration, more: u32) -> u64 {
    let below = u64::from((duration.subsec_nanos() + more) / 1_000_000);
    duration.as_secs().saturating_mul(1000).saturating_add(below)
}

impl<P: Copy> fmt::Debug for Wheel<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wheel").field("elapsed", &self.elapsed).field("len", &self.nodes.len()).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
