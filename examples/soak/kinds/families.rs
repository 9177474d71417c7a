//! Threads that spawn threads: joined, cancelled, detached, borrowed from, in storms and in trees.

use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use sinew::sync::WaitGroup;
use sinew::{Cancelled, thread};

use crate::actor::{Actor, locked};
use crate::ledger::Living;
use crate::stage::{Part, Setting, Stage};

struct Families {
    /// What children have with them.
    living: Living,
    /// Of those that nobody joins.
    detached: Mutex<Option<WaitGroup>>,
}

pub(crate) fn stage(_: &mut Setting) -> Arc<dyn Stage> {
    Arc::new(Families { living: Living::default(), detached: Mutex::new(Some(WaitGroup::new())) })
}

impl Stage for Families {
    fn parts(self: Arc<Self>) -> Vec<Part> {
        vec![Part::new(
            "parent",
            4,
            move |_| Parent(Arc::clone(&self)),
            &[
                ("spawn and join", Parent::join),
                ("spawn a storm", Parent::storm),
                ("cancel a parked child", Parent::cancel_parked),
                ("cancel a new child", Parent::cancel_new),
                ("detach a child", Parent::detach),
                ("scope", Parent::scope),
                ("a tree of forks", Parent::tree),
                ("spawn_local", Parent::local),
                ("Builder", Parent::builder),
            ],
        )]
    }

    fn check(&self) -> Result<(), String> {
        if let Some(group) = locked(&self.detached).take() {
            group.wait();
        }
        self.living.check("values that belong to threads")
    }
}

struct Parent(Arc<Families>);

/// Cancels a thread that would wait for ever, if its parent is cancelled in between.
struct CancelsWhenDropped(thread::Thread);

impl Drop for CancelsWhenDropped {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl Parent {
    fn join(&mut self, actor: &mut Actor) {
        let children: Vec<_> = (0..1 + actor.random.below(8))
            .map(|number| {
                let (live, time) = (self.0.living.one(), actor.random.micros(300));
                let sleeps = actor.random.one_in(4);
                thread::spawn(move || {
                    let _live = live;
                    if sleeps {
                        thread::sleep(time)
                    } else {
                        thread::yield_now()
                    }
                    number * number
                })
            })
            .collect();
        for (number, child) in children.into_iter().enumerate() {
            let result = child.join();
            actor.check(result.is_ok_and(|square| square == number * number), || "join gave a wrong result".into());
        }
    }

    fn storm(&mut self, actor: &mut Actor) {
        let (count, size) = (Arc::new(AtomicUsize::new(0)), 64 + actor.random.below(200));
        let spawn = |_| {
            let count = Arc::clone(&count);
            thread::spawn(move || count.fetch_add(1, Ordering::Relaxed))
        };
        let children: Vec<_> = (0..size).map(spawn).collect();
        let joined = children.into_iter().map(thread::JoinHandle::join).filter(Result::is_ok).count();
        let count = count.load(Ordering::Relaxed);
        actor
            .check((joined, count) == (size, size), || format!("of {size} children {count} ran, {joined} were joined"));
    }

    fn cancel_parked(&mut self, actor: &mut Actor) {
        let live = self.0.living.one();
        let child = thread::spawn(move || {
            let _live = live;
            loop {
                thread::park();
            }
        });
        let cancels = CancelsWhenDropped(child.thread().clone());
        actor.dawdle();
        drop(cancels);
        let result: thread::Result<()> = child.join();
        actor.check(result.is_err_and(|payload| payload.is::<Cancelled>()), || {
            "a parked child was not cancelled".into()
        });
    }

    fn cancel_new(&mut self, actor: &mut Actor) {
        let (live, ran) = (self.0.living.one(), Arc::new(AtomicUsize::new(0)));
        let child = thread::spawn({
            let ran = Arc::clone(&ran);
            move || {
                ran.store(1, Ordering::Relaxed);
                drop(live);
                thread::yield_now();
                ran.store(2, Ordering::Relaxed);
            }
        });
        child.thread().cancel();
        let result = child.join();
        let right = match &result {
            Ok(()) => ran.load(Ordering::Relaxed) == 2,
            Err(payload) => payload.is::<Cancelled>() && ran.load(Ordering::Relaxed) < 2,
        };
        actor.check(right, || format!("joined with {result:?} after {ran:?} steps"));
    }

    fn detach(&mut self, actor: &mut Actor) {
        let group = locked(&self.0.detached).clone();
        let (live, time) = (self.0.living.one(), actor.random.micros(1_000));
        drop(thread::spawn(move || {
            // In this order, as the group is waited for.
            let (_group, _live) = (group, live);
            thread::sleep(time);
        }));
    }

    fn scope(&mut self, actor: &mut Actor) {
        let mut lent = vec![0; 1 + actor.random.below(8)];
        let nested = AtomicUsize::new(0);
        let yields = actor.random.one_in(2);
        thread::scope(|scope| {
            for (number, place) in lent.iter_mut().enumerate() {
                let nested = &nested;
                scope.spawn(move || {
                    if yields {
                        thread::yield_now();
                    }
                    thread::scope(|inner| {
                        inner.spawn(|| nested.fetch_add(1, Ordering::Relaxed));
                    });
                    *place = number + 1;
                });
            }
        });
        let right = lent.iter().enumerate().all(|(number, &got)| got == number + 1);
        actor.check(right && nested.into_inner() == lent.len(), || "a scope ended before its threads".into());
    }

    fn tree(&mut self, actor: &mut Actor) {
        fn leaves(depth: usize) -> usize {
            if depth == 0 {
                return 1;
            }
            let other = thread::spawn(move || leaves(depth - 1));
            leaves(depth - 1) + other.join().unwrap_or(0)
        }
        let depth = actor.random.below(7);
        let got = leaves(depth);
        actor.check(got == 1 << depth, || format!("a tree of {} leaves has {got}", 1 << depth));
    }

    fn local(&mut self, actor: &mut Actor) {
        if actor.card.os {
            return;
        }
        let shared = Rc::new(self.0.living.one());
        let child = thread::spawn_local({
            let shared = Rc::clone(&shared);
            move || {
                thread::yield_now();
                Rc::strong_count(&shared)
            }
        });
        let count = child.join();
        actor.check(count.is_ok_and(|count| count == 2), || "what a local thread shares was not shared by two".into());
    }

    fn builder(&mut self, actor: &mut Actor) {
        let name = format!("child {}", actor.random.below(1_000));
        let builder = sinew::Builder::new().name(name.clone()).stack_size(64 << (10 + actor.random.below(3)));
        let child = builder.spawn(|| {
            thread::yield_now();
            thread::current().name().map(str::to_owned)
        });
        match child.map(thread::JoinHandle::join) {
            Ok(Ok(got)) => actor.check(got.as_ref() == Some(&name), || format!("{name:?} says it is {got:?}")),
            Ok(Err(_)) => actor.check(false, || "a child did not end well".into()),
            Err(error) => actor.check(false, || format!("no thread could be spawned: {error}")),
        }
    }
}
