//! What a select does with a sender or a receiver.

use super::{
    Receiver, Sender,
    buffered::{Buffered, Unreceived},
    place::Place,
    queue::{Queue, Refused, Reserved},
    receiver::{Flavor as Receives, instant},
    select::{Operand, Token, TokenState},
    sender::Flavor as Sends,
};
use crate::runtime::waiters::{Claim, Locked, Node, Waiters};
use std::time::Instant;

/// What a select does with one side of a buffering channel: lists itself unless there is no need.
///
/// # Safety
/// As for [`Waiters::list`].
unsafe fn list(waiters: &Waiters, node: &Node, ready: impl Fn() -> bool) -> bool {
    let unless = |_: &mut Locked<'_>| {
        crate::primitive::between_seqcst_accesses();
        ready()
    };
    // SAFETY: by the caller's promise.
    unsafe { waiters.list(node, unless) }.is_some()
}

impl<T> Sender<T> {
    /// Sends the message of a send that was chosen.
    pub(super) fn complete(&self, token: &mut Token, message: T) -> Result<(), T> {
        match std::mem::replace(&mut token.state, TokenState::None) {
            TokenState::Reserved(reserved) => self.bring(reserved, message),
            TokenState::Paired(pair) => {
                // SAFETY: the receiver is of this channel.
                unsafe { pair.finish(Some(message)) };
                Ok(())
            }
            _ => Err(message),
        }
    }

    fn bring(&self, reserved: Reserved, message: T) -> Result<(), T> {
        match &self.flavor {
            Sends::Bounded(channel) => channel.fill(reserved, message),
            Sends::Unbounded(channel) => channel.fill(reserved, message),
            Sends::Zero(_) => unreachable!("it reserves nothing"),
        }
    }
}

fn reserve<Q: Queue>(channel: &Buffered<Q>, state: &mut TokenState) -> bool {
    *state = match channel.reserve() {
        Ok(reserved) => TokenState::Reserved(reserved),
        Err(Refused::Disconnected(())) => TokenState::Disconnected,
        Err(Refused::Full(())) => return false,
    };
    true
}

impl<T> Operand for Sender<T> {
    fn sends(&self) -> bool {
        true
    }

    fn attempt(&self, _: Place, state: &mut TokenState) -> bool {
        match &self.flavor {
            Sends::Bounded(channel) => reserve(channel, state),
            Sends::Unbounded(channel) => reserve(channel, state),
            Sends::Zero(channel) => channel.pair_with_receiver(state),
        }
    }

    fn is_ready(&self) -> bool {
        match &self.flavor {
            Sends::Bounded(channel) => channel.queue().can_push(),
            Sends::Unbounded(channel) => channel.queue().can_push(),
            Sends::Zero(channel) => channel.has_waiting(true),
        }
    }

    unsafe fn list(&self, node: &Node, claim: &Claim) -> bool {
        // SAFETY: by the caller's promise.
        unsafe {
            match &self.flavor {
                Sends::Bounded(channel) => list(channel.senders(), node, || channel.queue().can_push()),
                Sends::Unbounded(channel) => list(channel.senders(), node, || channel.queue().can_push()),
                Sends::Zero(channel) => channel.list_sender(node, claim),
            }
        }
    }

    fn tells_futures(&self) -> bool {
        matches!(&self.flavor, Sends::Zero(channel) if channel.tells_futures())
    }

    fn waiters(&self) -> Option<&Waiters> {
        Some(match &self.flavor {
            Sends::Bounded(channel) => channel.senders(),
            Sends::Unbounded(channel) => channel.senders(),
            Sends::Zero(channel) => channel.senders(),
        })
    }

    fn abandon(&self, token: &mut Token) {
        match std::mem::replace(&mut token.state, TokenState::None) {
            TokenState::Reserved(reserved) => match &self.flavor {
                Sends::Bounded(channel) => channel.give_up(reserved),
                Sends::Unbounded(channel) => channel.give_up(reserved),
                Sends::Zero(_) => unreachable!("it reserves nothing"),
            },
            // SAFETY: the receiver is of this channel.
            TokenState::Paired(pair) => unsafe { pair.finish::<T>(None) },
            _ => {}
        }
    }
}

impl<T> Receiver<T> {
    /// Receives from the token's parcel the message of a receive that was chosen.
    pub(super) fn complete(&self, token: &mut Token) -> Option<T> {
        token.state = TokenState::None;
        // SAFETY: the parcel was filled by this receiver.
        unsafe { token.parcel.take::<T>() }
    }
}

impl<T> Operand for Receiver<T> {
    fn sends(&self) -> bool {
        false
    }

    fn attempt(&self, place: Place, state: &mut TokenState) -> bool {
        let received = match &self.flavor {
            Receives::Bounded(channel) => channel.try_recv(),
            Receives::Unbounded(channel) => channel.try_recv(),
            Receives::Zero(channel) => return channel.select_recv(place, state),
            Receives::Once(once) => once.try_recv().map(instant),
            Receives::Tick(tick) => tick.try_recv().map(instant),
            Receives::Never => return false,
        };
        *state = match received {
            Ok(message) => {
                // SAFETY: the select's own place.
                unsafe { place.put::<T>(message) };
                TokenState::Received
            }
            Err(Unreceived::Disconnected) => TokenState::Disconnected,
            Err(Unreceived::TimedOut) => return false,
        };
        true
    }

    fn is_ready(&self) -> bool {
        match &self.flavor {
            Receives::Bounded(channel) => channel.queue().can_pop(),
            Receives::Unbounded(channel) => channel.queue().can_pop(),
            Receives::Zero(channel) => channel.has_waiting(false),
            Receives::Once(_) | Receives::Tick(_) => !self.is_empty(),
            Receives::Never => false,
        }
    }

    fn due(&self) -> Option<Instant> {
        match &self.flavor {
            Receives::Once(once) => once.due(),
            Receives::Tick(tick) => tick.due(),
            _ => None,
        }
    }

    unsafe fn list(&self, node: &Node, claim: &Claim) -> bool {
        // SAFETY: by the caller's promise.
        unsafe {
            match &self.flavor {
                Receives::Bounded(channel) => list(channel.receivers(), node, || channel.queue().can_pop()),
                Receives::Unbounded(channel) => list(channel.receivers(), node, || channel.queue().can_pop()),
                Receives::Zero(channel) => channel.list_receiver(node, claim),
                // The deadline of the wait.
                Receives::Once(_) | Receives::Tick(_) | Receives::Never => true,
            }
        }
    }

    fn waiters(&self) -> Option<&Waiters> {
        match &self.flavor {
            Receives::Bounded(channel) => Some(channel.receivers()),
            Receives::Unbounded(channel) => Some(channel.receivers()),
            Receives::Zero(channel) => Some(channel.receivers()),
            Receives::Once(_) | Receives::Tick(_) | Receives::Never => None,
        }
    }

    fn abandon(&self, token: &mut Token) {
        drop(self.complete(token));
    }
}
