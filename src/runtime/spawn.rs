//! Making threads and handing them to a worker.

use super::{
    Inner,
    children::{Children, current},
    fork,
    worker::{Worker, bump},
};
use crate::{
    primitive::Ordering,
    stack::SizeClass,
    task::{Task, flag, payload, vars},
};
use std::{
    io,
    ptr::{self, NonNull},
};

/// What a spawn may ask for beyond a closure.
pub(crate) struct Wishes {
    pub(crate) name: Option<Box<str>>,
    pub(crate) stack_class: Option<SizeClass>,
    pub(crate) children: *const Children,
    pub(crate) local: bool,
    /// Where no stack can be had it waits for one, unstarted, and is no error.
    pub(crate) queues: bool,
}

impl Wishes {
    pub(crate) const NONE: Self =
        Self { name: None, stack_class: None, children: ptr::null(), local: false, queues: false };
}

/// Makes a thread of the current worker's runtime. The caller has the handle's reference.
///
/// # Safety
/// What the closure borrows outlives the thread; it and its result may move to another OS thread, unless `wishes.local`.
///
/// # Errors
/// No stack can be had at the moment; the error says which limit stands in the way.
#[inline(always)]
pub(crate) unsafe fn spawn_here<F: FnOnce() -> T, T>(
    worker: &Worker,
    closure: F,
    wishes: Wishes,
) -> io::Result<NonNull<Task>> {
    let runtime = worker.runtime();
    if runtime.stacks.is_exhausted() && !wishes.queues && !worker.keeps_stack(wishes.stack_class) {
        runtime.room_for(wishes.stack_class)?;
    }
    let task = payload::new(Some(&worker.cache), closure);
    // SAFETY: the header is ours until it is queued.
    let local = unsafe { prepare(runtime, task, wishes) };
    // SAFETY: the same.
    unsafe { task.as_ref() }.born.set(worker.last_tick.get());
    bump(&worker.shared.counters.spawned, 1);
    // SAFETY: the owner; in no queue.
    unsafe {
        if local {
            worker.ready.push(task);
        } else {
            worker.deque.push(task);
            if runtime.idle.wants_work() {
                worker.hint();
            }
        }
    }
    Ok(task)
}

/// Makes a thread of `runtime`, from anywhere.
///
/// # Safety
/// As [`spawn_here`]; `wishes.local` is not set.
///
/// # Errors
/// The same, and when the runtime is shutting down.
pub(crate) unsafe fn spawn_into<F: FnOnce() -> T, T>(
    runtime: &Inner,
    closure: F,
    wishes: Wishes,
) -> io::Result<NonNull<Task>> {
    if let Some(worker) = Worker::current()
        && ptr::eq(worker.runtime(), runtime)
    {
        // SAFETY: as promised.
        return unsafe { spawn_here(worker, closure, wishes) };
    }
    if runtime.stacks.is_exhausted() {
        runtime.room_for(wishes.stack_class)?;
    }
    fork::check();
    runtime.count_outside()?;
    let task = payload::new(None, closure);
    // SAFETY: the header is ours until it is queued; then it is in no other queue.
    unsafe {
        prepare(runtime, task, wishes);
        task.as_ref().born.set(runtime.tick());
        runtime.injector.push(task);
    }
    runtime.wake_one();
    Ok(task)
}

/// Makes a thread of `runtime` that starts and stays on one of its workers, from anywhere.
///
/// # Safety
/// As [`spawn_here`]; the closure and its result may move to another OS thread.
///
/// # Errors
/// As [`spawn_into`].
pub(crate) unsafe fn spawn_on<F: FnOnce() -> T, T>(
    runtime: &Inner,
    worker: &Worker,
    closure: F,
    wishes: Wishes,
) -> io::Result<NonNull<Task>> {
    let wishes = Wishes { local: true, ..wishes };
    if Worker::current().is_some_and(|current| ptr::eq(current, worker)) {
        // SAFETY: as promised.
        return unsafe { spawn_here(worker, closure, wishes) };
    }
    if runtime.stacks.is_exhausted() && !wishes.queues {
        runtime.room_for(wishes.stack_class)?;
    }
    fork::check();
    runtime.count_outside()?;
    let task = payload::new(None, closure);
    // SAFETY: the header is ours until it is queued; then it is in no other queue.
    unsafe {
        prepare(runtime, task, wishes);
        task.as_ref().born.set(runtime.tick());
        worker.shared.pinned.push(task);
    }
    worker.attention.store(true, Ordering::Relaxed);
    worker.nudge();
    Ok(task)
}

/// Whether a thread that is spawned on the current worker now would find a stack. On an OS thread: yes.
///
/// # Errors
/// It would not; the error says which limit stands in the way.
pub(crate) fn room_here() -> io::Result<()> {
    match Worker::current() {
        Some(worker) if worker.runtime().stacks.is_exhausted() && !worker.keeps_stack(None) => {
            worker.runtime().room_for(None)
        }
        _ => Ok(()),
    }
}

/// Fills in what a spawn asked for. True if the thread is local.
#[inline(always)]
unsafe fn prepare(runtime: &Inner, task: NonNull<Task>, wishes: Wishes) -> bool {
    // SAFETY: the caller's header.
    let header = unsafe { task.as_ref() };
    header.stack_class.set(wishes.stack_class.unwrap_or(runtime.stack_class).index() as u8);
    if wishes.name.is_some() {
        // SAFETY: nobody else sees the header yet.
        unsafe { header.set_name(wishes.name) };
    }
    if !wishes.children.is_null() {
        header.scope.set(wishes.children.cast());
    }
    if vars::in_use() {
        inherit(header);
    }
    if wishes.local {
        header.set_flag(flag::LOCAL);
    }
    wishes.local
}

/// Gives a thread the context values of its spawner.
#[cold]
fn inherit(child: &Task) {
    // SAFETY: the current thread's header.
    if let Some(extra) = unsafe { current().as_ref() }.try_extra()
        && !extra.vars.is_empty()
    {
        child.extra().vars.inherit(&extra.vars);
    }
}

impl Inner {
    /// Counts a thread that is spawned by others than the worker that gets it.
    ///
    /// # Errors
    /// The runtime is shutting down; nothing was counted.
    fn count_outside(&self) -> io::Result<()> {
        // Counted before `closing` is looked at: a worker that ends looks the other way round.
        self.spawned_outside.fetch_add(1, Ordering::SeqCst);
        if self.closing.load(Ordering::SeqCst) {
            self.spawned_outside.fetch_sub(1, Ordering::SeqCst);
            return Err(io::Error::other("the runtime is shutting down"));
        }
        Ok(())
    }

    /// An error unless there is room for one more stack of a class.
    #[cold]
    fn room_for(&self, class: Option<SizeClass>) -> io::Result<()> {
        self.stacks.room_for(class.unwrap_or(self.stack_class)).map_err(io::Error::from)
    }
}

impl Worker {
    /// Whether this worker keeps a stack of a class on which no thread is.
    #[cold]
    fn keeps_stack(&self, class: Option<SizeClass>) -> bool {
        let class = class.unwrap_or(self.runtime().stack_class);
        // SAFETY: the owner; nothing else refers to the vectors meanwhile.
        unsafe {
            !(&(*self.free.get()))[class.index()].is_empty()
                || (class == SizeClass::DEFAULT && !(*self.spare.get()).is_empty())
        }
    }

    /// Some worker sleeps and none searches, and this one has just spawned: wakes one if two threads wait, and for a single one at
    /// most once a tick, since its spawner is likely to be about to run it itself.
    #[cold]
    #[inline(never)]
    fn hint(&self) {
        let runtime = self.runtime();
        if self.deque.len() < 2 {
            let tick = self.last_tick.get();
            if self.hinted.replace(tick) == tick {
                return;
            }
        }
        if let Some(index) = runtime.idle.wake_hint() {
            runtime.workers()[index].interrupt();
        }
    }
}
