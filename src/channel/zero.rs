//! A channel without room: a send and a receive meet, and the message goes from hand to hand.
//!
//! # How it works
//! Whoever comes second finds the first in the other side's list, takes it out, and passes the message: a sender puts it into the place of
//! the receiver that waits, a receiver takes it from the sender that waits.
//!
//! A select that sends computes its message only after it was chosen. So if it comes second, it takes the receiver out of the list, and that
//! goes on waiting until the message is there. If it comes first, the receiver gives it a place and its own name, and waits
//! likewise. Should the select unwind instead of sending, the receiver finds its place empty, and begins again.
//!
//! A future that receives takes its message when it is polled, so it cannot be met: it is told that a sender waits. One that sends lists its
//! message as a thread does; whoever receives it takes it at once, for the future may go before it is woken.
//!
//! # Invariants
//! 1. Both lists are one state, guarded by the lock of the receivers' list, under which that of the senders is locked. Only
//!    somebody who leaves, or stays, locks one alone. So of a sender and a receiver one finds the other.
//! 2. `disconnected` is set under that lock: nobody lists itself any more then.
//! 3. A thread that was taken out goes on only when it is woken, so its place, and its name, are good until then.
//! 4. *No future waits while a sender does, unless another was told of that.* Each sender that lists itself tells one of those that wait, which
//!    then receives; if it is dropped instead, it tells the next.

use super::{
    buffered::{Unreceived, Unsent},
    place::{Place, outcome, want},
    queue::Refused,
    select::{Pair, Token, TokenState},
};
use crate::{
    primitive::{AtomicBool, Ordering},
    runtime::{
        exact::{Apart, Current},
        waiters::{Choice, Claim, Locked, Node, Polled, Waited, Waiters, Wakeup, Want},
    },
};
use std::{
    cell::Cell,
    marker::PhantomData,
    ptr,
    task::{Poll, Waker},
    time::Instant,
};

/// See the module's documentation.
pub(crate) struct Zero<T> {
    receivers: Waiters,
    senders: Waiters,
    disconnected: AtomicBool,
    messages: PhantomData<Cell<T>>,
}

// SAFETY: a message goes from the thread that sends to the one that receives; nothing else of it is shared.
unsafe impl<T: Send> Send for Zero<T> {}
// SAFETY: the same.
unsafe impl<T: Send> Sync for Zero<T> {}

/// Whoever is to be met, not only told of it.
fn meets(node: &Node) -> Choice {
    if want::is_told(node.want().amount) { Choice::Skip } else { Choice::Take }
}

/// Whether futures are to be told of a sender.
fn has_futures(list: &Locked<'_>) -> bool {
    list.count(|node| node.want().amount == want::TURN) > 0
}

/// Whether the list has somebody who is to be met and has not this claim.
fn has_other(list: &mut Locked<'_>, claim: &Claim) -> bool {
    let mut found = false;
    let other = |node: &Node| {
        if node.is_of(claim) || want::is_told(node.want().amount) {
            return Choice::Skip;
        }
        found = true;
        Choice::Stop
    };
    let none = list.take(other);
    debug_assert!(none.is_none());
    found
}

/// Tells one who only wants to be told; a future only if `turn` says so, which then does so no more.
fn tell(list: &mut Locked<'_>, turn: &mut bool) -> Option<Wakeup> {
    let told = |node: &Node| match node.want().amount {
        want::LOOK => Choice::Take,
        want::TURN if *turn => Choice::Take,
        _ => Choice::Skip,
    };
    let taken = list.take(told)?;
    *turn &= taken.want().amount != want::TURN;
    Some(taken.grant(outcome::RETRY))
}

impl<T> Zero<T> {
    pub(crate) fn new() -> Self {
        Self {
            receivers: Waiters::new(),
            senders: Waiters::new(),
            disconnected: AtomicBool::new(false),
            messages: PhantomData,
        }
    }

    fn is_disconnected(&self) -> bool {
        self.disconnected.load(Ordering::SeqCst)
    }

    pub(crate) fn try_send(&self, message: T) -> Result<(), Refused<T>> {
        self.meet_receiver(message).map_err(|(_, refused)| refused)
    }

    /// Passes the message to a receiver that waits. If none does, gives the lock under which that was so.
    #[inline]
    fn meet_receiver(&self, message: T) -> Result<(), (Option<Locked<'_>>, Refused<T>)> {
        let mut receivers = self.receivers.lock();
        let Some(taken) = receivers.take(meets) else {
            return Err(match self.is_disconnected() {
                true => (None, Refused::Disconnected(message)),
                false => (Some(receivers), Refused::Full(message)),
            });
        };
        let place = Place::of(taken.want());
        let wakeup = taken.grant(outcome::DONE);
        drop(receivers);
        // SAFETY: invariant 3.
        unsafe { place.put(message) };
        wakeup.wake();
        Ok(())
    }

    pub(crate) fn send(&self, mut message: T, deadline: Option<Instant>) -> Result<(), Unsent<T>> {
        let mut apart = None;
        let receivers = loop {
            message = match self.meet_receiver(message) {
                Ok(()) => return Ok(()),
                Err((_, Refused::Disconnected(message))) => return Err(Unsent::Disconnected(message)),
                Err((Some(receivers), Refused::Full(message))) if apart.is_none() && has_futures(&receivers) => message,
                Err((receivers, Refused::Full(unsent))) => {
                    message = unsent;
                    break receivers;
                }
            };
            apart = Some(Apart::new());
        };
        let mut current = Current::get();
        if let Some(apart) = &apart {
            current = current.apart(apart);
        }
        let message = Cell::new(Some(message));
        let unsent = || message.take().expect("nobody took it");
        let want = Want { amount: want::MESSAGE, slot: message.as_ptr().cast(), first: false };
        let node = Node::new(want, &current);
        // SAFETY: the node is fresh, and waited for at once; in between others are told, which does not unwind.
        let listed = unsafe { self.senders.lock().list(&node) };
        self.tell_all(&self.receivers, receivers);
        match listed.wait(&current, deadline, drop) {
            Waited::Granted(outcome::DISCONNECTED) => Err(Unsent::Disconnected(unsent())),
            Waited::TimedOut => Err(Unsent::TimedOut(unsent())),
            _ => Ok(()),
        }
    }

    /// Tells all who want to be told, and one future, that somebody waits on the other side, and releases the lock.
    fn tell_all<'a>(&self, list: &'a Waiters, mut locked: Option<Locked<'a>>) {
        let mut turn = true;
        while let Some(wakeup) = locked.as_mut().and_then(|locked| tell(locked, &mut turn)) {
            drop(locked);
            wakeup.wake();
            locked = Some(list.lock());
        }
    }

    pub(crate) fn try_recv(&self) -> Result<T, Unreceived> {
        let place = Cell::new(None);
        self.meet_sender(Place::Typed(place.as_ptr().cast())).map_err(|(_, unreceived)| unreceived)?;
        Ok(place.take().expect("it was put there"))
    }

    /// Takes the message of a sender that waits. If none does, gives the lock under which that was so.
    fn meet_sender(&self, place: Place) -> Result<(), (Option<Locked<'_>>, Unreceived)> {
        loop {
            let receivers = self.receivers.lock();
            let mut senders = self.senders.lock();
            let Some(taken) = senders.take(meets) else {
                drop(senders);
                return Err(match self.is_disconnected() {
                    true => (None, Unreceived::Disconnected),
                    false => (Some(receivers), Unreceived::TimedOut),
                });
            };
            let wanted = taken.want();
            if wanted.amount != want::TOKEN {
                // SAFETY: the message of a thread that waits to send it (invariant 3), or of a future, while the list is locked.
                let take = || unsafe { (*wanted.slot.cast::<Option<T>>()).take() }.expect("it waits with its message");
                let message = (wanted.amount == want::FLEETING).then(take);
                let wakeup = taken.grant(outcome::DONE);
                drop(senders);
                drop(receivers);
                let message = message.unwrap_or_else(take);
                // SAFETY: the caller's own place.
                unsafe { place.put(message) };
                wakeup.wake();
                return Ok(());
            }
            let current = Current::get();
            let sent = Cell::new(false);
            let wakeup = taken.grant(outcome::DONE);
            drop(senders);
            drop(receivers);
            let pair = Pair { place, sent: sent.as_ptr(), waiter: current.name().into() };
            // SAFETY: invariant 3: the token of a select that waits here.
            unsafe { (*wanted.slot.cast::<Token>()).state = TokenState::Paired(pair) };
            wakeup.wake();
            // Until the select has sent, or unwinds.
            current.wait_for_wake();
            if sent.get() {
                return Ok(());
            }
        }
    }

    pub(crate) fn recv(&self, deadline: Option<Instant>) -> Result<T, Unreceived> {
        let place = Cell::new(None::<T>);
        let slot = place.as_ptr().cast();
        loop {
            let receivers = match self.meet_sender(Place::Typed(slot)) {
                Ok(()) => return Ok(place.take().expect("it was put there")),
                Err((_, Unreceived::Disconnected)) => return Err(Unreceived::Disconnected),
                Err((receivers, _)) => receivers.expect("given if nobody was there"),
            };
            let current = Current::get();
            let node = Node::new(Want { amount: want::MESSAGE, slot, first: false }, &current);
            let mut senders = self.senders.lock();
            let mut told = tell(&mut senders, &mut false);
            drop(senders);
            // SAFETY: the node is fresh, and waited for at once; in between others are told, which does not unwind.
            let listed = unsafe { receivers.list(&node) };
            while let Some(wakeup) = told {
                wakeup.wake();
                told = tell(&mut self.senders.lock(), &mut false);
            }
            match listed.wait(&current, deadline, drop) {
                Waited::TimedOut => return Err(Unreceived::TimedOut),
                Waited::Granted(outcome::DISCONNECTED) => return Err(Unreceived::Disconnected),
                _ => {}
            }
            if let Some(message) = place.take() {
                return Ok(message);
            }
            // A select that was to send has unwound.
        }
    }

    /// A select that sends: takes out a receiver that waits, which goes on waiting for the message.
    pub(super) fn pair_with_receiver(&self, state: &mut TokenState) -> bool {
        let mut receivers = self.receivers.lock();
        let Some(taken) = receivers.take(meets) else {
            if self.is_disconnected() {
                *state = TokenState::Disconnected;
                return true;
            }
            return false;
        };
        let place = Place::of(taken.want());
        let wakeup = taken.grant(outcome::DONE);
        drop(receivers);
        *state = TokenState::Paired(Pair { place, sent: std::ptr::null_mut(), waiter: wakeup.into() });
        true
    }

    /// A select that receives: takes a message from a sender that waits.
    pub(super) fn select_recv(&self, place: Place, state: &mut TokenState) -> bool {
        *state = match self.meet_sender(place) {
            Ok(()) => TokenState::Received,
            Err((_, Unreceived::Disconnected)) => TokenState::Disconnected,
            Err(_) => return false,
        };
        true
    }

    /// Lists a select that receives, unless it need not wait.
    ///
    /// # Safety
    /// As for [`Waiters::list`].
    pub(super) unsafe fn list_receiver(&self, node: &Node, claim: &Claim) -> bool {
        let receivers = self.receivers.lock();
        let mut senders = self.senders.lock();
        if self.is_disconnected() || has_other(&mut senders, claim) {
            return false;
        }
        let looks = node.want().amount == want::LOOK;
        let mut told = if looks { None } else { tell(&mut senders, &mut false) };
        drop(senders);
        // SAFETY: by the caller's promise.
        let _ = unsafe { receivers.list(node) };
        while let Some(wakeup) = told {
            wakeup.wake();
            told = tell(&mut self.senders.lock(), &mut false);
        }
        true
    }

    /// The same for one that sends; nor if it would have to wait apart, and does not.
    ///
    /// # Safety
    /// As for [`Waiters::list`].
    pub(super) unsafe fn list_sender(&self, node: &Node, claim: &Claim) -> bool {
        let mut receivers = self.receivers.lock();
        if self.is_disconnected() || has_other(&mut receivers, claim) {
            return false;
        }
        if node.want().amount != want::LOOK && !node.waits_apart() && has_futures(&receivers) {
            return false;
        }
        // SAFETY: by the caller's promise.
        let _ = unsafe { self.senders.lock().list(node) };
        if node.want().amount != want::LOOK {
            self.tell_all(&self.receivers, Some(receivers));
        }
        true
    }

    /// Whether a sender that lists itself has to tell futures.
    pub(super) fn tells_futures(&self) -> bool {
        has_futures(&self.receivers.lock())
    }

    /// [`send`](Self::send) by a future, whose message lies where it says until it is sent.
    ///
    /// # Safety
    /// `polled` is this future's, used for this alone, and both stay where they are until it has left the list of senders.
    pub(super) unsafe fn poll_send(
        &self,
        polled: &Polled,
        message: &Cell<Option<T>>,
        waker: &Waker,
    ) -> Poll<Result<(), T>> {
        let unsent = || message.take().expect("polled after it was ready");
        // SAFETY: by the caller's promise.
        if let Some(granted) = std::task::ready!(unsafe { polled.poll(&self.senders, waker) }) {
            polled.finish();
            return Poll::Ready(if granted == outcome::DISCONNECTED { Err(unsent()) } else { Ok(()) });
        }
        let want = Want { amount: want::FLEETING, slot: message.as_ptr().cast(), first: false };
        let node = polled.prepare(want, waker);
        let receivers = match self.meet_receiver(unsent()) {
            Ok(()) => return Poll::Ready(Ok(())),
            Err((_, Refused::Disconnected(unsent))) => return Poll::Ready(Err(unsent)),
            Err((receivers, Refused::Full(unsent))) => {
                message.set(Some(unsent));
                receivers
            }
        };
        // SAFETY: by the caller's promise; the node is fresh.
        let _ = unsafe { self.senders.lock().list(node) };
        polled.is_listed();
        self.tell_all(&self.receivers, receivers);
        Poll::Pending
    }

    /// [`recv`](Self::recv) by a future.
    ///
    /// # Safety
    /// `polled` is this future's, used for this alone, and stays where it is until [`abandon_recv`](Self::abandon_recv).
    pub(super) unsafe fn poll_recv(&self, polled: &Polled, waker: &Waker) -> Poll<Result<T, Unreceived>> {
        // SAFETY: by the caller's promise.
        let told = std::task::ready!(unsafe { polled.poll(&self.receivers, waker) });
        let want = Want { amount: want::TURN, slot: ptr::null_mut(), first: told.is_some() };
        let node = polled.prepare(want, waker);
        let place = Cell::new(None);
        let result = match self.meet_sender(Place::Typed(place.as_ptr().cast())) {
            Err((Some(receivers), _)) => {
                // SAFETY: by the caller's promise; the node is fresh.
                let _ = unsafe { receivers.list(node) };
                polled.is_listed();
                return Poll::Pending;
            }
            Err((None, unreceived)) => Err(unreceived),
            Ok(()) => Ok(place.take().expect("it was put there")),
        };
        polled.finish();
        Poll::Ready(result)
    }

    /// The future goes that is polled with this: invariant 4.
    ///
    /// # Safety
    /// As for [`Polled::leave`].
    pub(super) unsafe fn abandon_recv(&self, polled: &Polled) {
        // SAFETY: by the caller's promise.
        if unsafe { polled.leave(&self.receivers) }.is_none() {
            return;
        }
        let mut receivers = self.receivers.lock();
        let waits = has_other(&mut self.senders.lock(), &Claim::new());
        let told = if waits { tell(&mut receivers, &mut true) } else { None };
        drop(receivers);
        if let Some(wakeup) = told {
            wakeup.wake();
        }
    }

    /// Whether a receiver waits, or a sender; or the channel is disconnected.
    pub(super) fn has_waiting(&self, receiver: bool) -> bool {
        let mut receivers = self.receivers.lock();
        let nobody = Claim::new();
        self.is_disconnected()
            || if receiver { has_other(&mut receivers, &nobody) } else { has_other(&mut self.senders.lock(), &nobody) }
    }

    pub(super) fn receivers(&self) -> &Waiters {
        &self.receivers
    }

    pub(super) fn senders(&self) -> &Waiters {
        &self.senders
    }

    /// The last of a side has gone.
    pub(crate) fn disconnect(&self) {
        let receivers = self.receivers.lock();
        // Invariant 2.
        if !self.disconnected.swap(true, Ordering::SeqCst) {
            receivers.grant_all(outcome::DISCONNECTED);
            self.senders.lock().grant_all(outcome::DISCONNECTED);
        }
    }
}
