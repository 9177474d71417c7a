//! The kinds of work, a file each (or for a family of them).

mod barrier;
mod blocking;
mod channels;
mod condvar;
mod echo;
mod event;
mod families;
mod generators;
mod locals;
mod mpsc;
mod mutex;
mod notify;
mod once;
mod park;
mod parts;
mod poison;
mod rwlock;
mod select;
mod semaphore;
mod time;
mod wait_group;

use crate::stage::Kind;

pub(crate) use poison::hide_planned_panics;

/// All of them. The place in this list goes into the seeds, so a new one comes last.
pub(crate) const KINDS: &[Kind] = &[
    Kind { name: "channel, bounded(0)", stage: channels::zero },
    Kind { name: "channel, bounded(1)", stage: channels::one },
    Kind { name: "channel, bounded(n)", stage: channels::several },
    Kind { name: "channel, unbounded", stage: channels::unbounded },
    Kind { name: "select", stage: select::stage },
    Kind { name: "mpsc", stage: mpsc::stage },
    Kind { name: "semaphore", stage: semaphore::stage },
    Kind { name: "mutex", stage: mutex::stage },
    Kind { name: "rwlock", stage: rwlock::stage },
    Kind { name: "condvar", stage: condvar::stage },
    Kind { name: "barrier", stage: barrier::stage },
    Kind { name: "event", stage: event::stage },
    Kind { name: "notify", stage: notify::stage },
    Kind { name: "wait group", stage: wait_group::stage },
    Kind { name: "once", stage: once::stage },
    Kind { name: "poison", stage: poison::stage },
    Kind { name: "families of threads", stage: families::stage },
    Kind { name: "park", stage: park::stage },
    Kind { name: "time", stage: time::stage },
    Kind { name: "locals", stage: locals::stage },
    Kind { name: "generators", stage: generators::stage },
    Kind { name: "blocking", stage: blocking::stage },
    Kind { name: "echo over TCP", stage: echo::stage },
    Kind { name: "parts that end", stage: parts::stage },
];
