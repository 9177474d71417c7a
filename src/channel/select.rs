//! The wait for several channel operations of which one takes effect.
//!
//! # How it works
//! First each operation is attempted, in random order, unless the select is biased. If none can be done, the thread makes a [`Claim`], lists a node of
//! it with each channel, and waits. Before it lists a node, it looks under the list's lock whether the operation can be done by now; if so, it wins its own
//! claim, takes its nodes out, and attempts again. Who serves a node wins the claim first: so one operation takes effect,
//! and none while the thread gives up or attempts by itself.
//!
//! What an operation that was chosen has done:
//! - a receive has its message;
//! - a send has room reserved for its message (or its receiver, if the channel has no room), which is computed next. If that unwinds,
//!   the room is free again.
//!
//! Nothing here allocates: the nodes lie in the arms, and those where the caller has put them.

use super::{
    clock::earlier,
    place::{Landing, Parcel, Place, outcome, want},
    queue::Reserved,
};
use crate::runtime::{
    clock::now,
    exact::{Apart, Current, Ended, Name},
    waiters::{Claim, Node, Waiters, Wakeup, Want},
};
use std::{
    cell::Cell,
    ptr,
    time::{Duration, Instant},
};

/// A thread that waits for the other of a pair.
pub(crate) enum Waiter {
    Name(Name),
    Wakeup(Wakeup),
}

impl From<Name> for Waiter {
    fn from(name: Name) -> Self {
        Self::Name(name)
    }
}

impl From<Wakeup> for Waiter {
    fn from(wakeup: Wakeup) -> Self {
        Self::Wakeup(wakeup)
    }
}

/// A receiver that waits for the message of a select.
pub(crate) struct Pair {
    pub(super) place: Place,
    /// Where to say that the message is there; null if the place says so.
    pub(super) sent: *mut bool,
    pub(super) waiter: Waiter,
}

impl Pair {
    /// Lets the receiver go on, with a message or without.
    ///
    /// # Safety
    /// The receiver is of a channel of `T`.
    pub(super) unsafe fn finish<T>(self, message: Option<T>) {
        // SAFETY: the receiver waits until it is woken, here, once.
        unsafe {
            if let Some(message) = message {
                self.place.put(message);
                if !self.sent.is_null() {
                    *self.sent = true;
                }
            }
            match self.waiter {
                Waiter::Name(name) => name.wake(),
                Waiter::Wakeup(wakeup) => wakeup.wake(),
            }
        }
    }
}

/// What a chosen operation has done so far.
pub(crate) enum TokenState {
    None,
    Disconnected,
    /// The message is in its place.
    Received,
    Reserved(Reserved),
    Paired(Pair),
}

/// See [`TokenState`].
pub(crate) struct Token {
    pub(super) state: TokenState,
    pub(super) parcel: Parcel,
}

impl Token {
    pub(super) const fn empty() -> Self {
        Self { state: TokenState::None, parcel: Parcel::EMPTY }
    }
}

/// An end of a channel, whatever its messages are.
pub(crate) trait Operand {
    /// Whether it sends, in a wait list's terms.
    fn sends(&self) -> bool;

    /// Does the operation if it need not wait. The place may be the parcel that stands beside the state in a token.
    fn attempt(&self, place: Place, state: &mut TokenState) -> bool;

    /// Whether it need not wait.
    fn is_ready(&self) -> bool;

    /// When it will not have to wait, if time decides.
    fn due(&self) -> Option<Instant> {
        None
    }

    /// Lists the node, unless the operation need not wait; then false.
    ///
    /// # Safety
    /// As for [`Waiters::list`]: until [`Operand::unlist`].
    unsafe fn list(&self, node: &Node, claim: &Claim) -> bool;

    /// Whether who lists itself as a sender has to tell futures, and so must wait apart.
    fn tells_futures(&self) -> bool {
        false
    }

    /// Where [`Operand::list`] lists.
    fn waiters(&self) -> Option<&Waiters>;

    /// The chosen operation is not completed.
    fn abandon(&self, token: &mut Token);
}

/// One operation of a select.
#[doc(hidden)]
#[cfg_attr(loom, allow(unreachable_pub, reason = "the model checker's crate has no face"))]
pub struct Arm<'a> {
    pub(super) operand: &'a dyn Operand,
    /// For whom it sends or receives: the address of the sender or receiver.
    pub(super) of: *const (),
    pub(super) index: usize,
    /// Where a message goes that is received; none for the token's parcel.
    place: Option<Place>,
    landing: Landing,
    node: Option<Node>,
    listed: Cell<bool>,
}

impl<'a> Arm<'a> {
    pub(super) fn new<O: Operand>(operand: &'a O, place: Option<Place>) -> Self {
        let landing = Landing { place: Place::Typed(ptr::null_mut()), landed: Cell::new(false) };
        let of = ptr::from_ref(operand).cast();
        Self { operand, of, index: 0, place, landing, node: None, listed: Cell::new(false) }
    }

    /// The same operation, not listed anywhere.
    pub(super) fn again(&self) -> Self {
        let landing = Landing { place: Place::Typed(ptr::null_mut()), landed: Cell::new(false) };
        Self { landing, node: None, listed: Cell::new(false), ..*self }
    }

    fn place(&self, token: *mut Token) -> Place {
        // SAFETY: only an address is computed.
        self.place.unwrap_or_else(|| Place::Parcel(unsafe { &raw mut (*token).parcel }))
    }

    fn attempt(&self, token: *mut Token) -> bool {
        let place = self.place(token);
        // SAFETY: the caller's token, which nobody else uses while nothing is listed.
        let state = unsafe { &mut (*token).state };
        self.operand.attempt(place, state)
    }

    fn want(&self, token: *mut Token, looks: bool) -> Want {
        let (amount, slot) = match (looks, self.operand.sends()) {
            (true, _) => (want::LOOK, ptr::null_mut()),
            (_, true) => (want::TOKEN, token.cast()),
            (_, false) => (want::LANDING, ptr::from_ref(&self.landing).cast_mut().cast()),
        };
        Want { amount, slot, first: false }
    }
}

/// How long a select waits.
#[derive(Clone, Copy)]
pub(crate) enum Patience {
    None,
    Until(Option<Instant>),
}

impl Patience {
    pub(super) fn timeout(timeout: Duration) -> Self {
        Self::Until(now().checked_add(timeout))
    }
}

/// A chosen operation, or one that may succeed.
pub(crate) struct Chosen {
    /// Of the arm, in the present order of the arms.
    pub(super) at: usize,
    pub(super) token: Token,
}

/// Waits until one of the operations is done; none if the patience is over before.
pub(crate) fn choose(arms: &mut [Arm<'_>], patience: Patience, biased: bool) -> Option<Chosen> {
    let mut token = Token::empty();
    let at = run(arms, &raw mut token, patience, biased)?;
    Some(Chosen { at, token })
}

/// Waits until one of the operations may succeed; gives its place among the arms.
pub(crate) fn look(arms: &mut [Arm<'_>], patience: Patience, biased: bool) -> Option<usize> {
    run(arms, ptr::null_mut(), patience, biased)
}

/// `token` is null if the operations are only looked at.
fn run(arms: &mut [Arm<'_>], token: *mut Token, patience: Patience, biased: bool) -> Option<usize> {
    if !biased {
        shuffle(arms);
    }
    let looks = token.is_null();
    let attempt_at =
        |arms: &[Arm<'_>]| arms.iter().position(|arm| if looks { arm.operand.is_ready() } else { arm.attempt(token) });
    let mut apart = None;
    loop {
        if let Some(at) = attempt_at(arms) {
            return Some(at);
        }
        let Patience::Until(deadline) = patience else { return None };
        if deadline.is_some_and(|deadline| deadline <= now()) {
            return None;
        }
        let mut current = Current::get();
        if let Some(apart) = &apart {
            current = current.apart(apart);
        }
        let claim = Claim::new();
        // SAFETY: the claim and the arms stay where they are until `unlist`, and nothing unwinds before.
        let ready = unsafe { list(arms, token, looks, &current, &claim) };
        let ended = if ready && claim.leave() {
            unlist(arms);
            if apart.is_none() && arms.iter().any(|arm| arm.operand.tells_futures()) {
                apart = Some(Apart::new());
            }
            continue;
        } else {
            let due = arms.iter().fold(deadline, |due, arm| earlier(due, arm.operand.due()));
            claim.wait(&current, due)
        };
        unlist(arms);
        let winner = match ended {
            Err(Ended::Cancelled) => current.raise(),
            Err(_) => continue,
            Ok(winner) => winner.as_ptr().cast_const(),
        };
        let at = arms
            .iter()
            .position(|arm| arm.node.as_ref().is_some_and(|node| ptr::eq(node, winner)))
            .expect("the winner is one of ours");
        let granted = arms[at].node.as_ref().map(Node::outcome);
        if granted == Some(outcome::DONE) {
            if !arms[at].operand.sends() {
                // A select that was to send may have unwound instead.
                if !arms[at].landing.landed.take() {
                    continue;
                }
                // SAFETY: the caller's, which nobody else uses while nothing is listed.
                unsafe { (*token).state = TokenState::Received };
            }
            return Some(at);
        }
        // It was told to try, and does so before anything else.
        if attempt_at(&arms[at..=at]).is_some() {
            return Some(at);
        }
    }
}

/// Lists a node for each arm; true if one of them need not wait, and then not all are listed.
///
/// # Safety
/// The claim and the arms stay as they are until [`unlist`].
unsafe fn list(arms: &mut [Arm<'_>], token: *mut Token, looks: bool, current: &Current<'_>, claim: &Claim) -> bool {
    for arm in &mut *arms {
        arm.landing.place = arm.place(token);
        arm.node = Some(Node::with_claim(arm.want(token, looks), current, claim));
    }
    for arm in &*arms {
        let Some(node) = &arm.node else { continue };
        // SAFETY: by the caller's promise.
        if unsafe { !arm.operand.list(node, claim) } {
            return true;
        }
        arm.listed.set(true);
        if claim.winner().is_some() {
            break;
        }
    }
    false
}

/// Takes the nodes out that are still listed.
fn unlist(arms: &[Arm<'_>]) {
    for arm in arms {
        if arm.listed.take()
            && let (Some(list), Some(node)) = (arm.operand.waiters(), &arm.node)
        {
            // SAFETY: it was listed there.
            unsafe { list.unlist(node) };
        }
    }
}

/// Puts the arms into random order (Fisher and Yates; the numbers are G. Marsaglia's xorshift).
fn shuffle(arms: &mut [Arm<'_>]) {
    std::thread_local! {
        static STATE: Cell<u32> = const { Cell::new(0x9E37_79B9) };
    }
    #[inline(never)]
    fn random() -> u32 {
        STATE.with(|state| {
            let mut x = state.get();
            x ^= x << 13;
            x ^= x >> 17;
            x ^= x << 5;
            state.set(x);
            x
        })
    }
    for at in (1..arms.len()).rev() {
        let other = ((u64::from(random()) * (at as u64 + 1)) >> 32) as usize;
        arms.swap(at, other);
    }
}
