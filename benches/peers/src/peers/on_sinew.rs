//! Work on sinew. A runtime lives as long as the entry, so that a run finds it warm.

use crate::model::{Entry, Sample, Scale};

/// A runtime of `workers` workers, all else by default.
pub fn runtime(workers: usize) -> sinew::Runtime {
    sinew::Runtime::builder().workers(workers).build().expect("sinew's runtime starts")
}

/// An entry that runs `work` in a green thread.
pub fn entry(label: &str, workers: usize, work: fn(Scale) -> Sample) -> Entry {
    let mut kept = None;
    Entry::new(label, move |scale| {
        let runtime = kept.get_or_insert_with(|| runtime(workers));
        Ok(runtime.run(move || work(scale)))
    })
}

/// Where the threads of a one-worker row go.
#[derive(Clone, Copy)]
pub enum Place {
    /// Anywhere, on a runtime of one worker.
    Only,
    /// With the thread that starts them, on a runtime of two workers: the second is to stay idle.
    Here,
}

/// The two entries of a one-worker row: a runtime of one worker, and one of two with one idle.
pub fn one_worker(work: fn(Scale, Place) -> Sample) -> [Entry; 2] {
    let (mut one, mut two) = (None, None);
    [
        Entry::new("sinew/1", move |scale| {
            let runtime = one.get_or_insert_with(|| runtime(1));
            Ok(runtime.run(move || work(scale, Place::Only)))
        }),
        Entry::new("sinew/1+idle", move |scale| {
            let runtime = two.get_or_insert_with(|| runtime(2));
            Ok(runtime.run(move || work(scale, Place::Here)))
        }),
    ]
}

/// A thread that runs beside its starter on the same worker.
pub struct Beside {
    pub thread: sinew::thread::Thread,
    join: Box<dyn FnOnce()>,
}

impl Beside {
    pub fn join(self) {
        (self.join)();
    }
}

/// Starts `f` on the caller's worker.
pub fn beside(place: Place, f: impl FnOnce() + Send + 'static) -> Beside {
    match place {
        Place::Only => {
            let handle = sinew::spawn(f);
            Beside { thread: handle.thread().clone(), join: Box::new(|| handle.join().expect("it does not panic")) }
        }
        Place::Here => {
            let handle = sinew::thread::spawn_local(f);
            Beside { thread: handle.thread().clone(), join: Box::new(|| handle.join().expect("it does not panic")) }
        }
    }
}
