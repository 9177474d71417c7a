//! Placement: balance among threads that stay where they start.
//!
//! A pinned thread cannot move, so balance is made when it starts. A worker that is about to start a thread while it holds
//! clearly more started threads than the least loaded worker passes it on, into that worker's mailbox: at most once a thread, and
//! only to a worker that will look there soon (it sleeps, or its scheduler ran within the last tick).
//!
//! "Clearly" is more than 8 and an eighth, if nothing else waits here to be started: then a thief finds nothing, as beside an
//! acceptor whose threads start one by one. While others wait, a thief can take what it wants, and fork-join work, which holds as many
//! started threads as it is deep, stays where it is; then it is more than 64 and a quarter.
//!
//! The comparison with all workers is made once a tick and whenever the limit that it gave is reached; every other start
//! compares two numbers.

use super::worker::{Worker, bump};
use crate::{
    primitive::Ordering,
    task::{Task, flag},
};
use std::ptr::NonNull;

impl Worker {
    /// The least loaded other worker that will look into its mailbox soon, with what it holds or was passed.
    fn least_loaded(&self) -> Option<(&Self, u32)> {
        let runtime = self.runtime();
        let tick = runtime.tick();
        runtime
            .workers()
            .iter()
            .filter(|other| other.index != self.index)
            .filter(|other| runtime.idle.is_sleeping(other.index) || other.ticks_behind(tick) <= 1)
            .map(|other| (other, other.held.load(Ordering::Relaxed) + other.shared.mailbox.len() as u32))
            .min_by_key(|&(_, load)| load)
    }

    /// Sets the number of started threads from which on a start looks for another worker.
    pub(crate) fn measure_load(&self) -> Option<&Self> {
        match self.least_loaded() {
            Some((other, load)) => {
                self.held_limit.set(load + load / 8 + 8);
                Some(other)
            }
            None => {
                // Looked at again at the next tick.
                self.held_limit.set(u32::MAX);
                None
            }
        }
    }

    /// Passes an unstarted thread on, if that is right; false if it is to start here.
    #[cold]
    #[inline(never)]
    pub(crate) fn place(&self, task: NonNull<Task>) -> bool {
        // SAFETY: unstarted, and ours.
        let header = unsafe { task.as_ref() };
        if header.flags.get() & (flag::PLACED | flag::LOCAL) != 0
            || !header.carrier.get().is_null()
            || self.closing.get()
        {
            return false;
        }
        let held = self.held.load(Ordering::Relaxed);
        if !self.deque.is_empty() && held < self.held_limit.get().saturating_add(self.held_limit.get() / 8 + 56) {
            return false;
        }
        let Some(other) = self.measure_load() else { return false };
        if held < self.held_limit.get() {
            return false;
        }
        header.set_flag(flag::PLACED);
        // It is to look there before others take it for late.
        other.shared.ticked.store(self.runtime().tick(), Ordering::Relaxed);
        bump(&self.shared.counters.placed, 1);
        // SAFETY: in no queue, and ours to give.
        unsafe { other.shared.mailbox.push(task) };
        other.attention.store(true, Ordering::Relaxed);
        other.nudge();
        true
    }
}
