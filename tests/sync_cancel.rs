//! Cancellation and time limits of what waits in `sync`, at every suspension that occurs: see `harness::driven`.

mod harness;

use harness::{
    driven::{Case, count, end, run},
    let_others_run, spawn_started,
};
use sinew::{
    JoinHandle, Runtime,
    sync::{Barrier, Condvar, Event, LazyLock, Mutex, Notify, Once, OnceLock, RwLock, Semaphore, WaitGroup},
    thread,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicPtr, AtomicUsize, Ordering},
    },
    time::Duration,
};

/// A mutex that is held by the driver in the meantime: a guard that outlives its step.
struct Holds<L: 'static, G> {
    lock: &'static L,
    /// The same, to be freed in the end.
    owned: AtomicPtr<L>,
    guard: std::sync::Mutex<Option<Stays<G>>>,
}

/// A guard that stays on the driver's thread, though the state around it is shared.
struct Stays<G>(G);
// SAFETY: the driver alone puts it in and takes it out.
unsafe impl<G> Send for Stays<G> {}

impl<L, G> Holds<L, G> {
    fn new(lock: L) -> Self {
        let owned = Box::into_raw(Box::new(lock));
        // SAFETY: it goes with this value, which the references that are handed out do not outlive.
        Self { lock: unsafe { &*owned }, owned: AtomicPtr::new(owned), guard: std::sync::Mutex::new(None) }
    }

    fn hold(&self, guard: G) {
        *self.guard.lock().unwrap() = Some(Stays(guard));
    }

    fn release(&self) {
        let guard = self.guard.lock().unwrap().take();
        drop(guard);
    }
}

impl<L, G> Drop for Holds<L, G> {
    fn drop(&mut self) {
        self.release();
        // SAFETY: made by `into_raw`, and nothing refers to it any more.
        drop(unsafe { Box::from_raw(*self.owned.get_mut()) });
    }
}

type HeldMutex = Holds<Mutex<usize>, sinew::sync::MutexGuard<'static, usize>>;

#[test]
fn a_mutex() {
    run(&Case::<HeldMutex> {
        name: "lock",
        new: || Holds::new(Mutex::new(0)),
        operation: |state, successes, limit| {
            let locked = match limit {
                None => state.lock.lock().ok(),
                Some(limit) => state.lock.try_lock_for(limit).ok(),
            };
            if let Some(mut value) = locked {
                *value += 1;
                count(successes);
                thread::yield_now();
            }
        },
        steps: &[
            |state| state.hold(state.lock.lock().unwrap()),
            |state| {
                // Overtakes whoever is woken.
                state.release();
                state.hold(state.lock.lock().unwrap());
            },
            |_| thread::sleep(Duration::from_millis(2)),
            |state| state.release(),
        ],
        check: |state, successes| {
            assert_eq!(*state.lock.try_lock().expect("free, and not poisoned"), successes);
            assert!(successes >= 1);
        },
    });
}

#[test]
fn a_condition_variable() {
    run(&Case::<(Mutex<(usize, usize)>, Condvar)> {
        name: "wait",
        new: || (Mutex::new((0, 0)), Condvar::new()),
        operation: |(mutex, condvar), successes, limit| {
            let mut held = mutex.lock().unwrap();
            while held.0 == 0 {
                match limit {
                    None => held = condvar.wait(held).unwrap(),
                    Some(limit) => {
                        let (again, result) = condvar.wait_timeout(held, limit).unwrap();
                        held = again;
                        if result.timed_out() && held.0 == 0 {
                            return;
                        }
                    }
                }
            }
            held.0 -= 1;
            held.1 += 1;
            count(successes);
        },
        steps: &[
            |_| {},
            |(mutex, condvar)| {
                let mut held = mutex.lock().unwrap();
                held.0 += 1;
                condvar.notify_one();
                // The woken one waits for the mutex.
                let_others_run();
            },
            |(mutex, condvar)| {
                mutex.lock().unwrap().0 += 1;
                condvar.notify_one();
            },
            // One that was notified and cancelled may have left its item to another.
            |(_, condvar)| condvar.notify_all(),
        ],
        check: |(mutex, _), successes| {
            assert_eq!(*mutex.try_lock().expect("free, and not poisoned"), (2 - successes, successes));
            assert!(successes >= 1);
        },
    });
}

#[test]
fn a_semaphore() {
    run(&Case::<Semaphore> {
        name: "acquire_many",
        new: || Semaphore::new(3),
        operation: |semaphore, successes, limit| {
            let permit = match limit {
                None => semaphore.acquire_many(3).ok(),
                Some(limit) => semaphore.acquire_timeout(3, limit).ok(),
            };
            if permit.is_some() {
                count(successes);
                thread::yield_now();
            }
        },
        steps: &[
            |semaphore| semaphore.acquire_many(2).unwrap().forget(),
            |semaphore| semaphore.add_permits(1),
            |semaphore| semaphore.add_permits(1),
        ],
        check: |semaphore, successes| {
            assert_eq!(semaphore.available_permits(), 3);
            assert!(successes >= 1);
            drop(semaphore.try_acquire_many(3).expect("nobody waits"));
        },
    });
}

type HeldToRead = Holds<RwLock<usize>, sinew::sync::RwLockReadGuard<'static, usize>>;

#[test]
fn a_lock_to_write() {
    run(&Case::<HeldToRead> {
        name: "write",
        new: || Holds::new(RwLock::new(0)),
        operation: |state, successes, limit| {
            let locked = match limit {
                None => state.lock.write().ok(),
                Some(limit) => state.lock.try_write_for(limit).ok(),
            };
            if let Some(mut value) = locked {
                *value += 1;
                count(successes);
                thread::yield_now();
            }
        },
        steps: &[|state| state.hold(state.lock.read().unwrap()), |_| {}, |state| state.release()],
        check: |state, successes| {
            assert_eq!(*state.lock.try_write().expect("free, and not poisoned"), successes);
            assert!(successes >= 1);
        },
    });
}

type HeldToWrite = Holds<RwLock<usize>, sinew::sync::RwLockWriteGuard<'static, usize>>;

#[test]
fn a_lock_to_read() {
    run(&Case::<HeldToWrite> {
        name: "read",
        new: || Holds::new(RwLock::new(0)),
        operation: |state, successes, limit| {
            let locked = match limit {
                None => state.lock.read().ok(),
                Some(limit) => state.lock.try_read_for(limit).ok(),
            };
            if locked.is_some() {
                count(successes);
                thread::yield_now();
            }
        },
        steps: &[|state| state.hold(state.lock.write().unwrap()), |_| {}, |state| state.release()],
        check: |state, successes| {
            drop(state.lock.try_write().expect("free, and not poisoned"));
            assert!(successes >= 1);
        },
    });
}

/// A reader behind a writer that gives up goes on, while another still reads.
#[test]
fn a_reader_behind_a_writer() {
    let runtime = Runtime::builder().workers(1).build().unwrap();
    runtime.run(|| {
        for cancels in [true, false] {
            let lock = Arc::new(RwLock::new(0));
            let held = lock.read().unwrap();
            let (one, two) = (lock.clone(), lock.clone());
            let writer = spawn_started(move || {
                if cancels {
                    drop(one.write());
                } else {
                    assert!(one.try_write_for(Duration::from_millis(3)).is_err());
                }
            });
            let reader = spawn_started(move || *two.read().unwrap());
            assert!(!reader.is_finished() || writer.is_finished());
            if cancels {
                writer.thread().cancel();
            }
            end(writer);
            assert_eq!(reader.join().unwrap(), 0);
            drop(held);
        }
    });
}

#[test]
fn an_event() {
    run(&Case::<Event> {
        name: "wait",
        new: Event::new,
        operation: |event, successes, limit| match limit {
            None => {
                event.wait();
                count(successes);
            }
            Some(limit) => drop(event.wait_timeout(limit).then(|| count(successes))),
        },
        steps: &[|_| {}, |_| {}, Event::set],
        check: |event, successes| assert!(event.is_set() && successes >= 1),
    });
}

#[test]
fn a_notification() {
    run(&Case::<Notify> {
        name: "wait",
        new: Notify::new,
        operation: |notify, successes, limit| match limit {
            None => {
                notify.wait();
                count(successes);
            }
            Some(limit) => drop(notify.wait_timeout(limit).then(|| count(successes))),
        },
        steps: &[|_| {}, |_| {}, Notify::notify_one, Notify::notify_one],
        check: |notify, successes| {
            // Two were given; two that nobody took are one.
            let left = usize::from(notify.wait_timeout(Duration::ZERO));
            assert_eq!(successes + left, 2);
        },
    });
}

#[test]
fn a_barrier() {
    let both = Arc::new(Barrier::new(2));
    let other = both.clone();
    let waiter = thread::spawn(move || other.wait().is_leader());
    assert!(both.wait().is_leader() != waiter.join().unwrap());
    let runtime = Runtime::builder().workers(1).build().unwrap();
    runtime.run(|| {
        let barrier = Arc::new(Barrier::new(2));
        let other = barrier.clone();
        let waiter = spawn_started(move || other.wait().is_leader());
        waiter.thread().cancel();
        end(waiter);
        let other = barrier.clone();
        let waiter = spawn_started(move || other.wait().is_leader());
        assert!(!waiter.is_finished(), "the cancelled one does not count");
        assert!(barrier.wait().is_leader());
        assert!(!waiter.join().unwrap());
    });
}

#[test]
fn a_group() {
    let runtime = Runtime::builder().workers(1).build().unwrap();
    runtime.run(|| {
        let group = WaitGroup::new();
        let (one, two) = (group.clone(), group.clone());
        let (one, two) = (thread::spawn(move || one.wait()), thread::spawn(move || two.wait()));
        thread::yield_now();
        one.thread().cancel();
        end(one);
        assert!(!two.is_finished());
        drop(group);
        two.join().unwrap();
    });
}

/// Cancelled inside, another runs its own; cancelled outside, nothing is changed.
#[test]
fn a_once_and_what_stands_on_it() {
    let runtime = Runtime::builder().workers(1).build().unwrap();
    runtime.run(|| {
        let once = Arc::new((Once::new(), OnceLock::new(), AtomicUsize::new(0)));
        let spawn = |number| {
            let once = once.clone();
            let handle = thread::spawn(move || {
                once.0.call_once(|| {
                    thread::sleep(Duration::from_millis(20));
                    once.2.fetch_add(1, Ordering::SeqCst);
                });
                *once.1.get_or_init(|| {
                    thread::sleep(Duration::from_millis(20));
                    number
                })
            });
            thread::yield_now();
            handle
        };
        let (one, two, three) = (spawn(1), spawn(2), spawn(3));
        two.thread().cancel();
        end(two);
        one.thread().cancel();
        end(one);
        let four = spawn(4);
        let first = three.join().unwrap();
        assert_eq!(first, four.join().unwrap());
        assert!(first >= 3, "made by one that was cancelled");
        assert_eq!(once.2.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_lazy_value_is_made_by_a_cancelled_thread_all_the_same() {
    static LAZY: LazyLock<usize> = LazyLock::new(|| {
        thread::sleep(Duration::from_millis(5));
        7
    });
    let runtime = Runtime::builder().workers(1).build().unwrap();
    runtime.run(|| {
        let makes = thread::spawn(|| {
            assert_eq!(*LAZY, 7);
            thread::yield_now();
        });
        thread::yield_now();
        makes.thread().cancel();
        let waits = thread::spawn(|| *LAZY);
        assert_eq!(waits.join().unwrap(), 7);
        harness::assert_cancelled(makes);
    });
}

#[test]
fn a_cancelled_run_of_a_poisoned_once_leaves_it_poisoned() {
    Runtime::builder().workers(1).build().unwrap().run(|| {
        let once = Arc::new(Once::new());
        let poisons = once.clone();
        let panicked = thread::spawn(move || poisons.call_once(|| std::panic::resume_unwind(Box::new("expected"))));
        assert!(panicked.join().is_err());
        let forces = once.clone();
        let forced = spawn_started(move || forces.call_once_force(|_| thread::park()));
        let_others_run();
        forced.thread().cancel();
        harness::assert_cancelled(forced);
        once.call_once_force(|state| assert!(state.is_poisoned()));
    });
}

#[test]
fn a_barrier_is_whole_after_cancellations_that_come_while_it_lets_many_go() {
    const THREADS: usize = 64;
    let runtime = Runtime::builder().workers(1).build().unwrap();
    let wait = |barrier: &Arc<Barrier>| {
        let barrier = barrier.clone();
        runtime.spawn(move || barrier.wait().is_leader())
    };
    for _ in 0..200 {
        let barrier = Arc::new(Barrier::new(THREADS + 1));
        let waiters: Vec<_> = (0..THREADS).map(|_| wait(&barrier)).collect();
        runtime.run(let_others_run);
        let last = std::thread::spawn({
            let barrier = barrier.clone();
            move || barrier.wait().is_leader()
        });
        waiters.iter().rev().for_each(|waiter| waiter.thread().cancel());
        // Of the first sixteen, who was let go returns before it sees its cancellation.
        let ended: Vec<_> = waiters.into_iter().map(JoinHandle::join).collect();
        let others = if ended.iter().any(Result::is_ok) { THREADS + 1 } else { THREADS };
        let others: Vec<_> = (0..others).map(|_| wait(&barrier)).collect();
        others.into_iter().for_each(|other| assert!(other.join().is_ok()));
        assert!(last.join().is_ok());
    }
}
