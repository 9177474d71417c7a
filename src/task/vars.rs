//! Values that are inherited at spawn: the storage. The public face is `context::Var`.
//!
//! A thread has a list that is never changed, only replaced, so a child takes its parent's by one reference. There are few
//! variables, so a list beats a map.

use crate::primitive::Ordering;
use std::{
    any::Any,
    cell::{Cell, RefCell},
    sync::{Arc, atomic::AtomicBool},
};

/// Whether any variable was ever set: while not, a spawn need not look for values.
static IN_USE: AtomicBool = AtomicBool::new(false);

#[inline(always)]
pub(crate) fn in_use() -> bool {
    IN_USE.load(Ordering::Relaxed)
}

/// A value, shared by the threads that have inherited it.
pub(crate) type Value = Arc<dyn Any + Send + Sync>;

struct Node {
    key: usize,
    value: Value,
    next: Option<Arc<Node>>,
}

/// A thread's values on their way to an OS thread that works for it, and back.
#[derive(Default)]
pub(crate) struct Lent(Option<Arc<Node>>);

impl Lent {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

/// One thread's values.
#[derive(Default)]
pub(crate) struct Vars {
    first: RefCell<Option<Arc<Node>>>,
    /// The thread is ending.
    closed: Cell<bool>,
}

impl Vars {
    pub(crate) fn is_empty(&self) -> bool {
        self.first.borrow().is_none()
    }

    pub(crate) fn find(&self, key: usize) -> Option<Value> {
        let first = self.first.borrow();
        let mut nodes = std::iter::successors(first.as_deref(), |node| node.next.as_deref());
        nodes.find(|node| node.key == key).map(|node| node.value.clone())
    }

    pub(crate) fn set(&self, key: usize, value: Value) {
        drop(self.exchange(key, Some(value)));
    }

    /// Sets a value, or none, and gives the one of before.
    pub(crate) fn exchange(&self, key: usize, value: Option<Value>) -> Option<Value> {
        if self.closed.get() {
            return None;
        }
        IN_USE.store(true, Ordering::Relaxed);
        let before = self.find(key);
        let rest = without(self.first.borrow().as_ref(), key);
        let list = match value {
            Some(value) => Some(Arc::new(Node { key, value, next: rest })),
            None => rest,
        };
        let replaced = self.first.replace(list);
        // Only now: what a value's destructor does is not ours to know.
        drop(replaced);
        before
    }

    /// Takes the values away, for a while in which nobody asks for them here.
    pub(crate) fn lend(&self) -> Lent {
        Lent(self.first.take())
    }

    /// Has them back, as they have become.
    pub(crate) fn take_back(&self, lent: Lent) {
        if !self.closed.get() {
            self.first.replace(lent.0);
        }
    }

    /// Exchanges the values for those of another thread.
    pub(crate) fn exchange_all(&self, lent: &mut Lent) {
        std::mem::swap(&mut *self.first.borrow_mut(), &mut lent.0);
    }

    /// The same values, for a child.
    pub(crate) fn inherit(&self, from: &Self) {
        self.first.replace(from.first.borrow().clone());
    }

    /// Drops the values; none are set from now on.
    pub(crate) fn close(&self) {
        self.closed.set(true);
        let first = self.first.take();
        drop(first);
    }
}

/// A list without the node of a key; what follows that is shared.
fn without(list: Option<&Arc<Node>>, key: usize) -> Option<Arc<Node>> {
    let node = list?;
    if std::iter::successors(Some(&**node), |node| node.next.as_deref()).all(|node| node.key != key) {
        return Some(node.clone());
    }
    if node.key == key {
        return node.next.clone();
    }
    let next = without(node.next.as_ref(), key);
    Some(Arc::new(Node { key: node.key, value: node.value.clone(), next }))
}
