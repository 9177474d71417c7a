//! Spawning.

use super::{JoinHandle, LocalJoinHandle, Scope, ScopedJoinHandle, handle::Claim};
use crate::{
    runtime::{
        builder,
        children::current,
        clock,
        region::{self, Region},
        spawn::{Wishes, spawn_here, spawn_into},
        worker::Worker,
    },
    stack::SizeClass,
    task::{Task, cancel::Cancelled},
};
use std::{io, marker::PhantomData, panic::resume_unwind, ptr::NonNull, time::Instant};

/// Spawns a green thread. See [`std::thread::spawn`].
///
/// Called on a green thread, into the same runtime; on an OS thread, into the default one, which is started on first use.
///
/// # Panics
/// If no stack can be had at the moment, or the default runtime cannot be started; [`Builder::spawn`] gives an error instead.
///
/// # Examples
/// ```
/// let thread = sinew::spawn(|| 1 + 1);
/// assert_eq!(thread.join().unwrap(), 2);
/// ```
///
/// What is not `Send` cannot go along:
/// ```compile_fail,E0277
/// let here = std::rc::Rc::new(1);
/// sinew::spawn(move || println!("{here}"));
/// ```
///
/// nor come back:
/// ```compile_fail,E0277
/// let there = sinew::spawn(|| std::rc::Rc::new(1));
/// ```
///
/// What is borrowed may be gone before the thread ends; [`scope`](super::scope()) lends it:
/// ```compile_fail,E0597
/// let numbers = vec![1, 2, 3];
/// let borrowed: &[i32] = &numbers;
/// sinew::spawn(move || println!("{borrowed:?}"));
/// ```
#[inline]
pub fn spawn<F, T>(f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    // SAFETY: the bounds are what is asked for.
    match unsafe { spawn_raw(f, Wishes::NONE) } {
        // SAFETY: spawned with this closure.
        Ok(task) => JoinHandle(unsafe { Claim::new(task) }),
        Err(error) => failed(error),
    }
}

#[cold]
pub(super) fn failed(error: io::Error) -> ! {
    panic!("failed to spawn thread: {error}")
}

/// # Safety
/// As `spawn_here`.
#[inline(always)]
pub(super) unsafe fn spawn_raw<F: FnOnce() -> T, T>(f: F, wishes: Wishes) -> io::Result<NonNull<Task>> {
    // SAFETY: as promised.
    unsafe {
        match Worker::current() {
            Some(worker) => spawn_here(worker, f, wishes),
            None => spawn_into(builder::try_default()?.inner(), f, wishes),
        }
    }
}

/// Spawns a green thread that stays on the current worker, so that its closure and result need not be `Send`.
///
/// It is never stolen or passed on, and its handle stays on the worker too.
///
/// # Panics
/// On an OS thread that is no worker; or if no stack can be had at the moment.
///
/// # Examples
/// ```
/// use std::{cell::Cell, rc::Rc};
///
/// sinew::run(|| {
///     let count = Rc::new(Cell::new(0));
///     let shared = Rc::clone(&count);
///     sinew::thread::spawn_local(move || shared.set(1)).join().unwrap();
///     assert_eq!(count.get(), 1);
/// });
/// ```
///
/// The handle cannot leave:
/// ```compile_fail,E0277
/// let handle = sinew::thread::spawn_local(|| std::rc::Rc::new(1));
/// sinew::spawn(move || handle.join());
/// ```
/// ```compile_fail,E0277
/// let handle = sinew::thread::spawn_local(|| std::rc::Rc::new(1));
/// sinew::scope(|scope| {
///     scope.spawn(|| handle.is_finished());
/// });
/// ```
#[track_caller]
pub fn spawn_local<F, T>(f: F) -> LocalJoinHandle<T>
where
    F: FnOnce() -> T + 'static,
    T: 'static,
{
    spawn_local_with(Wishes::NONE, f).unwrap_or_else(|error| failed(error))
}

#[track_caller]
fn spawn_local_with<F, T>(wishes: Wishes, f: F) -> io::Result<LocalJoinHandle<T>>
where
    F: FnOnce() -> T + 'static,
    T: 'static,
{
    let worker = Worker::current().expect("`spawn_local` is for green threads; use `sinew::run` around it");
    // SAFETY: a local thread stays on this OS thread, so nothing need be `Send` (rule 10); all is 'static.
    let task = unsafe { spawn_here(worker, f, Wishes { local: true, ..wishes })? };
    // SAFETY: spawned with this closure.
    Ok(LocalJoinHandle { claim: unsafe { Claim::new(task) }, stays: PhantomData })
}

/// How a green thread is to be, whoever spawns it: [`spawn`](Self::spawn), [`spawn_scoped`](Self::spawn_scoped) and
/// [`spawn_local`](Self::spawn_local) here, or [`TaskGroup::spawn_with`](crate::group::TaskGroup::spawn_with) and
/// [`JoinSet::spawn_with`](crate::group::JoinSet::spawn_with). See [`std::thread::Builder`].
///
/// # Examples
/// ```
/// let thread = sinew::Builder::new().name("parser".into()).stack_size(1 << 20).spawn(|| {
///     sinew::current().name().map(str::to_owned)
/// })?;
/// assert_eq!(thread.join().unwrap().as_deref(), Some("parser"));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Default)]
#[must_use = "must eventually spawn the thread"]
pub struct Builder {
    name: Option<String>,
    stack_size: Option<usize>,
    deadline: Option<Instant>,
}

impl Builder {
    /// A thread like one that [`spawn`] makes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives the thread a name, which `current().name()` and the report of a stack overflow show. The message of a panic
    /// shows the worker's name instead (`sinew-worker-0`), because std prints the OS thread's.
    ///
    /// # Panics
    /// When spawned, if the name has a NUL byte, as with std.
    pub fn name(mut self, name: String) -> Self {
        self.name = Some(name);
        self
    }

    /// How many bytes of stack the thread has at least. Sizes are rounded up, to a power of two less a guard of 16 KiB
    /// (of one page, where pages are larger). The start of the thread takes up to 2 KiB of them, for one thread more and for
    /// another less; up to 4 KiB without optimisation.
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = Some(bytes);
        self
    }

    /// Has the thread end by the deadline of its spawner: the earliest of the [`timeout`](crate::time::timeout)s that the caller of this is
    /// in, as far as the first [`shield`](crate::cancel::shield), and if it has inherited one itself, by that. Without any, it changes
    /// nothing; nor does it follow a deadline that is moved later.
    ///
    /// A thread whose time is up is cancelled: it unwinds at its next suspension, and [`join`](JoinHandle::join) gives
    /// [`Cancelled`]. If its time is up before it starts, its closure is dropped and never runs. The deadline lies around the whole
    /// closure, as a [`timeout`](crate::time::timeout) would: a [`catch`](crate::cancel::catch) inside does not acknowledge it.
    ///
    /// # Examples
    /// ```
    /// use sinew::{Builder, Cancelled, time::{Duration, timeout}};
    ///
    /// let request = timeout(Duration::from_millis(5), || {
    ///     // It is not waited for, and yet it has no more time than this.
    ///     Builder::new().inherit_deadline().spawn(|| sinew::park()).unwrap()
    /// });
    /// assert!(request.unwrap().join().unwrap_err().is::<Cancelled>());
    /// ```
    pub fn inherit_deadline(mut self) -> Self {
        // SAFETY: the current thread's header.
        self.deadline = region::next_deadline(unsafe { current().as_ref() });
        self
    }

    /// Spawns the thread. See [`spawn`].
    ///
    /// # Errors
    /// No stack can be had at the moment, and the error names the limit; the size is over 1 GiB (512 MiB on 32-bit processors); or the
    /// default runtime cannot be started.
    ///
    /// # Panics
    /// If the name has a NUL byte.
    pub fn spawn<F, T>(self, f: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        // SAFETY: the bounds are what is asked for.
        unsafe { self.spawn_unchecked(f) }
    }

    /// Spawns the thread without the bound on lifetimes. See [`std::thread::Builder::spawn_unchecked`].
    ///
    /// # Errors
    /// As [`spawn`](Self::spawn).
    ///
    /// # Panics
    /// As [`spawn`](Self::spawn).
    ///
    /// # Safety
    /// What the closure borrows must outlive the thread: the handle is to be joined first, also when unwinding.
    pub unsafe fn spawn_unchecked<F, T>(self, f: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + Send,
        T: Send,
    {
        // SAFETY: the caller's promise and the bounds are what is asked for; the task was spawned with this closure.
        unsafe { Ok(JoinHandle(Claim::new(spawn_raw(ends_by(self.deadline, f), self.wishes()?)?))) }
    }

    /// Spawns the thread in a scope. See [`std::thread::Builder::spawn_scoped`].
    ///
    /// # Errors
    /// As [`spawn`](Self::spawn).
    ///
    /// # Panics
    /// As [`spawn`](Self::spawn).
    pub fn spawn_scoped<'scope, 'env, F, T>(
        self,
        scope: &'scope Scope<'scope, 'env>,
        f: F,
    ) -> io::Result<ScopedJoinHandle<'scope, T>>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        let f = ends_by(self.deadline, f);
        scope.spawn_with(self.wishes()?, f)
    }

    /// Spawns the thread on the current worker, where it stays. See [`spawn_local`].
    ///
    /// # Errors
    /// As [`spawn`](Self::spawn).
    ///
    /// # Panics
    /// As [`spawn`](Self::spawn); and on an OS thread that is no worker.
    pub fn spawn_local<F, T>(self, f: F) -> io::Result<LocalJoinHandle<T>>
    where
        F: FnOnce() -> T + 'static,
        T: 'static,
    {
        let f = ends_by(self.deadline, f);
        spawn_local_with(self.wishes()?, f)
    }

    fn wishes(self) -> io::Result<Wishes> {
        let stack_class = match self.stack_size {
            None => None,
            Some(bytes) => Some(
                SizeClass::for_size(bytes)
                    .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, SizeClass::TOO_LARGE))?,
            ),
        };
        let name = self.name.map(String::into_boxed_str);
        if let Some(name) = &name {
            assert!(!name.contains('\0'), "thread name may not contain interior null bytes");
        }
        Ok(Wishes { name, stack_class, ..Wishes::NONE })
    }
}

/// A thread's closure that is cancelled by a deadline, if there is one.
fn ends_by<F: FnOnce() -> T, T>(deadline: Option<Instant>, f: F) -> impl FnOnce() -> T {
    move || {
        let Some(deadline) = deadline else { return f() };
        if deadline > clock::now()
            && let Ok(value) = Region::with_deadline(Some(deadline)).run(f)
        {
            return value;
        }
        resume_unwind(Box::new(Cancelled::new(Some("the deadline that it inherited has passed".into()))))
    }
}
