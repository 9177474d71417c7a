//! What the tests of blocking-style code share: each runs on an OS thread and on workers.
#![allow(dead_code, unused_imports, reason = "each test program uses a part")]

pub(crate) mod tcp;
pub(crate) mod unix;

use sinew::Runtime;
use std::{sync::mpsc, thread, time::Duration};

/// Runs a test on a plain OS thread, and as a green thread of a runtime of one worker and of one of two. A run that has
/// not ended after five minutes fails.
pub(crate) fn each_way(test: impl Fn() + Send + Sync + Clone + 'static) {
    for workers in [0, 1, 2] {
        let (done, ended) = mpsc::channel();
        let test = test.clone();
        let runner = thread::spawn(move || {
            if workers == 0 {
                test();
            } else {
                Runtime::builder().workers(workers).build().unwrap().run(test);
            }
            let _ = done.send(());
        });
        if ended.recv_timeout(Duration::from_secs(300)) == Err(mpsc::RecvTimeoutError::Timeout) {
            eprintln!("hangs with {workers} workers (0: on an OS thread)");
            std::process::abort();
        }
        if let Err(panic) = runner.join() {
            eprintln!("failed with {workers} workers (0: on an OS thread)");
            std::panic::resume_unwind(panic);
        }
    }
}

/// Starts a thread: a green one.
pub(crate) use sinew::spawn;

/// Suspends the thread.
pub(crate) use sinew::sleep;
