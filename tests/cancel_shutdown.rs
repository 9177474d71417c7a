//! A runtime's shutdown and threads that acknowledge cancellations: they end all the same.

mod harness;

use harness::{assert_cancelled, wait_until};
use sinew::{Runtime, cancel, group, thread};
use std::{
    panic::catch_unwind,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

fn end(runtime: Runtime) {
    runtime.shutdown(Instant::now() + Duration::from_secs(300)).expect("all threads end");
}

#[test]
fn a_supervisor_that_catches_every_cancellation_ends_with_its_runtime() {
    for workers in [1, 2, 8] {
        let runtime = Runtime::builder().workers(workers).build().unwrap();
        let (rounds, caught) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (round, catches) = (rounds.clone(), caught.clone());
        let supervisor = runtime.spawn(move || {
            loop {
                round.fetch_add(1, Ordering::SeqCst);
                if cancel::catch(thread::park).is_err() {
                    catches.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
        for number in 1..4 {
            wait_until(|| rounds.load(Ordering::SeqCst) == number);
            supervisor.cancel();
        }
        wait_until(|| rounds.load(Ordering::SeqCst) == 4);
        end(runtime);
        let payload = supervisor.join().map(|never: ()| never).unwrap_err();
        let reason = payload.downcast_ref::<sinew::Cancelled>().unwrap().reason();
        assert_eq!((reason, caught.load(Ordering::SeqCst)), (Some("the runtime is shutting down"), 3));
    }
}

#[test]
fn a_shutdowns_request_is_not_taken_back() {
    for workers in [1, 2, 8] {
        let runtime = Runtime::builder().workers(workers).build().unwrap();
        let began = Arc::new(AtomicUsize::new(0));
        let begins = began.clone();
        let handle = runtime.spawn(move || {
            let this = thread::current();
            this.cancel();
            begins.store(1, Ordering::SeqCst);
            // Until the shutdown's is there too.
            cancel::shield(|| {
                while this.cancelling() < 2 {
                    thread::yield_now();
                }
            });
            assert_eq!((this.uncancel(), this.uncancel(), this.cancelling()), (1, 1, 1));
            assert!(catch_unwind(thread::park).unwrap_err().is::<sinew::Cancelled>());
            assert_eq!(this.uncancel(), 1);
            assert!(cancel::is_cancelled());
            thread::park();
        });
        wait_until(|| began.load(Ordering::SeqCst) == 1);
        end(runtime);
        assert_cancelled(handle);
    }
}

#[test]
fn a_gather_or_race_whose_threads_the_shutdown_cancels_ends_by_the_shutdown() {
    for workers in [1, 2, 8] {
        let runtime = Runtime::builder().workers(workers).build().unwrap();
        let began = Arc::new(AtomicUsize::new(0));
        let callers: Vec<_> = (0..20)
            .map(|number| {
                let begins = began.clone();
                let wait = move || {
                    begins.fetch_add(1, Ordering::SeqCst);
                    thread::park();
                };
                runtime.spawn(move || match number % 2 {
                    0 => drop(group::gather([wait.clone(), wait])),
                    _ => group::race([wait.clone(), wait]),
                })
            })
            .collect();
        wait_until(|| began.load(Ordering::SeqCst) == 40);
        end(runtime);
        callers.into_iter().for_each(assert_cancelled);
    }
}
