//! A stack whose bottom loop runs one unstarted thread after another.
//!
//! When a thread ends, the loop takes the next thread and, if that one is unstarted, runs it right there, with no switch, on
//! memory that is hot. Only a thread that parks takes the stack away from the loop, until it ends on it. A carrier without a
//! thread is suspended in its loop and lies on its worker's free list.
//!
//! The record lies at the [start](Stack::start) of its own stack, in the one page that every started thread touches anyway.

use super::worker::Worker;
use crate::{
    arch::{self, Context},
    stack::Stack,
    task::Task,
};
use std::{
    cell::{Cell, UnsafeCell},
    ptr::{self, NonNull},
};

/// See the module's documentation. All fields are the owning worker's (rule 2).
#[repr(C, align(64))]
pub(crate) struct Carrier {
    /// The loop's own context, used while no thread is on the stack.
    pub(crate) context: UnsafeCell<Context>,
    /// The thread that is on the stack.
    pub(crate) task: Cell<*mut Task>,
    /// A thread has run on it since its deep pages were last given back.
    pub(crate) used: Cell<bool>,
    /// Its place in its worker's list of carriers.
    pub(crate) index: Cell<usize>,
    stack: Stack,
}

impl Carrier {
    /// Makes a stack into a carrier.
    pub(crate) fn new(stack: Stack) -> NonNull<Self> {
        let (start, limit) = (stack.start(), stack.limit());
        let carrier = start.as_ptr().cast::<Self>().wrapping_sub(1);
        // SAFETY: the stack is ours, its start is aligned to a line, and it is far larger than the record; what lies below the record is
        // the loop's.
        unsafe {
            carrier.write(Self {
                context: UnsafeCell::new(Context::EMPTY),
                task: Cell::new(ptr::null_mut()),
                used: Cell::new(false),
                index: Cell::new(0),
                stack,
            });
            (*(*carrier).context.get()).prepare(carrier.cast(), limit, main, carrier.cast());
            NonNull::new_unchecked(carrier)
        }
    }

    /// Takes the stack back from a carrier that has no thread.
    ///
    /// # Safety
    /// It is suspended in its loop, and nobody uses it after this call.
    pub(crate) unsafe fn dissolve(carrier: NonNull<Self>) -> Stack {
        // SAFETY: the loop's frame holds nothing that needs dropping (rule 3), and the record is read for the last time.
        unsafe {
            (*carrier.as_ref().context.get()).discard();
            carrier.read().stack
        }
    }

    pub(crate) fn stack(&self) -> &Stack {
        &self.stack
    }
}

/// The loop at the bottom.
///
/// It keeps nothing across a switch but its own address, so it may be left for ever ([`Carrier::dissolve`]).
unsafe extern "C" fn main(argument: *mut ()) -> ! {
    arch::entered();
    let carrier = argument.cast::<Carrier>();
    loop {
        // Whoever switches here runs on a worker and has left a thread to start.
        let worker = Worker::expect_current();
        // SAFETY: this is the carrier that `Worker::start` chose, and it is the running one.
        let target = unsafe {
            worker.run_started(carrier);
            worker.release(NonNull::new_unchecked(carrier));
            if worker.starved.get() {
                worker.refill(false);
            }
            worker.pick()
        };
        // SAFETY: the record lives as long as this loop.
        let own = unsafe { (*carrier).context.get() };
        if !ptr::eq(target, own) {
            // SAFETY: `pick` chose a context of this worker (rule 2), and nothing else holds `own`.
            unsafe { arch::switch(own, target) };
        }
    }
}
