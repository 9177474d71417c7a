//! Headers for OS threads that are not workers: what `current`, `park` and `join` use there.

use crate::{
    primitive::Ordering,
    task::{OS_THREAD, Task, TaskRef, block, payload},
};
use std::{mem::ManuallyDrop, ptr::NonNull};

/// This OS thread's header; its locals are dropped when the OS thread ends.
struct Own(ManuallyDrop<TaskRef>);

impl Own {
    fn new() -> Self {
        let block = block::allocate_outside(block::class_for(0), 0);
        let header = Task::new(&payload::NONE, block::class_for(0), 1);
        header.home.store(OS_THREAD, Ordering::Relaxed);
        // Made here so that nobody who wakes this thread has to.
        header.extra();
        // SAFETY: the block is ours and large enough; its one reference is this one.
        unsafe {
            block.write(header);
            Self(ManuallyDrop::new(TaskRef::from_raw(block)))
        }
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        if self.0.extra().locals.clear().is_err() {
            // As std does.
            eprintln!("sinew: a thread's local panicked when it was dropped");
            std::process::abort();
        }
        // SAFETY: dropped once.
        unsafe { ManuallyDrop::drop(&mut self.0) };
    }
}

std::thread_local! {
    static OWN: Own = Own::new();
}

/// Calls `f` with this OS thread's header.
///
/// # Panics
/// While this OS thread's thread-locals are being dropped.
pub(crate) fn with_current<R>(f: impl FnOnce(&TaskRef) -> R) -> R {
    try_with_current(f).expect("sinew: used while the OS thread's own locals are dropped")
}

/// The same, none while this OS thread's thread-locals are being dropped.
pub(crate) fn try_with_current<R>(f: impl FnOnce(&TaskRef) -> R) -> Option<R> {
    OWN.try_with(|own| f(&own.0)).ok()
}

/// Names this OS thread where a raw header is wanted.
pub(crate) fn current() -> NonNull<Task> {
    with_current(|current| current.as_ptr())
}
