//! What a buffering channel asks of the queue that holds its messages.

use std::mem::MaybeUninit;

/// Why a queue took no message, which it gives back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused<T> {
    Full(T),
    /// All receivers, or all senders, have gone.
    Disconnected(T),
}

/// What a queue gave.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Popped<T> {
    Message(T),
    /// None, but a place has come free where a message was announced and not sent.
    Skipped,
    Empty,
    /// Empty, and nothing will come.
    Disconnected,
}

/// A place that was announced for a message of a select, whose value is computed later. To be filled or left empty.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reserved {
    pub(super) index: usize,
    pub(super) stamp: usize,
}

/// A queue of messages: many push, many pop, none waits, except for a moment for another OS thread that is just in the middle.
///
/// A push changes the queue by a sequentially consistent exchange that `pop`, `can_pop` and `is_empty` see, and a pop does by one that `push` and
/// `can_push` see; so each side can list itself as waiting first and look then ([`Waiters::seem_empty`]).
///
/// [`Waiters::seem_empty`]: crate::runtime::waiters::Waiters::seem_empty
pub(crate) trait Queue {
    /// What it holds.
    type Message;

    fn push(&self, message: Self::Message) -> Result<(), Refused<Self::Message>>;
    fn pop(&self) -> Popped<Self::Message>;

    /// Takes a place for a message that comes later.
    fn reserve(&self) -> Result<Reserved, Refused<()>>;
    /// Brings the message to its place.
    fn fill(&self, place: Reserved, message: Self::Message) -> Result<(), Self::Message>;
    /// Gives up the place.
    fn give_up(&self, place: Reserved);

    /// Whether a push would not say that it is full.
    fn can_push(&self) -> bool;
    /// Whether a pop would not say that it is empty.
    fn can_pop(&self) -> bool;
    /// Whether no message is in it, nor announced.
    fn is_empty(&self) -> bool;
    fn len(&self) -> usize;
    fn capacity(&self) -> Option<usize>;

    /// No more is pushed; false if that was so already.
    fn disconnect(&self) -> bool;
    fn is_disconnected(&self) -> bool;
}

/// Keeps what one side writes out of the cache lines of what stands behind it: 128 bytes, since processors fetch pairs of lines. By
/// filling, not by alignment, which would cost an allocator's detour for each channel.
#[repr(C)]
pub(crate) struct Apart<T> {
    value: T,
    _filling: [MaybeUninit<usize>; 128 / size_of::<usize>()],
}

impl<T> Apart<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self { value, _filling: [const { MaybeUninit::uninit() }; _] }
    }
}

impl<T> std::ops::Deref for Apart<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.value
    }
}
