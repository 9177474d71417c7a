//! [`Receiver`].

use super::{
    RecvError, RecvTimeoutError, TryRecvError,
    blocks::Blocks,
    buffered::{Buffered, Unreceived},
    clock::{self, Once, Tick},
    counted::{Handle, Receives},
    queue::Queue,
    ring::Ring,
    zero::Zero,
};
use crate::runtime::clock::now;
use std::{
    fmt,
    panic::{RefUnwindSafe, UnwindSafe},
    sync::Arc,
    time::{Duration, Instant},
};

/// The receiving side of a channel. It can be cloned, and used by any number of threads, green or not; each message goes to one of them.
///
/// When the last receiver is dropped, the channel is disconnected: what is still in it is dropped, and senders get an error.
///
/// # Examples
/// ```
/// use sinew::{channel::bounded, spawn};
///
/// let (sender, receiver) = bounded(1);
/// spawn(move || (0..3).for_each(|number| sender.send(number).unwrap()));
/// assert_eq!(receiver.recv(), Ok(0));
/// assert_eq!(receiver.iter().collect::<Vec<_>>(), [1, 2]);
/// assert!(receiver.recv().is_err(), "nobody sends any more");
/// ```
pub struct Receiver<T> {
    pub(super) flavor: Flavor<T>,
}

pub(super) enum Flavor<T> {
    Bounded(Handle<Buffered<Ring<T>>, Receives>),
    Unbounded(Handle<Buffered<Blocks<T>>, Receives>),
    Zero(Handle<Zero<T>, Receives>),
    /// `T` is `Instant`.
    Once(Arc<Once>),
    /// The same.
    Tick(Arc<Tick>),
    Never,
}

// SAFETY: the channel is shared by its counter, and messages go from thread to thread, which `T: Send` allows.
unsafe impl<T: Send> Send for Receiver<T> {}
// SAFETY: the same.
unsafe impl<T: Send> Sync for Receiver<T> {}
impl<T> UnwindSafe for Receiver<T> {}
impl<T> RefUnwindSafe for Receiver<T> {}

/// Time's message as what the channel's type says it is.
pub(super) fn instant<T>(message: Instant) -> T {
    assert_eq!(size_of::<T>(), size_of::<Instant>());
    // SAFETY: only `after`, `at` and `tick` make channels of these flavours, and their `T` is `Instant`, which is `Copy`.
    unsafe { std::mem::transmute_copy::<Instant, T>(&message) }
}

impl<T> Receiver<T> {
    /// Receives a message if one is there: in the channel, or, if its capacity is zero, with a sender that waits.
    ///
    /// Does not block, except in one case: in a channel of capacity zero, if the sender that waits is a `select!` which computes its message.
    ///
    /// # Errors
    /// If there is none, or if there is none and all senders have gone.
    #[inline]
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        let result = match &self.flavor {
            Flavor::Bounded(channel) => channel.try_recv(),
            Flavor::Unbounded(channel) => channel.try_recv(),
            Flavor::Zero(channel) => channel.try_recv(),
            Flavor::Once(once) => once.try_recv().map(instant),
            Flavor::Tick(tick) => tick.try_recv().map(instant),
            Flavor::Never => Err(Unreceived::TimedOut),
        };
        result.map_err(|unreceived| match unreceived {
            Unreceived::TimedOut => TryRecvError::Empty,
            Unreceived::Disconnected => TryRecvError::Disconnected,
        })
    }

    /// Receives a message; suspends the current thread until there is one. Threads that wait are served in the order in which they came.
    ///
    /// # Errors
    /// If the channel is empty and all senders have gone.
    ///
    /// # Cancellation
    /// A thread that waits unwinds, and has taken no message: whatever is sent goes to others. If a message is there, or comes together with the
    /// cancellation, it is received, and the thread unwinds at its next suspension.
    #[inline]
    pub fn recv(&self) -> Result<T, RecvError> {
        self.recv_until(None).map_err(|_| RecvError)
    }

    /// [`recv`](Self::recv) for a limited time, which on a green thread is rounded up to whole milliseconds.
    ///
    /// In a channel of capacity zero it takes longer if the time is over after a `select!` was chosen to send to this receiver, and while that
    /// computes its message: the receiver waits for the message.
    ///
    /// # Errors
    /// If the time is over before a message came, or if the channel is empty and all senders have gone.
    ///
    /// # Cancellation
    /// As [`recv`](Self::recv).
    pub fn recv_timeout(&self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        // Beyond what a clock can say is for ever.
        self.recv_until(now().checked_add(timeout)).map_err(timeout_error)
    }

    /// [`recv`](Self::recv) until a point in time.
    ///
    /// # Errors
    /// As [`recv_timeout`](Self::recv_timeout).
    ///
    /// # Cancellation
    /// As [`recv`](Self::recv).
    pub fn recv_deadline(&self, deadline: Instant) -> Result<T, RecvTimeoutError> {
        self.recv_until(Some(deadline)).map_err(timeout_error)
    }

    #[inline]
    fn recv_until(&self, deadline: Option<Instant>) -> Result<T, Unreceived> {
        match &self.flavor {
            Flavor::Bounded(channel) => channel.recv(deadline),
            Flavor::Unbounded(channel) => channel.recv(deadline),
            Flavor::Zero(channel) => channel.recv(deadline),
            Flavor::Once(once) => clock::recv(deadline, || once.try_recv(), || once.due()).map(instant),
            Flavor::Tick(tick) => clock::recv(deadline, || tick.try_recv(), || tick.due()).map(instant),
            Flavor::Never => clock::recv(deadline, || Err(Unreceived::TimedOut), || None),
        }
    }

    /// Whether the channel holds no message. One of capacity zero never does.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the channel has no room. One of capacity zero never has.
    #[must_use]
    pub fn is_full(&self) -> bool {
        Some(self.len()) == self.capacity()
    }

    /// How many messages the channel holds.
    #[must_use]
    pub fn len(&self) -> usize {
        let due = |due: Option<Instant>| usize::from(due.is_some_and(|due| due <= now()));
        match &self.flavor {
            Flavor::Bounded(channel) => channel.queue().len(),
            Flavor::Unbounded(channel) => channel.queue().len(),
            Flavor::Once(once) => due(once.due()),
            Flavor::Tick(tick) => due(tick.due()),
            Flavor::Zero(_) | Flavor::Never => 0,
        }
    }

    /// How many messages the channel can hold; none if there is no bound.
    #[must_use]
    pub fn capacity(&self) -> Option<usize> {
        match &self.flavor {
            Flavor::Bounded(channel) => channel.queue().capacity(),
            Flavor::Unbounded(_) => None,
            Flavor::Once(_) | Flavor::Tick(_) => Some(1),
            Flavor::Zero(_) | Flavor::Never => Some(0),
        }
    }

    /// Whether both receive from the same channel. So do all that [`never`](super::never()) made.
    #[must_use]
    pub fn same_channel(&self, other: &Self) -> bool {
        match (&self.flavor, &other.flavor) {
            (Flavor::Bounded(one), Flavor::Bounded(other)) => one.is_same(other),
            (Flavor::Unbounded(one), Flavor::Unbounded(other)) => one.is_same(other),
            (Flavor::Zero(one), Flavor::Zero(other)) => one.is_same(other),
            (Flavor::Once(one), Flavor::Once(other)) => Arc::ptr_eq(one, other),
            (Flavor::Tick(one), Flavor::Tick(other)) => Arc::ptr_eq(one, other),
            (Flavor::Never, Flavor::Never) => true,
            _ => false,
        }
    }
}

fn timeout_error(unreceived: Unreceived) -> RecvTimeoutError {
    match unreceived {
        Unreceived::TimedOut => RecvTimeoutError::Timeout,
        Unreceived::Disconnected => RecvTimeoutError::Disconnected,
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        let flavor = match &self.flavor {
            Flavor::Bounded(channel) => Flavor::Bounded(channel.clone()),
            Flavor::Unbounded(channel) => Flavor::Unbounded(channel.clone()),
            Flavor::Zero(channel) => Flavor::Zero(channel.clone()),
            Flavor::Once(once) => Flavor::Once(once.clone()),
            Flavor::Tick(tick) => Flavor::Tick(tick.clone()),
            Flavor::Never => Flavor::Never,
        };
        Self { flavor }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        fn end<Q: Queue>(channel: &Buffered<Q>) {
            channel.disconnect();
            channel.discard();
        }
        // SAFETY: dropped once.
        unsafe {
            match &self.flavor {
                Flavor::Bounded(channel) => channel.release(end),
                Flavor::Unbounded(channel) => channel.release(end),
                Flavor::Zero(channel) => channel.release(Zero::disconnect),
                Flavor::Once(_) | Flavor::Tick(_) | Flavor::Never => {}
            }
        }
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("Receiver { .. }")
    }
}
