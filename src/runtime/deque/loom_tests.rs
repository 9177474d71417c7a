//! Models of the deque, where both fences are SeqCst fences. Each element is a cell that its pusher writes and its
//! taker takes the value from, so that a missing ordering shows as a race and a second taker as an empty cell.

use super::*;
use crate::primitive::UnsafeCell;
use loom::{model::Builder, sync::Arc, thread};

struct Item(UnsafeCell<Option<usize>>);

// SAFETY: the models test that an item's takers are ordered after its pusher, and loom checks each access.
unsafe impl Sync for Item {}
// SAFETY: as above.
unsafe impl Send for Item {}

struct Model {
    deque: Deque<Item>,
    items: Vec<Item>,
}

impl Model {
    fn new(capacity: usize, items: usize) -> Arc<Self> {
        let items = (0..items).map(|_| Item(UnsafeCell::new(None))).collect();
        Arc::new(Self { deque: Deque::with_capacity(capacity), items })
    }

    fn push(&self, range: std::ops::Range<usize>) {
        for number in range {
            let item = &self.items[number];
            // SAFETY: nobody else knows the item yet; loom checks it.
            item.0.with_mut(|cell| unsafe { *cell = Some(number) });
            // SAFETY: only the model's main thread pushes and pops.
            unsafe { self.deque.push(NonNull::from(item)) };
        }
    }

    fn take(item: NonNull<Item>) -> usize {
        // SAFETY: the items outlive the model's threads.
        let item = unsafe { item.as_ref() };
        // SAFETY: whoever took the item is alone with it; that is what is tested, by loom.
        item.0.with_mut(|cell| unsafe { (*cell).take() }).expect("taken twice")
    }

    fn pop(&self) -> Option<usize> {
        // SAFETY: only the model's main thread pushes and pops.
        unsafe { self.deque.pop() }.map(Self::take)
    }

    fn pop_if(&self, number: usize) -> bool {
        let item = NonNull::from(&self.items[number]);
        // SAFETY: only the model's main thread pushes and pops.
        let popped = unsafe { self.deque.pop_if(item) };
        if popped {
            assert_eq!(Self::take(item), number);
        }
        popped
    }

    fn steal(&self, max: usize) -> Vec<usize> {
        let mut taken = Vec::new();
        if let Some(seen) = self.deque.observe() {
            self.deque.steal(seen, &mut |item| taken.push(Self::take(item)), max);
        }
        assert!(taken.is_sorted());
        taken
    }

    /// The owner's last look: a `None` from `pop` must be the truth.
    fn finish(&self, count: &mut usize) {
        while self.pop().is_some() {
            *count += 1;
        }
        let seen = self.deque.ends.0.tail.load(Ordering::Relaxed);
        let _still = lock(&self.deque.ring.0);
        assert_eq!(self.deque.ends.0.head.load(Ordering::Relaxed), seen, "pop said none, and there was one");
    }
}

fn model(bound: Option<usize>, body: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = bound;
    builder.check(body);
}

/// Spawns thieves, runs the owner (which returns how many it took), and counts.
fn contest(shared: &Arc<Model>, thieves: usize, max: usize, owner: impl FnOnce(&Model) -> usize) {
    let thieves: Vec<_> = (0..thieves)
        .map(|_| {
            let shared = Arc::clone(shared);
            thread::spawn(move || shared.steal(max).len())
        })
        .collect();
    let mut taken = owner(shared);
    shared.finish(&mut taken);
    for thief in thieves {
        taken += thief.join().unwrap();
    }
    // Each was taken at most once, by `take`; so if the count is right, each was taken.
    assert_eq!(taken, shared.items.len());
}

/// Preemption bound 3.
#[test]
fn loom_owner_and_thief_take_each_element_once() {
    model(Some(3), || {
        let shared = Model::new(4, 3);
        contest(&shared, 1, 2, |owner| {
            owner.push(0..2);
            let taken = usize::from(owner.pop().is_some());
            owner.push(2..3);
            taken
        });
    });
}

#[test]
fn loom_owner_pops_what_a_thief_is_asking_for() {
    model(None, || {
        let shared = Model::new(4, 4);
        shared.push(0..4);
        contest(&shared, 1, 4, |_| 0);
    });
}

/// Preemption bound 3.
#[test]
fn loom_a_retracted_steal_hides_nothing_from_the_owner() {
    model(Some(3), || {
        let shared = Model::new(8, 6);
        shared.push(0..4);
        contest(&shared, 1, 4, |owner| {
            let taken = (0..3).filter(|_| owner.pop().is_some()).count();
            owner.push(4..6);
            taken
        });
    });
}

/// Preemption bound 3.
#[test]
fn loom_two_thieves_and_the_owner() {
    model(Some(3), || {
        let shared = Model::new(4, 3);
        shared.push(0..3);
        contest(&shared, 2, 2, |_| 0);
    });
}

/// Preemption bound 3.
#[test]
fn loom_growth_and_reuse_of_slots_lose_nothing() {
    model(Some(3), || {
        let shared = Model::new(2, 5);
        shared.push(0..2);
        contest(&shared, 1, 1, |owner| {
            owner.push(2..4);
            let taken = usize::from(owner.pop().is_some());
            owner.push(4..5);
            taken
        });
    });
}

/// Preemption bound 3.
#[test]
fn loom_a_push_does_not_overwrite_what_a_thief_still_copies() {
    model(Some(3), || {
        let shared = Model::new(2, 3);
        shared.push(0..2);
        contest(&shared, 1, 1, |owner| {
            owner.push(2..3);
            0
        });
    });
}

#[test]
fn loom_pop_if_takes_its_element_or_the_thief_does() {
    model(None, || {
        let shared = Model::new(2, 2);
        shared.push(0..1);
        contest(&shared, 1, 1, |owner| {
            owner.push(1..2);
            usize::from(owner.pop_if(1)) + usize::from(owner.pop_if(0))
        });
    });
}
