//! The same for the model checker, as a cancellation's source sees it: a part of a thread's run that watches the source, is cancelled by it from
//! anywhere, and must not be touched once it has stopped watching.

use super::exact::{self, Parker};
use crate::primitive::{AtomicBool, Ordering, UnsafeCell};
use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
    ptr::NonNull,
    sync::Arc,
};

/// See the real one.
pub(crate) trait Source {
    unsafe fn watch(&self, region: NonNull<Region>) -> bool;
    fn unwatch(&self, region: NonNull<Region>);
    fn reason(&self) -> Option<Arc<str>>;
}

/// See `task::cancel`.
#[derive(Debug)]
#[allow(unreachable_pub, reason = "as the real one")]
pub struct Cancelled(Option<Arc<str>>);

impl Cancelled {
    pub(crate) fn new(reason: Option<Arc<str>>) -> Self {
        Self(reason)
    }

    pub(crate) fn reason(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

/// See the real one.
pub(crate) struct Region {
    source: NonNull<dyn Source>,
    thread: Arc<Parker>,
    cancelled: AtomicBool,
    pub(crate) place: Cell<usize>,
    /// Read by whoever cancels, written when it has stopped watching: loom checks the two.
    memory: UnsafeCell<()>,
    /// Under the source's lock.
    told: Cell<bool>,
}

impl Region {
    /// See the real one.
    pub(crate) unsafe fn with_source(source: NonNull<dyn Source>) -> Self {
        Self {
            source,
            thread: Parker::current(),
            cancelled: AtomicBool::new(false),
            place: Cell::new(0),
            memory: UnsafeCell::new(()),
            told: Cell::new(false),
        }
    }

    /// See the real one.
    pub(crate) unsafe fn cancel(region: NonNull<Self>) -> Arc<Parker> {
        // SAFETY: as for the real one.
        let region = unsafe { region.as_ref() };
        region.memory.with(|_| ());
        assert!(!region.told.replace(true), "told twice");
        region.cancelled.store(true, Ordering::Release);
        region.thread.clone()
    }

    /// See the real one.
    pub(crate) fn wake(thread: &Arc<Parker>) {
        thread.wake_to_look();
    }

    /// See the real one.
    pub(crate) fn run<T>(&self, f: impl FnOnce() -> T) -> Result<T, Cancelled> {
        // SAFETY: promised when the region was made.
        let source = unsafe { self.source.as_ref() };
        exact::open_part(&self.cancelled);
        // SAFETY: it is borrowed until it has stopped watching.
        if unsafe { !source.watch(NonNull::from(self)) } {
            self.cancelled.store(true, Ordering::Relaxed);
            self.thread.wake_to_look();
        }
        let result = catch_unwind(AssertUnwindSafe(f));
        source.unwatch(NonNull::from(self));
        self.memory.with_mut(|_| ());
        exact::close_part();
        exact::settle(result, Some(&self.cancelled)).ok_or_else(|| Cancelled::new(source.reason()))
    }
}
