//! A read-write lock around a pair: readers see both halves of the same writer, and readers and a writer are never inside together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sinew::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard, TryLockError};

use crate::actor::Actor;
use crate::stage::{Part, Setting, Stage};

struct Pair {
    /// A count of the writers that have been here, and its complement.
    pair: RwLock<(u64, u64)>,
    written: AtomicU64,
}

pub(crate) fn stage(_: &mut Setting) -> Arc<dyn Stage> {
    Arc::new(Pair { pair: RwLock::new((0, !0)), written: AtomicU64::new(0) })
}

impl Stage for Pair {
    fn parts(self: Arc<Self>) -> Vec<Part> {
        vec![Part::new(
            "user",
            7,
            move |_| User(Arc::clone(&self)),
            &[
                ("read", User::read),
                ("read", User::read),
                ("write", User::write),
                ("try_read", User::try_read),
                ("try_write", User::try_write),
                ("try_read_for", User::try_read_for),
                ("try_write_for", User::try_write_for),
                ("downgrade", User::downgrade),
            ],
        )]
    }

    fn check(&self) -> Result<(), String> {
        let pair = self.pair.try_write().map_err(|error| format!("nobody uses it: {error}"))?;
        let written = self.written.load(Ordering::SeqCst);
        match *pair {
            (one, other) if one == !other && one == written => Ok(()),
            pair => Err(format!("{pair:x?} after {written} writers")),
        }
    }
}

fn poisoned(actor: &Actor) {
    actor.check(false, || "a cancellation poisoned the lock".into());
}

fn tried<G>(result: Result<G, TryLockError<G>>, actor: &mut Actor, then: impl FnOnce(G, &mut Actor)) {
    match result {
        Ok(guard) => then(guard, actor),
        Err(TryLockError::WouldBlock) => {}
        Err(TryLockError::Poisoned(_)) => poisoned(actor),
    }
}

fn reads(pair: RwLockReadGuard<'_, (u64, u64)>, actor: &mut Actor) {
    let (one, other) = *pair;
    actor.check(one == !other, || format!("a reader saw {one:x} and {other:x}"));
    actor.dawdle();
    actor.check(*pair == (one, other), || "a writer came while a reader was inside".into());
}

struct User(Arc<Pair>);

impl User {
    /// Leaves the halves apart for a while, but puts them right even if it is cancelled then.
    fn writes(&self, mut pair: RwLockWriteGuard<'_, (u64, u64)>, actor: &mut Actor) {
        struct PutsRight<'a, 'b>(&'a mut RwLockWriteGuard<'b, (u64, u64)>);
        impl Drop for PutsRight<'_, '_> {
            fn drop(&mut self) {
                self.0.1 = !self.0.0;
            }
        }
        let (one, other) = *pair;
        actor.check(one == !other, || format!("a writer saw {one:x} and {other:x}"));
        pair.0 += 1;
        self.0.written.fetch_add(1, Ordering::Relaxed);
        let right = PutsRight(&mut pair);
        actor.dawdle();
        let now = **right.0;
        actor.check(now == (one + 1, other), || "somebody came while a writer was inside".into());
    }

    fn read(&mut self, actor: &mut Actor) {
        match self.0.pair.read() {
            Ok(pair) => reads(pair, actor),
            Err(_) => poisoned(actor),
        }
    }

    fn write(&mut self, actor: &mut Actor) {
        match self.0.pair.write() {
            Ok(pair) => self.writes(pair, actor),
            Err(_) => poisoned(actor),
        }
    }

    fn try_read(&mut self, actor: &mut Actor) {
        tried(self.0.pair.try_read(), actor, reads);
    }

    fn try_write(&mut self, actor: &mut Actor) {
        tried(self.0.pair.try_write(), actor, |pair, actor| self.writes(pair, actor));
    }

    fn try_read_for(&mut self, actor: &mut Actor) {
        tried(self.0.pair.try_read_for(actor.random.micros(2_000)), actor, reads);
    }

    fn try_write_for(&mut self, actor: &mut Actor) {
        let tries = self.0.pair.try_write_for(actor.random.micros(2_000));
        tried(tries, actor, |pair, actor| self.writes(pair, actor));
    }

    fn downgrade(&mut self, actor: &mut Actor) {
        let Ok(mut pair) = self.0.pair.write() else { return poisoned(actor) };
        pair.0 += 1;
        pair.1 = !pair.0;
        self.0.written.fetch_add(1, Ordering::Relaxed);
        let written = *pair;
        let pair = RwLockWriteGuard::downgrade(pair);
        actor.check(*pair == written, || "a writer came between the two halves of a downgrade".into());
        reads(pair, actor);
    }
}
