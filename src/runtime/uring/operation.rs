//! One operation of a green thread, from the handing over of its entry to the end of the kernel's use of its memory. The
//! invariants are those of the [module above](super).

use super::Ring;
use crate::{
    primitive::Ordering,
    runtime::{
        clock,
        event::{Here, Waker},
        source::Source,
        wait::{self, Ending},
    },
    sys::{prefetch::prefetch, uring as sys},
    task::wake,
};
use io_uring::{cqueue, squeue};
use std::{cell::Cell, io, ptr, sync::Arc, time::Instant};

/// What the kernel has to tell of an operation. It lies in the frame that waits for it.
pub(crate) struct Operation {
    waker: Waker,
    near: Near,
    /// Entries with this mark that were not told of.
    left: Cell<u8>,
    /// What the operation itself gave: a count or a descriptor, or an error's number below zero.
    result: Cell<i32>,
}

/// What a thread touches when its operation has ended, besides its stack's end; only to fetch it early.
#[derive(Clone, Copy)]
pub(crate) struct Near([*const (); 2]);

impl Near {
    /// Nothing else.
    pub(crate) const NOTHING: Self = Self([ptr::null(); 2]);

    /// A descriptor's readiness, and what refers to it.
    #[inline]
    pub(crate) fn source(source: &Arc<Source>) -> Self {
        Self([source.holder(), ptr::from_ref(source.readiness()).cast()])
    }
}

/// Ends the process if a frame is left that the kernel may still write to. Nothing below unwinds while it lives; this says so.
struct Lent<'a>(&'a Operation);

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if self.0.left.get() != 0 {
            eprintln!("sinew: a thread leaves an operation that the kernel has not completed");
            std::process::abort();
        }
    }
}

impl Operation {
    /// Distinguishes the mark of the entry that cancels; the address itself is aligned.
    pub(super) const CANCELS: u64 = 1;

    fn mark(&self) -> u64 {
        ptr::from_ref(self).expose_provenance() as u64
    }

    /// Starts to fetch what waking its thread will touch, and what that will touch then.
    #[inline]
    pub(super) fn prefetch(&self) {
        prefetch(self.waker.address());
        self.near.0.into_iter().for_each(prefetch);
    }

    /// Takes a completion. Whom to wake, if it was the last.
    #[inline]
    pub(super) fn told(&self, entry: &cqueue::Entry) -> Option<Waker> {
        if entry.user_data() & Self::CANCELS == 0 {
            self.result.set(entry.result());
        }
        let left = self.left.get() - 1;
        self.left.set(left);
        (left == 0).then_some(self.waker)
    }
}

impl Ring {
    /// Has the kernel perform what `entry` asks for, and suspends the running thread until it has. Its result, which is not
    /// negative; none if the deadline has passed and it had no effect.
    ///
    /// # Errors
    /// The operation's, or none has been begun for want of memory.
    ///
    /// # Cancellation
    /// Unwinds if the thread is cancelled and the operation had no effect.
    ///
    /// # Safety
    /// `here` is the running thread, of this ring's worker. What `entry` names stays where it is, and is used by nobody else,
    /// until this returns or unwinds.
    pub(crate) unsafe fn perform(
        &self,
        here: Here<'_>,
        near: Near,
        entry: squeue::Entry,
        deadline: Option<Instant>,
    ) -> io::Result<Option<u32>> {
        let operation = Operation { waker: here.waker(), near, left: Cell::new(0), result: Cell::new(0) };
        // SAFETY: as promised, and the operation itself stays by invariant 1.
        unsafe { self.hand_over(&operation, entry.user_data(operation.mark())) }?;
        self.in_flight.store(self.in_flight.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        let lent = Lent(&operation);
        let ending = wait_for(here, &operation, deadline);
        if let Some(ending) = ending {
            // SAFETY: the running thread.
            unsafe { self.call_off(here, &operation) };
            if matches!(-operation.result.get(), libc::ECANCELED | libc::EINTR) {
                drop(lent);
                return if ending == Ending::Cancelled { wait::raise_now(here.task()) } else { Ok(None) };
            }
        }
        drop(lent);
        let result = operation.result.get();
        u32::try_from(result).map(Some).map_err(|_| io::Error::from_raw_os_error(-result))
    }

    /// Adds an entry that bears the operation's mark.
    ///
    /// # Safety
    /// What it names, the operation included, stays until it has been told of.
    unsafe fn hand_over(&self, operation: &Operation, entry: squeue::Entry) -> io::Result<()> {
        // Before it can be told of.
        operation.left.set(operation.left.get() + 1);
        // SAFETY: as promised.
        let (pushed, _) = unsafe { self.push(&mut self.kernel(), &entry) };
        if pushed.is_err() {
            operation.left.set(operation.left.get() - 1);
        }
        pushed
    }

    /// Has the operation cancelled, and waits until the kernel is done with it, whatever is asked of the thread meanwhile.
    ///
    /// # Safety
    /// `here` is the running thread.
    #[cold]
    unsafe fn call_off(&self, here: Here<'_>, operation: &Operation) {
        let mark = operation.mark();
        while operation.left.get() != 0 {
            let cancel = sys::cancel(mark).user_data(mark | Operation::CANCELS);
            // SAFETY: the entry names nothing but the mark, and the operation stays by invariant 1.
            if unsafe { self.hand_over(operation, cancel) }.is_ok() {
                break;
            }
            // SAFETY: the running thread; it is tried again when others have run.
            unsafe { here.give_way() };
        }
        while operation.left.get() != 0 {
            // SAFETY: the running thread.
            unsafe { here.worker().wait(here.task(), wake::EVENT) };
        }
    }
}

/// Suspends until the operation has ended; else why not.
#[inline(always)]
fn wait_for(here: Here<'_>, operation: &Operation, deadline: Option<Instant>) -> Option<Ending> {
    loop {
        let ending = match deadline {
            None => wait::wait_or_cancelled(here.worker(), here.task(), wake::EVENT),
            Some(deadline) => wait::wait_until_or_cancelled(here.worker(), here.task(), wake::EVENT, deadline),
        };
        if operation.left.get() == 0 {
            return None;
        }
        match ending {
            // The timer's wake is an event, too, and others may come late.
            Ending::Woken(_) if deadline.is_none_or(|deadline| clock::now() < deadline) => {}
            Ending::Woken(_) => return Some(Ending::TimedOut),
            ending => return Some(ending),
        }
    }
}
