//! The books of those kinds in which messages go from senders to receivers: what each sender has sent must be received, once, and by each
//! receiver in the order in which it was sent.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::actor::{Actor, locked};
use crate::args::Mistake;

/// Counts values that live.
#[derive(Clone, Default)]
pub(crate) struct Living(Arc<AtomicI64>);

/// A value that counts.
pub(crate) struct Live(Arc<AtomicI64>);

impl Living {
    pub(crate) fn one(&self) -> Live {
        self.0.fetch_add(1, Ordering::Relaxed);
        Live(Arc::clone(&self.0))
    }

    pub(crate) fn check(&self, what: &str) -> Result<(), String> {
        match self.0.load(Ordering::SeqCst) {
            0 => Ok(()),
            left @ 1.. => Err(format!("{left} {what} were never dropped")),
            twice => Err(format!("{} {what} were dropped twice", -twice)),
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What one life of a sender has sent through one channel: the messages 0, 1, 2 and so on.
#[derive(Default)]
struct Account {
    number: u64,
    sent: AtomicU64,
    received: AtomicU64,
    sum: AtomicU64,
    squares: AtomicU64,
}

/// The books of one stage.
#[derive(Default)]
pub(crate) struct Ledger {
    accounts: Mutex<Vec<Arc<Account>>>,
    living: Living,
    plant: Option<Mistake>,
    received: AtomicU64,
}

/// What is sent.
pub(crate) struct Message {
    /// None in the one that tells a receiver to end.
    from: Option<Arc<Account>>,
    number: u64,
    _live: Live,
}

/// A sender's side of its account.
pub(crate) struct Sending {
    account: Arc<Account>,
    living: Living,
}

/// What a receiver remembers: the number of the message that must come next from each account, or a later one.
#[derive(Default)]
pub(crate) struct Receiving(HashMap<u64, u64>);

impl Ledger {
    pub(crate) fn new(plant: Option<Mistake>) -> Ledger {
        Ledger { plant, ..Ledger::default() }
    }

    /// Opens an account.
    pub(crate) fn sending(&self) -> Sending {
        let mut accounts = locked(&self.accounts);
        let account = Arc::new(Account { number: accounts.len() as u64, ..Account::default() });
        accounts.push(Arc::clone(&account));
        Sending { account, living: self.living.clone() }
    }

    /// A message that tells whoever receives it to end.
    pub(crate) fn last(&self) -> Message {
        Message { from: None, number: 0, _live: self.living.one() }
    }

    /// Books a message, as the thread that received it must before it waits again.
    pub(crate) fn got(&self, message: Message, receiving: &mut Receiving, actor: &mut Actor) {
        let Some(account) = &message.from else {
            actor.finish();
            return;
        };
        let next = receiving.0.entry(account.number).or_default();
        actor.check(message.number >= *next, || {
            format!("message {} of sender {} came after {}", message.number, account.number, *next - 1)
        });
        *next = message.number + 1;
        let (times, leaks) = match self.plant {
            Some(mistake) if self.received.fetch_add(1, Ordering::Relaxed) == 100 => (
                usize::from(mistake != Mistake::Lost) + usize::from(mistake == Mistake::Doubled),
                mistake == Mistake::Leaked,
            ),
            _ => (1, false),
        };
        for _ in 0..times {
            account.received.fetch_add(1, Ordering::Relaxed);
            account.sum.fetch_add(message.number, Ordering::Relaxed);
            account.squares.fetch_add(message.number.wrapping_mul(message.number), Ordering::Relaxed);
        }
        if leaks {
            std::mem::forget(message);
        }
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        for account in locked(&self.accounts).iter() {
            let get = |count: &AtomicU64| count.load(Ordering::SeqCst);
            let (sent, received) = (get(&account.sent), get(&account.received));
            let sender = account.number;
            if sent != received {
                let what = if sent > received { "lost" } else { "doubled or never sent" };
                return Err(format!("sender {sender} sent {sent} messages, {received} were received: {what}"));
            }
            // The sums of the numbers under `sent`, and of their squares, modulo 2^64 as the counts are.
            let (count, most) = (u128::from(sent), u128::from(sent.saturating_sub(1)));
            let (sum, squares) = ((count * most / 2) as u64, (count * most * (count + most) / 6) as u64);
            if (get(&account.sum), get(&account.squares)) != (sum, squares) {
                return Err(format!("of sender {sender}'s {sent} messages some were lost and others doubled"));
            }
        }
        self.living.check("messages")
    }
}

impl Sending {
    /// The message to be sent next.
    pub(crate) fn message(&self) -> Message {
        let number = self.account.sent.load(Ordering::Relaxed);
        Message { from: Some(Arc::clone(&self.account)), number, _live: self.living.one() }
    }

    /// It was sent, says the call that sent it; to be booked before the thread waits again.
    pub(crate) fn sent(&self) {
        self.account.sent.fetch_add(1, Ordering::Relaxed);
    }
}
