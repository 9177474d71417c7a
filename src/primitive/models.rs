//! What models have in common: how they are run, and how their threads are made.

use super::{Arc, model::Builder, thread};

/// All runs with at most so many preemptions, or all runs.
pub(crate) fn model(bound: impl Into<Option<usize>>, body: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = bound.into();
    builder.check(body);
}

/// A thread of a model, which shares what the model is of.
pub(crate) fn spawn<S: 'static, R: 'static>(
    shared: &Arc<S>,
    body: impl FnOnce(&S) -> R + 'static,
) -> thread::JoinHandle<R> {
    let shared = Arc::clone(shared);
    thread::spawn(move || body(&shared))
}
