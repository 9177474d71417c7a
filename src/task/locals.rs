//! Values local to a thread: the storage. The public face is `thread::LocalKey`.
//!
//! A thread's locals form a list of boxed nodes, found by the key's address. Few threads have any and those have few, so a list
//! searched from the newest beats a map. A node is `Initialising` while its initialiser runs (a second entry is an error, not a
//! second value), then `Alive`, then, as the thread ends, `Dropped`: it stays in the list until all are dropped, so that a
//! destructor that asks for it is told no.
//!
//! # Borrows that outlast the thread
//!
//! A coroutine may be suspended inside a `with`, and be resumed after the thread has ended, by another one of the same OS thread.
//! So each borrow is counted in the node, and so is its initialisation, in which a coroutine may be suspended too. The end of the
//! thread leaves a borrowed node out: it is `Orphaned`, belongs to no list any more, and is dropped and freed by whoever ends the last
//! borrow. Where no coroutine is involved that never happens, and the
//! counting is two plain increments. Whoever makes a value keeps a reference to the header meanwhile, since this list lies in it; a
//! borrow needs none.
//!
//! Rejected: tying a coroutine to the thread that first resumed it. To ask for the current thread at each resume takes 10 instructions
//! beside the 35 of a round trip, and 0.8 ns beside 2.3.

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
    /// The thread has ended while the value was borrowed, or while it was initialised.
    Orphaned,
}

/// The part of a node that does not depend on the value's type.
struct Node {
    key: *const (),
    next: *mut Node,
    phase: Cell<Phase>,
    /// How many borrows of the value there are; its initialisation counts as one.
    borrows: Cell<usize>,
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
    /// It was not made yet.
    Missing,
    /// The thread is ending and the value was dropped.
    Dropped,
    /// The initialiser asked for its own value.
    Reentrant,
}

/// A borrowed value, which stays where it is until this is dropped, whatever becomes of its thread. It belongs to its OS thread.
pub(crate) struct Borrowed<T>(*mut TypedNode<T>);

impl<T> Borrowed<T> {
    /// # Safety
    /// The node is alive and of this type.
    #[inline(always)]
    unsafe fn new(node: *mut Node) -> Self {
        // SAFETY: by the caller's promise.
        let borrows = unsafe { &(*node).borrows };
        borrows.set(borrows.get() + 1);
        Self(node.cast())
    }
}

impl<T> std::ops::Deref for Borrowed<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: a node that is borrowed is neither dropped nor freed.
        unsafe { &*(*self.0).address.get() }
    }
}

impl<T> Drop for Borrowed<T> {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: a node that is borrowed is not freed.
        let node = unsafe { &(*self.0).node };
        let borrows = node.borrows.get() - 1;
        node.borrows.set(borrows);
        if node.phase.get() == Phase::Orphaned && borrows == 0 {
            // SAFETY: in no list any more, and this was the last borrow.
            unsafe { end_orphan(self.0.cast()) }
        }
    }
}

/// Drops the value of a node whose thread has ended, and frees it.
///
/// # Safety
/// Nobody else refers to the node.
#[cold]
unsafe fn end_orphan(node: *mut Node) {
    struct Free(*mut Node);
    impl Drop for Free {
        fn drop(&mut self) {
            // SAFETY: the node's last use.
            unsafe { ((*self.0).free)(self.0) }
        }
    }
    let _free = Free(node);
    // SAFETY: the node is of the type that made it.
    unsafe { ((*node).drop_value)(node) }
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

    /// The value for `key`, if it was made.
    ///
    /// # Safety
    /// All calls of this and [`make`](Self::make) with this key have the same `T`.
    #[inline]
    pub(crate) unsafe fn get<T: 'static>(&self, key: *const ()) -> Result<Borrowed<T>, Refusal> {
        let found = self.find(key);
        // SAFETY: as in `find`.
        let Some(node) = (unsafe { found.as_ref() }) else { return Err(Refusal::Missing) };
        match node.phase.get() {
            // SAFETY: the key has this type.
            Phase::Alive => Ok(unsafe { Borrowed::new(found) }),
            Phase::Dropped | Phase::Orphaned => Err(Refusal::Dropped),
            Phase::Initialising => Err(Refusal::Reentrant),
        }
    }

    /// Makes the value for `key`, which is missing.
    ///
    /// The thread may end before this returns, if `init` suspends a coroutine: the caller keeps the list's memory.
    ///
    /// # Safety
    /// As [`get`](Self::get), which has just said that it is missing.
    pub(crate) unsafe fn make<T: 'static>(&self, key: *const (), init: impl FnOnce() -> T) -> Borrowed<T> {
        let node = Box::into_raw(Box::new(TypedNode::<T> {
            node: Node {
                key,
                next: self.0.get(),
                phase: Cell::new(Phase::Initialising),
                borrows: Cell::new(1),
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
        // SAFETY: the initialisation's borrow keeps the node; it goes over to the result.
        unsafe {
            (*node).address.set(&raw const *value);
            (*node).value.set(Some(value));
            if (*node).node.phase.get() == Phase::Initialising {
                (*node).node.phase.set(Phase::Alive);
            }
        }
        Borrowed(node)
    }

    /// Drops all values, newest first, again as long as destructors make new ones; then frees the nodes. Leaves out those that are
    /// borrowed. Gives the first destructor's panic, after all the others have run.
    pub(crate) fn clear(&self) -> Result<(), Box<dyn Any + Send>> {
        let mut result = Ok(());
        let mut node = self.0.get();
        // SAFETY: as in `find`; destructors only add in front.
        while let Some(at) = unsafe { node.as_ref() } {
            if at.phase.get() != Phase::Alive {
                node = at.next;
                continue;
            }
            // Another value's destructor may end the borrow yet.
            if at.borrows.get() != 0 {
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
            // SAFETY: the list is detached, so this is the last use of each node, but for those that a borrow keeps.
            unsafe {
                let next = (*node).next;
                if (*node).borrows.get() == 0 {
                    ((*node).free)(node);
                } else {
                    (*node).phase.set(Phase::Orphaned);
                }
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
        // SAFETY: an orphan is in no list. Any other node is in that of its thread, which lives; others may have been put in front of
        // it meanwhile.
        unsafe {
            if (*self.node).phase.get() == Phase::Orphaned {
                return ((*self.node).free)(self.node);
            }
            let mut at = self.locals.0.get();
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
