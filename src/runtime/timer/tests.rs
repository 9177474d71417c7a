//! Tests of the timer wheel, some against a model that keeps all timers in a sorted map.

use super::*;
use std::collections::BTreeMap;

/// Timers by number.
struct Timers {
    origin: Instant,
    wheel: Wheel<usize>,
    keys: Vec<Option<Key>>,
}

impl Timers {
    fn new(count: usize) -> Self {
        let origin = Instant::now();
        Self { origin, wheel: Wheel::new(origin), keys: vec![None; count] }
    }

    fn at(&self, micros: u64) -> Instant {
        self.origin + Duration::from_micros(micros)
    }

    fn set(&mut self, number: usize, micros: u64) {
        assert!(!self.is_set(number));
        self.keys[number] = Some(self.wheel.insert(number, self.at(micros)));
    }

    fn unset(&mut self, number: usize) -> bool {
        self.keys[number].is_some_and(|key| self.wheel.remove(key))
    }

    fn is_set(&self, number: usize) -> bool {
        self.keys[number].is_some_and(|key| self.wheel.is_set(key))
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
        for number in 0..self.keys.len() {
            self.unset(number);
        }
        let wheel = &self.wheel;
        assert!(wheel.is_empty() && wheel.occupied == [0; WORDS] && wheel.words == 0);
        assert!(wheel.lists.iter().all(|list| (list.first, list.last) == (NONE, NONE)));
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
fn equal_deadlines_keep_their_order_on_the_way_down_from_each_level_and_from_beyond() {
    for deadline in [200, 300, 70_000, 20_000_000, 5_000_000_000, 40_000_000_000] {
        let deadline = deadline * MS;
        let mut timers = Timers::new(2000);
        // Among others, a part of which are removed when the slot that held them all has been emptied.
        for number in 0..2000 {
            timers.set(number, deadline + number as u64 % 3 * MS);
        }
        timers.advance(deadline - MS);
        assert!((0..2000).step_by(4).all(|number| timers.unset(number)));
        (0..2000).step_by(4).for_each(|number| timers.set(number, deadline + number as u64 % 3 * MS));
        for step in 0..3 {
            let expected = |late: bool| (0..2000).filter(move |number| number % 3 == step && (number % 4 == 0) == late);
            let expected: Vec<_> = expected(false).chain(expected(true)).collect();
            assert_eq!(timers.advance(deadline + step as u64 * MS), expected);
        }
    }
}

#[test]
fn a_jump_over_hours_fires_everything_in_order() {
    let mut timers = Timers::new(5000);
    let mut random = Random(7);
    let mut order: Vec<_> = (0..5000).map(|number| (random.below(30 * 3600 * 1000), number)).collect();
    order.iter().for_each(|&(tick, number)| timers.set(number, tick * MS));
    order.sort_unstable();
    let (mut now, mut fired) = (0, 0);
    while fired < order.len() {
        // Now short, now hours.
        now += random.any(34);
        let due = order.iter().skip(fired).take_while(|(tick, _)| tick * MS <= now).map(|(_, number)| *number);
        let due: Vec<_> = due.collect();
        assert_eq!(timers.advance(now), due);
        fired += due.len();
    }
}

#[test]
fn a_key_outlives_its_timer_and_never_means_another() {
    let mut timers = Timers::new(3000);
    timers.set(0, MS);
    let stale = timers.keys[0].unwrap();
    assert_eq!(timers.advance(MS), [0]);
    assert!(!timers.wheel.is_set(stale) && !timers.wheel.remove(stale));
    // Others are set in its place, and in memory that is given back in between.
    for round in 0..3 {
        (0..3000).for_each(|number| timers.set(number, 10_000 * MS + round));
        assert!(!timers.wheel.is_set(stale) && !timers.wheel.remove(stale));
        assert!((0..3000).all(|number| timers.unset(number)));
        let last = timers.keys[2999].unwrap();
        assert!(!timers.wheel.is_set(last) && !timers.wheel.remove(last));
    }
}

#[test]
fn memory_is_used_again_and_given_back_with_the_last_timer() {
    let mut timers = Timers::new(3000);
    (0..1000).for_each(|number| timers.set(number, 10 * MS));
    let capacity = timers.wheel.nodes.capacity();
    assert!((1000..3000).contains(&capacity));
    for turn in 0..100 {
        (0..500).for_each(|number| assert!(timers.unset(number)));
        (0..500).for_each(|number| timers.set(number, turn * MS));
    }
    assert_eq!(timers.wheel.nodes.capacity(), capacity);
    assert_eq!(timers.advance(1000 * MS).len(), 1000);
    assert!(timers.wheel.nodes.capacity() < capacity);
    (0..3000).for_each(|number| timers.set(number, 2000 * MS));
    assert_eq!(timers.advance(2000 * MS), (0..3000).collect::<Vec<_>>());
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
    timers.keys[4] = Some(timers.wheel.insert(4, timers.origin + Duration::from_secs(1 << 60)));
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
    let origin = timers.origin;
    timers.set(0, 10 * MS);
    timers.set(1, 25 * MS);
    let mut fired = Vec::new();
    let mut turn = 1;
    timers.wheel.advance(origin + Duration::from_millis(35), |wheel, number| {
        fired.push(number);
        if number == 0 {
            turn += 1;
            timers.keys[0] = Some(wheel.insert(0, origin + turn * Duration::from_millis(10)));
        }
    });
    assert_eq!(fired, [0, 0, 1, 0], "at 10, 20, 25 and 30 ms");
    assert_eq!(timers.next(), Some(40 * MS));
}

#[test]
fn what_sets_itself_for_the_past_fires_once_an_advance() {
    let mut timers = Timers::new(1);
    let origin = timers.origin;
    timers.set(0, MS);
    for _ in 0..3 {
        let fired = timers.wheel.advance(origin + Duration::from_millis(5), |wheel, _| {
            timers.keys[0] = Some(wheel.insert(0, origin));
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
