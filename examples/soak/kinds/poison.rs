//! Threads that panic with something held: it is poisoned, the payload reaches `join`, and what was poisoned can be used again.

use std::panic::{AssertUnwindSafe, catch_unwind, panic_any, resume_unwind};
use std::sync::Arc;

use sinew::sync::{Mutex, Once, RwLock};
use sinew::{Cancelled, thread};

use crate::actor::Actor;
use crate::stage::{Part, Setting, Stage};

/// The payload of a panic that is part of the play.
struct Planned(u64);

/// Keeps these panics from being told on stderr.
pub(crate) fn hide_planned_panics() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        // A scope panics for its threads, with words of its own.
        let text = panic.payload().downcast_ref::<&str>();
        if !panic.payload().is::<Planned>() && text != Some(&"a scoped thread panicked") {
            usual(panic);
        }
    }));
}

struct Poison;

pub(crate) fn stage(_: &mut Setting) -> Arc<dyn Stage> {
    Arc::new(Poison)
}

impl Stage for Poison {
    fn parts(self: Arc<Self>) -> Vec<Part> {
        let steps = &[
            ("panic under a Mutex", (|(), actor| mutex(actor)) as fn(&mut (), &mut Actor)),
            ("panic under an RwLock", |(), actor| rwlock(actor)),
            ("panic in a Once", |(), actor| once(actor)),
            ("panic in a scope", |(), actor| scope(actor)),
            ("panic on an OS thread", |(), actor| os(actor)),
        ];
        vec![Part::new("parent", 3, |_| (), steps)]
    }

    fn check(&self) -> Result<(), String> {
        Ok(())
    }
}

/// Whether the thread ended by the panic that was planned.
fn expect<T>(result: thread::Result<T>, planned: u64, actor: &Actor) {
    let right = result.is_err_and(|payload| payload.downcast_ref::<Planned>().is_some_and(|got| got.0 == planned));
    actor.check(right, || "the payload of a panic did not reach join".into());
}

fn mutex(actor: &mut Actor) {
    let (mutex, number) = (Arc::new(Mutex::new(0)), actor.random.next());
    let child = thread::spawn({
        let mutex = Arc::clone(&mutex);
        move || {
            let mut held = mutex.lock().expect("it is new");
            *held = 1;
            thread::yield_now();
            panic_any(Planned(number));
        }
    });
    thread::yield_now();
    expect::<()>(child.join(), number, actor);
    let poisoned = mutex.lock().is_err_and(|error| **error.get_ref() == 1);
    actor.check(poisoned && mutex.is_poisoned(), || "a panic did not poison a mutex".into());
    mutex.clear_poison();
    actor.check(mutex.lock().is_ok(), || "a mutex stayed poisoned".into());
}

fn rwlock(actor: &mut Actor) {
    let (lock, number) = (Arc::new(RwLock::new(0)), actor.random.next());
    let reads = actor.random.one_in(2);
    let child = thread::spawn({
        let lock = Arc::clone(&lock);
        move || {
            let (_read, _write);
            if reads {
                _read = lock.read();
            } else {
                _write = lock.write();
            }
            thread::yield_now();
            panic_any(Planned(number));
        }
    });
    expect::<()>(child.join(), number, actor);
    actor.check(lock.read().is_err() != reads, || format!("a panic under a guard; that of a reader: {reads}"));
    lock.clear_poison();
    actor.check(lock.try_write().is_ok(), || "a lock stayed poisoned or held".into());
}

fn once(actor: &mut Actor) {
    let (once, number) = (Arc::new(Once::new()), actor.random.next());
    let child = thread::spawn({
        let once = Arc::clone(&once);
        move || {
            once.call_once(|| {
                thread::yield_now();
                panic_any(Planned(number));
            });
        }
    });
    expect(child.join(), number, actor);
    let mut poisoned = false;
    once.call_once_force(|state| poisoned = state.is_poisoned());
    actor.check(poisoned && once.is_completed(), || "a panic did not poison a Once, or for ever".into());
}

fn scope(actor: &mut Actor) {
    let (count, number) = (Mutex::new(0), actor.random.next());
    let result = catch_unwind(AssertUnwindSafe(|| {
        thread::scope(|scope| {
            scope.spawn(|| *count.lock().expect("who holds it does not panic") += 1);
            let joined = scope.spawn(move || panic_any(Planned(number)));
            let _unjoined = scope.spawn(|| {
                thread::yield_now();
                panic_any(Planned(0))
            });
            joined.join()
        })
    }));
    match result {
        Err(payload) if payload.is::<Cancelled>() => resume_unwind(payload),
        result => actor.check(result.is_err(), || "a scope did not panic for a thread of it that did".into()),
    }
    actor.check(count.into_inner().ok() == Some(1), || "a scope ended before its threads".into());
}

fn os(actor: &mut Actor) {
    let (mutex, number) = (Arc::new(Mutex::new(0)), actor.random.next());
    let child = std::thread::spawn({
        let mutex = Arc::clone(&mutex);
        move || {
            let _held = mutex.lock();
            panic_any(Planned(number));
        }
    });
    // Waits while the other holds it, whichever comes first.
    drop(mutex.lock());
    expect::<()>(thread::blocking(|| child.join()), number, actor);
    actor.check(mutex.is_poisoned(), || "a panic on an OS thread did not poison a mutex".into());
}
