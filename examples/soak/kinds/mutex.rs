//! A mutex: one thread at a time is inside, and what it guards counts exactly. A cancellation does not poison it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sinew::sync::{Mutex, MutexGuard, TryLockError};

use crate::actor::Actor;
use crate::stage::{Part, Setting, Stage};

#[derive(Default)]
struct Locked {
    count: Mutex<u64>,
    counted: AtomicU64,
    inside: AtomicU64,
}

pub(crate) fn stage(_: &mut Setting) -> Arc<dyn Stage> {
    Arc::new(Locked::default())
}

impl Stage for Locked {
    fn parts(self: Arc<Self>) -> Vec<Part> {
        let steps = &[
            ("lock", User::lock as fn(&mut User, &mut Actor)),
            ("try_lock", User::try_lock),
            ("try_lock_for", User::try_lock_for),
        ];
        vec![Part::new("user", 6, move |_| User(Arc::clone(&self)), steps)]
    }

    fn check(&self) -> Result<(), String> {
        let count = *self.count.try_lock().map_err(|error| format!("nobody uses it: {error}"))?;
        match (self.counted.load(Ordering::SeqCst), self.inside.load(Ordering::SeqCst)) {
            (counted, 0) if counted == count => Ok(()),
            (counted, inside) => Err(format!("{counted} were inside, {count} were counted, {inside} are inside still")),
        }
    }
}

/// Somebody is inside, until it goes, which must be before the guard does.
struct Inside<'a>(&'a AtomicU64);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

struct User(Arc<Locked>);

impl User {
    fn inside(&self, mut count: MutexGuard<'_, u64>, actor: &mut Actor) {
        let others = self.0.inside.fetch_add(1, Ordering::SeqCst);
        let _inside = Inside(&self.0.inside);
        actor.check(others == 0, || format!("{others} others are inside"));
        let before = *count;
        self.0.counted.fetch_add(1, Ordering::Relaxed);
        *count += 1;
        actor.dawdle();
        actor.check(*count == before + 1, || "what the mutex guards has changed".into());
    }

    fn lock(&mut self, actor: &mut Actor) {
        match self.0.count.lock() {
            Ok(guard) => self.inside(guard, actor),
            Err(error) => actor.check(false, || error.to_string()),
        }
    }

    fn try_lock(&mut self, actor: &mut Actor) {
        match self.0.count.try_lock() {
            Ok(guard) => self.inside(guard, actor),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Poisoned(error)) => actor.check(false, || error.to_string()),
        }
    }

    fn try_lock_for(&mut self, actor: &mut Actor) {
        match self.0.count.try_lock_for(actor.random.micros(2_000)) {
            Ok(guard) => self.inside(guard, actor),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Poisoned(error)) => actor.check(false, || error.to_string()),
        }
    }
}
