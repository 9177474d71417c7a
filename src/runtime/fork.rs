//! After `fork` the child has one OS thread and no workers, so nothing of the runtime can go on there: it must `exec` (rule 15).
//!
//! A handler that runs in the child notes that, and asks the worker for attention, if the forking thread was a green one; the next
//! thing that the runtime is asked to do then aborts with a line that says so.

use super::worker::Worker;
use crate::{
    primitive::{AtomicBool, Ordering},
    sys::report::write_stderr,
};
use std::sync::Once;

static FORKED: AtomicBool = AtomicBool::new(false);

/// Has forks noticed, from now on.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the handler only stores to atomics. If memory is out and it is not installed, a forked child hangs in place of
        // being told.
        unsafe { libc::pthread_atfork(None, None, Some(note)) };
    });
}

unsafe extern "C" fn note() {
    FORKED.store(true, Ordering::Relaxed);
    if let Some(worker) = Worker::current() {
        worker.attention.store(true, Ordering::Relaxed);
    }
}

/// Aborts in a child of `fork`. Called where the runtime looks up, and where threads come in from outside.
#[inline]
pub(crate) fn check() {
    if FORKED.load(Ordering::Relaxed) {
        write_stderr(b"sinew: the runtime does not exist in a forked child, which must call exec\n");
        std::process::abort();
    }
}
