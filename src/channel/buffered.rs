//! A channel with a queue: threads that find it full, or empty, wait.
//!
//! # How it works
//! Two wait lists stand beside the queue: threads that receive, and threads that send. Whoever finds nothing to wait for, and nobody who waits,
//! touches the queue alone. A message for which somebody waits goes straight to its place, past the queue, if that is empty.
//!
//! Whoever has pushed looks whether a receiver waits, and whoever has popped, whether a sender does, and then *serves*: for each that waits it
//! does itself what the other wants, and wakes it with the result. So what a waiter gets, it has; nothing is left in between for a
//! cancellation or a deadline to lose (invariant 3 of the wait list).
//!
//! # Invariants
//! 1. *Nobody waits for what is there.* A waiter locks its list, and then looks at the queue for the last time (and if there is
//!    something, it begins anew); others
//!    change the queue, and then look at the list. These are sequentially consistent, so one sees the other
//!    ([`Waiters::seem_empty`]); who changed the queue then serves.
//! 2. *First in, first out.* A message passes by the queue only while that holds nothing, and while the list of receivers is locked; what its
//!    sender sent before was popped by then.
//! 3. A waiter that is told to try again (its turn has come, and another has been faster; or it is a select or a future, which does for itself
//!    what it was told of) does so before it can be cancelled or looks at its deadline; and a select that sends, and a future, serves those
//!    behind it. A future that is dropped instead of trying serves them, too: so it has taken nothing, and holds up nobody.
//!
//! Rejected: to wake a receiver that then pops for itself, as crossbeam-channel does: on one worker that is two more atomic operations a
//! message, and who gives up has to pass its wake on.

use super::{
    place::{Place, outcome, want},
    queue::{Popped, Queue, Refused, Reserved},
};
use crate::{
    primitive::between_seqcst_accesses,
    runtime::{
        exact::Current,
        waiters::{Choice, Locked, Node, Polled, Taken, Waited, Waiters, Want},
    },
};
use std::{
    cell::Cell,
    mem, ptr,
    task::{Poll, Waker},
    time::Instant,
};

/// How many times a thread looks again before it suspends, where another processor may bring what it waits for.
///
/// Rejected: to look after one turn, two, four and so on, so that more has come by then: 1 to 1 it halves the rate.
const SPINS: u32 = 100;

/// Why a send did not send.
#[derive(Debug)]
pub(crate) enum Unsent<T> {
    TimedOut(T),
    Disconnected(T),
}

/// Why a receive got nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unreceived {
    /// Nothing there, or nothing came in time.
    TimedOut,
    Disconnected,
}

/// See the module's documentation.
#[repr(C)]
pub(crate) struct Buffered<Q> {
    queue: Q,
    receivers: Waiters,
    senders: Waiters,
}

impl<Q: Queue> Buffered<Q> {
    pub(crate) fn new(queue: Q) -> Self {
        Self { queue, receivers: Waiters::new(), senders: Waiters::new() }
    }

    pub(crate) fn queue(&self) -> &Q {
        &self.queue
    }

    pub(super) fn receivers(&self) -> &Waiters {
        &self.receivers
    }

    pub(super) fn senders(&self) -> &Waiters {
        &self.senders
    }

    #[inline]
    pub(crate) fn try_send(&self, message: Q::Message) -> Result<(), Refused<Q::Message>> {
        let message = match self.receivers.seem_empty() {
            true => message,
            false => match self.hand_over(message) {
                Ok(()) => return Ok(()),
                Err(message) => message,
            },
        };
        self.queue.push(message)?;
        self.pushed();
        Ok(())
    }

    #[inline]
    pub(crate) fn send(&self, message: Q::Message, deadline: Option<Instant>) -> Result<(), Unsent<Q::Message>> {
        match self.try_send(message) {
            Ok(()) => Ok(()),
            Err(Refused::Full(message)) => self.send_slow(message, deadline),
            Err(Refused::Disconnected(message)) => Err(Unsent::Disconnected(message)),
        }
    }

    #[inline]
    pub(crate) fn try_recv(&self) -> Result<Q::Message, Unreceived> {
        loop {
            match self.queue.pop() {
                Popped::Message(message) => {
                    self.popped();
                    return Ok(message);
                }
                Popped::Skipped => self.popped(),
                Popped::Empty => return Err(Unreceived::TimedOut),
                Popped::Disconnected => return Err(Unreceived::Disconnected),
            }
        }
    }

    #[inline]
    pub(crate) fn recv(&self, deadline: Option<Instant>) -> Result<Q::Message, Unreceived> {
        match self.try_recv() {
            Err(Unreceived::TimedOut) => self.recv_slow(deadline),
            result => result,
        }
    }

    /// Gives the message to the first that waits for one, unless others are in the queue.
    #[inline]
    fn hand_over(&self, message: Q::Message) -> Result<(), Q::Message> {
        let mut locked = self.receivers.lock();
        if !self.queue.is_empty() {
            return Err(message);
        }
        let Some(taken) = locked.take_plain(want::MESSAGE) else { return Self::hand_over_slow(locked, message) };
        let place = Place::Typed(taken.want().slot);
        let wakeup = taken.grant(outcome::DONE);
        drop(locked);
        // SAFETY: the place of a thread that waits here for a message of this channel, and goes on only when it is woken.
        unsafe { place.put(message) };
        wakeup.wake();
        Ok(())
    }

    /// The first is not just a thread that receives.
    #[inline(never)]
    fn hand_over_slow(mut locked: Locked<'_>, message: Q::Message) -> Result<(), Q::Message> {
        let wants = |node: &Node| match node.want().amount {
            want::LOOK => Choice::Skip,
            // It comes for its message itself, into the queue.
            want::TURN => Choice::Stop,
            _ => Choice::Take,
        };
        let Some(taken) = locked.take(wants) else { return Err(message) };
        let place = Place::of(taken.want());
        let wakeup = taken.grant(outcome::DONE);
        drop(locked);
        // SAFETY: as in `hand_over`.
        unsafe { place.put(message) };
        wakeup.wake();
        Ok(())
    }

    #[inline(never)]
    fn send_slow(&self, message: Q::Message, deadline: Option<Instant>) -> Result<(), Unsent<Q::Message>> {
        let current = Current::get();
        spin(&current, || self.queue.can_push());
        let message = Cell::new(Some(message));
        let unsent = || message.take().expect("nobody took it");
        let mut first = false;
        loop {
            let node = Node::new(Want { amount: want::MESSAGE, slot: message.as_ptr().cast(), first }, &current);
            // SAFETY: the node is fresh, and waited for at once.
            let Some(listed) = (unsafe { self.senders.list(&node, |_| self.may_push()) }) else {
                match self.try_send(unsent()) {
                    Ok(()) => return Ok(()),
                    Err(Refused::Full(unsent)) => message.set(Some(unsent)),
                    Err(Refused::Disconnected(unsent)) => return Err(Unsent::Disconnected(unsent)),
                }
                continue;
            };
            match listed.wait(&current, deadline, drop) {
                Waited::Granted(outcome::DONE) => return Ok(()),
                Waited::Granted(outcome::DISCONNECTED) => return Err(Unsent::Disconnected(unsent())),
                Waited::Granted(_) | Waited::Needless => first = true,
                Waited::TimedOut => return Err(Unsent::TimedOut(unsent())),
            }
        }
    }

    #[inline(never)]
    fn recv_slow(&self, deadline: Option<Instant>) -> Result<Q::Message, Unreceived> {
        let current = Current::get();
        spin(&current, || self.queue.can_pop());
        let place = Cell::new(None::<Q::Message>);
        let mut first = false;
        loop {
            let node = Node::new(Want { amount: want::MESSAGE, slot: place.as_ptr().cast(), first }, &current);
            // SAFETY: the node is fresh, and waited for at once.
            let Some(listed) = (unsafe { self.receivers.list(&node, |_| self.may_pop()) }) else {
                match self.try_recv() {
                    Err(Unreceived::TimedOut) => continue,
                    result => return result,
                }
            };
            match listed.wait(&current, deadline, drop) {
                Waited::Granted(outcome::DONE) => return Ok(place.take().expect("it was put there")),
                Waited::Granted(_) | Waited::Needless => first = true,
                Waited::TimedOut => return Err(Unreceived::TimedOut),
            }
        }
    }

    /// [`send`](Self::send) by a future, whose message lies where it says until it is sent.
    ///
    /// # Safety
    /// `polled` is this future's, used for this alone, and stays where it is until [`abandon`](Self::abandon).
    pub(super) unsafe fn poll_send(
        &self,
        polled: &Polled,
        message: &Cell<Option<Q::Message>>,
        waker: &Waker,
    ) -> Poll<Result<(), Q::Message>> {
        // SAFETY: by the caller's promise.
        let Poll::Ready(told) = (unsafe { polled.poll(&self.senders, waker) }) else { return Poll::Pending };
        loop {
            let result = match self.try_send(message.take().expect("polled after it was ready")) {
                Err(Refused::Full(unsent)) => {
                    message.set(Some(unsent));
                    None
                }
                Err(Refused::Disconnected(unsent)) => Some(Err(unsent)),
                Ok(()) => Some(Ok(())),
            };
            if let Some(result) = result {
                self.used(polled, told);
                return Poll::Ready(result);
            }
            let want = Want { amount: want::TURN, slot: ptr::null_mut(), first: told.is_some() };
            // SAFETY: by the caller's promise; the node is fresh.
            if unsafe { self.senders.list(polled.prepare(want, waker), |_| self.may_push()) }.is_some() {
                polled.is_listed();
                return Poll::Pending;
            }
        }
    }

    /// [`recv`](Self::recv) by a future.
    ///
    /// # Safety
    /// As for [`poll_send`](Self::poll_send).
    pub(super) unsafe fn poll_recv(&self, polled: &Polled, waker: &Waker) -> Poll<Result<Q::Message, Unreceived>> {
        // SAFETY: by the caller's promise.
        let Poll::Ready(told) = (unsafe { polled.poll(&self.receivers, waker) }) else { return Poll::Pending };
        loop {
            match self.try_recv() {
                Err(Unreceived::TimedOut) => {}
                result => {
                    self.used(polled, told);
                    return Poll::Ready(result);
                }
            }
            let want = Want { amount: want::TURN, slot: ptr::null_mut(), first: told.is_some() };
            // SAFETY: by the caller's promise; the node is fresh.
            if unsafe { self.receivers.list(polled.prepare(want, waker), |_| self.may_pop()) }.is_some() {
                polled.is_listed();
                return Poll::Pending;
            }
        }
    }

    /// A future has done what it was told of: invariant 3.
    fn used(&self, polled: &Polled, told: Option<usize>) {
        polled.finish();
        if told.is_some() {
            self.serve();
        }
    }

    /// The future goes that is polled with this: invariant 3.
    ///
    /// # Safety
    /// It waits in the list, which is this channel's, if in any.
    pub(super) unsafe fn abandon(&self, polled: &Polled, list: &Waiters) {
        // SAFETY: by the caller's promise.
        if unsafe { polled.leave(list) }.is_some() {
            self.serve();
        }
    }

    /// The last look of who is about to list itself as a sender: invariant 1.
    #[inline(always)]
    fn may_push(&self) -> bool {
        between_seqcst_accesses();
        self.queue.can_push()
    }

    /// The same of a receiver.
    #[inline(always)]
    fn may_pop(&self) -> bool {
        between_seqcst_accesses();
        self.queue.can_pop()
    }

    /// Something was pushed: invariant 1.
    #[inline(always)]
    pub(super) fn pushed(&self) {
        between_seqcst_accesses();
        if !self.receivers.seem_empty() {
            self.serve();
        }
    }

    /// Something was popped: invariant 1.
    #[inline(always)]
    pub(super) fn popped(&self) {
        between_seqcst_accesses();
        if !self.senders.seem_empty() {
            self.serve();
        }
    }

    /// Serves those that wait, as far as the queue goes.
    #[cold]
    pub(super) fn serve(&self) {
        while self.serve_receiver() || self.serve_sender() {}
    }

    /// Serves the first that waits for a message, if there is one; true if there may be more to do.
    fn serve_receiver(&self) -> bool {
        between_seqcst_accesses();
        if self.receivers.seem_empty() {
            return false;
        }
        let mut locked = self.receivers.lock();
        between_seqcst_accesses();
        if !self.queue.can_pop() {
            return false;
        }
        let Some(taken) = locked.take_first() else { return false };
        let wanted = taken.want().amount;
        if want::is_told(wanted) {
            let wakeup = taken.grant(outcome::RETRY);
            drop(locked);
            wakeup.wake();
            // Invariant 3.
            return wanted != want::TURN || self.queue.is_disconnected();
        }
        let place = Place::of(taken.want());
        let popped = self.queue.pop();
        let wakeup = taken.grant(if let Popped::Message(_) = popped { outcome::DONE } else { outcome::RETRY });
        drop(locked);
        if let Popped::Message(message) = popped {
            // SAFETY: as in `hand_over`.
            unsafe { place.put(message) };
        }
        wakeup.wake();
        true
    }

    /// Serves the first that waits for room, if there is some; true if there may be more to do.
    fn serve_sender(&self) -> bool {
        between_seqcst_accesses();
        if self.senders.seem_empty() {
            return false;
        }
        let mut locked = self.senders.lock();
        between_seqcst_accesses();
        if !self.queue.can_push() {
            return false;
        }
        let Some(taken) = locked.take_first() else { return false };
        let wanted = taken.want().amount;
        let outcome = if wanted == want::MESSAGE { self.push_for(&taken) } else { outcome::RETRY };
        let wakeup = taken.grant(outcome);
        drop(locked);
        wakeup.wake();
        // A select and a future come for their room themselves, and serve those behind them (invariant 3).
        !matches!(wanted, want::TOKEN | want::TURN) || self.queue.is_disconnected()
    }

    fn push_for(&self, taken: &Taken<'_>) -> usize {
        let message = taken.want().slot.cast::<Option<Q::Message>>();
        // SAFETY: the message of a thread that waits here to send it, and goes on only when it is woken.
        let unsent = unsafe { (*message).take() }.expect("it waits with its message");
        let (unsent, outcome) = match self.queue.push(unsent) {
            Ok(()) => return outcome::DONE,
            Err(Refused::Full(unsent)) => (unsent, outcome::RETRY),
            Err(Refused::Disconnected(unsent)) => (unsent, outcome::DISCONNECTED),
        };
        // SAFETY: as above.
        unsafe { *message = Some(unsent) };
        outcome
    }

    /// A select takes room for a message that it brings later.
    pub(super) fn reserve(&self) -> Result<Reserved, Refused<()>> {
        let reserved = self.queue.reserve();
        // Invariant 3.
        if reserved.is_ok() && !self.senders.seem_empty() {
            self.serve();
        }
        reserved
    }

    /// The message of a reservation.
    pub(super) fn fill(&self, place: Reserved, message: Q::Message) -> Result<(), Q::Message> {
        self.queue.fill(place, message)?;
        self.pushed();
        if self.queue.is_disconnected() {
            // A sender is here, so it is the receivers that have gone; who discarded what was in the queue stopped before this place.
            self.discard();
        }
        Ok(())
    }

    /// Nothing comes in the reserved place.
    pub(super) fn give_up(&self, place: Reserved) {
        self.queue.give_up(place);
        between_seqcst_accesses();
        // Whoever waits for what stands behind it, or for its room.
        self.serve();
    }

    /// The last of a side has gone.
    pub(crate) fn disconnect(&self) {
        if self.queue.disconnect() {
            between_seqcst_accesses();
            self.serve();
        }
    }

    /// Drops what is in the queue, of which nobody will receive anything. If one panics, the rest is leaked: another panic would
    /// abort the process.
    pub(crate) fn discard(&self) {
        let rest = Leaks(&self.queue);
        while let Popped::Message(_) | Popped::Skipped = self.queue.pop() {}
        mem::forget(rest);
    }
}

/// Leaks what is in the queue when it is dropped.
struct Leaks<'a, Q: Queue>(&'a Q);

impl<Q: Queue> Drop for Leaks<'_, Q> {
    fn drop(&mut self) {
        loop {
            match self.0.pop() {
                Popped::Message(message) => mem::forget(message),
                Popped::Skipped => {}
                Popped::Empty | Popped::Disconnected => return,
            }
        }
    }
}

/// Looks for a moment whether it is `ready`.
#[inline]
fn spin(current: &Current<'_>, ready: impl Fn() -> bool) {
    if current.may_spin() {
        for _ in 0..SPINS {
            if ready() {
                return;
            }
            std::hint::spin_loop();
        }
    }
}
