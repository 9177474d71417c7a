//! Wait groups over children that end by themselves, are cancelled, or wait for the group too.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sinew::{sync::WaitGroup, thread};

use crate::actor::Actor;
use crate::stage::{Part, Setting, Stage};

struct Groups;

pub(crate) fn stage(_: &mut Setting) -> Arc<dyn Stage> {
    Arc::new(Groups)
}

impl Stage for Groups {
    fn parts(self: Arc<Self>) -> Vec<Part> {
        vec![Part::new("parent", 2, |_| (), &[("children in a group", |(), actor| group(actor))])]
    }

    fn check(&self) -> Result<(), String> {
        Ok(())
    }
}

/// Has ended, one way or other, before its part of the group goes.
struct Member {
    ended: Ended,
    group: WaitGroup,
}

struct Ended(Arc<AtomicUsize>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn group(actor: &mut Actor) {
    let (group, ended) = (WaitGroup::new(), Arc::new(AtomicUsize::new(0)));
    let count = 1 + actor.random.below(12);
    for _ in 0..count {
        let member = Member { ended: Ended(Arc::clone(&ended)), group: group.clone() };
        let choice = actor.random.below(6);
        let time = actor.random.micros(1_000);
        let child = thread::spawn(move || match choice {
            0 => thread::sleep(time),
            1 => thread::yield_now(),
            2 => {
                drop(member.ended);
                member.group.wait();
            }
            _ => drop(member),
        });
        if actor.random.one_in(4) {
            child.thread().cancel();
        }
    }
    group.wait();
    let ended = ended.load(Ordering::Relaxed);
    actor.check(ended == count, || format!("of {count} members {ended} had ended when the group had"));
}
