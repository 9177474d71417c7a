//! Suspending the current thread and waking others.
//!
//! A wait names the wake bits that end it. The owner's `pending` collects what arrived, `waiting` says what would make the
//! thread ready. On one worker both sides are plain loads and stores: a thread that publishes itself and then switches away cannot
//! miss a wake, since a wake from another OS thread reaches it through the inbox, which its worker reads after the switch
//! (rule 2).
//!
//! On an OS thread that is no worker the same calls block it on its [`Parker`](crate::task::parker::Parker).

use super::{
    children, os,
    region::{self, Target},
    sleeper::Sleeper,
    worker::Worker,
};
use crate::{
    primitive::Ordering,
    task::{
        OS_THREAD, Task, TaskRef,
        cancel::{Cancelled, Mask},
        flag,
        state::Delivery,
        wake,
    },
};
use std::{panic::resume_unwind, ptr::NonNull, time::Instant};

impl Worker {
    /// Wakes a started thread of this worker.
    ///
    /// # Safety
    /// It lives and is of this worker.
    #[inline(always)]
    pub(crate) unsafe fn wake_own(&self, task: NonNull<Task>, bits: u8) {
        // SAFETY: it lives.
        let header = unsafe { task.as_ref() };
        header.pending.set(header.pending.get() | bits);
        if header.waiting.get() & bits != 0 {
            header.waiting.set(0);
            // SAFETY: it was suspended, in no queue.
            unsafe { self.ready_next(task) };
        }
    }

    /// Suspends the running thread until one of `want` is pending; takes those and gives them.
    /// Does not look at cancellation unless `want` has its bit.
    ///
    /// # Safety
    /// `current` is this worker's running thread.
    #[inline(always)]
    pub(crate) unsafe fn wait(&self, current: &Task, want: u8) -> u8 {
        loop {
            let got = current.pending.get() & want;
            if got != 0 {
                // A cancellation stays pending until it is acknowledged.
                current.pending.set(current.pending.get() & !(got & !wake::CANCEL));
                return got;
            }
            current.waiting.set(want);
            // SAFETY: registered just now.
            unsafe { self.suspend(current) };
        }
    }

    /// Puts the running thread behind all that is ready.
    ///
    /// # Safety
    /// `current` is this worker's running thread.
    #[inline(always)]
    pub(crate) unsafe fn yield_now(&self, current: &Task) {
        // SAFETY: the running thread is in no queue, and is in one now.
        unsafe {
            self.ready.push(NonNull::from(current));
            self.suspend(current);
        }
        if current.pending.get() & wake::CANCEL != 0 {
            raise(self, current);
        }
    }
}

/// Which bit stands for cancellation in a wait of this thread: none while it is masked or unwinds.
///
/// If that cannot be told (`is_unwinding`), the bit is `RECHECK`: the wait ends when it can be told, and is to be made again.
#[inline(always)]
pub(crate) fn cancel_bit(worker: &Worker, current: &Task) -> u8 {
    if current.mask.get() != 0 {
        0
    } else if worker.is_unwinding(current) {
        worker.doubt(current)
    } else {
        wake::CANCEL
    }
}

/// Raises the running thread's cancellation, unless it is masked or unwinding, or there is none any more.
#[cold]
#[inline(never)]
pub(crate) fn raise(worker: &Worker, current: &Task) {
    if cancel_bit(worker, current) == wake::CANCEL && is_cancelled(current) {
        raise_now(current);
    }
}

/// Raises the current thread's cancellation, whole or of a part, if there is one and it may be raised here.
#[cold]
pub(crate) fn checkpoint(current: &Task) {
    region::look_at_clock(current);
    if region::target(current).is_none() {
        return;
    }
    match Worker::current() {
        Some(worker) => raise(worker, current),
        None if region::may_cancel(current) => raise_now(current),
        None => {}
    }
}

/// `wake::CANCEL` is pending: whether there is a cancellation to be raised here. If not, the bit is cleared.
#[cold]
#[inline(never)]
pub(crate) fn is_cancelled(current: &Task) -> bool {
    let cancelled = region::target(current).is_some();
    if !cancelled {
        current.pending.set(current.pending.get() & !wake::CANCEL);
    }
    cancelled
}

/// Raises the current thread's cancellation.
#[cold]
#[inline(never)]
pub(crate) fn raise_now(current: &Task) -> ! {
    // So it is known to unwind although another thread of its worker may be suspended in an unwind (rule 16): its destructors
    // may suspend, and a cancellation raised in one of them would abort the process.
    current.set_flag(flag::UNWINDING | flag::CANCELLING);
    let payload = match region::target(current) {
        Some(Target::Region(region)) => {
            // SAFETY: a region in the current thread's list lives.
            let region = unsafe { region.as_ref() };
            let payload = Box::new(Cancelled::raised(region.reason(), current.id(), region.address(), over));
            region.note_raised(&payload);
            payload
        }
        // Or taken back by another thread since.
        Some(Target::Thread) | None => {
            let reason = current.try_extra().and_then(|extra| extra.requests.reason());
            Box::new(Cancelled::raised(reason, current.id(), 0, over))
        }
    };
    resume_unwind(payload)
}

/// The payload of a thread's cancellation has been dropped: who caught it will not let it go on.
fn over(thread: u64) {
    // SAFETY: the current thread's header.
    let current = unsafe { children::current().as_ref() };
    if current.id() == thread {
        current.clear_flag(flag::CANCELLING);
    }
}

/// Keeps the current thread, green or not, from being cancelled while the result lives, which stays with the thread.
pub(crate) fn mask() -> Mask<'static> {
    // SAFETY: the current thread's header, which lives while the thread does anything.
    unsafe { Mask::of(children::current()) }
}

/// Blocks the current thread, green or not, until one of `want` arrives, takes those and gives them.
///
/// Unwinds if the thread is cancelled, unless it is masked; then nothing was taken.
pub(crate) fn wait(want: u8) -> u8 {
    match Worker::current().and_then(|worker| Some((worker, worker.current_task()?))) {
        Some((worker, current)) => wait_here(worker, current, want),
        None => wait_os(want, None),
    }
}

#[cold]
fn wait_os(want: u8, deadline: Option<Instant>) -> u8 {
    match os::wait(want, deadline) {
        Ending::Woken(bits) => bits,
        Ending::TimedOut => 0,
        Ending::Cancelled => os::with_current(|current| raise_now(current)),
    }
}

/// The same for `current`, the running thread of `worker`.
#[inline(always)]
pub(crate) fn wait_here(worker: &Worker, current: &Task, want: u8) -> u8 {
    match wait_or_cancelled(worker, current, want) {
        Ending::Woken(bits) => bits,
        _ => raise_now(current),
    }
}

/// How a wait ended that does not unwind by itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// By these of the bits it wanted.
    Woken(u8),
    TimedOut,
    Cancelled,
}

/// Suspends `current`, the running thread of `worker`, until one of `want` arrives, or it is cancelled and not masked.
#[inline(always)]
pub(crate) fn wait_or_cancelled(worker: &Worker, current: &Task, want: u8) -> Ending {
    loop {
        // SAFETY: the running thread.
        let got = unsafe { worker.wait(current, want | cancel_bit(worker, current)) };
        if got & want != 0 {
            return Ending::Woken(got & want);
        }
        if got & wake::CANCEL != 0 && is_cancelled(current) {
            return Ending::Cancelled;
        }
    }
}

/// The same with a deadline.
#[inline(never)]
pub(crate) fn wait_until_or_cancelled(worker: &Worker, current: &Task, want: u8, deadline: Instant) -> Ending {
    let sleeper = Sleeper::new(worker, current, deadline);
    // The wheel's wake is an event, as others are that come late; so look at the timer, and wait again.
    loop {
        // SAFETY: the running thread.
        let got = unsafe { worker.wait(current, want | wake::EVENT | cancel_bit(worker, current)) };
        if got & want != 0 {
            return Ending::Woken(got & want);
        }
        if got & wake::CANCEL != 0 && is_cancelled(current) {
            return Ending::Cancelled;
        }
        if sleeper.has_fired() {
            return Ending::TimedOut;
        }
    }
}

/// [`wait`] with a deadline; 0 when it passed first.
pub(crate) fn wait_until(want: u8, deadline: Instant) -> u8 {
    match Worker::current().and_then(|worker| Some((worker, worker.current_task()?))) {
        Some((worker, current)) => match wait_until_or_cancelled(worker, current, want, deadline) {
            Ending::Woken(bits) => bits,
            Ending::TimedOut => 0,
            Ending::Cancelled => raise_now(current),
        },
        None => wait_os(want, Some(deadline)),
    }
}

/// Wakes a thread, from anywhere.
///
/// # Safety
/// It lives during the call: the caller has a reference, or the thread waits for exactly this wake, or under a lock that the caller
/// holds.
#[inline(always)]
pub(crate) unsafe fn wake(task: NonNull<Task>, bits: u8) {
    // SAFETY: it lives.
    let home = unsafe { task.as_ref() }.home.load(Ordering::Acquire);
    if let Some(worker) = Worker::current()
        && home == worker.address()
    {
        // SAFETY: it is of this worker.
        unsafe { worker.wake_own(task, bits) };
    } else {
        // SAFETY: as promised.
        unsafe { wake_from_outside(task, bits) };
    }
}

/// See `task::state` for the protocol.
#[cold]
#[inline(never)]
unsafe fn wake_from_outside(task: NonNull<Task>, bits: u8) {
    // SAFETY: it lives.
    let header = unsafe { task.as_ref() };
    if header.home.load(Ordering::Relaxed) == OS_THREAD {
        // The reference keeps the parker if the wake lets its thread end.
        // SAFETY: it lives.
        let reference = unsafe { TaskRef::share(task) };
        reference.extra().parker.wake(bits);
        return;
    }
    if header.state.wake(bits, || !header.home.load(Ordering::Acquire).is_null()) == Delivery::None {
        return;
    }
    // SAFETY: the bits were set before DONE, so the owner waits for this message before its worker goes (task::state,
    // invariant 2), and for `visitors` after it.
    unsafe {
        let worker = &*header.home.load(Ordering::Acquire).cast::<Worker>();
        // Then the worker is not touched any more, and whoever pushed first sees to it that it looks.
        if worker.shared.inbox.push_behind(task) {
            return;
        }
        worker.shared.visitors.fetch_add(1, Ordering::SeqCst);
        if worker.shared.inbox.push(task) {
            worker.attention.store(true, Ordering::Relaxed);
            worker.nudge();
        }
        worker.shared.visitors.fetch_sub(1, Ordering::Release);
    }
}
