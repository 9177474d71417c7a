//! [`Sender`].

use super::{
    SendError, SendTimeoutError, TrySendError,
    blocks::Blocks,
    buffered::{Buffered, Unsent},
    counted::{Handle, Sends},
    queue::{Queue, Refused},
    ring::Ring,
    zero::Zero,
};
use crate::runtime::clock::now;
use std::{
    fmt,
    panic::{RefUnwindSafe, UnwindSafe},
    time::{Duration, Instant},
};

/// The sending side of a channel. It can be cloned, and used by any number of threads, green or not.
///
/// When the last sender is dropped, the channel is disconnected: receivers get what is still in it, and then an error.
///
/// # Examples
/// ```
/// use sinew::{channel::unbounded, spawn};
///
/// let (sender, receiver) = unbounded();
/// for number in 0..3 {
///     let sender = sender.clone();
///     spawn(move || sender.send(number).unwrap());
/// }
/// drop(sender);
/// assert_eq!(receiver.iter().sum::<i32>(), 3);
/// ```
pub struct Sender<T> {
    pub(super) flavor: Flavor<T>,
}

pub(super) enum Flavor<T> {
    Bounded(Handle<Buffered<Ring<T>>, Sends>),
    Unbounded(Handle<Buffered<Blocks<T>>, Sends>),
    Zero(Handle<Zero<T>, Sends>),
}

// SAFETY: the channel is shared by its counter, and messages go from thread to thread, which `T: Send` allows.
unsafe impl<T: Send> Send for Sender<T> {}
// SAFETY: the same.
unsafe impl<T: Send> Sync for Sender<T> {}
impl<T> UnwindSafe for Sender<T> {}
impl<T> RefUnwindSafe for Sender<T> {}

impl<T> Sender<T> {
    /// Sends the message if that can be done at once: if there is room, or, in a channel of capacity zero, if a receiver waits.
    ///
    /// Does not block.
    ///
    /// # Errors
    /// With the message, if there is no room, or if all receivers have gone.
    #[inline]
    pub fn try_send(&self, message: T) -> Result<(), TrySendError<T>> {
        let result = match &self.flavor {
            Flavor::Bounded(channel) => channel.try_send(message),
            Flavor::Unbounded(channel) => channel.try_send(message),
            Flavor::Zero(channel) => channel.try_send(message),
        };
        result.map_err(|refused| match refused {
            Refused::Full(message) => TrySendError::Full(message),
            Refused::Disconnected(message) => TrySendError::Disconnected(message),
        })
    }

    /// Sends the message; suspends the current thread while the channel is full, or, if its capacity is zero, until a receiver takes the
    /// message. Threads that wait are served in the order in which they came.
    ///
    /// # Errors
    /// With the message, if all receivers have gone.
    ///
    /// # Cancellation
    /// A thread that waits unwinds. The message was not sent, and is never seen by a receiver; it belongs to the call, so the unwind drops it. To
    /// keep it, send by [`try_send`](Self::try_send), which gives it back, or by `select!`, which computes it only once it can be sent. If there is room,
    /// the message is sent even if the thread was cancelled before.
    #[inline]
    pub fn send(&self, message: T) -> Result<(), SendError<T>> {
        self.send_until(message, None).map_err(|unsent| match unsent {
            Unsent::Disconnected(message) | Unsent::TimedOut(message) => SendError(message),
        })
    }

    /// [`send`](Self::send) for a limited time, which on a green thread is rounded up to whole milliseconds.
    ///
    /// # Errors
    /// With the message, if the time is over before it was sent, or if all receivers have gone.
    ///
    /// # Cancellation
    /// As [`send`](Self::send).
    pub fn send_timeout(&self, message: T, timeout: Duration) -> Result<(), SendTimeoutError<T>> {
        // Beyond what a clock can say is for ever.
        self.send_until(message, now().checked_add(timeout)).map_err(timeout_error)
    }

    /// [`send`](Self::send) until a point in time.
    ///
    /// # Errors
    /// As [`send_timeout`](Self::send_timeout).
    ///
    /// # Cancellation
    /// As [`send`](Self::send).
    pub fn send_deadline(&self, message: T, deadline: Instant) -> Result<(), SendTimeoutError<T>> {
        self.send_until(message, Some(deadline)).map_err(timeout_error)
    }

    #[inline]
    fn send_until(&self, message: T, deadline: Option<Instant>) -> Result<(), Unsent<T>> {
        match &self.flavor {
            Flavor::Bounded(channel) => channel.send(message, deadline),
            Flavor::Unbounded(channel) => channel.send(message, deadline),
            Flavor::Zero(channel) => channel.send(message, deadline),
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
        match &self.flavor {
            Flavor::Bounded(channel) => channel.queue().len(),
            Flavor::Unbounded(channel) => channel.queue().len(),
            Flavor::Zero(_) => 0,
        }
    }

    /// How many messages the channel can hold; none if there is no bound.
    #[must_use]
    pub fn capacity(&self) -> Option<usize> {
        match &self.flavor {
            Flavor::Bounded(channel) => channel.queue().capacity(),
            Flavor::Unbounded(_) => None,
            Flavor::Zero(_) => Some(0),
        }
    }

    /// Whether both send to the same channel.
    #[must_use]
    pub fn same_channel(&self, other: &Self) -> bool {
        match (&self.flavor, &other.flavor) {
            (Flavor::Bounded(one), Flavor::Bounded(other)) => one.is_same(other),
            (Flavor::Unbounded(one), Flavor::Unbounded(other)) => one.is_same(other),
            (Flavor::Zero(one), Flavor::Zero(other)) => one.is_same(other),
            _ => false,
        }
    }
}

fn timeout_error<T>(unsent: Unsent<T>) -> SendTimeoutError<T> {
    match unsent {
        Unsent::TimedOut(message) => SendTimeoutError::Timeout(message),
        Unsent::Disconnected(message) => SendTimeoutError::Disconnected(message),
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        let flavor = match &self.flavor {
            Flavor::Bounded(channel) => Flavor::Bounded(channel.clone()),
            Flavor::Unbounded(channel) => Flavor::Unbounded(channel.clone()),
            Flavor::Zero(channel) => Flavor::Zero(channel.clone()),
        };
        Self { flavor }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        // SAFETY: dropped once.
        unsafe {
            match &self.flavor {
                Flavor::Bounded(channel) => channel.release(Buffered::disconnect),
                Flavor::Unbounded(channel) => channel.release(Buffered::disconnect),
                Flavor::Zero(channel) => channel.release(Zero::disconnect),
            }
        }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("Sender { .. }")
    }
}
