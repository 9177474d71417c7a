//! [`std::sync::mpsc`]'s face for green threads: `use sinew::sync::mpsc` replaces `use std::sync::mpsc`.
//!
//! Names, signatures and errors are std's. Behind them are the channels of [`sinew::channel`](crate::channel), which can do more.
//!
//! # Cancellation
//! As [`sinew::channel`](crate::channel): a message that was to be sent was not, and one that was to be received is still there.
//!
//! # Examples
//! ```
//! use sinew::{sync::mpsc, thread};
//!
//! let (sender, receiver) = mpsc::channel();
//! for number in 0..3 {
//!     let sender = sender.clone();
//!     thread::spawn(move || sender.send(number).unwrap());
//! }
//! drop(sender);
//! assert_eq!(receiver.iter().sum::<i32>(), 3);
//! ```

use crate::channel;
use std::{
    cell::Cell,
    fmt,
    marker::PhantomData,
    panic::RefUnwindSafe,
    time::{Duration, Instant},
};

#[doc(no_inline)]
pub use std::sync::mpsc::{RecvError, RecvTimeoutError, SendError, TryRecvError, TrySendError};

/// The sending side of a channel without a bound. See [`std::sync::mpsc::Sender`].
pub struct Sender<T>(channel::Sender<T>);

/// The sending side of a channel with a bound. See [`std::sync::mpsc::SyncSender`].
pub struct SyncSender<T>(channel::Sender<T>);

/// The receiving side of a channel. See [`std::sync::mpsc::Receiver`].
///
/// As std's it cannot be shared between threads.
pub struct Receiver<T> {
    receiver: channel::Receiver<T>,
    not_sync: PhantomData<Cell<()>>,
}

// As std's.
impl<T> RefUnwindSafe for Receiver<T> {}

fn with_receiver<S, T>((sender, receiver): (S, channel::Receiver<T>)) -> (S, Receiver<T>) {
    (sender, Receiver { receiver, not_sync: PhantomData })
}

/// Makes a channel without a bound: a send never waits. See [`std::sync::mpsc::channel`].
#[must_use]
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let (sender, receiver) = channel::unbounded();
    with_receiver((Sender(sender), receiver))
}

/// Makes a channel that holds so many messages, perhaps none. See [`std::sync::mpsc::sync_channel`].
#[must_use]
pub fn sync_channel<T>(bound: usize) -> (SyncSender<T>, Receiver<T>) {
    let (sender, receiver) = channel::bounded(bound);
    with_receiver((SyncSender(sender), receiver))
}

impl<T> Sender<T> {
    /// Sends the message. Does not wait.
    ///
    /// # Errors
    /// With the message, if the receiver has gone.
    pub fn send(&self, message: T) -> Result<(), SendError<T>> {
        self.0.send(message).map_err(|error| SendError(error.0))
    }
}

impl<T> SyncSender<T> {
    /// Sends the message; suspends the current thread while the channel is full, or, if its bound is zero, until the message is received.
    ///
    /// # Errors
    /// With the message, if the receiver has gone.
    ///
    /// # Cancellation
    /// As [`channel::Sender::send`].
    pub fn send(&self, message: T) -> Result<(), SendError<T>> {
        self.0.send(message).map_err(|error| SendError(error.0))
    }

    /// Sends the message if that can be done at once.
    ///
    /// # Errors
    /// With the message, if there is no room, or if the receiver has gone.
    pub fn try_send(&self, message: T) -> Result<(), TrySendError<T>> {
        self.0.try_send(message).map_err(|error| match error {
            channel::TrySendError::Full(message) => TrySendError::Full(message),
            channel::TrySendError::Disconnected(message) => TrySendError::Disconnected(message),
        })
    }
}

fn timeout_error(error: channel::RecvTimeoutError) -> RecvTimeoutError {
    match error {
        channel::RecvTimeoutError::Timeout => RecvTimeoutError::Timeout,
        channel::RecvTimeoutError::Disconnected => RecvTimeoutError::Disconnected,
    }
}

impl<T> Receiver<T> {
    /// Receives a message if one is there.
    ///
    /// # Errors
    /// If there is none, or if there is none and all senders have gone.
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        self.receiver.try_recv().map_err(|error| match error {
            channel::TryRecvError::Empty => TryRecvError::Empty,
            channel::TryRecvError::Disconnected => TryRecvError::Disconnected,
        })
    }

    /// Receives a message; suspends the current thread until there is one.
    ///
    /// # Errors
    /// If there is none and all senders have gone.
    ///
    /// # Cancellation
    /// As [`channel::Receiver::recv`].
    pub fn recv(&self) -> Result<T, RecvError> {
        self.receiver.recv().map_err(|_| RecvError)
    }

    /// [`recv`](Self::recv) for a limited time, which on a green thread is rounded up to whole milliseconds.
    ///
    /// # Errors
    /// If the time is over before a message came, or if there is none and all senders have gone.
    ///
    /// # Cancellation
    /// As [`channel::Receiver::recv`].
    pub fn recv_timeout(&self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        self.receiver.recv_timeout(timeout).map_err(timeout_error)
    }

    /// [`recv`](Self::recv) until a point in time.
    ///
    /// # Errors
    /// As [`recv_timeout`](Self::recv_timeout).
    ///
    /// # Cancellation
    /// As [`channel::Receiver::recv`].
    pub fn recv_deadline(&self, deadline: Instant) -> Result<T, RecvTimeoutError> {
        self.receiver.recv_deadline(deadline).map_err(timeout_error)
    }

    /// Receives one message after the other, waiting for each, until none is there and all senders have gone.
    pub fn iter(&self) -> Iter<'_, T> {
        Iter { receiver: self }
    }

    /// Receives one message after the other, until none is there.
    pub fn try_iter(&self) -> TryIter<'_, T> {
        TryIter { receiver: self }
    }
}

/// Receives until the senders have gone; made by [`Receiver::iter`].
#[derive(Debug)]
pub struct Iter<'a, T> {
    receiver: &'a Receiver<T>,
}

/// Receives what is there; made by [`Receiver::try_iter`].
#[derive(Debug)]
pub struct TryIter<'a, T> {
    receiver: &'a Receiver<T>,
}

/// As [`Iter`], and owns the receiver.
#[derive(Debug)]
pub struct IntoIter<T> {
    receiver: Receiver<T>,
}

impl<T> Iterator for Iter<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.receiver.recv().ok()
    }
}

impl<T> Iterator for TryIter<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.receiver.try_recv().ok()
    }
}

impl<T> Iterator for IntoIter<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.receiver.recv().ok()
    }
}

impl<'a, T> IntoIterator for &'a Receiver<T> {
    type Item = T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

impl<T> IntoIterator for Receiver<T> {
    type Item = T;
    type IntoIter = IntoIter<T>;

    fn into_iter(self) -> IntoIter<T> {
        IntoIter { receiver: self }
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Clone for SyncSender<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for SyncSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SyncSender").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}
