//! A scheduler as a value: [`Runtime`], its [`Builder`], a [`Handle`] to spawn into it from elsewhere, and its [`Metrics`].

// The scheduler: workers, queues, stealing, placement, idling, timers, the blocking pool, shutdown.
//
// | module | holds |
// |---|---|
// | `builder` | `Runtime`, its builder, `Handle`, shutdown |
// | `worker` | a worker's fields |
// | `schedule` | what runs next; the only place that switches |
// | `carrier` | stacks whose bottom loop runs threads |
// | `execute` | a thread's first and last moments |
// | `spawn` | making threads and handing them to a worker |
// | `wait`, `join`, `sleeper` | suspending and waking |
// | `region` | parts of a thread's run with a cancellation of their own |
// | `clock` | the time, real or a test's |
// | `waiters`, `exact` | the wait list that `sync` and `channel` are built from |
// | `notify` | a waker for a thread |
// | `children` | waiting for many threads |
// | `maintain` | what is looked at once in a while |
// | `park`, `idle` | searching and sleeping |
// | `shortage` | what an idle worker does when stacks are short |
// | `place` | balance among started threads |
// | `monitor` | watches over workers that do not look at the clock |
// | `blocking` | OS threads for calls that block |
// | `deque`, `inbox`, `shared_queue` | the queues |
// | `timer` | the timer wheel |
// | `reactor`, `source`, `readiness` | readiness of descriptors |
// | `uring` | operations that the kernel completes (feature `io-uring`) |
// | `fork` | refusing to go on in a forked child |
// | `os` | headers for OS threads that are not workers |

pub(crate) mod blocking;
pub(crate) mod builder;
pub(crate) mod carrier;
pub(crate) mod children;
pub(crate) mod clock;
pub(crate) mod deque;
mod describe;
#[cfg(all(feature = "io-uring", target_os = "linux"))]
mod driver;
pub(crate) mod event;
pub(crate) mod exact;
mod execute;
mod fork;
pub(crate) mod idle;
pub(crate) mod inbox;
pub(crate) mod join;
mod maintain;
mod metrics;
mod monitor;
pub(crate) mod notify;
pub(crate) mod os;
mod park;
mod place;
pub(crate) mod reactor;
pub(crate) mod readiness;
pub(crate) mod region;
mod schedule;
pub(crate) mod shared_queue;
mod shortage;
mod sleeper;
pub(crate) mod source;
pub(crate) mod spawn;
pub(crate) mod timer;
#[cfg(all(feature = "io-uring", target_os = "linux"))]
pub(crate) mod uring;
pub(crate) mod wait;
pub(crate) mod waiters;
pub(crate) mod worker;

pub use builder::{Builder, Handle, Runtime, ShutdownError};
#[cfg(all(feature = "io-uring", target_os = "linux"))]
pub use driver::IoDriver;
pub use metrics::Metrics;

use crate::{
    primitive::{AtomicBool, AtomicU64, Ordering},
    stack::{SizeClass, StackPool},
};
use blocking::Blocking;
use clock::Clock;
use idle::Idle;
use monitor::Monitor;
use shared_queue::SharedQueue;
use std::{
    sync::{Condvar, Mutex},
    time::Instant,
};
use worker::{ByNext, Worker};

/// What the workers of a runtime share.
pub(crate) struct Inner {
    workers: Box<[Worker]>,
    /// Threads spawned from outside.
    pub(crate) injector: SharedQueue<ByNext>,
    pub(crate) idle: Idle,
    pub(crate) stacks: StackPool,
    /// The size class of threads that ask for none.
    pub(crate) stack_class: SizeClass,
    started: Instant,
    pub(crate) monitor: Monitor,
    pub(crate) blocking: Blocking,
    pub(crate) clock: Clock,
    closing: AtomicBool,
    /// Threads that were spawned by others than the worker that they were spawned on.
    spawned_outside: AtomicU64,
    /// Workers whose OS thread runs.
    running: Mutex<usize>,
    ended: Condvar,
}

impl Inner {
    pub(crate) fn workers(&self) -> &[Worker] {
        &self.workers
    }

    /// The worker of this number.
    ///
    /// # Panics
    /// If there is none.
    pub(crate) fn worker(&self, number: usize) -> &Worker {
        let count = self.workers.len();
        self.workers.get(number).unwrap_or_else(|| panic!("there is no worker {number}: the runtime has {count}"))
    }

    #[inline(always)]
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }

    /// The number of the present tick: milliseconds since the runtime's start, modulo 2^32.
    #[inline]
    pub(crate) fn tick(&self) -> u32 {
        self.started.elapsed().as_millis() as u32
    }

    /// Workers that do not sleep.
    pub(crate) fn busy(&self) -> usize {
        self.workers.len().saturating_sub(self.idle.sleeping())
    }

    /// How often workers have picked something to run. If it is the same before and after all were seen asleep, none ran in between.
    fn worked(&self) -> u64 {
        self.workers.iter().map(|worker| worker.resumes.load(Ordering::Relaxed)).sum()
    }

    /// Nothing has run for a while: has the memory of free stacks given back, by each worker for its own.
    fn cool(&self) {
        while self.busy() == 0 && self.stacks.cool() {}
        for worker in self.workers() {
            worker.shared.cool.store(true, Ordering::SeqCst);
            worker.nudge();
        }
    }

    /// Wakes a sleeping worker to search, if none searches. After what it is to find was published.
    pub(crate) fn wake_one(&self) {
        if let Some(index) = self.idle.wake_one() {
            self.workers[index].interrupt();
        }
    }

    /// How many threads have ended.
    fn ended(&self) -> u64 {
        self.workers.iter().map(|worker| worker.shared.counters.ended.load(Ordering::Acquire)).sum()
    }

    /// How many threads there are, started or not. Never less than there are; exact once nothing spawns.
    pub(crate) fn live(&self) -> u64 {
        // Ends before spawns: a thread that is counted as ended was spawned before.
        let ended = self.ended();
        std::sync::atomic::fence(Ordering::SeqCst);
        let spawned: u64 =
            self.workers.iter().map(|worker| worker.shared.counters.spawned.load(Ordering::Acquire)).sum();
        (spawned + self.spawned_outside.load(Ordering::SeqCst)) - ended
    }
}
