//! Channels between threads, green or not: `use sinew::channel` replaces `use crossbeam_channel`.
//!
//! Names, signatures, errors (which are that crate's own) and the grammar of [`select!`] are those of crossbeam-channel, so that code which was written
//! for it compiles with the `use` line changed. A green thread that waits is suspended and leaves its worker to others; an OS thread
//! that waits is blocked.
//!
//! | | |
//! |---|---|
//! | [`bounded`] | holds so many messages; with none, [`bounded`]`(0)`, a send and a receive meet |
//! | [`unbounded`] | holds as many as there is memory for |
//! | [`after`], [`at`], [`tick`], [`never()`] | time sends: once, at intervals, never |
//! | [`select!`], [`select_biased!`], [`Select`] | waits for several operations, of which one takes effect |
//!
//! Async code waits by [`Receiver::recv_async`] and [`Sender::send_async`], on any executor, at the same channels.
//!
//! # Order
//! Messages come out in the order in which they went in, and threads that wait are served in the order in which they came. Who need not wait may
//! go before those that do.
//!
//! # Cancellation
//! A thread that is [cancelled](crate::thread::Thread::cancel) while it waits here unwinds, and its operation has had no effect: a message that was to be
//! sent was not, and a message that was to be received is still there for others. An operation that need not wait does not look. If
//! what is waited for comes together with the cancellation, it is done, and the thread unwinds at its next suspension.
//!
//! # Examples
//! ```
//! use sinew::{channel::{bounded, select}, spawn};
//!
//! let (numbers, squares) = (bounded(8), bounded(8));
//! spawn(move || {
//!     for number in numbers.1 {
//!         squares.0.send(number * number).unwrap();
//!     }
//! });
//! let numbers = numbers.0;
//! (1..=3).for_each(|number: u32| numbers.send(number).unwrap());
//! drop(numbers);
//! assert_eq!(squares.1.iter().sum::<u32>(), 14);
//! ```

// How a message gets from one thread to another.
//
// | module | holds |
// |---|---|
// | `queue` | what a queue of messages is; `ring` and `blocks` are the two |
// | `buffered` | a channel with a queue, and threads that wait for it |
// | `zero` | a channel without |
// | `clock` | what time sends |
// | `place` | where a message goes that is handed to a thread |
// | `counted` | sharing between senders and receivers |
// | `sender`, `receiver`, `iter`, `future` | the types that programs see |
// | `select`, `operand` | the wait for several operations |
// | `selector`, `macros` | its two faces |

mod blocks;
mod buffered;
mod clock;
mod counted;
mod future;
mod iter;
#[cfg(all(test, loom))]
mod loom_tests;
mod macros;
mod operand;
mod place;
mod queue;
mod receiver;
mod ring;
mod select;
mod selector;
mod sender;
mod zero;

pub use future::{RecvFuture, SendFuture};
pub use iter::{IntoIter, Iter, TryIter};
pub use receiver::Receiver;
#[doc(hidden)]
pub use selector::internal;
pub use selector::{Select, SelectedOperation};
pub use sender::Sender;

#[doc(inline)]
pub use crate::{channel_select as select, channel_select_biased as select_biased};

#[doc(no_inline)]
pub use crossbeam_channel::{
    ReadyTimeoutError, RecvError, RecvTimeoutError, SelectTimeoutError, SendError, SendTimeoutError, TryReadyError,
    TryRecvError, TrySelectError, TrySendError,
};

use crate::runtime::clock::now;
use blocks::Blocks;
use buffered::Buffered;
use clock::{Once, Tick};
use ring::Ring;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use zero::Zero;

/// Makes a channel that holds so many messages; a send into a full one waits. With a capacity of zero it holds none: a send waits for
/// a receive.
///
/// # Examples
/// ```
/// let (sender, receiver) = sinew::channel::bounded(1);
/// sender.send("hello").unwrap();
/// assert!(sender.try_send("world").is_err(), "it is full");
/// assert_eq!(receiver.recv(), Ok("hello"));
/// ```
#[must_use]
pub fn bounded<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    if capacity == 0 {
        let (sender, receiver) = counted::share(Zero::new());
        return (
            Sender { flavor: sender::Flavor::Zero(sender) },
            Receiver { flavor: receiver::Flavor::Zero(receiver) },
        );
    }
    let (sender, receiver) = counted::share(Buffered::new(Ring::new(capacity)));
    (Sender { flavor: sender::Flavor::Bounded(sender) }, Receiver { flavor: receiver::Flavor::Bounded(receiver) })
}

/// Makes a channel that holds as many messages as there is memory for: a send never waits.
///
/// # Examples
/// ```
/// let (sender, receiver) = sinew::channel::unbounded();
/// (0..1_000).for_each(|number| sender.send(number).unwrap());
/// assert_eq!(receiver.try_iter().sum::<i32>(), 499_500);
/// ```
#[must_use]
pub fn unbounded<T>() -> (Sender<T>, Receiver<T>) {
    let (sender, receiver) = counted::share(Buffered::new(Blocks::new()));
    (Sender { flavor: sender::Flavor::Unbounded(sender) }, Receiver { flavor: receiver::Flavor::Unbounded(receiver) })
}

/// Makes a channel to which time sends one message after this while: the moment at which it was due. It is never disconnected. On a green thread a
/// wait for it is rounded up to whole milliseconds.
///
/// # Examples
/// ```
/// use sinew::channel::{after, never, select};
/// use std::time::Duration;
///
/// select! {
///     recv(never::<()>()) -> _ => unreachable!(),
///     recv(after(Duration::from_millis(2))) -> at => assert!(at.is_ok()),
/// }
/// ```
#[must_use]
pub fn after(duration: Duration) -> Receiver<Instant> {
    // Beyond what a clock can say is for ever.
    now().checked_add(duration).map_or_else(never, at)
}

/// Makes a channel to which time sends one message then. See [`after`].
///
/// # Examples
/// ```
/// use std::time::Instant;
///
/// let now = Instant::now();
/// assert_eq!(sinew::channel::at(now).recv(), Ok(now));
/// ```
#[must_use]
pub fn at(when: Instant) -> Receiver<Instant> {
    Receiver { flavor: receiver::Flavor::Once(Arc::new(Once::new(when))) }
}

/// Makes a channel to which time sends a message, the moment at which it was due, at intervals. It holds one; those that come while it is full
/// are left out, and the interval begins anew when it is received. It is never disconnected.
///
/// # Examples
/// ```
/// use std::time::{Duration, Instant};
///
/// let start = Instant::now();
/// let ticks = sinew::channel::tick(Duration::from_millis(2));
/// for _ in 0..3 {
///     ticks.recv().unwrap();
/// }
/// assert!(start.elapsed() >= Duration::from_millis(6));
/// ```
#[must_use]
pub fn tick(duration: Duration) -> Receiver<Instant> {
    let now = now();
    match now.checked_add(duration) {
        None => never(),
        Some(_) => Receiver { flavor: receiver::Flavor::Tick(Arc::new(Tick::new(now, duration))) },
    }
}

/// Makes a channel to which nothing is ever sent: to leave an arm of a select out.
///
/// # Examples
/// ```
/// use sinew::channel::{never, select, unbounded};
///
/// let (_sender, receiver) = unbounded::<i32>();
/// let wanted = false;
/// select! {
///     recv(if wanted { receiver } else { never() }) -> _ => unreachable!(),
///     default => {}
/// }
/// ```
#[must_use]
pub const fn never<T>() -> Receiver<T> {
    Receiver { flavor: receiver::Flavor::Never }
}
