//! The same for the model checker, as a cancellation's source sees it: a part of a thread's run that watches the source, is cancelled by it from
//! anywhere, and must not be touched once it has stopped watching.

use super::exact::{self, Parker};
use crate::primitive::UnsafeCell;
use std::{cell::Cell, ptr::NonNull, sync::Arc};

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
    pub(crate) place: Cell<usize>,
    /// Read by whoever cancels, written when it has stopped watching: loom checks the two.
    memory: UnsafeCell<()>,
}

impl Region {
    /// See the real one.
    pub(crate) unsafe fn with_source(source: NonNull<dyn Source>) -> Self {
        Self { source, thread: Parker::current(), place: Cell::new(0), memory: UnsafeCell::new(()) }
    }

    /// See the real one.
    pub(crate) unsafe fn cancel(region: NonNull<Self>) {
        // SAFETY: as for the real one.
        let region = unsafe { region.as_ref() };
        region.memory.with(|_| ());
        region.thread.cancel();
    }

    /// See the real one. No other cancels the thread.
    pub(crate) fn run<T>(&self, f: impl FnOnce() -> T) -> Result<T, Cancelled> {
        // SAFETY: promised when the region was made.
        let source = unsafe { self.source.as_ref() };
        // SAFETY: it is borrowed until it has stopped watching.
        if unsafe { !source.watch(NonNull::from(self)) } {
            self.thread.cancel();
        }
        let result = exact::catch(f);
        source.unwatch(NonNull::from(self));
        self.memory.with_mut(|_| ());
        self.thread.uncancel();
        result.ok_or_else(|| Cancelled::new(source.reason()))
    }
}
