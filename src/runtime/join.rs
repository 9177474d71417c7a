//! Waiting for one thread's end.

use super::{
    os,
    schedule::Suspension,
    wait::{self, Ending},
    worker::Worker,
};
use crate::{
    primitive::Ordering,
    task::{Task, flag, wake},
};
use std::ptr::NonNull;

/// How a joiner is known to the thread that it waits for (task::state, invariant 4).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Registered {
    /// By plain fields: both are of one worker.
    Here,
    /// By the state word.
    Anywhere,
}

/// Suspends the current thread, green or not, until `task` has ended. Unwinds if the current thread is cancelled.
///
/// # Safety
/// The caller holds the handle, and nobody else waits for the thread.
#[inline(always)]
pub(crate) unsafe fn join(task: NonNull<Task>) {
    // SAFETY: the handle keeps it.
    let header = unsafe { task.as_ref() };
    if header.state.is_done() {
        return;
    }
    match Worker::current().and_then(|worker| Some((worker, worker.current_task()?))) {
        // SAFETY: the running thread, and as promised.
        Some((worker, current)) => unsafe { worker.join(current, task) },
        None => {
            let current = os::current();
            header.joiner.set(current.as_ptr());
            if header.state.set_joiner() && os::wait(wake::EXACT, None) == Ending::Cancelled {
                if header.state.clear_joiner() {
                    // SAFETY: the current thread's header.
                    wait::raise_now(unsafe { current.as_ref() });
                }
                // It has ended, and the wake is on its way.
                let _mask = wait::mask();
                wait::wait(wake::EXACT);
            }
        }
    }
}

impl Worker {
    #[inline(always)]
    unsafe fn join(&self, current: &Task, task: NonNull<Task>) {
        // SAFETY: the handle keeps it.
        let header = unsafe { task.as_ref() };
        let mut want = wake::EXACT | wait::cancel_bit(self, current);
        if current.pending.get() & want & wake::CANCEL != 0 && wait::is_cancelled(current) {
            wait::raise_now(current);
        }
        let home = header.home.load(Ordering::Acquire);
        let mut registered = Registered::Here;
        header.joiner.set(std::ptr::from_ref(current).cast_mut());
        if home == self.address() {
            header.set_flag(flag::LOCAL_JOINER);
        } else {
            // A child that is the newest thread here runs at once.
            // SAFETY: the switch follows, with the current thread registered.
            match unsafe { self.suspend_for_child(current, task, want) } {
                Suspension::Done => {}
                Suspension::Refused => {
                    registered = Registered::Anywhere;
                    if !header.state.set_joiner() {
                        return;
                    }
                }
            }
        }
        loop {
            // SAFETY: the running thread.
            let got = unsafe { self.wait(current, want) };
            if got & wake::EXACT != 0 {
                return;
            }
            if got & wake::CANCEL != 0 && wait::is_cancelled(current) {
                // SAFETY: as promised.
                return unsafe { self.join_cancelled(current, task, registered) };
            }
            want = wake::EXACT | wait::cancel_bit(self, current);
        }
    }

    #[cold]
    unsafe fn join_cancelled(&self, current: &Task, task: NonNull<Task>, registered: Registered) {
        // SAFETY: the handle keeps it.
        let header = unsafe { task.as_ref() };
        match registered {
            // It has not ended, or its wake would have been there.
            Registered::Here => header.clear_flag(flag::LOCAL_JOINER),
            Registered::Anywhere if header.state.clear_joiner() => {}
            // It has ended, and the wake is on its way.
            Registered::Anywhere => {
                // SAFETY: the running thread.
                unsafe { self.wait(current, wake::EXACT) };
                return;
            }
        }
        // Without asking again whether the thread unwinds: by other threads' doing the answer may have changed (rule 16), and
        // to return from here would be to say that the thread has ended.
        wait::raise_now(current);
    }
}
