//! Work on may. Its scheduler is one a process, so entries with another number of workers than one run in a process of
//! their own.

use std::sync::Once;

use crate::model::{Entry, Sample, Scale};

/// As many stacks kept as threads live at once in any row, so that may never builds one while it is measured.
const POOL: usize = 10_100;

/// Sets may's scheduler up; the first call of a process counts.
pub fn configure(workers: usize) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let config = may::config();
        config.set_workers(workers).set_pool_capacity(POOL);
        // The machine's scheduler places the workers of every library here.
        config.set_worker_pin(false);
    });
}

/// Starts a coroutine.
pub fn spawn<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> may::coroutine::JoinHandle<T> {
    // SAFETY: may asks that `f` keep away from thread-local storage and not overflow its stack; the work here uses no
    // thread-locals of its own and little stack.
    unsafe { may::coroutine::spawn(f) }
}

/// An entry that runs `work` in a coroutine.
pub fn entry(workers: usize, work: fn(Scale) -> Sample) -> Entry {
    let entry = Entry::new(&format!("may/{workers}"), move |scale| {
        configure(workers);
        spawn(move || work(scale)).join().map_err(|_| "it panicked".to_string())
    });
    if workers == 1 { entry } else { entry.isolated() }
}
