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
//! # Invariants
//! 1. Both lists are one state, guarded by the lock of the receivers' list, under which that of the senders is locked. Only
//!    somebody who leaves locks one alone. So of a sender and a receiver one finds the other.
//! 2. `disconnected` is set under that lock: nobody lists itself any more then.
//! 3. A thread that was taken out goes on only when it is woken, so its place, and its name, are good until then.

use super::{
    buffered::{Unreceived, Unsent},
    place::{Place, outcome, want},
    queue::Refused,
    select::{Pair, Token, TokenState},
};
use crate::{
    primitive::{AtomicBool, Ordering},
    runtime::{
        exact::Current,
        waiters::{Choice, Claim, Locked, Node, Waited, Waiters, Wakeup, Want},
    },
};
use std::{cell::Cell, marker::PhantomData, time::Instant};

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
    if node.want().amount == want::LOOK { Choice::Skip } else { Choice::Take }
}

/// Whether the list has somebody who is to be met and has not this claim.
fn has_other(list: &mut Locked<'_>, claim: &Claim) -> bool {
    let mut found = false;
    let other = |node: &Node| {
        if node.is_of(claim) || node.want().amount == want::LOOK {
            return Choice::Skip;
        }
        found = true;
        Choice::Stop
    };
    let none = list.take(other);
    debug_assert!(none.is_none());
    found
}

/// Tells those who only want to be told.
fn tell(list: &mut Locked<'_>) -> Option<Wakeup> {
    let looks = |node: &Node| if node.want().amount == want::LOOK { Choice::Take } else { Choice::Skip };
    list.take(looks).map(|taken| taken.grant(outcome::RETRY))
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

    pub(crate) fn send(&self, message: T, deadline: Option<Instant>) -> Result<(), Unsent<T>> {
        let (receivers, message) = match self.meet_receiver(message) {
            Ok(()) => return Ok(()),
            Err((_, Refused::Disconnected(message))) => return Err(Unsent::Disconnected(message)),
            Err((receivers, Refused::Full(message))) => (receivers, message),
        };
        let current = Current::get();
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

    /// Tells all who want to be told that somebody waits on the other side, and releases the lock.
    fn tell_all<'a>(&self, list: &'a Waiters, mut locked: Option<Locked<'a>>) {
        while let Some(wakeup) = locked.as_mut().and_then(tell) {
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
            if wanted.amount == want::MESSAGE {
                let wakeup = taken.grant(outcome::DONE);
                drop(senders);
                drop(receivers);
                // SAFETY: invariant 3: the message of the thread that waits to send it.
                let message = unsafe { (*wanted.slot.cast::<Option<T>>()).take() }.expect("it waits with its message");
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
            let mut told = tell(&mut senders);
            drop(senders);
            // SAFETY: the node is fresh, and waited for at once; in between others are told, which does not unwind.
            let listed = unsafe { receivers.list(&node) };
            while let Some(wakeup) = told {
                wakeup.wake();
                told = tell(&mut self.senders.lock());
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
        let mut told = if looks { None } else { tell(&mut senders) };
        drop(senders);
        // SAFETY: by the caller's promise.
        let _ = unsafe { receivers.list(node) };
        while let Some(wakeup) = told {
            wakeup.wake();
            told = tell(&mut self.senders.lock());
        }
        true
    }

    /// The same for one that sends.
    ///
    /// # Safety
    /// As for [`Waiters::list`].
    pub(super) unsafe fn list_sender(&self, node: &Node, claim: &Claim) -> bool {
        let mut receivers = self.receivers.lock();
        if self.is_disconnected() || has_other(&mut receivers, claim) {
            return false;
        }
        // SAFETY: by the caller's promise.
        let _ = unsafe { self.senders.lock().list(node) };
        if node.want().amount != want::LOOK {
            self.tell_all(&self.receivers, Some(receivers));
        }
        true
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
