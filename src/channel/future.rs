//! Receiving and sending by async code.

use super::{
    Receiver, RecvError, SendError, Sender,
    buffered::Unreceived,
    receiver::{Flavor as Receives, instant},
    sender::Flavor as Sends,
};
use crate::{
    future::{Sleep, sleep},
    runtime::{clock::now, waiters::Polled},
};
use std::{
    cell::Cell,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};

/// Receives a message; made by [`Receiver::recv_async`].
#[must_use = "futures do nothing unless they are polled"]
pub struct RecvFuture<'a, T> {
    receiver: &'a Receiver<T>,
    polled: Polled,
    /// If time sends: until then.
    sleep: Cell<Option<(Instant, Sleep)>>,
}

/// Sends a message; made by [`Sender::send_async`].
#[must_use = "futures do nothing unless they are polled"]
pub struct SendFuture<'a, T> {
    sender: &'a Sender<T>,
    polled: Polled,
    /// What the list of senders points to, while this waits.
    message: Cell<Option<T>>,
}

// SAFETY: it goes from thread to thread with its receiver, whose channel gives it messages, which `T: Send` allows. What others see of it,
// its node, they use under a lock.
unsafe impl<T: Send> Send for RecvFuture<'_, T> {}
// SAFETY: by a shared reference nothing can be done with it.
unsafe impl<T: Send> Sync for RecvFuture<'_, T> {}
// SAFETY: as the other's, and its message goes along.
unsafe impl<T: Send> Send for SendFuture<'_, T> {}
// SAFETY: the same.
unsafe impl<T: Send> Sync for SendFuture<'_, T> {}

impl<T> Receiver<T> {
    /// [`recv`](Self::recv) for async code: a future that receives a message when one is there, on any executor. Futures and threads that wait are
    /// served in one order.
    ///
    /// A message lies in the channel until the future is polled that was woken for it, and others may be faster; then that one is the next to be served. From a
    /// channel of capacity zero, a future receives from senders that *wait*: [`try_send`](Sender::try_send) does not see it, nor does
    /// [`Select::ready`](super::Select::ready), and if the sender is a `select!` that is about to compute its message, the poll
    /// blocks for that moment. What [`after`](super::after), [`at`](super::at) and [`tick`](super::tick) send is waited for in a green thread
    /// of the current or the default runtime.
    ///
    /// # Errors
    /// If the channel is empty and all senders have gone.
    ///
    /// # Cancellation
    /// A future that is dropped has taken no message; if it was woken for one, another is woken instead. One that is neither polled nor dropped after
    /// it was woken keeps that message waiting for the next receive, as with any async channel.
    ///
    /// # Examples
    /// ```
    /// use sinew::{channel::bounded, future, spawn};
    ///
    /// let (sender, receiver) = bounded(1);
    /// spawn(move || (0..3).for_each(|number| sender.send(number).unwrap()));
    /// let sum = future::block_on(async {
    ///     let mut sum = 0;
    ///     while let Ok(number) = receiver.recv_async().await {
    ///         sum += number;
    ///     }
    ///     sum
    /// });
    /// assert_eq!(sum, 3);
    /// ```
    pub fn recv_async(&self) -> RecvFuture<'_, T> {
        RecvFuture { receiver: self, polled: Polled::new(), sleep: Cell::new(None) }
    }
}

impl<T> Sender<T> {
    /// [`send`](Self::send) for async code: a future that sends the message when there is room, on any executor. Futures and threads that wait are served
    /// in one order.
    ///
    /// # Errors
    /// With the message, if all receivers have gone.
    ///
    /// # Panics
    /// If it is polled after it was ready.
    ///
    /// # Cancellation
    /// The message of a future that is dropped was not sent, and is dropped with it; if the future was woken because there is room, another is woken
    /// instead. In a channel of capacity zero, a receiver may have taken the message before the future was polled again: then it was received.
    ///
    /// # Examples
    /// ```
    /// use sinew::{channel::bounded, future, spawn};
    ///
    /// let (sender, receiver) = bounded(0);
    /// let other = spawn(move || receiver.recv());
    /// future::block_on(sender.send_async("hello")).unwrap();
    /// assert_eq!(other.join().unwrap(), Ok("hello"));
    /// ```
    pub fn send_async(&self, message: T) -> SendFuture<'_, T> {
        SendFuture { sender: self, polled: Polled::new(), message: Cell::new(Some(message)) }
    }
}

impl<T> RecvFuture<'_, T> {
    /// What `attempt` gives, once it is `due`.
    fn poll_clock(
        &self,
        context: &mut Context<'_>,
        attempt: impl Fn() -> Result<Instant, Unreceived>,
        due: impl Fn() -> Option<Instant>,
    ) -> Poll<Result<T, Unreceived>> {
        loop {
            if let Ok(at) = attempt() {
                return Poll::Ready(Ok(instant(at)));
            }
            // None: another has received what came once.
            let Some(due) = due() else { return Poll::Pending };
            let set = self.sleep.take().filter(|(until, _)| *until == due);
            let (_, mut until) = set.unwrap_or_else(|| (due, sleep(due.saturating_duration_since(now()))));
            if Pin::new(&mut until).poll(context).is_pending() {
                self.sleep.set(Some((due, until)));
                return Poll::Pending;
            }
        }
    }
}

impl<T> Future for RecvFuture<'_, T> {
    type Output = Result<T, RecvError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.into_ref().get_ref();
        // SAFETY: pinned, and `drop` takes the node out; its channel is the receiver's.
        let received = unsafe {
            match &this.receiver.flavor {
                Receives::Bounded(channel) => channel.poll_recv(&this.polled, context.waker()),
                Receives::Unbounded(channel) => channel.poll_recv(&this.polled, context.waker()),
                Receives::Zero(channel) => channel.poll_recv(&this.polled, context.waker()),
                Receives::Once(once) => this.poll_clock(context, || once.try_recv(), || once.due()),
                Receives::Tick(tick) => this.poll_clock(context, || tick.try_recv(), || tick.due()),
                Receives::Never => Poll::Pending,
            }
        };
        received.map_err(|_| RecvError)
    }
}

impl<T> Future for SendFuture<'_, T> {
    type Output = Result<(), SendError<T>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let (this, waker) = (self.into_ref().get_ref(), context.waker());
        // SAFETY: pinned, and `drop` takes the node out; its channel is the sender's.
        let sent = unsafe {
            match &this.sender.flavor {
                Sends::Bounded(channel) => channel.poll_send(&this.polled, &this.message, waker),
                Sends::Unbounded(channel) => channel.poll_send(&this.polled, &this.message, waker),
                Sends::Zero(channel) => channel.poll_send(&this.polled, &this.message, waker),
            }
        };
        sent.map_err(SendError)
    }
}

impl<T> Drop for RecvFuture<'_, T> {
    fn drop(&mut self) {
        // SAFETY: it waited there, if anywhere.
        unsafe {
            match &self.receiver.flavor {
                Receives::Bounded(channel) => channel.abandon(&self.polled, channel.receivers()),
                Receives::Unbounded(channel) => channel.abandon(&self.polled, channel.receivers()),
                Receives::Zero(channel) => channel.abandon_recv(&self.polled),
                Receives::Once(_) | Receives::Tick(_) | Receives::Never => {}
            }
        }
    }
}

impl<T> Drop for SendFuture<'_, T> {
    fn drop(&mut self) {
        // SAFETY: it waited there, if anywhere.
        unsafe {
            match &self.sender.flavor {
                Sends::Bounded(channel) => channel.abandon(&self.polled, channel.senders()),
                Sends::Unbounded(channel) => channel.abandon(&self.polled, channel.senders()),
                Sends::Zero(channel) => {
                    // If it was granted, the message was received.
                    self.polled.leave(channel.senders());
                }
            }
        }
    }
}

impl<T> fmt::Debug for RecvFuture<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("RecvFuture { .. }")
    }
}

impl<T> fmt::Debug for SendFuture<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("SendFuture { .. }")
    }
}
