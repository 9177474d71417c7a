//! Futures in threads and threads in futures.

mod harness;

use harness::{assert_cancelled, on_every_crew, spawn_started};
use sinew::{future, thread};
use std::{
    future::{Future, pending, poll_fn},
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

/// A future that another thread completes.
#[derive(Clone, Default)]
struct Signal(Arc<Mutex<(bool, Option<Waker>)>>);

impl Signal {
    fn set(&self) {
        let mut state = self.0.lock().unwrap();
        state.0 = true;
        let waker = state.1.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake_by_ref();
            waker.wake();
        }
    }

    fn wait(&self) -> impl Future<Output = ()> {
        poll_fn(|context| {
            let mut state = self.0.lock().unwrap();
            if state.0 {
                return Poll::Ready(());
            }
            state.1 = Some(context.waker().clone());
            Poll::Pending
        })
    }
}

#[test]
fn a_thread_waits_for_a_future_that_another_completes() {
    on_every_crew(|crew| {
        for late in [false, true] {
            let signal = Signal::default();
            let other = signal.clone();
            let waiter = crew.spawn(move || {
                future::block_on(async {
                    signal.wait().await;
                    5
                })
            });
            if late {
                thread::sleep(Duration::from_millis(1));
            }
            crew.spawn(move || other.set()).join().unwrap();
            assert_eq!(waiter.join().unwrap(), 5);
        }
    });
}

#[test]
fn the_park_token_is_left_alone() {
    on_every_crew(|crew| {
        crew.spawn(|| {
            thread::current().unpark();
            let mut polls = 0;
            future::block_on(poll_fn(|context| {
                context.waker().wake_by_ref();
                polls += 1;
                if polls == 3 { Poll::Ready(()) } else { Poll::Pending }
            }));
            thread::park();
        })
        .join()
        .unwrap();
    });
}

#[test]
fn block_on_is_cancelled_and_timed_out() {
    let handle = spawn_started(|| future::block_on(pending::<()>()));
    handle.cancel();
    assert_cancelled(handle);
    on_every_crew(|crew| {
        let member =
            crew.spawn(|| sinew::time::timeout(Duration::from_millis(1), || future::block_on(pending::<()>())));
        assert!(member.join().unwrap().is_err());
    });
}

#[test]
fn a_handle_is_awaited() {
    on_every_crew(|crew| {
        crew.spawn(|| {
            let handles: Vec<_> = (0..20)
                .map(|number| {
                    thread::spawn(move || {
                        if number % 2 == 0 {
                            thread::sleep(Duration::from_millis(1));
                        }
                        number
                    })
                })
                .collect();
            let sum = future::block_on(async {
                let mut sum = 0;
                for handle in handles {
                    sum += handle.await.unwrap();
                }
                sum
            });
            assert_eq!(sum, 190);
            let panicked = thread::spawn(|| -> i32 { std::panic::resume_unwind(Box::new(1)) });
            assert!(future::block_on(panicked.into_future()).is_err());
        })
        .join()
        .unwrap();
    });
}

#[test]
fn a_join_that_is_dropped_leaves_the_thread_to_itself() {
    struct Nobody;
    impl Wake for Nobody {
        fn wake(self: Arc<Self>) {}
    }
    let ran = Arc::new(AtomicUsize::new(0));
    for round in 0..200 {
        let count = ran.clone();
        let handle = thread::spawn(move || {
            (0..round % 5).for_each(|_| thread::yield_now());
            count.fetch_add(1, Ordering::SeqCst);
        });
        let mut join = pin!(handle.into_future());
        let _ = join.as_mut().poll(&mut Context::from_waker(&Arc::new(Nobody).into()));
        std::thread::yield_now();
    }
    harness::wait_until(|| ran.load(Ordering::SeqCst) == 200);
}

#[test]
fn sleeps_and_timeouts_of_futures() {
    on_every_crew(|crew| {
        crew.spawn(|| {
            let start = std::time::Instant::now();
            future::block_on(future::sleep(Duration::from_millis(2)));
            assert!(start.elapsed() >= Duration::from_millis(2));
            let long = Duration::from_secs(3600);
            assert_eq!(future::block_on(future::timeout(long, async { 1 })), Ok(1));
            let nested = future::timeout(Duration::from_millis(1), future::timeout(long, pending::<()>()));
            assert!(future::block_on(nested).is_err());
        })
        .join()
        .unwrap();
    });
}

#[test]
fn a_future_is_woken_by_an_os_thread_that_knows_nothing_of_this() {
    on_every_crew(|crew| {
        let waiter = crew.spawn(|| {
            let mut waking = None;
            let mut polls = 0;
            future::block_on(std::future::poll_fn(|context| {
                polls += 1;
                if polls > 20 {
                    return Poll::Ready(());
                }
                let waker = context.waker().clone();
                // Before the poll has returned, or after.
                let wake = std::thread::spawn(move || {
                    waker.wake_by_ref();
                    waker.wake();
                });
                if polls % 2 == 0 {
                    wake.join().unwrap()
                } else {
                    waking = Some(wake)
                }
                Poll::Pending
            }));
            waking.map(std::thread::JoinHandle::join);
        });
        waiter.join().unwrap();
    });
}

/// Panics whenever something is asked of it that the runtime may ask in the middle of its own work.
struct Panics(&'static AtomicUsize);

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
        std::panic::resume_unwind(Box::new("the waker"));
    }
}

impl Drop for Panics {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
        if !std::thread::panicking() {
            std::panic::resume_unwind(Box::new("the waker's end"));
        }
    }
}

#[test]
fn a_waker_that_panics_harms_nobody() {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    on_every_crew(|crew| {
        let start = CALLS.load(Ordering::SeqCst);
        let release = Arc::new(sinew::sync::Event::new());
        let waits = release.clone();
        let handle = match crew.green(move || waits.wait()) {
            harness::Member::Green(handle) => handle,
            harness::Member::Os(_) => unreachable!(),
        };
        let mut join = Box::pin(handle.into_future());
        // The second is dropped where it takes the place of the first.
        for _ in 0..2 {
            let waker = std::mem::ManuallyDrop::new(Waker::from(Arc::new(Panics(&CALLS))));
            let context = &mut Context::from_waker(&waker);
            assert!(join.as_mut().poll(context).is_pending());
            // The clone is the last that there is.
            // SAFETY: made by `From<Arc>`, and not used any more.
            unsafe { Arc::decrement_strong_count(waker.data().cast::<Panics>()) };
        }
        assert_eq!(CALLS.load(Ordering::SeqCst), start + 1);
        release.set();
        harness::wait_until(|| CALLS.load(Ordering::SeqCst) == start + 3);
        let ready = join.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(ready, Poll::Ready(Ok(()))));
    });
}

#[test]
fn a_sleep_whose_runtime_was_shut_down_does_not_say_that_the_time_is_up() {
    let runtime = sinew::Runtime::builder().workers(1).build().unwrap();
    let sleep = Arc::new(Mutex::new(Box::pin(future::timeout(Duration::from_secs(3600), pending::<()>()))));
    let inside = sleep.clone();
    runtime.run(move || {
        assert!(inside.lock().unwrap().as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        thread::yield_now();
    });
    let waits = runtime.spawn(|| future::block_on(future::sleep(Duration::from_secs(3600))));
    runtime.run(|| thread::sleep(Duration::from_millis(2)));
    runtime.shutdown(std::time::Instant::now() + Duration::from_secs(300)).unwrap();
    assert_cancelled(waits);
    let outside = std::thread::spawn(move || future::block_on(sleep.lock().unwrap().as_mut()));
    let words = outside.join().unwrap_err().downcast::<String>().unwrap();
    assert_eq!(*words, "the thread that sleeps for a future was cancelled: the runtime is shutting down");
}
