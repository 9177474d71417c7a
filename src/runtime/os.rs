//! Headers for OS threads that are not workers: what `current`, `park` and `join` use there.

use crate::{
    primitive::Ordering,
    task::{OS_THREAD, Task, TaskRef, block, payload},
};
use std::{
    cell::Cell,
    mem::ManuallyDrop,
    ptr::{self, NonNull},
};

/// This OS thread's header; its locals are dropped when the OS thread ends.
struct Own(ManuallyDrop<TaskRef>);

impl Own {
    fn new() -> Self {
        let block = block::allocate_outside(block::class_for(0), 0);
        let header = Task::new(&payload::NONE, block::class_for(0), 1);
        header.home.store(OS_THREAD, Ordering::Relaxed);
        // SAFETY: nobody else sees the header yet; the block is ours and large enough; its one reference is this one.
        unsafe {
            // The parker comes with it, so that nobody who wakes this thread has to make one.
            header.set_name(std::thread::current().name().map(Box::from));
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
    static LATE: Cell<*mut Own> = const { Cell::new(ptr::null_mut()) };
}

/// Calls `f` with this OS thread's header. While the OS thread's locals are dropped, and that header with them, with another
/// that is never freed: what still waits then, in the destructor of some other local, must have one.
pub(crate) fn with_current<R>(f: impl FnOnce(&TaskRef) -> R) -> R {
    let mut f = Some(f);
    let mut call = |header: &TaskRef| f.take().map(|f| f(header));
    let result = match OWN.try_with(|own| call(&own.0)) {
        Ok(result) => result,
        Err(_) => {
            if LATE.get().is_null() {
                LATE.set(Box::into_raw(Box::new(Own::new())));
            }
            // SAFETY: made above, on this OS thread, and never freed.
            call(unsafe { &(*LATE.get()).0 })
        }
    };
    result.expect("called once")
}

/// The same, none while this OS thread's thread-locals are being dropped.
pub(crate) fn try_with_current<R>(f: impl FnOnce(&TaskRef) -> R) -> Option<R> {
    OWN.try_with(|own| f(&own.0)).ok()
}

/// Names this OS thread where a raw header is wanted.
pub(crate) fn current() -> NonNull<Task> {
    with_current(|current| current.as_ptr())
}
