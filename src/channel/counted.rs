//! A channel shared by its senders and receivers, which are counted: the last of a side disconnects it, the last of all frees it.

use crate::primitive::{AtomicBool, AtomicUsize, Ordering};
use std::{marker::PhantomData, ops::Deref, process, ptr::NonNull};

/// The channel stands first, for it begins with what is written most.
#[repr(C)]
struct Counter<C> {
    channel: C,
    senders: AtomicUsize,
    receivers: AtomicUsize,
    /// One side has gone: the other frees it.
    half_gone: AtomicBool,
}

/// The side of the senders.
pub(crate) struct Sends;
/// The side of the receivers.
pub(crate) struct Receives;

/// Which count a handle belongs to.
pub(crate) trait Side {
    #[doc(hidden)]
    fn count<C>(counter: &CounterOf<C>) -> &AtomicUsize;
}

/// The counter, seen from outside this module.
pub(crate) struct CounterOf<C>(Counter<C>);

impl Side for Sends {
    fn count<C>(counter: &CounterOf<C>) -> &AtomicUsize {
        &counter.0.senders
    }
}

impl Side for Receives {
    fn count<C>(counter: &CounterOf<C>) -> &AtomicUsize {
        &counter.0.receivers
    }
}

/// A counted handle of one side.
pub(crate) struct Handle<C, S: Side> {
    counter: NonNull<CounterOf<C>>,
    side: PhantomData<(C, S)>,
}

/// Shares a channel between one sender and one receiver.
pub(crate) fn share<C>(channel: C) -> (Handle<C, Sends>, Handle<C, Receives>) {
    let counter = Counter {
        senders: AtomicUsize::new(1),
        receivers: AtomicUsize::new(1),
        half_gone: AtomicBool::new(false),
        channel,
    };
    let counter = NonNull::from(Box::leak(Box::new(CounterOf(counter))));
    (Handle { counter, side: PhantomData }, Handle { counter, side: PhantomData })
}

impl<C, S: Side> Handle<C, S> {
    fn counter(&self) -> &CounterOf<C> {
        // SAFETY: freed after the last handle of both sides only.
        unsafe { self.counter.as_ref() }
    }

    pub(crate) fn clone(&self) -> Self {
        // As std's `Arc`: so many are leaked ones.
        if S::count(self.counter()).fetch_add(1, Ordering::Relaxed) > isize::MAX as usize {
            process::abort();
        }
        Self { counter: self.counter, side: PhantomData }
    }

    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.counter == other.counter
    }

    /// Counts this handle down. If it was its side's last, calls `disconnect`, and if the other side has gone too, frees the channel.
    ///
    /// # Safety
    /// Once, and the handle is not used afterwards.
    pub(crate) unsafe fn release(&self, disconnect: impl FnOnce(&C)) {
        let counter = self.counter();
        if S::count(counter).fetch_sub(1, Ordering::AcqRel) == 1 {
            // Frees it also if a message panics when it is dropped.
            let _free = Free(self.counter);
            disconnect(&counter.0.channel);
        }
    }
}

struct Free<C>(NonNull<CounterOf<C>>);

impl<C> Drop for Free<C> {
    fn drop(&mut self) {
        // SAFETY: the channel is freed by the second of the two sides that come by here, so not before this.
        unsafe {
            if self.0.as_ref().0.half_gone.swap(true, Ordering::AcqRel) {
                drop(Box::from_raw(self.0.as_ptr()));
            }
        }
    }
}

impl<C, S: Side> Deref for Handle<C, S> {
    type Target = C;

    #[inline(always)]
    fn deref(&self) -> &C {
        &self.counter().0.channel
    }
}
