//! Running closures in a runtime and on its blocking pool.

use super::{JoinHandle, Result, builder::failed, handle::Claim};
use crate::runtime::{
    Handle, Inner, Runtime, blocking as pool, builder,
    spawn::{Wishes, spawn_into, spawn_on},
    wait,
    worker::Worker,
};
use std::{io, panic::resume_unwind};

/// Runs `f` as a green thread of the default runtime, or of the current one, waits for it, and gives its result.
///
/// `f` may borrow: `run` does not return before it has ended. Threads that it spawned and did not join go on.
///
/// # Panics
/// With the panic of `f`; or if the thread cannot be spawned.
///
/// # Cancellation
/// The wait is masked, since `f` may borrow from the caller.
///
/// # Examples
/// ```
/// let sum = sinew::run(|| {
///     let other = sinew::spawn(|| 40);
///     other.join().unwrap() + 2
/// });
/// assert_eq!(sum, 42);
/// ```
///
/// `f` runs on a worker, so what it borrows must be `Sync`, and what it takes `Send`:
/// ```compile_fail,E0277
/// let here = std::rc::Rc::new(1);
/// sinew::run(|| println!("{here}"));
/// ```
pub fn run<F, T>(f: F) -> T
where
    F: FnOnce() -> T + Send,
    T: Send,
{
    if let Some(worker) = Worker::current() {
        return run_in(worker.runtime(), f);
    }
    run_in(builder::default().inner(), f)
}

fn unwrap<T>(result: Result<T>) -> T {
    match result {
        Ok(value) => value,
        Err(payload) => resume_unwind(payload),
    }
}

fn run_in<F, T>(runtime: &Inner, f: F) -> T
where
    F: FnOnce() -> T + Send,
    T: Send,
{
    let _mask = wait::mask();
    // SAFETY: what `f` borrows outlives its thread, because the wait below is masked and cannot be left; the task is spawned with this
    // closure.
    let claim: Claim<T> = match unsafe { spawn_into(runtime, f, Wishes::NONE) } {
        // SAFETY: the same.
        Ok(task) => unsafe { Claim::new(task) },
        Err(error) => failed(error),
    };
    unwrap(claim.join())
}

/// Runs `f` on the runtime's pool of OS threads and suspends the current thread until it is done: for calls that block.
///
/// `f` may borrow, and has the caller's [context](crate::context); what it sets there is the caller's. A
/// [`thread_local!`](crate::thread_local) of this crate it has not: that is the pool's thread's. On an OS thread that is no worker, and
/// inside another `blocking`, `f` simply runs in place.
///
/// # Panics
/// With the panic of `f`.
///
/// # Cancellation
/// Masked: `f` may use the caller's stack, so the caller stays until it is done.
///
/// # Examples
/// ```
/// let text = sinew::run(|| sinew::thread::blocking(|| std::fs::read_to_string("Cargo.toml")))?;
/// assert!(text.contains("sinew"));
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// `f` runs on another OS thread:
/// ```compile_fail,E0277
/// let here = std::rc::Rc::new(1);
/// sinew::thread::blocking(|| println!("{here}"));
/// ```
#[doc(alias = "spawn_blocking", alias = "block_in_place")]
pub fn blocking<F, T>(f: F) -> T
where
    F: FnOnce() -> T + Send,
    T: Send,
{
    pool::blocking(f)
}

impl Runtime {
    /// Spawns a green thread of this runtime, from anywhere. See [`spawn`](super::spawn()).
    ///
    /// # Panics
    /// If no stack can be had at the moment; [`Handle::spawn`] gives an error instead.
    ///
    /// # Examples
    /// ```
    /// let runtime = sinew::Runtime::builder().workers(1).build()?;
    /// let thread = runtime.spawn(|| 1 + 1);
    /// assert_eq!(thread.join().unwrap(), 2);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn spawn<F, T>(&self, f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        // SAFETY: the bounds are what is asked for.
        match unsafe { spawn_into(self.inner(), f, Wishes::NONE) } {
            // SAFETY: spawned with this closure.
            Ok(task) => JoinHandle(unsafe { Claim::new(task) }),
            Err(error) => failed(error),
        }
    }

    /// Runs `f` as a green thread of this runtime, waits for it, and gives its result. See [`run`].
    ///
    /// # Panics
    /// With the panic of `f`; or if the thread cannot be spawned.
    ///
    /// # Cancellation
    /// The wait is masked, since `f` may borrow from the caller.
    pub fn run<F, T>(&self, f: F) -> T
    where
        F: FnOnce() -> T + Send,
        T: Send,
    {
        run_in(self.inner(), f)
    }
}

impl Handle {
    /// Spawns a green thread of the handle's runtime, from anywhere.
    ///
    /// # Errors
    /// No stack can be had at the moment, or the runtime is shutting down or has been shut down.
    pub fn spawn<F, T>(&self, f: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        // SAFETY: the bounds are what is asked for; the task was spawned with this closure.
        unsafe { Ok(JoinHandle(Claim::new(spawn_into(&self.inner, f, Wishes::NONE)?))) }
    }

    /// Spawns a green thread that starts on the worker of this number, and so stays there, from anywhere. What it spawns by
    /// [`spawn_local`](super::spawn_local) stays there too.
    ///
    /// For work that is divided among the workers once and for all, such as an accept loop on each: threads that are spawned
    /// plainly go to wherever there is time for them.
    ///
    /// # Errors
    /// As [`spawn`](Self::spawn).
    ///
    /// # Panics
    /// If there is no such worker: they are counted from 0 to [`workers`](Self::workers).
    ///
    /// # Examples
    /// ```
    /// use sinew::runtime::Handle;
    ///
    /// sinew::run(|| {
    ///     let runtime = Handle::current();
    ///     let start = |worker| runtime.spawn_on(worker, || std::thread::current().id());
    ///     let threads = (0..runtime.workers()).map(start).collect::<Result<Vec<_>, _>>()?;
    ///     let mut ids: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    ///     ids.dedup();
    ///     assert_eq!(ids.len(), runtime.workers());
    ///     # Ok::<(), std::io::Error>(())
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn spawn_on<F, T>(&self, worker: usize, f: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let worker = self.inner.worker(worker);
        // SAFETY: the bounds are what is asked for; the task was spawned with this closure.
        unsafe { Ok(JoinHandle(Claim::new(spawn_on(&self.inner, worker, f, Wishes::NONE)?))) }
    }
}
