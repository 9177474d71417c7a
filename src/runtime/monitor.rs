//! The tick: one OS thread a runtime that, while any worker is awake, asks each of those for attention once a millisecond, so
//! that a switch need not read a clock.
//!
//! It also
//! - wakes a sleeping worker when threads wait in a busy one's deque (what `park` leaves to it);
//! - names on stderr, once each time, a worker that has run one thread for over a second: a loop that never suspends, or a lock of
//!   the OS whose holder is suspended on that very worker.
//!
//! When every worker has slept for some ticks it has them give back what threads touched deep in their stacks, and sleeps too,
//! without a timeout. A worker that wakes up wakes it: the monitor
//! announces its sleep, passes a full fence and counts the sleepers again; the worker leaves the list of sleepers by a sequentially
//! consistent operation and then looks at the announcement. One of them sees the other.

use super::Inner;
use crate::primitive::{AtomicBool, Ordering, fence};
use std::{
    sync::{Condvar, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// The time between two ticks.
const TICK: Duration = Duration::from_millis(1);
/// Ticks without a busy worker after which stacks are cooled and the monitor sleeps.
const QUIET: u32 = 20;
/// How long a worker may run one thread before it is named.
const HOG: Duration = Duration::from_secs(1);

/// The monitor's own sleep.
#[derive(Default)]
pub(crate) struct Monitor {
    asleep: AtomicBool,
    lock: Mutex<()>,
    woken: Condvar,
}

/// What the monitor remembers of a worker.
struct Watched {
    resumes: u64,
    since: Instant,
    named: bool,
}

impl Monitor {
    /// Wakes the monitor, if it sleeps.
    #[inline]
    pub(crate) fn wake(&self) {
        if self.asleep.load(Ordering::SeqCst) {
            self.wake_slow();
        }
    }

    #[cold]
    fn wake_slow(&self) {
        if self.asleep.swap(false, Ordering::SeqCst) {
            // Under the lock, so that the monitor is either before its check of `asleep` or waiting.
            drop(self.lock.lock());
            self.woken.notify_one();
        }
    }

    /// Sleeps until a worker wakes up; returns at once if one is awake.
    fn sleep(&self, runtime: &Inner) {
        self.asleep.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        if runtime.busy() != 0 || runtime.is_closing() {
            self.asleep.store(false, Ordering::SeqCst);
            return;
        }
        let mut guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        while self.asleep.load(Ordering::SeqCst) {
            guard = self.woken.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The monitor's OS thread; returns when the workers have ended.
    pub(crate) fn run(runtime: &Inner) {
        let now = Instant::now();
        let mut watched: Vec<Watched> =
            runtime.workers().iter().map(|_| Watched { resumes: 0, since: now, named: false }).collect();
        let mut quiet = 0;
        // Threads that had ended when stacks were last cooled.
        let mut cooled = 0;
        while runtime.running_workers() != 0 {
            std::thread::sleep(TICK);
            runtime.tick.fetch_add(1, Ordering::Relaxed);
            runtime.hinted.store(false, Ordering::Relaxed);
            let now = Instant::now();
            let mut waiting = false;
            let short = runtime.stacks.is_exhausted();
            for (worker, watched) in runtime.workers().iter().zip(&mut watched) {
                if runtime.idle.is_sleeping(worker.index) {
                    watched.since = now;
                    if short {
                        // It gives back the stacks that it keeps.
                        worker.nudge();
                    }
                    continue;
                }
                worker.attention.store(true, Ordering::Relaxed);
                waiting |= !worker.deque.is_empty() || !worker.shared.mailbox.is_empty();
                let resumes = worker.resumes.load(Ordering::Relaxed);
                if resumes != watched.resumes {
                    *watched = Watched { resumes, since: now, named: false };
                } else if !watched.named && now.duration_since(watched.since) >= HOG {
                    watched.named = true;
                    eprintln!(
                        "sinew: worker {} has run one thread for over a second without a suspension (a long \
                         computation, or a call that blocks the OS thread, such as a lock of std::sync or a file); \
                         other threads that started there wait. See sinew::thread::blocking.",
                        worker.index
                    );
                }
            }
            if waiting {
                runtime.wake_one();
            }
            quiet = if runtime.busy() == 0 { quiet + 1 } else { 0 };
            if quiet >= QUIET {
                let ended = runtime.ended();
                if ended != cooled {
                    cooled = ended;
                    runtime.cool();
                }
                runtime.monitor.sleep(runtime);
                quiet = 0;
            }
        }
    }
}
