//! Between threads and async Rust: a thread waits for a future, and a future for a thread.
//!
//! | from | to |
//! |---|---|
//! | a thread, green or not, that wants a future's result | [`block_on`] |
//! | async code that wants a green thread's result | `handle.await`: a [`JoinHandle`] is [`IntoFuture`] |
//! | async code that wants a message, or to send one | [`recv_async`](crate::channel::Receiver::recv_async), [`send_async`](crate::channel::Sender::send_async) |
//! | async code that wants to sleep or give up | [`sleep`], [`timeout`], on any executor |
//!
//! A future that is polled in [`block_on`] may use blocking functions of this crate as any code of a thread may. One that is polled by
//! another executor blocks that executor's thread if it does.
//!
//! A [`Waker`] of another executor is woken and dropped outside of all locks. If it panics meanwhile, the panic hook tells, and nothing
//! else comes of it: it is nobody's panic here.

use crate::{
    cancel::lost,
    runtime::{notify::Notify, os, wait},
    task::wake,
    thread::{JoinHandle, Result, current, spawn},
    time::{Duration, Elapsed},
};
use std::{
    fmt,
    future::Future,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

/// Polls a future in the current thread until it is ready, and suspends the thread meanwhile.
///
/// The token of [`park`](crate::park) is not touched. Futures that need a certain executor (tokio's timers and sockets) need that one to
/// be entered or running elsewhere, as with any `block_on`.
///
/// # Cancellation
/// Unwinds, and the future is dropped.
///
/// # Examples
/// ```
/// let sum = sinew::run(|| sinew::future::block_on(async { 1 + 1 }));
/// assert_eq!(sum, 2);
/// ```
pub fn block_on<F: Future>(future: F) -> F::Output {
    let notify = Notify::new(current().task);
    let waker = Waker::from(notify.clone());
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        while !notify.take() {
            wait::wait(wake::EVENT);
        }
    }
}

/// Waits for a thread's end: what a [`JoinHandle`] becomes by `.await`. Dropped, it leaves the thread to itself.
#[must_use = "futures do nothing unless they are polled"]
pub struct Join<T> {
    handle: Option<JoinHandle<T>>,
    /// Stands for the waiting future where the thread looks for its joiner; there once it was polled.
    joiner: Option<os::Proxy>,
}

impl<T> IntoFuture for JoinHandle<T> {
    type Output = Result<T>;
    type IntoFuture = Join<T>;

    /// Waits for the thread's end, for async code of any executor.
    ///
    /// # Examples
    /// ```
    /// let thread = sinew::spawn(|| 6 * 7);
    /// let answer = sinew::future::block_on(async { thread.await });
    /// assert_eq!(answer.unwrap(), 42);
    /// ```
    fn into_future(self) -> Join<T> {
        Join { handle: Some(self), joiner: None }
    }
}

impl<T> Join<T> {
    fn is_over(&mut self, waker: &Waker) -> bool {
        let handle = self.handle.as_ref().expect("polled after it was ready");
        let task = &handle.thread().task;
        match &self.joiner {
            Some(joiner) => joiner.poll(waker),
            None if task.state.is_done() => true,
            None => {
                let joiner = os::Proxy::new(waker.clone());
                task.joiner.set(joiner.as_ptr().as_ptr());
                if !task.state.set_joiner() {
                    return true;
                }
                self.joiner = Some(joiner);
                false
            }
        }
    }
}

impl<T> Future for Join<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T>> {
        if !self.is_over(context.waker()) {
            return Poll::Pending;
        }
        self.joiner = None;
        Poll::Ready(self.handle.take().expect("there until it is ready").join())
    }
}

impl<T> Drop for Join<T> {
    fn drop(&mut self) {
        if let (Some(handle), Some(joiner)) = (&self.handle, &self.joiner)
            && !handle.thread().task.state.clear_joiner()
        {
            // It has ended, and the wake is on its way: the next thing that its worker does.
            joiner.wait();
        }
    }
}

impl<T> fmt::Debug for Join<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Join").finish_non_exhaustive()
    }
}

/// A future that is ready after some time, on any executor. It starts at the first poll.
///
/// Each is a green thread of the current or the default runtime.
///
/// # Panics
/// When polled, if no thread can be spawned; or if its runtime was shut down meanwhile, since then the time is not up and nobody says when
/// it is. (A green thread of that runtime which polls it unwinds instead, as all do.)
pub fn sleep(duration: Duration) -> Sleep {
    Sleep { duration, join: None }
}

/// Made by [`sleep`].
#[derive(Debug)]
#[must_use = "futures do nothing unless they are polled"]
pub struct Sleep {
    duration: Duration,
    join: Option<Join<()>>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let duration = self.duration;
        let join = self.join.get_or_insert_with(|| spawn(move || crate::thread::sleep(duration)).into_future());
        Pin::new(join).poll(context).map(|ended| {
            if let Err(payload) = ended {
                lost("the thread that sleeps for a future", payload.downcast_ref());
            }
        })
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(handle) = self.join.as_ref().and_then(|join| join.handle.as_ref()) {
            handle.cancel();
        }
    }
}

/// A future that gives up on another after some time, which it drops then. Threads use [`time::timeout`](crate::time::timeout).
///
/// # Examples
/// ```
/// use sinew::{future, time::Duration};
///
/// let late = future::timeout(Duration::from_millis(1), std::future::pending::<()>());
/// assert!(future::block_on(late).is_err());
/// ```
pub fn timeout<F: Future>(duration: Duration, future: F) -> Timeout<F> {
    Timeout { future: Some(Box::pin(future)), sleep: sleep(duration) }
}

/// Made by [`timeout`].
#[derive(Debug)]
#[must_use = "futures do nothing unless they are polled"]
pub struct Timeout<F> {
    future: Option<Pin<Box<F>>>,
    sleep: Sleep,
}

impl<F: Future> Future for Timeout<F> {
    type Output = std::result::Result<F::Output, Elapsed>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let future = self.future.as_mut().expect("polled after it was ready");
        if let Poll::Ready(output) = future.as_mut().poll(context) {
            self.future = None;
            return Poll::Ready(Ok(output));
        }
        if Pin::new(&mut self.sleep).poll(context).is_pending() {
            return Poll::Pending;
        }
        self.future = None;
        Poll::Ready(Err(Elapsed::new()))
    }
}
