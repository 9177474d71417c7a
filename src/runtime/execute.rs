//! A thread's first and last moments.
//!
//! The end keeps to the order of rule 13: the closure's rest, the locals and an unclaimed result are dropped while the thread
//! is still current; then `DONE`, the scope's count, the wake of the joiner; then the next pick.

use super::{carrier::Carrier, children::Children, wait, worker::Worker};
use crate::{
    primitive::Ordering,
    task::{Task, flag, payload, wake},
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    ptr::{self, NonNull},
};

impl Worker {
    /// Runs the thread that was left in `starting`, from its first moment to its last, on the running carrier.
    ///
    /// # Safety
    /// `carrier` is the running one, and `starting` is set.
    #[inline(always)]
    pub(crate) unsafe fn run_started(&self, carrier: *mut Carrier) {
        // SAFETY: set by `start`.
        let task = unsafe { NonNull::new_unchecked(self.starting.get()) };
        // SAFETY: unstarted threads live, and this one is ours.
        let header = unsafe { task.as_ref() };
        self.current.set(task.as_ptr());
        header.set_flag(flag::STARTED);
        header.carrier.set(carrier.cast());
        // SAFETY: the running carrier.
        unsafe {
            (*carrier).task.set(task.as_ptr());
            (*carrier).used.set(true);
        }
        self.held.store(self.held.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        header.home.store(self.address(), Ordering::Release);
        let late = header.state.take_late();
        if late != 0 {
            header.pending.set(header.pending.get() | late);
        }
        // SAFETY: the payload holds the closure, and runs or is refused once.
        unsafe {
            if self.closing.get() || header.pending.get() & wake::CANCEL != 0 && wait::is_cancelled(header) {
                (header.vtable.refuse)(task);
            } else {
                (header.vtable.run)(task);
            }
            self.end(carrier, task);
        }
    }

    /// The end of the running thread.
    #[inline(always)]
    unsafe fn end(&self, carrier: *mut Carrier, task: NonNull<Task>) {
        // SAFETY: the thread's own reference keeps the header until it is dropped below.
        let header = unsafe { task.as_ref() };
        if !header.extra.load(Ordering::Relaxed).is_null() {
            // SAFETY: the running thread, its result in place.
            unsafe { clear_locals(task) };
        }
        let unclaimed = !header.state.has_handle();
        if unclaimed {
            // SAFETY: nobody can claim the result any more.
            unsafe { drop_unclaimed(task) };
        }
        let joiner = if header.has_flag(flag::LOCAL_JOINER) { header.joiner.get() } else { ptr::null_mut() };
        let scoped = !header.scope.get().is_null();
        if !scoped && header.state.end_plainly() {
            self.leave(carrier);
            if let Some(joiner) = NonNull::new(joiner) {
                // SAFETY: a local joiner is of this worker, and does not leave before this wake.
                unsafe { self.wake_own(joiner, wake::EXACT) };
            }
        } else {
            // SAFETY: the thread has ended; see the called function.
            unsafe { self.end_slow(carrier, task, joiner, unclaimed) };
        }
        // After the last touch of anything that a shutdown might wait for.
        // Release, and read with acquire by `live`: who counts this end has the spawn's count before it.
        let ended = &self.shared.counters.ended;
        ended.store(ended.load(Ordering::Relaxed) + 1, Ordering::Release);
    }

    /// The running thread has ended, and its header may be gone.
    #[inline(always)]
    fn leave(&self, carrier: *mut Carrier) {
        self.current.set(ptr::null_mut());
        // SAFETY: the running carrier.
        unsafe { (*carrier).task.set(ptr::null_mut()) };
        self.held.store(self.held.load(Ordering::Relaxed) - 1, Ordering::Relaxed);
    }

    #[cold]
    #[inline(never)]
    unsafe fn end_slow(
        &self,
        carrier: *mut Carrier,
        task: NonNull<Task>,
        local_joiner: *mut Task,
        mut unclaimed: bool,
    ) {
        // SAFETY: as in `end`.
        let header = unsafe { task.as_ref() };
        let scope = header.scope.get();
        let ended = loop {
            if let Some(ended) = header.state.end(unclaimed) {
                break ended;
            }
            // The handle went in between, and left the result to us.
            unclaimed = true;
            // SAFETY: so it is ours, and the thread is still current.
            unsafe { drop_unclaimed(task) };
        };
        self.leave(carrier);
        if ended.message {
            self.outstanding.set(self.outstanding.get() + 1);
        }
        let joiner = if ended.joiner { header.joiner.get() } else { local_joiner };
        if !scope.is_null() {
            // SAFETY: the scope waits for this call.
            unsafe { Children::child_ended(scope.cast()) };
        }
        if let Some(joiner) = NonNull::new(joiner) {
            // SAFETY: a joiner does not leave before this exact wake (task::state, invariant 4).
            unsafe { wait::wake(joiner, wake::EXACT) };
        }
        if header.state.drop_reference() {
            // SAFETY: the last reference, and the payload is empty: without a handle the result was dropped.
            unsafe { payload::free(Some(&self.cache), task) };
        }
    }
}

/// A destructor's panic becomes the thread's, unless it has one.
#[cold]
unsafe fn clear_locals(task: NonNull<Task>) {
    // SAFETY: the running thread's header.
    let header = unsafe { task.as_ref() };
    // From here on there is nothing left that a cancellation could unwind.
    header.mask.set(header.mask.get() + 1);
    let extra = header.extra();
    let cleared = catch_unwind(AssertUnwindSafe(|| extra.vars.close()));
    // After the values, whose destructors may make some.
    let cleared = extra.locals.clear().and(cleared);
    if let Err(panic) = cleared {
        // SAFETY: the payload holds the result, which nobody else looks at before DONE.
        unsafe { (header.vtable.fail)(task, panic) };
        // The result that gave way to the panic may have made locals anew.
        clear_again(header);
    }
}

/// Drops locals that were made while a result was dropped: a panic of theirs has nowhere to go.
fn clear_again(header: &Task) {
    if !header.extra.load(Ordering::Relaxed).is_null()
        && catch_unwind(AssertUnwindSafe(|| header.extra().locals.clear().is_err())).unwrap_or(true)
    {
        eprintln!("sinew: a thread's local panicked when it was dropped after the result");
        std::process::abort();
    }
}

/// Drops a result that nobody will claim. It runs user code as part of the thread: with its cancellation masked, since nothing is
/// left to unwind into, and with locals that are made anew dropped again.
#[cold]
unsafe fn drop_unclaimed(task: NonNull<Task>) {
    // SAFETY: the running thread's header.
    let header = unsafe { task.as_ref() };
    header.mask.set(header.mask.get() + 1);
    // SAFETY: the result is ours, and the scope waits for this thread.
    unsafe { drop_result(header, task) };
    clear_again(header);
}

/// Drops an unclaimed result. A scope hears of a panic that nobody has heard of.
unsafe fn drop_result(header: &Task, task: NonNull<Task>) {
    // SAFETY: the result is the caller's; a scope lives until its last thread's end.
    unsafe {
        let panicked = (header.vtable.drop_result)(task);
        if panicked && let Some(scope) = header.scope.get().cast::<Children>().as_ref() {
            scope.note_panic();
        }
    }
}
