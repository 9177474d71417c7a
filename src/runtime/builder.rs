//! A runtime as a value: how it is configured, started and ended.

#[cfg(all(feature = "io-uring", target_os = "linux"))]
use super::IoDriver;
use super::{
    Inner, Metrics,
    blocking::{self, Blocking},
    clock::Clock,
    fork,
    idle::Idle,
    monitor::Monitor,
    shared_queue::SharedQueue,
    worker::Worker,
};
use crate::{
    primitive::{AtomicBool, AtomicU64, Ordering},
    stack::{AltStack, SizeClass, StackPool, overflow},
    sys::membarrier,
};
use std::{
    fmt, io,
    num::NonZero,
    ptr,
    sync::{Arc, Condvar, Mutex, OnceLock, PoisonError},
    thread,
    time::Instant,
};

/// A set of workers and the green threads that they run.
///
/// Most programs never make one: `sinew::spawn` on an OS thread starts a default runtime on first use, with as many workers as
/// [`available_parallelism`](crate::thread::available_parallelism) says, or as the environment variable
/// `SINEW_WORKERS` says.
///
/// Dropping a runtime cancels its threads and waits until all have ended, however long that takes; [`shutdown`](Self::shutdown) waits no
/// longer than it is told.
///
/// # Examples
/// ```
/// let runtime = sinew::Runtime::builder().workers(2).build()?;
/// let sum = runtime.run(|| {
///     let threads: Vec<_> = (0..10).map(|i| sinew::spawn(move || i)).collect();
///     threads.into_iter().map(|thread| thread.join().unwrap()).sum::<i32>()
/// });
/// assert_eq!(sum, 45);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Runtime {
    inner: Arc<Inner>,
    threads: Vec<thread::JoinHandle<()>>,
}

/// How a [`Runtime`] is to be; made by [`Runtime::builder`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct Builder {
    workers: Option<usize>,
    worker_name: String,
    stack_size: Option<usize>,
    blocking_threads: usize,
    max_stacks: Option<usize>,
    start_paused: bool,
    #[cfg(all(feature = "io-uring", target_os = "linux"))]
    io_driver: Option<IoDriver>,
}

/// A reference to a runtime from anywhere, to spawn into it. It does not keep the runtime going.
#[derive(Clone)]
pub struct Handle {
    pub(crate) inner: Arc<Inner>,
}

/// Threads were left when [`Runtime::shutdown`]'s time was up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShutdownError {
    threads: u64,
}

impl ShutdownError {
    /// How many green threads had not ended.
    pub fn threads(&self) -> u64 {
        self.threads
    }
}

impl fmt::Display for ShutdownError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (threads, rest) = match self.threads {
            1 => ("thread", "it was cancelled, and keeps its worker until it suspends"),
            _ => ("threads", "they were cancelled, and keep their workers until they suspend"),
        };
        write!(f, "{} green {threads} had not ended when the shutdown's time was up; {rest}", self.threads)
    }
}

impl std::error::Error for ShutdownError {}

impl Builder {
    fn new() -> Self {
        Self {
            workers: None,
            worker_name: "sinew-worker".into(),
            stack_size: None,
            blocking_threads: 512,
            max_stacks: None,
            start_paused: false,
            #[cfg(all(feature = "io-uring", target_os = "linux"))]
            io_driver: None,
        }
    }

    /// How many workers, which are OS threads, run green threads. By default as many as `SINEW_WORKERS` says, or as
    /// the machine has processors for this process.
    ///
    /// # Panics
    /// If `count` is 0 or over 1,024.
    #[track_caller]
    pub fn workers(mut self, count: usize) -> Self {
        assert!((1..=1024).contains(&count), "a runtime has between 1 and 1,024 workers, not {count}");
        self.workers = Some(count);
        self
    }

    /// What the workers' OS threads are called; each has its number appended. By default `sinew-worker`.
    pub fn worker_name(mut self, name: impl Into<String>) -> Self {
        self.worker_name = name.into();
        self
    }

    /// How many bytes of stack a green thread has at least that asks for no size itself. By default a reserve of 256 KiB that
    /// includes a guard of 16 KiB (of one page, where pages are larger); at most 1 GiB (512 MiB on 32-bit processors).
    /// The start of the thread takes up to 2 KiB of them, for one thread more and for another less; up to 4 KiB without optimisation.
    /// Memory is committed page by page as it is touched.
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = Some(bytes);
        self
    }

    /// How many OS threads may run calls that block, at most. By default 512; they are started as needed.
    ///
    /// # Panics
    /// If `count` is 0.
    #[track_caller]
    pub fn blocking_threads(mut self, count: usize) -> Self {
        assert!(count != 0, "a runtime needs at least one thread for blocking calls");
        self.blocking_threads = count;
        self
    }

    /// How many stacks there are at most, which bounds the started threads. More threads may be spawned; they start as
    /// others end. By default as many as the system gives.
    ///
    /// # Panics
    /// If `count` is 0.
    #[track_caller]
    pub fn max_stacks(mut self, count: usize) -> Self {
        assert!(count != 0, "a runtime needs at least one stack");
        self.max_stacks = Some(count);
        self
    }

    /// Gives the runtime's threads a clock for tests, which stands still while anybody works, and jumps to the earliest deadline when
    /// every thread waits. See [`sinew::time`](crate::time#a-clock-for-tests).
    pub fn start_paused(mut self, paused: bool) -> Self {
        self.start_paused = paused;
        self
    }

    /// How threads wait for sockets and files. By default as the environment variable `SINEW_IO` says: `epoll`, or `uring`. If that
    /// is not set, by epoll.
    ///
    /// Where the kernel refuses io_uring, epoll is used, and a line on stderr says so.
    #[cfg(all(feature = "io-uring", target_os = "linux"))]
    pub fn io_driver(mut self, driver: IoDriver) -> Self {
        self.io_driver = Some(driver);
        self
    }

    /// Starts the runtime.
    ///
    /// # Errors
    /// If the system gives no poller or OS thread, if a stack size is too large, or `SINEW_WORKERS` is not a number between 1 and 1,024;
    /// with the feature `io-uring`, if `SINEW_IO` is neither `epoll` nor `uring`.
    pub fn build(self) -> io::Result<Runtime> {
        let count = match self.workers {
            Some(count) => count,
            None => default_workers()?,
        };
        let stack_class = match self.stack_size {
            None => SizeClass::DEFAULT,
            Some(bytes) => SizeClass::for_size(bytes)
                .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, SizeClass::TOO_LARGE))?,
        };
        #[cfg(all(feature = "io-uring", target_os = "linux"))]
        let io_driver = self.io_driver.map_or_else(IoDriver::by_default, Ok)?;
        membarrier::register();
        fork::install();
        overflow::install();
        overflow::set_describer(super::describe::describe);
        let origin = Instant::now();
        let workers = (0..count).map(|index| Worker::new(index, origin)).collect::<io::Result<Box<[_]>>>()?;
        let inner = Arc::new(Inner {
            workers,
            injector: SharedQueue::new(),
            idle: Idle::new(count),
            stacks: StackPool::new(self.max_stacks),
            stack_class,
            started: origin,
            monitor: Monitor::default(),
            blocking: Blocking::new(self.blocking_threads),
            clock: Clock::new(origin, self.start_paused),
            closing: AtomicBool::new(false),
            spawned_outside: AtomicU64::new(0),
            running: Mutex::new(0),
            ended: Condvar::new(),
        });
        let mut runtime = Runtime { inner, threads: Vec::new() };
        for worker in runtime.inner.workers() {
            worker.runtime.set(Arc::as_ptr(&runtime.inner));
        }
        #[cfg(all(feature = "io-uring", target_os = "linux"))]
        let (starting, started) = std::sync::mpsc::channel::<()>();
        for index in 0..count {
            #[cfg(all(feature = "io-uring", target_os = "linux"))]
            let starting = starting.clone();
            let inner = Arc::clone(&runtime.inner);
            *inner.lock_running() += 1;
            let started = thread::Builder::new().name(format!("{}-{index}", self.worker_name)).spawn(move || {
                let alternate = AltStack::new();
                if let Err(error) = &alternate {
                    eprintln!("sinew: no alternate signal stack, so a stack overflow will not be reported: {error}");
                }
                #[cfg(all(feature = "io-uring", target_os = "linux"))]
                {
                    io_driver.start(&inner.workers()[index].reactor);
                    drop(starting);
                }
                inner.workers()[index].run();
                *inner.lock_running() -= 1;
                inner.ended.notify_all();
            });
            runtime.adopt(started)?;
        }
        #[cfg(all(feature = "io-uring", target_os = "linux"))]
        if io_driver == IoDriver::Uring {
            // Each worker makes its ring itself; what they take of the process's descriptors is taken when this returns.
            drop(starting);
            let _ = started.recv();
        }
        let inner = Arc::clone(&runtime.inner);
        let monitor = thread::Builder::new().name("sinew-monitor".into()).spawn(move || Monitor::run(&inner));
        runtime.adopt(monitor)?;
        Ok(runtime)
    }
}

/// As many workers as `SINEW_WORKERS` says, or as there are processors.
fn default_workers() -> io::Result<usize> {
    let Some(value) = std::env::var_os("SINEW_WORKERS") else {
        return Ok(thread::available_parallelism().map_or(1, NonZero::get));
    };
    value.to_str().and_then(|value| value.trim().parse().ok()).filter(|count| (1..=1024).contains(count)).ok_or_else(
        || {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("SINEW_WORKERS is to be a number between 1 and 1,024, not {value:?}"),
            )
        },
    )
}

impl Inner {
    fn lock_running(&self) -> std::sync::MutexGuard<'_, usize> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn running_workers(&self) -> usize {
        *self.lock_running()
    }

    /// Refuses new threads from outside, and has the workers cancel theirs.
    fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
        for worker in self.workers() {
            worker.attention.store(true, Ordering::SeqCst);
            worker.nudge();
        }
        self.monitor.wake();
    }

    /// Waits until every worker has ended; false if the time is up before.
    fn await_end(&self, deadline: Option<Instant>) -> bool {
        let mut running = self.lock_running();
        while *running != 0 {
            running = match deadline {
                None => self.ended.wait(running).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return false;
                    }
                    self.ended.wait_timeout(running, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        true
    }
}

impl Runtime {
    /// How a runtime is to be.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// A runtime as it is by default.
    ///
    /// # Errors
    /// As [`Builder::build`].
    pub fn new() -> io::Result<Self> {
        Self::builder().build()
    }

    /// A reference with which other threads can spawn into this runtime.
    pub fn handle(&self) -> Handle {
        Handle { inner: Arc::clone(&self.inner) }
    }

    /// How many workers it has.
    pub fn workers(&self) -> usize {
        self.inner.workers().len()
    }

    /// What it has done so far.
    pub fn metrics(&self) -> Metrics {
        self.inner.metrics()
    }

    /// Cancels every green thread and waits until all have ended, or until the deadline.
    ///
    /// From now on nothing can be spawned from outside, and threads that have not started never run. A cancelled thread unwinds at
    /// its next suspension, and keeps its worker until then.
    ///
    /// Blocks the current thread; called from a green thread of another runtime, it suspends that one.
    ///
    /// # Errors
    /// The time was up first; the error says how many threads are left. Those keep their workers, and the workers' memory, until they
    /// end, or for ever.
    ///
    /// # Panics
    /// When called on one of the runtime's own workers, or on a thread of its blocking pool.
    ///
    /// # Examples
    /// ```
    /// use std::time::{Duration, Instant};
    ///
    /// let runtime = sinew::Runtime::builder().workers(1).build()?;
    /// let waiter = runtime.spawn(sinew::park);
    /// runtime.shutdown(Instant::now() + Duration::from_secs(60)).expect("a thread that waits can be cancelled");
    /// assert!(waiter.join().unwrap_err().is::<sinew::Cancelled>());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn shutdown(mut self, deadline: Instant) -> Result<(), ShutdownError> {
        self.end(Some(deadline))
    }

    /// Keeps a thread that was started, or ends what was started before one that could not be.
    fn adopt(&mut self, started: io::Result<thread::JoinHandle<()>>) -> io::Result<()> {
        match started {
            Ok(thread) => {
                self.threads.push(thread);
                Ok(())
            }
            Err(error) => {
                *self.inner.lock_running() -= usize::from(self.threads.len() < self.workers());
                Err(error)
            }
        }
    }

    fn end(&mut self, deadline: Option<Instant>) -> Result<(), ShutdownError> {
        let threads = std::mem::take(&mut self.threads);
        if threads.is_empty() {
            return Ok(());
        }
        let here = Worker::current().is_some_and(|worker| ptr::eq(worker.runtime(), Arc::as_ptr(&self.inner)));
        let here = here || self.inner.blocking.is_here();
        assert!(!here, "a runtime cannot be shut down or dropped on its own worker, which would wait for itself");
        self.inner.close();
        let inner = &self.inner;
        if !blocking::blocking(|| inner.await_end(deadline)) {
            // The OS threads are left to themselves; they hold the runtime's memory as long as they need it.
            return Err(ShutdownError { threads: inner.live() });
        }
        self.inner.monitor.wake();
        for thread in threads {
            // A worker or the monitor that panics aborts, or says so itself.
            let _ = thread.join();
        }
        self.inner.blocking.close();
        Ok(())
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        let ended = self.end(None);
        debug_assert!(ended.is_ok());
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").field("workers", &self.workers()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("workers", &self.inner.workers().len()).finish_non_exhaustive()
    }
}

impl Handle {
    /// The runtime that the current green thread belongs to; on an OS thread the default one, which is started on first use.
    ///
    /// # Panics
    /// If the default runtime cannot be started; the message says why.
    #[must_use]
    pub fn current() -> Self {
        let Some(worker) = Worker::current() else { return default().handle() };
        let inner: *const Inner = worker.runtime();
        // SAFETY: it came from `Arc::as_ptr`, and this worker's OS thread holds a reference while it runs.
        let inner = unsafe {
            Arc::increment_strong_count(inner);
            Arc::from_raw(inner)
        };
        Self { inner }
    }

    /// How many workers the runtime has.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.inner.workers().len()
    }

    /// What the runtime has done so far.
    pub fn metrics(&self) -> Metrics {
        self.inner.metrics()
    }
}

/// The default runtime, started on first use and never ended.
///
/// # Panics
/// If it cannot be started; the message says why.
pub(crate) fn default() -> &'static Runtime {
    try_default().unwrap_or_else(|error| panic!("sinew: {error}"))
}

/// The same.
///
/// # Errors
/// It cannot be started; the message says so, and why.
pub(crate) fn try_default() -> io::Result<&'static Runtime> {
    static DEFAULT: OnceLock<Runtime> = OnceLock::new();
    static STARTING: Mutex<()> = Mutex::new(());
    if let Some(runtime) = DEFAULT.get() {
        return Ok(runtime);
    }
    let _alone = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(runtime) = DEFAULT.get() {
        return Ok(runtime);
    }
    let runtime = Runtime::new()
        .map_err(|error| io::Error::new(error.kind(), format!("the default runtime cannot be started: {error}")))?;
    Ok(DEFAULT.get_or_init(|| runtime))
}

impl Runtime {
    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }
}
