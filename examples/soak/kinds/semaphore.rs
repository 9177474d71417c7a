//! A semaphore whose permits are taken one or many at a time, split, merged, forgotten and added: never more are in use than there are, and in the end
//! all are back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sinew::sync::{Semaphore, TryAcquireError};

use crate::actor::Actor;
use crate::stage::{Part, Setting, Stage};

struct Permits {
    semaphore: Arc<Semaphore>,
    permits: usize,
    used: AtomicUsize,
}

pub(crate) fn stage(setting: &mut Setting) -> Arc<dyn Stage> {
    let permits = 1 + setting.random.below(6);
    Arc::new(Permits { semaphore: Arc::new(Semaphore::new(permits)), permits, used: AtomicUsize::new(0) })
}

impl Stage for Permits {
    fn parts(self: Arc<Self>) -> Vec<Part> {
        vec![Part::new(
            "user",
            6,
            move |_| User(Arc::clone(&self)),
            &[
                ("acquire", User::acquire),
                ("acquire_many", User::acquire_many),
                ("try_acquire_many", User::try_acquire_many),
                ("acquire_timeout", User::acquire_timeout),
                ("acquire_owned", User::acquire_owned),
                ("split and merge", User::split),
                ("forget and add", User::forget),
            ],
        )]
    }

    fn check(&self) -> Result<(), String> {
        match (self.semaphore.available_permits(), self.used.load(Ordering::SeqCst)) {
            (available, 0) if available == self.permits => Ok(()),
            (available, used) => Err(format!("of {} permits {available} are back; {used} used", self.permits)),
        }
    }
}

/// Permits in use, however their user ends. It has to go before they do.
struct Used<'a>(&'a Permits, usize);

impl<'a> Used<'a> {
    fn new(permits: &'a Permits, count: usize, actor: &Actor) -> Self {
        let used = count + permits.used.fetch_add(count, Ordering::SeqCst);
        actor.check(used <= permits.permits, || format!("{used} of {} permits are used", permits.permits));
        Used(permits, count)
    }
}

impl Drop for Used<'_> {
    fn drop(&mut self) {
        self.0.used.fetch_sub(self.1, Ordering::SeqCst);
    }
}

struct User(Arc<Permits>);

impl User {
    fn use_permits(&self, count: usize, actor: &mut Actor) {
        let _used = Used::new(&self.0, count, actor);
        actor.dawdle();
    }

    fn some(&self, actor: &mut Actor) -> usize {
        1 + actor.random.below(self.0.permits)
    }

    fn acquire(&mut self, actor: &mut Actor) {
        let _permit = self.0.semaphore.acquire().expect("nobody closes it");
        self.use_permits(1, actor);
    }

    fn acquire_many(&mut self, actor: &mut Actor) {
        let count = self.some(actor);
        let _permits = self.0.semaphore.acquire_many(count).expect("nobody closes it");
        self.use_permits(count, actor);
    }

    fn try_acquire_many(&mut self, actor: &mut Actor) {
        let count = self.some(actor);
        match self.0.semaphore.try_acquire_many(count) {
            Ok(_permits) => self.use_permits(count, actor),
            Err(error) => actor.check(error == TryAcquireError::NoPermits, || error.to_string()),
        }
    }

    fn acquire_timeout(&mut self, actor: &mut Actor) {
        let count = self.some(actor);
        match self.0.semaphore.acquire_timeout(count, actor.random.micros(2_000)) {
            Ok(_permits) => self.use_permits(count, actor),
            Err(error) => actor.check(error == TryAcquireError::NoPermits, || error.to_string()),
        }
    }

    fn acquire_owned(&mut self, actor: &mut Actor) {
        let count = self.some(actor);
        let _permits = Arc::clone(&self.0.semaphore).acquire_owned(count).expect("nobody closes it");
        self.use_permits(count, actor);
    }

    fn split(&mut self, actor: &mut Actor) {
        let count = self.some(actor);
        let mut permits = self.0.semaphore.acquire_many(count).expect("nobody closes it");
        let part = permits.split(actor.random.below(count + 1)).expect("it has as many");
        self.use_permits(part.num_permits(), actor);
        if actor.random.one_in(2) {
            permits.merge(part);
            self.use_permits(permits.num_permits(), actor);
        }
    }

    fn forget(&mut self, actor: &mut Actor) {
        let permit = self.0.semaphore.acquire().expect("nobody closes it");
        permit.forget();
        self.0.semaphore.add_permits(1);
        // What is available is taken away for a moment, unless others have it.
        let taken = self.0.semaphore.forget_permits(actor.random.below(3));
        self.0.semaphore.add_permits(taken);
    }
}
