//! A deadline of a suspended thread: an entry of its worker's timer wheel, on its own stack.

use super::{
    timer::{Alarm, Entry},
    worker::Worker,
};
use std::{marker::PhantomData, ptr::NonNull, time::Instant};

/// An entry in the wheel for as long as this lives. The borrow keeps the entry in its place; this type stays inside the crate,
/// where nobody forgets one.
pub(crate) struct Sleeper<'a> {
    worker: &'a Worker,
    entry: NonNull<Entry<Alarm>>,
    lives: PhantomData<&'a mut Entry<Alarm>>,
}

impl<'a> Sleeper<'a> {
    /// Has the thread to which `entry` belongs woken with `wake::EVENT` once the deadline has passed.
    pub(crate) fn new(worker: &'a Worker, entry: &'a mut Entry<Alarm>, deadline: Instant) -> Self {
        let entry = NonNull::from(entry);
        // SAFETY: the owner; the entry stays where it is until `drop` has taken it out.
        unsafe { (*worker.wheel.get()).insert(entry, deadline) };
        Self { worker, entry, lives: PhantomData }
    }

    pub(crate) fn has_fired(&self) -> bool {
        // SAFETY: the entry is borrowed for 'a.
        unsafe { !self.entry.as_ref().is_set() }
    }
}

impl Drop for Sleeper<'_> {
    fn drop(&mut self) {
        if !self.has_fired() {
            // SAFETY: the owner, since a thread never changes its worker (rule 1); the entry is in this wheel.
            unsafe { (*self.worker.wheel.get()).remove(self.entry) };
        }
    }
}
