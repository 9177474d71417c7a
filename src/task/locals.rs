//! Values local to a thread: the storage. The public face is `thread::LocalKey`.
//!
//! A thread's locals form a list of boxed nodes, found by the key's address. Few threads have any and those have few, so a list
//! searched from the newest beats a map. A node is `Initialising` while its initialiser runs (a second entry is an error, not a
//! second value), then `Alive`, then, as the thread ends, `Dropped`: it stays in the list until all are dropped, so that a
//! destructor that asks for it is told no.

use std::{
    any::Any,
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
    ptr,
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Initialising,
    Alive,
    Dropped,
}

/// The part of a node that does not depend on the value's type.
struct Node {
    key: *const (),
    next: *mut Node,
    phase: Cell<Phase>,
    drop_value: unsafe fn(*mut Node),
    free: unsafe fn(*mut Node),
}

#[repr(C)]
struct TypedNode<T> {
    node: Node,
    value: Cell<Option<Box<T>>>,
    address: Cell<*const T>,
}

/// Why there is no value.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The thread is ending and the value was dropped.
    Dropped,
    /// The initialiser asked for its own value.
    Reentrant,
}

/// One thread's locals.
pub(crate) struct Locals(Cell<*mut Node>);

impl Default for Locals {
    fn default() -> Self {
        Self(Cell::new(ptr::null_mut()))
    }
}

impl Locals {
    fn find(&self, key: *const ()) -> *mut Node {
        let mut node = self.0.get();
        // SAFETY: nodes in the list live until `clear` has dropped all values, which only the owner does.
        while let Some(found) = unsafe { node.as_ref() } {
            if ptr::addr_eq(found.key, key) {
                break;
            }
            node = found.next;
        }
        node
    }

    /// The value for `key`, made by `init` if this is the first time. It stays where it is until the thread's locals are
    /// dropped.
    ///
    /// # Safety
    /// All calls with this key have the same `T`.
    pub(crate) unsafe fn get<T: 'static>(&self, key: *const (), init: impl FnOnce() -> T) -> Result<*const T, Refusal> {
        let found = self.find(key);
        // SAFETY: as in `find`.
        if let Some(node) = unsafe { found.as_ref() } {
            return match node.phase.get() {
                // SAFETY: the key has this type.
                Phase::Alive => Ok(unsafe { &*found.cast::<TypedNode<T>>() }.address.get()),
                Phase::Dropped => Err(Refusal::Dropped),
                Phase::Initialising => Err(Refusal::Reentrant),
            };
        }
        let node = Box::into_raw(Box::new(TypedNode::<T> {
            node: Node {
                key,
                next: self.0.get(),
                phase: Cell::new(Phase::Initialising),
                drop_value: drop_value::<T>,
                free: free::<T>,
            },
            value: Cell::new(None),
            address: Cell::new(ptr::null()),
        }));
        self.0.set(node.cast());
        let unfinished = Unfinished { locals: self, node: node.cast() };
        let value = Box::new(init());
        std::mem::forget(unfinished);
        // SAFETY: the node is in the list.
        let node = unsafe { &*node };
        node.address.set(&raw const *value);
        node.value.set(Some(value));
        node.node.phase.set(Phase::Alive);
        Ok(node.address.get())
    }

    /// Drops all values, newest first, again as long as destructors make new ones; then frees the nodes. Gives the first
    /// destructor's panic, after all the others have run.
    pub(crate) fn clear(&self) -> Result<(), Box<dyn Any + Send>> {
        let mut result = Ok(());
        let mut node = self.0.get();
        // SAFETY: as in `find`; destructors only add in front.
        while let Some(at) = unsafe { node.as_ref() } {
            if at.phase.get() != Phase::Alive {
                node = at.next;
                continue;
            }
            at.phase.set(Phase::Dropped);
            // SAFETY: the node is of the type that made it.
            let dropped = catch_unwind(AssertUnwindSafe(|| unsafe { (at.drop_value)(node) }));
            match (&result, dropped) {
                (Ok(()), dropped) => result = dropped,
                // A payload may panic too when it is dropped, and one panic is enough to tell.
                (Err(_), Err(another)) => std::mem::forget(another),
                (Err(_), Ok(())) => {}
            }
            node = self.0.get();
        }
        let mut node = self.0.replace(ptr::null_mut());
        while !node.is_null() {
            // SAFETY: the list is detached, so this is the last use of each node.
            unsafe {
                let next = (*node).next;
                ((*node).free)(node);
                node = next;
            }
        }
        result
    }
}

impl Drop for Locals {
    fn drop(&mut self) {
        // By now the thread has cleared them; only a thread that never ended has any left, and those are leaked with it.
        debug_assert!(self.0.get().is_null());
    }
}

/// Takes a node out again when its initialiser unwinds.
struct Unfinished<'a> {
    locals: &'a Locals,
    node: *mut Node,
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        let mut at = self.locals.0.get();
        // SAFETY: the node is in the list; others may have been put in front of it meanwhile.
        unsafe {
            if at == self.node {
                self.locals.0.set((*at).next);
            } else {
                while (*at).next != self.node {
                    at = (*at).next;
                }
                (*at).next = (*self.node).next;
            }
            ((*self.node).free)(self.node);
        }
    }
}

unsafe fn drop_value<T>(node: *mut Node) {
    // SAFETY: the node was made as a `TypedNode<T>`.
    drop(unsafe { &*node.cast::<TypedNode<T>>() }.value.take());
}

unsafe fn free<T>(node: *mut Node) {
    // SAFETY: the same, and it is its last use.
    drop(unsafe { Box::from_raw(node.cast::<TypedNode<T>>()) });
}
