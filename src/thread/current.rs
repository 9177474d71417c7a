//! The current thread: naming it, parking it, putting it to sleep.

use crate::{
    runtime::{children, clock, os, region, wait, worker::Worker},
    task::{OS_THREAD, TaskRef, flag, wake},
};
use std::{
    fmt, io,
    num::NonZero,
    panic::{RefUnwindSafe, UnwindSafe},
    sync::Arc,
    time::{Duration, Instant},
};

/// A handle to a thread, green or not. See [`std::thread::Thread`].
#[derive(Clone)]
pub struct Thread {
    pub(crate) task: TaskRef,
}

/// A thread's number, unique in the process and never used again. See [`std::thread::ThreadId`].
///
/// It has nothing to do with the number that std gives to OS threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ThreadId(NonZero<u64>);

// As std's: a caught panic leaves no handle to a thread half changed.
impl UnwindSafe for Thread {}
impl RefUnwindSafe for Thread {}

impl Thread {
    /// The thread's number.
    #[must_use]
    pub fn id(&self) -> ThreadId {
        ThreadId(NonZero::new(self.task.id()).expect("numbers start at 1"))
    }

    /// The thread's name, if it was given one. For an OS thread, the name that std knew when the crate first met it.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.task.name()
    }

    /// Makes the thread's token available: its next, or present, [`park`] returns.
    ///
    /// Never blocks. What was written before is seen by the thread after its `park`.
    #[inline]
    pub fn unpark(&self) {
        // SAFETY: the reference keeps the header.
        unsafe { wait::wake(self.task.as_ptr(), wake::PARK) };
    }

    /// Asks a green thread to end: at its next suspension that is not masked it unwinds, and [`join`](super::JoinHandle::join) gives
    /// [`Cancelled`](crate::Cancelled). If it has not started, its closure is dropped and never runs.
    ///
    /// The unwind is no panic: no panic hook runs. Caught by [`catch_unwind`](std::panic::catch_unwind), it comes again at the
    /// next suspension. A thread that unwinds already, or waits for its [`scope`](super::scope())'s threads, is not interrupted.
    ///
    /// std sees the unwind as a panic: [`std::thread::panicking`] is true in destructors, and a `std::sync::Mutex` held meanwhile is
    /// poisoned. A scope does not panic for a thread that was cancelled.
    ///
    /// Requests are counted: [`uncancel`](Self::uncancel) takes one back, and [`cancel::catch`](crate::cancel::catch) acknowledges all.
    /// Parts of the thread's run can be cancelled alone, by [`time::timeout`](crate::time::timeout) and others; see
    /// [`cancel`](crate::cancel).
    ///
    /// Does nothing to a thread that has ended, and to an OS thread.
    pub fn cancel(&self) {
        self.request(None);
    }

    /// [`cancel`](Self::cancel) with a reason, which [`Cancelled::reason`](crate::Cancelled::reason) then gives, unless there is one
    /// from an earlier request.
    pub fn cancel_with(&self, reason: impl Into<Arc<str>>) {
        self.request(Some(reason.into()));
    }

    fn request(&self, reason: Option<Arc<str>>) {
        if self.task.home.load(crate::primitive::Ordering::Relaxed) != OS_THREAD {
            self.task.extra().requests.add(reason);
            // SAFETY: the reference keeps the header.
            unsafe { wait::wake(self.task.as_ptr(), wake::CANCEL) };
        }
    }

    /// Takes one request of [`cancel`](Self::cancel) back, and gives how many are left. With none left the thread is not cancelled
    /// any more, unless it unwinds already.
    ///
    /// This is for code that has caught the unwind of a cancellation which it asked for itself, and must not swallow those of others,
    /// as with asyncio's `Task.uncancel`. While the thread's runtime shuts down there is one request that cannot be taken back,
    /// and it never gives 0.
    ///
    /// # Examples
    /// ```
    /// sinew::run(|| {
    ///     let this = sinew::current();
    ///     this.cancel();
    ///     this.cancel();
    ///     assert_eq!(this.uncancel(), 1);
    ///     assert_eq!(this.uncancel(), 0);
    ///     sinew::yield_now();
    /// });
    /// ```
    pub fn uncancel(&self) -> usize {
        self.task.try_extra().map_or(0, |extra| extra.requests.take_back() as usize)
    }

    /// How many requests of [`cancel`](Self::cancel) there are; one more while the thread's runtime shuts down.
    #[must_use]
    pub fn cancelling(&self) -> usize {
        self.task.try_extra().map_or(0, |extra| extra.requests.count() as usize)
    }

    /// The number of the worker that the thread runs on, from its first moment to its last; none before its start, and for OS
    /// threads.
    #[must_use]
    pub fn worker(&self) -> Option<usize> {
        let home = self.task.home.load(crate::primitive::Ordering::Acquire);
        if home.is_null() || home == OS_THREAD || self.task.state.is_done() {
            return None;
        }
        let here = Worker::current()?;
        // A thread keeps its worker only while it lives, so only a look from inside its runtime is safe.
        here.runtime().workers().iter().find(|worker| worker.address() == home).map(|worker| worker.index)
    }
}

impl fmt::Debug for Thread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Thread").field("id", &self.id()).field("name", &self.name()).finish_non_exhaustive()
    }
}

/// The current thread's header, green or not, unless the OS thread's own locals are gone already.
pub(crate) fn with_header<R>(f: impl FnOnce(&TaskRef) -> R) -> Option<R> {
    match Worker::current().and_then(Worker::current_task) {
        Some(task) => {
            // SAFETY: the running thread's header lives, and this reference is not counted down.
            let task = std::mem::ManuallyDrop::new(unsafe { TaskRef::from_raw(std::ptr::NonNull::from(task)) });
            Some(f(&task))
        }
        None => os::try_with_current(f),
    }
}

/// A handle to the current thread. See [`std::thread::current`].
#[must_use]
pub fn current() -> Thread {
    let task = with_header(TaskRef::clone).unwrap_or_else(|| os::with_current(TaskRef::clone));
    Thread { task }
}

/// Suspends the current thread until its token is available, and takes it. See [`std::thread::park`].
///
/// Woken by [`Thread::unpark`] only; unlike std's it does not return for no reason, but programs should not count on that.
///
/// # Cancellation
/// A token that is available is taken first. Otherwise the thread unwinds, and a token that comes later stays.
///
/// # Examples
/// ```
/// let waiter = sinew::spawn(|| {
///     sinew::park();
///     "woken"
/// });
/// waiter.thread().unpark();
/// assert_eq!(waiter.join().unwrap(), "woken");
/// ```
#[inline]
pub fn park() {
    if let Some(worker) = Worker::current()
        && let Some(task) = worker.current_task()
    {
        // SAFETY: the running thread.
        let got = unsafe { worker.wait(task, wake::PARK | wait::cancel_bit(worker, task)) };
        if got & wake::PARK != 0 {
            return;
        }
        if got & wake::CANCEL != 0 && wait::is_cancelled(task) {
            wait::raise_now(task);
        }
    }
    wait::wait(wake::PARK);
}

/// [`park`] for a limited time, which is rounded up to whole milliseconds. See [`std::thread::park_timeout`].
///
/// # Cancellation
/// As [`park`].
pub fn park_timeout(duration: Duration) {
    match clock::now().checked_add(duration) {
        Some(deadline) => {
            wait::wait_until(wake::PARK, deadline);
        }
        // Beyond what a clock can say is for ever.
        None => park(),
    }
}

/// [`park_timeout`] in milliseconds. See [`std::thread::park_timeout_ms`].
#[deprecated(note = "use `park_timeout`, as with std")]
pub fn park_timeout_ms(ms: u32) {
    park_timeout(Duration::from_millis(ms.into()));
}

/// Lets the worker's other threads run before this one goes on. See [`std::thread::yield_now`].
///
/// Also lets every unstarted thread start, and, once in a while, looks for readiness of I/O and for timers.
///
/// # Cancellation
/// Unwinds after the others have run.
#[inline]
pub fn yield_now() {
    if let Some(worker) = Worker::current()
        && let Some(task) = worker.current_task()
    {
        // SAFETY: the running thread.
        unsafe { worker.yield_now(task) };
        return;
    }
    std::thread::yield_now();
    os::try_with_current(|current| wait::checkpoint(current));
}

/// Suspends the current thread for at least this long, rounded up to whole milliseconds on a green thread; for ever, if the
/// clock cannot say the time when it would end ([`Duration::MAX`]). See [`std::thread::sleep`].
///
/// # Cancellation
/// Unwinds at once.
pub fn sleep(duration: Duration) {
    if Worker::current().is_none() && !os::with_current(|current| region::may_cancel(current)) {
        return std::thread::sleep(duration);
    }
    match clock::now().checked_add(duration) {
        Some(deadline) => sleep_until(deadline),
        None => loop {
            // Centuries.
            wait::wait(0);
        },
    }
}

/// [`sleep`] in milliseconds. See [`std::thread::sleep_ms`].
#[deprecated(note = "use `sleep`, as with std")]
pub fn sleep_ms(ms: u32) {
    sleep(Duration::from_millis(ms.into()));
}

/// Suspends the current thread until a point in time; one that has passed only lets others run.
///
/// # Cancellation
/// Unwinds at once.
pub fn sleep_until(deadline: Instant) {
    if deadline <= clock::now() {
        return yield_now();
    }
    wait::wait_until(0, deadline);
}

/// Whether the current thread unwinds from a panic, or from a cancellation. See [`std::thread::panicking`].
///
/// std counts panics by OS thread, so while a green thread is suspended in the middle of an unwind (a destructor that waits), std's function
/// says yes on all threads of its worker. This one asks only about the current thread; should another thread of the worker be
/// suspended in an unwind, a thread that starts to unwind meanwhile may not be recognised before its next suspension.
#[inline]
#[must_use]
pub fn panicking() -> bool {
    std::thread::panicking() && panicking_slow()
}

#[cold]
fn panicking_slow() -> bool {
    match Worker::current().and_then(|worker| Some((worker, worker.current_task()?))) {
        Some((worker, task)) => worker.is_unwinding(task),
        None => true,
    }
}

/// The same without a cancellation's unwind, which poisons nothing.
#[cold]
pub(crate) fn panicking_by_panic() -> bool {
    // SAFETY: the current thread's header.
    panicking() && !unsafe { children::current().as_ref() }.has_flag(flag::CANCELLING)
}

/// How many OS threads the machine runs at once for this process. See [`std::thread::available_parallelism`].
///
/// # Errors
/// As std's.
pub fn available_parallelism() -> io::Result<NonZero<usize>> {
    std::thread::available_parallelism()
}
