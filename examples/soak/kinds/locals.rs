//! Values that belong to a thread: each thread sees its own wherever it waits, and they are dropped with it.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sinew::thread;

use crate::actor::Actor;
use crate::ledger::{Live, Living};
use crate::stage::{Part, Setting, Stage};

sinew::thread_local! {
    static MINE: RefCell<Option<(u64, Live)>> = RefCell::new(None);
    static COUNT: RefCell<u64> = RefCell::new(0);
}

#[derive(Default)]
struct Locals {
    living: Living,
    next: AtomicU64,
}

pub(crate) fn stage(_: &mut Setting) -> Arc<dyn Stage> {
    Arc::new(Locals::default())
}

impl Stage for Locals {
    fn parts(self: Arc<Self>) -> Vec<Part> {
        let own = move |_: &mut Actor| {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            MINE.replace(Some((number, self.living.one())));
            Own { stage: Arc::clone(&self), number, count: 0 }
        };
        vec![Part::new(
            "owner",
            4,
            own,
            &[("look", Own::look), ("look again later", Own::later), ("child", Own::child)],
        )]
    }

    fn check(&self) -> Result<(), String> {
        self.living.check("values of threads")
    }
}

struct Own {
    stage: Arc<Locals>,
    number: u64,
    count: u64,
}

impl Own {
    fn look(&mut self, actor: &mut Actor) {
        let found = MINE.with_borrow(|mine| mine.as_ref().map(|(number, _)| *number));
        actor.check(found == Some(self.number), || format!("{found:?} where {} should be", self.number));
        self.count += 1;
        let count = COUNT.with_borrow_mut(|count| {
            *count += 1;
            *count
        });
        actor.check(count == self.count, || format!("counted {count}, not {}", self.count));
    }

    fn later(&mut self, actor: &mut Actor) {
        self.look(actor);
        actor.dawdle();
        thread::yield_now();
        self.look(actor);
    }

    fn child(&mut self, actor: &mut Actor) {
        let living = self.stage.living.clone();
        let child = thread::spawn(move || {
            let fresh = MINE.replace(Some((0, living.one()))).is_none();
            thread::yield_now();
            fresh && COUNT.with_borrow(|count| *count == 0)
        });
        actor.check(child.join().is_ok_and(|fresh| fresh), || "a child found values that are not its own".into());
    }
}
