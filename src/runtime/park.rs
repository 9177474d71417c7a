//! A worker with nothing to run: it searches a while, then sleeps in its poller.
//!
//! # Searching
//!
//! `idle` says who may search. A searcher looks at the injector, at others' mailboxes, and at others' deques. From a deque it
//! takes only what has waited: it observes it twice, [`PATIENCE`] apart, and steals if the oldest thread is still the same. A
//! thread that its spawner is about to wait for is gone by then, and moving it would cost both sides more than running it:
//! a steal costs a `membarrier`, which stops the victim for some microseconds.
//!
//! # Sleeping
//!
//! 1. The worker lists itself as a sleeper, then passes a full fence.
//! 2. It looks again at what only a fence guards: its inbox, its mailbox, the threads pinned to it, the injector, and whether
//!    somebody needs the stacks that it keeps. (Others' mailboxes and deques are their owners' to look at, and the monitor's.)
//! 3. It blocks in its poller until the next timer, a wake-up from another thread, or readiness.
//!
//! Whoever puts something into an inbox, a mailbox or the injector does so by a sequentially consistent operation, passes a full
//! fence, and looks for sleepers; whoever asks for stacks has left word in the pool, passes a full fence, and asks all sleepers. Both
//! fences are in one order: either the submitter's comes first, and step 2 finds the thing; or step 1's, and the submitter finds
//! the sleeper.
//!
//! A spawn into the spawner's own deque passes no fence, since it costs as much as half a spawn. So a sleeper may miss it, and the
//! spawner the sleeper. Nothing is lost by that: the thread runs on its spawner's worker when that one schedules next; and if it
//! does not soon, the monitor, which is awake whenever some worker is not asleep, sees at its next tick a waiting
//! thread beside a sleeping worker, and wakes that one. The rule for starting and stopping the monitor does use fences.
//!
//! Rejected: a fence at each spawn (5.8 ns of about 25); `membarrier` on the sleeper's side (13 µs, of which the busy
//! worker loses 11, each time a worker goes to sleep, which under I/O is thousands of times a second).

use super::{
    deque::Observation,
    worker::{Worker, bump},
};
use crate::{arch, primitive::Ordering};
use std::{
    hint,
    time::{Duration, Instant},
};

/// How long the oldest thread of a deque must have waited before another worker takes it.
const PATIENCE: Duration = Duration::from_micros(40);
/// How long a worker searches before it sleeps.
const SEARCH: Duration = Duration::from_micros(100);
/// A steal that comes within this time after the last takes twice as many threads, a later one half as many: so many as keep
/// the thief busy for a while. In fork-join work the oldest thread alone is half of all that is left.
const BUSY: Duration = Duration::from_micros(400);
/// Threads taken by one steal at most.
const LOOT: usize = 128;
/// How often a worker looks up that waits for the end of others during a shutdown.
const RETRY: Duration = Duration::from_millis(1);

impl Worker {
    /// The worker's own loop; returns when its runtime has shut down.
    pub(crate) fn run(&self) {
        Self::set_current(self);
        let runtime = self.runtime();
        let alone = runtime.workers().len() == 1;
        let mut searching = false;
        // Free carriers that have been cooled, while that is going on.
        let mut cooled = None;
        loop {
            // With others, a search polls; alone, the sleep does.
            self.look_up(false);
            if self.starved.get() {
                self.refill(true);
            }
            // SAFETY: the worker's own context, which is given only if there is nothing to run.
            unsafe {
                let target = self.pick_queued();
                if !std::ptr::eq(target, self.root.get()) {
                    bump(&self.resumes, 1);
                    self.found(&mut searching);
                    self.unstick();
                    arch::switch(self.root.get(), target);
                    continue;
                }
            }
            if self.shared.cool.load(Ordering::Relaxed) && self.shared.cool.swap(false, Ordering::Relaxed) {
                cooled = Some(0);
            }
            if let Some(done) = cooled {
                // SAFETY: the worker's own context.
                cooled = unsafe { self.cool(done) };
                if cooled.is_some() {
                    continue;
                }
            }
            if self.closing.get() && self.may_end() {
                break;
            }
            // One that has no stack for what it has could not start what it finds.
            if !self.starved.get() {
                // Only if it does not count as a searcher already: it would be counted twice and leave once.
                if !searching && !alone {
                    searching = runtime.idle.try_start_searching(runtime.busy());
                }
                if searching && self.search() {
                    continue;
                }
            }
            self.shortage();
            searching = self.sleep(searching);
        }
        self.found(&mut searching);
        // SAFETY: the worker's own context.
        unsafe { self.give_back_stacks() };
        Self::set_current(std::ptr::null());
    }

    /// Ends a search because something was found; then somebody else is to search on, if nobody does.
    fn found(&self, searching: &mut bool) {
        if std::mem::take(searching) && self.runtime().idle.stop_searching() {
            self.runtime().wake_one();
        }
    }

    /// Whether every thread of the runtime has ended and nobody is in the middle of a wake.
    fn may_end(&self) -> bool {
        self.runtime().live() == 0
            && self.outstanding.get() == 0
            && self.shared.inbox.is_empty()
            && self.shared.visitors.load(Ordering::Acquire) == 0
    }

    /// Looks for work elsewhere; true if there may be something to run now.
    fn search(&self) -> bool {
        let runtime = self.runtime();
        let end = Instant::now() + SEARCH;
        let mut turn = 0_u32;
        let mut seen: Option<(usize, Observation, Instant)> = None;
        loop {
            // The poller costs a system call.
            if self.look_outside(turn.is_multiple_of(16)) || self.attention.load(Ordering::Relaxed) {
                return true;
            }
            turn += 1;
            let now = Instant::now();
            for other in runtime.workers() {
                if other.index == self.index {
                    continue;
                }
                if self.take_from_mailbox(other) {
                    return true;
                }
            }
            match seen {
                Some((victim, first, since)) => {
                    let other = &runtime.workers()[victim];
                    if other.deque.observe() != Some(first) {
                        seen = None;
                    } else if now.duration_since(since) >= PATIENCE {
                        if self.steal(other, first) {
                            return true;
                        }
                        seen = None;
                    }
                }
                None => {
                    // Start at the right-hand neighbour, so that searchers spread.
                    let count = runtime.workers().len();
                    seen = (1..count)
                        .map(|step| (self.index + step) % count)
                        .find_map(|index| Some((index, runtime.workers()[index].deque.observe()?, now)));
                }
            }
            // What is being watched is watched to the end.
            if seen.is_none() && now >= end {
                return false;
            }
            for _ in 0..64 {
                hint::spin_loop();
            }
        }
    }

    /// Takes threads that were passed to another worker which has not started them.
    fn take_from_mailbox(&self, other: &Self) -> bool {
        if other.shared.mailbox.is_empty() || !other.is_late() {
            return false;
        }
        let half = other.shared.mailbox.len().div_ceil(2);
        let mut taken = 0;
        other.shared.mailbox.pop_batch(half, |task| {
            taken += 1;
            // SAFETY: the owner; in no queue now.
            unsafe { self.deque.push(task) };
        });
        bump(&self.shared.counters.stolen, taken);
        taken != 0
    }

    /// Whether this worker is busy and its scheduler has not run for more than a tick.
    fn is_late(&self) -> bool {
        !self.runtime().idle.is_sleeping(self.index) && self.ticks_behind(self.runtime().tick()) > 1
    }

    /// How many ticks ago its scheduler last ran; below zero if it has seen a later one.
    pub(crate) fn ticks_behind(&self, tick: u32) -> i32 {
        tick.wrapping_sub(self.shared.ticked.load(Ordering::Relaxed)).cast_signed()
    }

    fn steal(&self, other: &Self, seen: Observation) -> bool {
        let now = Instant::now();
        let soon = self.last_steal.replace(Some(now)).is_some_and(|last| now.duration_since(last) < BUSY);
        let loot = if soon { (self.loot.get() * 2).min(LOOT) } else { (self.loot.get() / 2).max(1) };
        self.loot.set(loot);
        // SAFETY: the owner pushes; the threads are in no queue now. Oldest first, so that the order is what it was.
        let count = other.deque.steal(seen, &mut |task| unsafe { self.deque.push(task) }, loot);
        bump(&self.shared.counters.stolen, count as u64);
        count != 0
    }

    /// See the module's documentation. True if the worker was woken to search, and counts as a searcher.
    fn sleep(&self, searching: bool) -> bool {
        let runtime = self.runtime();
        let paused = runtime.clock.is_paused();
        if paused {
            if self.poll(Some(Duration::ZERO)) {
                return searching;
            }
            // SAFETY: the owner.
            runtime.clock.announce(&self.shared.alarm, unsafe { (*self.wheel.get()).next_deadline() });
        }
        // SAFETY: the owner.
        let timers = unsafe { !(*self.wheel.get()).is_empty() };
        // Before it is listed, for who finds it listed goes by this.
        self.shared.expects.store(timers || self.reactor.has_sources(), Ordering::Relaxed);
        // Step 1, fence included.
        runtime.idle.prepare_sleep(self.index, searching, self.starved.get());
        if !self.anything_to_find() {
            if paused {
                self.sleep_paused();
            } else {
                self.poll(self.sleep_time());
            }
        }
        // Also after a sleep that was called off: the monitor may have counted this worker among the sleepers.
        let searching = runtime.idle.finish_sleep(self.index);
        runtime.monitor.wake();
        searching
    }

    /// Step 2.
    fn anything_to_find(&self) -> bool {
        let runtime = self.runtime();
        self.has_messages()
            || !runtime.injector.is_empty()
            || self.attention.load(Ordering::Relaxed)
            || runtime.is_closing() != self.closing.get()
            || self.keeps_needed_stacks()
    }

    /// Whether others have sent it something, so that it wakes if it sleeps. For anyone to ask.
    pub(crate) fn has_messages(&self) -> bool {
        !self.shared.inbox.is_empty() || !self.shared.mailbox.is_empty() || !self.shared.pinned.is_empty()
    }

    /// The same where the clock is paused: if everybody sleeps, nothing but a deadline can go on, and so the clock jumps to the earliest.
    /// The last to list itself finds that all are listed. Nobody takes news while listed, so that the others can see them.
    fn sleep_paused(&self) {
        let runtime = self.runtime();
        // One that is listed may just now find a message, which was sent before its sender fell asleep.
        let all_sleep = || {
            runtime.idle.sleeping() == runtime.workers().len()
                && !self.anything_to_find()
                && !runtime.workers().iter().any(Self::has_messages)
        };
        let before = runtime.worked();
        // Whatever another worker does in between, it moves the clock first.
        let from = runtime.clock.advanced();
        let busy = runtime.blocking.is_busy();
        if all_sleep() && !busy {
            if runtime.workers().iter().any(|worker| worker.reactor.has_sources()) {
                // What is on its way in the network gets some time to arrive. One that sleeps may be slow to hear of what has arrived.
                let has_news = |worker: &Self| worker.reactor.has_news(Some(Duration::ZERO));
                if self.reactor.has_news(Some(RETRY)) || runtime.workers().iter().any(has_news) {
                    return;
                }
            }
            if !all_sleep() || runtime.worked() != before {
                return;
            }
            let alarms = runtime.workers().iter().map(|worker| worker.shared.alarm.load(Ordering::SeqCst));
            if runtime.jump(from, alarms.min().unwrap_or(u64::MAX)) {
                return;
            }
        }
        // Nobody who waits for a ring's descriptor is woken by what the ring's owner has to complete; but it shows when asked.
        let retry = busy || self.starved.get() || self.closing.get() || self.reactor.is_ring_busy();
        self.reactor.has_news(retry.then_some(RETRY));
    }

    /// How long to sleep: until the next timer.
    fn sleep_time(&self) -> Option<Duration> {
        // SAFETY: the owner.
        let timer =
            unsafe { (*self.wheel.get()).next_deadline() }.map(|at| at.saturating_duration_since(Instant::now()));
        let retry = if self.starved.get() { Some(self.retry_time()) } else { self.closing.get().then_some(RETRY) };
        match (timer, retry) {
            (Some(timer), Some(retry)) => Some(timer.min(retry)),
            (timer, retry) => timer.or(retry),
        }
    }
}
