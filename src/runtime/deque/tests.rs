//! Tests of the deque by itself and under load; `loom_tests` holds the models.

use super::*;
use std::{
    ptr,
    sync::atomic::{AtomicBool, AtomicU8},
    thread,
};

/// Deques never look behind their pointers, so a number will do for one.
fn item(number: usize) -> NonNull<u8> {
    NonNull::new(ptr::without_provenance_mut(number)).unwrap()
}

fn number(item: NonNull<u8>) -> usize {
    item.as_ptr().addr()
}

fn push(deque: &Deque<u8>, numbers: impl IntoIterator<Item = usize>) {
    for number in numbers {
        // SAFETY: each test's deque is owned by the thread that calls this.
        unsafe { deque.push(item(number)) };
    }
}

fn pop(deque: &Deque<u8>) -> Option<usize> {
    // SAFETY: as in `push`.
    unsafe { deque.pop() }.map(number)
}

fn pop_if(deque: &Deque<u8>, number: usize) -> bool {
    // SAFETY: as in `push`.
    unsafe { deque.pop_if(item(number)) }
}

fn take_oldest(deque: &Deque<u8>) -> Option<usize> {
    // SAFETY: as in `push`.
    unsafe { deque.take_oldest_if(|_| true) }.map(number)
}

fn steal(deque: &Deque<u8>, max: usize) -> Vec<usize> {
    let mut taken = Vec::new();
    if let Some(seen) = deque.observe() {
        let count = deque.steal(seen, &mut |item| taken.push(number(item)), max);
        assert_eq!(count, taken.len());
    }
    taken
}

#[test]
fn the_owner_pops_the_newest_first() {
    let deque = Deque::new();
    assert_eq!(pop(&deque), None);
    push(&deque, 1..=3);
    assert_eq!(deque.len(), 3);
    assert_eq!([pop(&deque), pop(&deque), pop(&deque), pop(&deque)], [Some(3), Some(2), Some(1), None]);
    assert!(deque.is_empty());
}

#[test]
fn thieves_take_half_and_the_oldest_first() {
    let deque = Deque::new();
    push(&deque, 1..=7);
    assert_eq!(steal(&deque, 100), [1, 2, 3, 4]);
    assert_eq!(steal(&deque, 1), [5]);
    assert_eq!(pop(&deque), Some(7));
    assert_eq!(steal(&deque, 100), [6]);
    assert!(steal(&deque, 100).is_empty());
    assert_eq!(pop(&deque), None);
}

#[test]
fn one_steal_moves_no_more_than_a_batch() {
    let deque = Deque::new();
    push(&deque, 1..=4 * MAX_BATCH);
    assert_eq!(steal(&deque, usize::MAX).len(), MAX_BATCH);
    assert!(steal(&deque, 0).is_empty());
    assert_eq!(deque.len(), 3 * MAX_BATCH);
}

#[test]
fn the_owner_takes_the_oldest_when_it_asks_for_it() {
    let deque = Deque::new();
    assert_eq!(take_oldest(&deque), None);
    push(&deque, 1..=3);
    assert_eq!(take_oldest(&deque), Some(1));
    assert_eq!(pop(&deque), Some(3));
    assert_eq!(take_oldest(&deque), Some(2));
    assert_eq!(take_oldest(&deque), None);
    assert_eq!(pop(&deque), None);
}

#[test]
fn pop_if_takes_only_the_very_newest() {
    let deque = Deque::new();
    assert!(!pop_if(&deque, 1));
    push(&deque, 1..=2);
    assert!(!pop_if(&deque, 1));
    assert!(pop_if(&deque, 2));
    assert!(!pop_if(&deque, 2));
    assert!(pop_if(&deque, 1));
    assert!(!pop_if(&deque, 1));
    push(&deque, [3]);
    assert_eq!(steal(&deque, 1), [3]);
    assert!(!pop_if(&deque, 3), "a stolen element is no longer there, though its slot still names it");
}

#[test]
fn a_full_ring_grows_and_keeps_its_order() {
    for stolen in 0..4 {
        let deque = Deque::with_capacity(4);
        push(&deque, 1..=4);
        let mut seen: Vec<_> = (0..stolen).flat_map(|_| steal(&deque, 1)).collect();
        push(&deque, 5..=40);
        while let Some(number) = take_oldest(&deque) {
            seen.push(number);
        }
        assert!(seen.into_iter().eq(1..=40));
    }
}

#[test]
fn slots_are_used_again_without_growing() {
    let deque = Deque::with_capacity(4);
    for round in 0..1000 {
        push(&deque, [2 * round + 1, 2 * round + 2]);
        assert_eq!(steal(&deque, 1), [2 * round + 1]);
        assert_eq!(pop(&deque), Some(2 * round + 2));
    }
    assert_eq!(lock(&deque.ring.0).len(), 4);
}

#[test]
fn positions_wrap() {
    let deque = Deque::with_capacity(4);
    let start = 0_usize.wrapping_sub(5 * STEP);
    deque.ends.0.head.store(start, Ordering::Relaxed);
    deque.ends.0.tail.store(start, Ordering::Relaxed);
    // SAFETY: nobody else has a reference.
    deque.owner.0.with_mut(|owner| unsafe { (*owner).head_bound = start });
    push(&deque, 1..=10);
    assert_eq!(deque.len(), 10);
    assert_eq!(steal(&deque, 2), [1, 2]);
    assert_eq!(pop(&deque), Some(10));
    assert_eq!(steal(&deque, 100), [3, 4, 5, 6]);
    assert_eq!([pop(&deque), pop(&deque), pop(&deque), pop(&deque)], [Some(9), Some(8), Some(7), None]);
}

#[test]
fn an_observation_holds_only_while_the_oldest_stays() {
    let deque = Deque::new();
    assert_eq!(deque.observe(), None);
    push(&deque, 1..=2);
    let seen = deque.observe();
    assert!(seen.is_some());
    assert_eq!(pop(&deque), Some(2));
    push(&deque, [3]);
    assert_eq!(deque.observe(), seen, "the oldest is still the same");

    assert_eq!(pop(&deque), Some(3));
    assert_eq!(pop(&deque), Some(1));
    push(&deque, [4]);
    assert_ne!(deque.observe(), seen, "the deque was drained in between");
    assert_eq!(deque.steal(seen.unwrap(), &mut |_| unreachable!(), 1), 0);

    let seen = deque.observe();
    push(&deque, [5]);
    assert_eq!(take_oldest(&deque), Some(4));
    assert_ne!(deque.observe(), seen, "the oldest was taken");
    assert_eq!(deque.steal(seen.unwrap(), &mut |_| unreachable!(), 1), 0);
}

#[test]
fn a_thief_gives_up_while_another_is_at_work() {
    let deque = Deque::new();
    push(&deque, 1..=2);
    let held = lock(&deque.ring.0);
    assert!(steal(&deque, 1).is_empty());
    drop(held);
    assert_eq!(steal(&deque, 1), [1]);
}

#[test]
fn under_load_each_element_is_taken_exactly_once() {
    crate::sys::membarrier::register();
    const ELEMENTS: usize = 200_000;
    for thieves in [1, 3] {
        let taken: Vec<_> = (0..=ELEMENTS).map(|_| AtomicU8::new(0)).collect();
        let take = |number: usize| taken[number].fetch_add(1, Ordering::Relaxed);
        let deque = Deque::with_capacity(2);
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..thieves {
                scope.spawn(|| {
                    while !done.load(Ordering::Relaxed) {
                        for number in steal(&deque, 5) {
                            take(number);
                        }
                    }
                });
            }
            let mut random = 1_u64;
            let mut next = 1;
            while next <= ELEMENTS {
                random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                let burst = (random >> 60) as usize;
                let end = (next + burst).min(ELEMENTS + 1);
                push(&deque, next..end);
                next = end;
                for turn in 0..(random >> 40) & 15 {
                    match turn {
                        7 => take_oldest(&deque).map(take),
                        _ => pop(&deque).map(take),
                    };
                }
            }
            while let Some(number) = pop(&deque) {
                take(number);
            }
            assert!(deque.is_empty() && deque.observe().is_none());
            done.store(true, Ordering::Relaxed);
        });
        assert!(taken[1..].iter().all(|count| count.load(Ordering::Relaxed) == 1));
    }
}
