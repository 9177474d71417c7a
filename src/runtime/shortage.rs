//! What an idle worker does when stacks are short: it gives back those that it keeps, and sees whether anything can still move.
//!
//! A thread for which no stack can be had waits on its worker's `stackless` list, and that worker tries again at every pick, and
//! each millisecond when it idles. The others hear of it and give back what they keep: a busy one at its tick, an idle one at once.
//!
//! If all workers idle, none expects a timer or I/O, and no call blocks on the pool, then every stack is held by a thread that waits for
//! another, perhaps for the one that waits for a stack. Only an OS thread could still wake one, so a short while is granted. Then
//! the configured maximum is exceeded, one stack at a time, with a report; a limit of the kernel's cannot be, and the process
//! aborts with the report rather than hang.
//!
//! # How it is known that nothing can move
//!
//! The workers cannot be looked at all at once: one that is seen asleep may be woken by the next one, which then is seen asleep
//! too. So they are looked at twice, and what they have resumed is counted before the first look and after the second. Each was asleep
//! with nothing sent to it both times, and if the counts are equal, none of them ran a thread in between; so at the time between the
//! looks nothing was on its way to any of them, and nothing but what runs sends. Between the looks all are asked for their stacks: one that
//! was listed as asleep then is so again only after it has given them back, and one that lists itself later looks for a shortage
//! after that (`park`, step 2). So at the second look none keeps a stack that nobody uses, and the pool's refusal after it is the truth.

use super::worker::Worker;
use crate::{
    primitive::{Ordering, fence},
    stack::{Limit, SizeClass},
    sys::report::write_stderr,
    task::flag,
};
use std::time::{Duration, Instant};

/// Fruitless tries, a millisecond apart, before the configured maximum is exceeded.
const BEFORE_EXCEEDING: u32 = 20;
/// The same before the process is given up.
const BEFORE_ABORTING: u32 = 2_000;
/// How often a worker looks up that waits for a stack.
const RETRY: Duration = Duration::from_millis(1);
/// The same once several have tried in vain, but for the first of them: so that this one finds the others asleep.
const PATIENT_RETRY: Duration = Duration::from_millis(30);
/// Between two requests to the others to give back what they keep.
const BETWEEN_REQUESTS: u32 = 8;

impl Worker {
    /// Asks all other workers to give back the stacks that they keep.
    #[cold]
    pub(crate) fn ask_for_stacks(&self) {
        // Between the word of the shortage in the pool and the look for sleepers (`park`, step 2).
        fence(Ordering::SeqCst);
        for other in self.runtime().workers() {
            if other.index != self.index {
                other.attention.store(true, Ordering::Relaxed);
                other.nudge();
            }
        }
    }

    /// Called by the worker's own loop when there is nothing to run.
    #[inline]
    pub(crate) fn shortage(&self) {
        if self.runtime().stacks.is_exhausted() {
            self.shortage_slow();
        } else {
            self.stuck.set(0);
        }
    }

    /// Whether this worker keeps stacks that nobody uses while another may find none.
    pub(crate) fn keeps_needed_stacks(&self) -> bool {
        // SAFETY: the owner.
        let keeps =
            || unsafe { (*self.free.get()).iter().any(|free| !free.is_empty()) || !(*self.spare.get()).is_empty() };
        self.runtime().stacks.is_exhausted() && keeps()
    }

    /// Called by the worker's own loop when there is something to run.
    #[inline]
    pub(crate) fn unstick(&self) {
        self.stuck.set(0);
        self.shared.stuck.store(false, Ordering::Relaxed);
    }

    #[cold]
    fn shortage_slow(&self) {
        // SAFETY: called by the worker's own loop, on its own context.
        unsafe { self.give_back_stacks() };
        self.shared.stuck.store(self.starved.get(), Ordering::Relaxed);
        if !self.starved.get() {
            return self.stuck.set(0);
        }
        let now = Instant::now();
        if self.stuck.get() != 0 && now.duration_since(self.tried.get()) < RETRY {
            // Woken by a request, and not by the time.
            return;
        }
        self.tried.set(now);
        let stuck = self.stuck.get() + 1;
        self.stuck.set(stuck);
        if stuck.is_multiple_of(BETWEEN_REQUESTS) {
            self.ask_for_stacks();
        }
        if stuck < BEFORE_EXCEEDING || !self.is_stuck_still() {
            return;
        }
        let Some(task) = self.stackless.pop() else { return };
        // SAFETY: unstarted threads live, and it was in no other queue.
        let class = unsafe {
            self.stackless.push_front(task);
            debug_assert!(!task.as_ref().has_flag(flag::STARTED));
            SizeClass::from_index(task.as_ref().stack_class.get())
        };
        let pool = &self.runtime().stacks;
        match pool.acquire(class) {
            // The next try finds it.
            Ok(stack) => pool.release(stack),
            Err(error) => match error.limit {
                Limit::Configured(_) => {
                    self.stuck.set(0);
                    if let Some((most, first)) = pool.exceed_configured()
                        && first
                    {
                        let text = format!(
                            "sinew: {error}; all of them are held by threads that wait, and nothing else can run, \
                             so the maximum is exceeded: {most} for now\n"
                        );
                        write_stderr(text.as_bytes());
                    }
                }
                Limit::MapCount(_) | Limit::Memory(_) if stuck >= BEFORE_ABORTING => {
                    let text = format!(
                        "sinew: {error}; all stacks are held by threads that wait, and nothing else can run, aborting\n"
                    );
                    write_stderr(text.as_bytes());
                    std::process::abort();
                }
                Limit::MapCount(_) | Limit::Memory(_) => {}
            },
        }
    }

    /// Whether nothing in this runtime can move by itself: the second look, or else the first.
    fn is_stuck_still(&self) -> bool {
        let worked = self.runtime().worked();
        if !self.is_stuck() {
            // Those that answer the request are awake. That says nothing against the first look.
            return false;
        }
        if self.stuck_at.get() == Some(worked) {
            return self.runtime().worked() == worked;
        }
        self.stuck_at.set(Some(worked));
        self.ask_for_stacks();
        false
    }

    /// One look at all workers.
    fn is_stuck(&self) -> bool {
        let runtime = self.runtime();
        // SAFETY: the owner.
        let timers = unsafe { !(*self.wheel.get()).is_empty() };
        !timers
            && !self.reactor.has_sources()
            && !runtime.blocking.is_busy()
            && runtime.injector.is_empty()
            && runtime.workers().iter().all(|other| {
                // Who was picked to be woken does not count as sleeping any more.
                let idles = runtime.idle.is_sleeping(other.index)
                    && !other.shared.expects.load(Ordering::Relaxed)
                    && !other.has_messages();
                other.index == self.index || idles
            })
    }

    /// How long to sleep before the next try.
    pub(crate) fn retry_time(&self) -> Duration {
        let stuck = self.stuck.get() >= BEFORE_EXCEEDING / 2;
        let lower =
            || self.runtime().workers()[..self.index].iter().any(|other| other.shared.stuck.load(Ordering::Relaxed));
        if stuck && lower() { PATIENT_RETRY } else { RETRY }
    }
}
