//! Tests of the timer wheel, some against a model that keeps all timers in a sorted map.

use super::*;
use std::collections::BTreeMap;

/// Timers in memory that does not move, by number.
struct Timers {
    origin: Instant,
    wheel: Wheel<usize>,
    entries: Vec<NonNull<Entry<usize>>>,
}

impl Timers {
    fn new(count: usize) -> Self {
        let origin = Instant::now();
        let entry = |number| NonNull::from(Box::leak(Box::new(Entry::new(number))));
        Self { origin, wheel: Wheel::new(origin), entries: (0..count).map(entry).collect() }
    }

    fn at(&self, micros: u64) -> Instant {
        self.origin + Duration::from_micros(micros)
    }

    fn set(&mut self, number: usize, micros: u64) {
        let deadline = self.at(micros);
        // SAFETY: the entries live until `drop`, and the tests set none twice.
        unsafe { self.wheel.insert(self.entries[number], deadline) };
    }

    fn unset(&mut self, number: usize) -> bool {
        // SAFETY: the entries live until `drop`.
        unsafe { self.wheel.remove(self.entries[number]) }
    }

    fn is_set(&self, number: usize) -> bool {
        // SAFETY: the entries live until `drop`.
        unsafe { self.entries[number].as_ref() }.is_set()
    }

    fn advance(&mut self, micros: u64) -> Vec<usize> {
        let mut fired = Vec::new();
        let count = self.wheel.advance(self.at(micros), |_, number| fired.push(number));
        assert_eq!(count, fired.len());
        fired
    }

    fn next(&self) -> Option<u64> {
        self.wheel.next_deadline().map(|next| next.duration_since(self.origin).as_micros() as u64)
    }
}

impl Drop for Timers {
    fn drop(&mut self) {
        for number in 0..self.entries.len() {
            self.unset(number);
            // SAFETY: leaked by `new`, and set no longer.
            drop(unsafe { Box::from_raw(self.entries[number].as_ptr()) });
        }
        assert!(self.wheel.is_empty() && self.wheel.occupied == [0; 7]);
    }
}

const MS: u64 = 1000;
const DAY: u64 = 24 * 3600 * 1000 * MS;

#[test]
fn timers_fire_at_their_tick_and_never_early() {
    let mut timers = Timers::new(4);
    assert_eq!((timers.next(), timers.wheel.is_empty()), (None, true));
    timers.set(0, 2 * MS);
    timers.set(1, 2 * MS + 1);
    timers.set(2, MS);
    timers.set(3, 100 * MS);
    assert_eq!((timers.next(), timers.wheel.len()), (Some(MS), 4));
    assert_eq!(timers.advance(MS - 1), []);
    assert_eq!(timers.advance(2 * MS - 1), [2]);
    assert_eq!(timers.advance(2 * MS), [0]);
    assert_eq!(timers.advance(3 * MS - 1), []);
    assert_eq!(timers.advance(3 * MS), [1]);
    assert_eq!(timers.advance(99 * MS), []);
    assert!(timers.is_set(3) && !timers.is_set(0));
    assert_eq!(timers.advance(100 * MS), [3]);
    assert!(timers.wheel.is_empty());
}

#[test]
fn a_deadline_in_the_past_fires_at_the_next_advance() {
    let mut timers = Timers::new(3);
    timers.advance(500 * MS);
    timers.set(0, 501 * MS);
    timers.set(1, 100 * MS);
    timers.set(2, 500 * MS);
    assert_eq!(timers.next(), Some(500 * MS));
    assert_eq!(timers.advance(500 * MS), [1, 2]);
    assert_eq!(timers.advance(501 * MS), [0]);
}

#[test]
fn time_that_goes_back_changes_nothing() {
    let mut timers = Timers::new(1);
    timers.advance(10 * MS);
    timers.set(0, 12 * MS);
    assert_eq!(timers.advance(3 * MS), []);
    assert_eq!(timers.advance(11 * MS), []);
    assert_eq!(timers.advance(12 * MS), [0]);
}

#[test]
fn equal_deadlines_keep_the_order_in_which_they_were_set() {
    let mut timers = Timers::new(6);
    let deadline = 70_000 * MS;
    for (number, now) in [0, 1, 60_000, 69_000, 69_990, 69_999].into_iter().enumerate() {
        timers.advance(now * MS);
        timers.set(number, deadline - number as u64);
    }
    assert_eq!(timers.advance(deadline), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn a_removed_timer_does_not_fire_and_leaves_no_trace() {
    let mut timers = Timers::new(5);
    (0..5).for_each(|number| timers.set(number, 5 * MS));
    assert!(timers.unset(2) && timers.unset(0) && timers.unset(4));
    assert!(!timers.unset(2), "it was not set any more");
    assert_eq!(timers.advance(5 * MS), [1, 3]);
    timers.set(0, 100 * MS);
    timers.set(1, 100_000 * MS);
    assert!(timers.unset(0) && timers.unset(1));
    assert_eq!(timers.next(), None);
}

#[test]
fn far_deadlines_come_down_over_years() {
    let mut timers = Timers::new(5);
    timers.set(0, 10_000 * DAY);
    timers.set(1, 1000 * DAY);
    timers.set(2, 700 * DAY);
    timers.set(3, 1000 * DAY);
    // SAFETY: as in `set`.
    unsafe { timers.wheel.insert(timers.entries[4], timers.origin + Duration::from_secs(1 << 60)) };
    assert_eq!(timers.advance(699 * DAY), []);
    assert_eq!(timers.advance(1000 * DAY - 1), [2]);
    assert_eq!(timers.advance(9_999 * DAY), [1, 3]);
    // Sleeping by `next_deadline` gets there in few steps.
    let mut steps = 0;
    while timers.is_set(0) {
        let next = timers.next().unwrap();
        assert!(next <= 10_000 * DAY);
        timers.advance(next);
        steps += 1;
    }
    assert!(steps <= 8, "{steps} steps");
    assert!(timers.is_set(4));
}

#[test]
fn what_fires_may_be_set_again() {
    let mut timers = Timers::new(2);
    let (origin, entries) = (timers.origin, timers.entries.clone());
    timers.set(0, 10 * MS);
    timers.set(1, 25 * MS);
    let mut fired = Vec::new();
    let mut turn = 1;
    timers.wheel.advance(origin + Duration::from_millis(35), |wheel, number| {
        fired.push(number);
        if number == 0 {
            turn += 1;
            // SAFETY: entry 0 has just fired, so it is not set.
            unsafe { wheel.insert(entries[0], origin + turn * Duration::from_millis(10)) };
        }
    });
    assert_eq!(fired, [0, 0, 1, 0], "at 10, 20, 25 and 30 ms");
    assert_eq!(timers.next(), Some(40 * MS));
}

#[test]
fn what_sets_itself_for_the_past_fires_once_an_advance() {
    let mut timers = Timers::new(1);
    let (origin, entry) = (timers.origin, timers.entries[0]);
    timers.set(0, MS);
    for _ in 0..3 {
        // SAFETY: the entry has just fired, so it is not set.
        let fired = timers.wheel.advance(origin + Duration::from_millis(5), |wheel, _| unsafe {
            wheel.insert(entry, origin);
        });
        assert_eq!(fired, 1);
    }
}

/// splitmix64, so that each run is the same.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    /// Of any order of magnitude below `2^bits`.
    fn any(&mut self, bits: u64) -> u64 {
        let width = self.below(bits + 1);
        self.below(1 << width)
    }
}

#[test]
fn the_wheel_agrees_with_a_sorted_map() {
    for seed in 0..60 {
        let mut random = Random(seed);
        let mut timers = Timers::new(200);
        // By tick and turn of setting; a passed deadline counts as due at the time of the last advance.
        let mut model = BTreeMap::new();
        let mut keys = vec![None; 200];
        let (mut now, mut turn) = (0_u64, 0);
        for _ in 0..3000 {
            let number = random.below(200) as usize;
            match random.below(8) {
                0..=3 if keys[number].is_none() => {
                    let deadline = (now + random.any(50)).saturating_sub(random.any(14));
                    timers.set(number, deadline);
                    turn += 1;
                    let key = (deadline.div_ceil(MS).max(now / MS), turn);
                    model.insert(key, number);
                    keys[number] = Some(key);
                }
                0..=4 => {
                    let was_set = keys[number].take().map(|key| model.remove(&key)).is_some();
                    assert_eq!(timers.unset(number), was_set);
                }
                choice => {
                    now = match choice {
                        5 => timers.next().map_or(now, |next| next.max(now)),
                        6 => now + random.any(24),
                        _ => now + random.below(2) * random.any(46),
                    };
                    let later = model.split_off(&(now / MS + 1, 0));
                    let due: Vec<_> = std::mem::replace(&mut model, later).into_values().collect();
                    due.iter().for_each(|number| keys[*number] = None);
                    assert_eq!(timers.advance(now), due, "seed {seed}");
                }
            }
            assert_eq!(timers.wheel.len(), model.len());
            match (timers.next(), model.first_key_value()) {
                (None, None) => {}
                (Some(next), Some(((first, _), _))) => assert!(now / MS * MS <= next && next <= first * MS),
                other => panic!("{other:?}"),
            }
        }
    }
}
