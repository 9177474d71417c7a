//! Counts that a runtime keeps anyway, for people and tests to look at.

use super::Inner;
use crate::primitive::Ordering;

/// What a runtime has done so far. The counts are read one by one while it goes on, so they need not fit together.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metrics {
    /// Threads spawned.
    pub spawned: u64,
    /// Threads that have ended.
    pub ended: u64,
    /// Times that a worker chose something to run.
    pub switches: u64,
    /// Unstarted threads that a worker took from another.
    pub steals: u64,
    /// Threads that were passed to a less loaded worker when they were about to start.
    pub placed: u64,
    /// Stacks in use by a thread or kept by a worker for the next one.
    pub stacks: u64,
    /// The most stacks that were handed out at any one time.
    pub most_stacks: u64,
    /// For each worker, how many started threads it holds.
    pub held: Vec<u64>,
}

impl Inner {
    pub(crate) fn metrics(&self) -> Metrics {
        let sum = |count: fn(&super::worker::Worker) -> u64| self.workers().iter().map(count).sum();
        let stacks = self.stacks.statistics();
        Metrics {
            spawned: sum(|worker| worker.shared.counters.spawned.load(Ordering::Relaxed))
                + self.spawned_outside.load(Ordering::Relaxed),
            ended: sum(|worker| worker.shared.counters.ended.load(Ordering::Relaxed)),
            switches: self.worked(),
            steals: sum(|worker| worker.shared.counters.stolen.load(Ordering::Relaxed)),
            placed: sum(|worker| worker.shared.counters.placed.load(Ordering::Relaxed)),
            stacks: stacks.live as u64,
            most_stacks: stacks.high_water as u64,
            held: self.workers().iter().map(|worker| u64::from(worker.held.load(Ordering::Relaxed))).collect(),
        }
    }
}
