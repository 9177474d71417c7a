//! One OS thread a runtime that watches over its workers while any is awake.
//!
//! Workers look at the clock themselves every so many switches, so that a switch need not and nobody interrupts them. The
//! monitor
//! - asks a worker for attention that has not looked for more than a tick of a millisecond: the thread that runs there ends its time
//!   slice at the next operation that could suspend;
//! - wakes a sleeping worker when threads wait in a busy one's deque (what `park` leaves to it);
//! - names on stderr, once each time, a worker that has run one thread for over a second: a loop that never suspends, or a lock of
//!   the OS whose holder is suspended on that very worker.
//!
//! It looks once a millisecond while a worker is behind, and ever more seldom, down to once in eight, while all keep up (Go's
//! `sysmon` does the like): each time it interrupts a worker, if there are no more processors than workers. An echo server with one
//! worker on one processor serves 5 % more messages for it.
//!
//! When every worker has slept for 20 ms it has them give back what threads touched deep in their stacks, and sleeps too,
//! without a timeout. A worker that wakes up wakes it: the monitor
//! announces its sleep, passes a full fence and counts the sleepers again; the worker leaves the list of sleepers by a sequentially
//! consistent operation and then looks at the announcement. One of them sees the other.

use super::Inner;
use crate::primitive::{AtomicBool, Ordering, fence};
use std::{
    sync::{Condvar, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// The time between two looks while a worker is behind.
const SHORT: Duration = Duration::from_millis(1);
/// The same while all keep up.
const LONG: Duration = Duration::from_millis(8);
/// The time without a busy worker after which stacks are cooled and the monitor sleeps.
const QUIET: Duration = Duration::from_millis(20);
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
        let mut pause = SHORT;
        let mut last_busy = now;
        // Threads that had ended when stacks were last cooled.
        let mut cooled = 0;
        while runtime.running_workers() != 0 {
            std::thread::sleep(pause);
            let (now, tick) = (Instant::now(), runtime.tick());
            let (mut waiting, mut behind) = (false, false);
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
                let schedules = worker.ticks_behind(tick) <= 1;
                if !schedules {
                    worker.attention.store(true, Ordering::Relaxed);
                    behind = true;
                }
                waiting |= !worker.deque.is_empty() || !worker.shared.mailbox.is_empty();
                let resumes = worker.resumes.load(Ordering::Relaxed);
                if resumes != watched.resumes || schedules {
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
            pause = if behind { SHORT } else { (pause * 2).min(LONG) };
            if runtime.busy() != 0 {
                last_busy = now;
            } else if now.duration_since(last_busy) >= QUIET {
                let ended = runtime.ended();
                if ended != cooled {
                    cooled = ended;
                    runtime.cool();
                }
                runtime.monitor.sleep(runtime);
                last_busy = Instant::now();
                pause = SHORT;
            }
        }
    }
}
