//! Who is there, and how lines come to them: each member has a queue of limited length, and all queues are filled under
//! one lock, so that everyone reads the lines in the same order. Nothing waits while the lock is held.

use std::collections::BTreeMap;
use std::sync::Arc;

use sinew::cancel::CancelToken;
use sinew::channel::{Receiver, Sender, bounded};
use sinew::sync::{Mutex, MutexGuard, PoisonError};

/// Nicknames have this many characters at most.
const LONGEST_NAME: usize = 20;

/// The members of a room and the way to each.
pub(crate) struct Room {
    queue: usize,
    members: Mutex<Members>,
}

type Members = BTreeMap<String, Member>;

struct Member {
    lines: Sender<Arc<str>>,
    /// Ends the reading of what the member sends.
    end: CancelToken,
}

impl Room {
    /// An empty room, in which so many lines may wait for each member.
    pub(crate) fn new(queue: usize) -> Room {
        Room { queue, members: Mutex::new(Members::new()) }
    }

    fn members(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets someone in under a name, who is told who else is there; the error says what is wrong with the name. The
    /// token is cancelled when the member reads too slowly; the queue ends when it has left, for whatever reason.
    pub(crate) fn join(&self, name: &str, end: &CancelToken) -> Result<Receiver<Arc<str>>, String> {
        let is_fit = |char: char| char.is_alphanumeric() || matches!(char, '-' | '_');
        if name.is_empty() || name.chars().count() > LONGEST_NAME || !name.chars().all(is_fit) {
            return Err(format!("a name is 1 to {LONGEST_NAME} letters, digits, - and _"));
        }
        let mut members = self.members();
        if members.contains_key(name) {
            return Err(format!("{name} is there already"));
        }
        let (sender, receiver) = bounded(self.queue);
        sender.try_send(welcome(&members).into()).expect("a queue has room for a line");
        announce(&mut members, None, format!("* {name} has joined"));
        members.insert(name.to_owned(), Member { lines: sender, end: end.clone() });
        Ok(receiver)
    }

    /// Takes a member out, if it is still in.
    pub(crate) fn leave(&self, name: &str) {
        let mut members = self.members();
        if members.remove(name).is_some() {
            announce(&mut members, None, format!("* {name} has left"));
        }
    }

    /// Says something to all others.
    pub(crate) fn say(&self, name: &str, text: &str) {
        announce(&mut self.members(), Some(name), format!("<{name}> {text}"));
    }

    /// Tells a member who is there.
    pub(crate) fn tell_who(&self, name: &str) {
        let mut members = self.members();
        let line = welcome(&members);
        self::tell(&mut members, name, line);
    }

    /// Tells one member alone.
    pub(crate) fn tell(&self, name: &str, line: impl Into<Arc<str>>) {
        tell(&mut self.members(), name, line);
    }
}

fn welcome(members: &Members) -> String {
    match members.len() {
        0 => "* nobody else is here".to_owned(),
        _ => format!("* here: {}", members.keys().map(String::as_str).collect::<Vec<_>>().join(" ")),
    }
}

fn tell(members: &mut Members, name: &str, line: impl Into<Arc<str>>) {
    if members.get(name).is_some_and(|member| member.lines.try_send(line.into()).is_err()) {
        drop_slow(members, vec![name.to_owned()]);
    }
}

/// Puts a line into every queue but one. Those in which it finds no room are taken out, which is announced in turn.
fn announce(members: &mut Members, except: Option<&str>, line: String) {
    let slow = put(members, except, line.into());
    drop_slow(members, slow);
}

fn drop_slow(members: &mut Members, mut slow: Vec<String>) {
    while let Some(name) = slow.pop() {
        if let Some(member) = members.remove(&name) {
            member.end.cancel_with("you read too slowly");
            slow.extend(put(members, None, format!("* {name} reads too slowly and was dropped").into()));
        }
    }
}

/// Gives the names of those for whom too many lines wait.
fn put(members: &Members, except: Option<&str>, line: Arc<str>) -> Vec<String> {
    let others = members.iter().filter(|(name, _)| Some(name.as_str()) != except);
    others.filter(|(_, member)| member.lines.try_send(line.clone()).is_err()).map(|(name, _)| name.clone()).collect()
}
