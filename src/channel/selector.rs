//! [`Select`]: a select over operations that the program lists while it runs.

use super::{
    ReadyTimeoutError, Receiver, RecvError, SelectTimeoutError, SendError, Sender, TryReadyError, TrySelectError,
    select::{Arm, Chosen, Operand, Patience, Token, choose, look},
};
use std::{
    cell::Cell,
    fmt, mem,
    panic::{RefUnwindSafe, UnwindSafe},
    ptr,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// Waits for several channel operations, of which one takes effect: [`select!`](super::select!) for operations that are listed while the
/// program runs.
///
/// An operation is *ready* if it need not wait, which includes that it fails because its channel is disconnected. If several are ready, one of them is
/// chosen at random; by a biased `Select`, the first.
///
/// There are two ways to use it: [`select`](Self::select) and its kin choose an operation, which then *must* be completed by
/// [`SelectedOperation::send`] or [`recv`](SelectedOperation::recv); [`ready`](Self::ready) and its kin say which one is ready, which by then may be so no
/// longer.
///
/// # Order
/// It waits in the lists of its channels behind those that were there before. If it is told that an operation is ready, and another is faster, it waits
/// anew, behind all. If it is chosen to send into a channel of capacity zero, the receiver waits until the message was computed, even beyond
/// its own deadline; and so does a `Select` that receives.
///
/// # Cancellation
/// A thread that waits here unwinds, and no operation took effect.
///
/// # Examples
/// ```
/// use sinew::channel::{Select, unbounded};
///
/// let channels: Vec<_> = (0..3).map(|_| unbounded()).collect();
/// channels[1].0.send("hello").unwrap();
///
/// let mut select = Select::new();
/// for (_, receiver) in &channels {
///     select.recv(receiver);
/// }
/// let operation = select.select();
/// let index = operation.index();
/// assert_eq!((index, operation.recv(&channels[index].1)), (1, Ok("hello")));
/// ```
pub struct Select<'a> {
    arms: Vec<Arm<'a>>,
    next: usize,
    biased: bool,
    home: u64,
}

// SAFETY: it changes by `&mut self` only, and runs no code that knows its messages, but for that which drops the message of an operation that was
// not completed, which is done on the OS thread of its maker only (`SelectedOperation::drop`).
unsafe impl Send for Select<'_> {}
// SAFETY: the same.
unsafe impl Sync for Select<'_> {}

/// This OS thread's number. It is not given to a later one, as an address would be.
fn os_thread() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    std::thread_local! {
        static NUMBER: Cell<u64> = const { Cell::new(0) };
    }
    if NUMBER.get() == 0 {
        NUMBER.set(LAST.fetch_add(1, Ordering::Relaxed) + 1);
    }
    NUMBER.get()
}

impl<'a> Select<'a> {
    /// Without operations.
    #[must_use]
    pub fn new() -> Self {
        Self { arms: Vec::new(), next: 0, biased: false, home: os_thread() }
    }

    /// The same, and of several operations that are ready, the one that was added first is chosen.
    #[must_use]
    pub fn new_biased() -> Self {
        Self { biased: true, ..Self::new() }
    }

    /// Adds a send, and gives its index: the first has 0.
    pub fn send<T>(&mut self, sender: &'a Sender<T>) -> usize {
        self.add(Arm::new(sender, None))
    }

    /// Adds a receive, and gives its index.
    pub fn recv<T>(&mut self, receiver: &'a Receiver<T>) -> usize {
        self.add(Arm::new(receiver, None))
    }

    fn add(&mut self, mut arm: Arm<'a>) -> usize {
        arm.index = self.next;
        self.next += 1;
        self.arms.push(arm);
        self.next - 1
    }

    /// Removes an operation. The others keep their indices, and its own is not used again.
    ///
    /// # Panics
    /// If there is none with this index.
    pub fn remove(&mut self, index: usize) {
        assert!(index < self.next, "index out of bounds; {index} >= {}", self.next);
        let at = self.arms.iter().position(|arm| arm.index == index).expect("no operation with this index");
        self.arms.remove(at);
    }

    fn choose(&mut self, patience: Patience) -> Option<SelectedOperation<'a>> {
        let (biased, home) = (self.biased, self.home);
        let arms = &mut self.arms[..];
        let Chosen { at, token } = choose(arms, patience, biased)?;
        let arm = &arms[at];
        let own = SelectedOperation { operand: arm.operand, of: arm.of, index: arm.index, token, home, strict: true };
        Some(own)
    }

    fn look(&mut self, patience: Patience) -> Option<usize> {
        let biased = self.biased;
        let arms = &mut self.arms[..];
        look(arms, patience, biased).map(|at| arms[at].index)
    }

    /// Chooses an operation that is ready.
    ///
    /// # Errors
    /// If none is.
    ///
    /// # Panics
    /// If the result is dropped without having been completed.
    pub fn try_select(&mut self) -> Result<SelectedOperation<'a>, TrySelectError> {
        self.choose(Patience::None).ok_or(TrySelectError)
    }

    /// Chooses an operation; suspends the current thread until one is ready.
    ///
    /// # Panics
    /// If there are no operations, or if the result is dropped without having been completed.
    ///
    /// # Cancellation
    /// See the type.
    pub fn select(&mut self) -> SelectedOperation<'a> {
        assert!(!self.arms.is_empty(), "no operations have been added to `Select`");
        self.choose(Patience::Until(None)).expect("it waits without an end")
    }

    /// [`select`](Self::select) for a limited time, which on a green thread is rounded up to whole milliseconds.
    ///
    /// # Errors
    /// If that is over.
    ///
    /// # Panics
    /// If the result is dropped without having been completed.
    ///
    /// # Cancellation
    /// See the type.
    pub fn select_timeout(&mut self, timeout: Duration) -> Result<SelectedOperation<'a>, SelectTimeoutError> {
        self.choose(Patience::timeout(timeout)).ok_or(SelectTimeoutError)
    }

    /// [`select`](Self::select) until a point in time.
    ///
    /// # Errors
    /// If that has passed.
    ///
    /// # Panics
    /// If the result is dropped without having been completed.
    ///
    /// # Cancellation
    /// See the type.
    pub fn select_deadline(&mut self, deadline: Instant) -> Result<SelectedOperation<'a>, SelectTimeoutError> {
        self.choose(Patience::Until(Some(deadline))).ok_or(SelectTimeoutError)
    }

    /// The index of an operation that is ready.
    ///
    /// # Errors
    /// If none is.
    pub fn try_ready(&mut self) -> Result<usize, TryReadyError> {
        self.look(Patience::None).ok_or(TryReadyError)
    }

    /// The index of an operation that is ready; suspends the current thread until one is. By the time it is used, others may have been
    /// faster.
    ///
    /// # Panics
    /// If there are no operations.
    ///
    /// # Cancellation
    /// See the type.
    pub fn ready(&mut self) -> usize {
        assert!(!self.arms.is_empty(), "no operations have been added to `Select`");
        self.look(Patience::Until(None)).expect("it waits without an end")
    }

    /// [`ready`](Self::ready) for a limited time, which on a green thread is rounded up to whole milliseconds.
    ///
    /// # Errors
    /// If that is over.
    ///
    /// # Cancellation
    /// See the type.
    pub fn ready_timeout(&mut self, timeout: Duration) -> Result<usize, ReadyTimeoutError> {
        self.look(Patience::timeout(timeout)).ok_or(ReadyTimeoutError)
    }

    /// [`ready`](Self::ready) until a point in time.
    ///
    /// # Errors
    /// If that has passed.
    ///
    /// # Cancellation
    /// See the type.
    pub fn ready_deadline(&mut self, deadline: Instant) -> Result<usize, ReadyTimeoutError> {
        self.look(Patience::Until(Some(deadline))).ok_or(ReadyTimeoutError)
    }
}

impl Clone for Select<'_> {
    fn clone(&self) -> Self {
        Self { arms: self.arms.iter().map(Arm::again).collect(), ..*self }
    }
}

impl Default for Select<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Select<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("Select { .. }")
    }
}

/// An operation that was chosen, and must be completed: by [`send`](Self::send) or [`recv`](Self::recv), with the sender or receiver that was given to
/// [`Select`].
///
/// # Panics
/// When it is dropped without having been completed, unless that is because the thread unwinds. Either way the operation is undone: the room
/// that was reserved for a message is free again; but a message that was received is lost.
#[must_use]
pub struct SelectedOperation<'a> {
    operand: &'a dyn Operand,
    of: *const (),
    index: usize,
    token: Token,
    /// Where its `Select` was made.
    home: u64,
    /// Whether it is an error not to complete it.
    strict: bool,
}

// As crossbeam-channel's: a panic leaves the operation as it was, chosen and yet to be completed.
impl UnwindSafe for SelectedOperation<'_> {}
impl RefUnwindSafe for SelectedOperation<'_> {}

impl SelectedOperation<'_> {
    /// The operation's index.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// Sends the message. Does not wait.
    ///
    /// # Errors
    /// With the message, if all receivers have gone.
    ///
    /// # Panics
    /// If the chosen operation is not a send by this sender.
    pub fn send<T>(self, sender: &Sender<T>, message: T) -> Result<(), SendError<T>> {
        assert!(ptr::eq(self.of, ptr::from_ref(sender).cast()), "passed a sender that wasn't selected");
        sender.complete(&mut self.completed(), message).map_err(SendError)
    }

    /// Receives the message. Does not wait.
    ///
    /// # Errors
    /// If the channel is empty and all senders have gone.
    ///
    /// # Panics
    /// If the chosen operation is not a receive by this receiver.
    pub fn recv<T>(self, receiver: &Receiver<T>) -> Result<T, RecvError> {
        assert!(ptr::eq(self.of, ptr::from_ref(receiver).cast()), "passed a receiver that wasn't selected");
        receiver.complete(&mut self.completed()).ok_or(RecvError)
    }

    fn completed(mut self) -> Token {
        let token = mem::replace(&mut self.token, Token::empty());
        mem::forget(self);
        token
    }
}

impl fmt::Debug for SelectedOperation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad("SelectedOperation { .. }")
    }
}

impl Drop for SelectedOperation<'_> {
    fn drop(&mut self) {
        // A message that may not leave its OS thread is leaked on another.
        if self.operand.sends() || self.home == os_thread() {
            self.operand.abandon(&mut self.token);
        }
        if self.strict && !crate::thread::panicking() {
            panic!("dropped `SelectedOperation` without completing the operation");
        }
    }
}

/// What `select!` expands to. Not for use by hand, and not stable.
#[doc(hidden)]
pub mod internal {
    use super::*;
    use crate::channel::place::Place;

    pub use crate::channel::select::Arm;

    /// Where an arm receives.
    pub struct Slot<T>(Cell<Option<T>>);

    /// One of two.
    #[derive(Debug)]
    pub enum Either<A, B> {
        This(A),
        That(B),
    }

    /// Fixes the type of a slot.
    #[must_use]
    pub fn slot<T>(_: &Receiver<T>) -> Slot<T> {
        Slot(Cell::new(None))
    }

    #[must_use]
    pub fn recv<'a, T>(receiver: &'a Receiver<T>, slot: &'a Slot<T>) -> Arm<'a> {
        Arm::new(receiver, Some(Place::Typed(slot.0.as_ptr().cast())))
    }

    #[must_use]
    pub fn send<'a, T>(sender: &'a Sender<T>) -> Arm<'a> {
        Arm::new(sender, None)
    }

    fn run<'a>(arms: &mut [Arm<'a>], patience: Patience, biased: bool) -> Option<Selected<'a>> {
        for (index, arm) in arms.iter_mut().enumerate() {
            arm.index = index;
        }
        let Chosen { at, token } = choose(arms, patience, biased)?;
        let arm = &arms[at];
        let home = os_thread();
        let own = SelectedOperation { operand: arm.operand, of: arm.of, index: arm.index, token, home, strict: false };
        Some(Selected { operation: own })
    }

    /// A chosen arm.
    #[derive(Debug)]
    pub struct Selected<'a> {
        operation: SelectedOperation<'a>,
    }

    impl Selected<'_> {
        #[must_use]
        pub fn is(&self, index: usize) -> bool {
            self.operation.index == index
        }

        pub fn send<T>(self, sender: &Sender<T>, message: T) -> Result<(), SendError<T>> {
            self.operation.send(sender, message)
        }

        pub fn recv<T>(self, slot: &Slot<T>) -> Result<T, RecvError> {
            drop(self.operation.completed());
            slot.0.take().ok_or(RecvError)
        }
    }

    /// The operation that was chosen is one of the arms.
    #[must_use]
    pub fn never_chosen(_: Selected<'_>) -> std::convert::Infallible {
        unreachable!("one of the arms was chosen")
    }

    pub fn select<'a>(arms: &mut [Arm<'a>], biased: bool) -> Selected<'a> {
        run(arms, Patience::Until(None), biased).expect("it waits without an end")
    }

    pub fn try_select<'a>(arms: &mut [Arm<'a>], biased: bool) -> Option<Selected<'a>> {
        run(arms, Patience::None, biased)
    }

    pub fn select_timeout<'a>(arms: &mut [Arm<'a>], timeout: Duration, biased: bool) -> Option<Selected<'a>> {
        run(arms, Patience::timeout(timeout), biased)
    }
}
