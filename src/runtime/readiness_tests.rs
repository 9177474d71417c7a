//! Models of the readiness protocol: a kernel that makes edges, a poller that tells of them, threads that wait.

use super::*;

/// Lists a waiter while `body` runs.
fn listed<W: Wake, R>(
    readiness: &Readiness<W>,
    direction: Direction,
    waker: W,
    body: impl FnOnce(&Listed<'_, W>) -> R,
) -> Option<R> {
    let node = Node::new(direction, waker, std::ptr::null());
    let listed = readiness.list(&node)?;
    Some(body(&listed))
}

#[cfg(loom)]
mod models {
    use super::{super::*, listed};
    use crate::primitive::{Arc, Condvar, model, thread};

    /// A thread that can be woken; the flag is of this model alone.
    struct Parker {
        woken: Mutex<bool>,
        condvar: Condvar,
        /// Becomes false when the waiter has left: a wake after that breaks the contract of `wake`.
        listed: AtomicBool,
    }

    #[derive(Clone, Copy)]
    struct Name(*const Parker);
    // SAFETY: a parker may be used from all threads.
    unsafe impl Send for Name {}

    impl Wake for Name {
        unsafe fn wake(self) {
            // SAFETY: the models keep parkers until all threads have ended.
            let parker = unsafe { &*self.0 };
            assert!(parker.listed.load(Ordering::Relaxed), "woke a waiter that had left");
            *lock(&parker.woken) = true;
            parker.condvar.notify_one();
        }
    }

    impl Parker {
        fn new() -> Arc<Parker> {
            Arc::new(Parker { woken: Mutex::new(false), condvar: Condvar::new(), listed: AtomicBool::new(false) })
        }

        fn wait(&self) {
            let mut woken = lock(&self.woken);
            while !*woken {
                woken = self.condvar.wait(woken).unwrap();
            }
            *woken = false;
        }

        /// As `Source::wait` does it.
        fn block_on(&self, readiness: &Readiness<Name>, direction: Direction) {
            self.listed.store(true, Ordering::Relaxed);
            listed(readiness, direction, Name(self), |node| {
                while !node.is_woken() {
                    self.wait();
                }
            });
            self.listed.store(false, Ordering::Relaxed);
        }
    }

    /// A socket: how many bytes lie in it, whether the end has come, and which edges are yet to be told.
    struct Kernel {
        state: Mutex<State>,
        told: Condvar,
    }

    #[derive(Default)]
    struct State {
        bytes: usize,
        ended: bool,
        edge: usize,
        closed: bool,
    }

    impl Kernel {
        fn new() -> Arc<Kernel> {
            Arc::new(Kernel { state: Mutex::new(State::default()), told: Condvar::new() })
        }

        fn arrive(&self, bytes: usize, ended: bool) {
            let mut state = lock(&self.state);
            state.bytes += bytes;
            state.ended |= ended;
            state.edge |= READABLE | if state.ended { READ_ENDED } else { 0 };
            self.told.notify_one();
        }

        /// `None` would block.
        fn recv(&self, room: usize) -> Option<usize> {
            let mut state = lock(&self.state);
            if state.bytes == 0 {
                return if state.ended { Some(0) } else { None };
            }
            let moved = state.bytes.min(room);
            state.bytes -= moved;
            Some(moved)
        }

        /// The poller: tells each edge until the model is over.
        fn poll(&self, readiness: &Readiness<Name>) {
            loop {
                let mut state = lock(&self.state);
                while state.edge == 0 {
                    if state.closed {
                        return;
                    }
                    state = self.told.wait(state).unwrap();
                }
                let bits = std::mem::take(&mut state.edge);
                drop(state);
                readiness.event(bits);
            }
        }

        fn close(&self) {
            lock(&self.state).closed = true;
            self.told.notify_one();
        }
    }

    /// As `Socket::perform` does it.
    fn receive(kernel: &Kernel, readiness: &Readiness<Name>, parker: &Parker, room: usize) -> usize {
        loop {
            let seen = readiness.seen();
            if seen.is_ready(Direction::Read) {
                match kernel.recv(room) {
                    Some(moved) => {
                        if 0 < moved && moved < room {
                            readiness.drained(Direction::Read, seen);
                        }
                        return moved;
                    }
                    None => readiness.blocked(Direction::Read, seen),
                }
            }
            parker.block_on(readiness, Direction::Read);
        }
    }

    /// For models of three threads and more: all runs with at most three preemptions.
    fn bounded(test: impl Fn() + Sync + Send + 'static) {
        let mut builder = model::Builder::new();
        builder.preemption_bound = Some(3);
        builder.check(test);
    }

    fn readiness() -> Arc<Readiness<Name>> {
        Arc::new(Readiness::new())
    }

    #[test]
    fn loom_two_arrivals_reach_a_reader_that_clears_between_them() {
        bounded(|| {
            let (kernel, readiness, parker) = (Kernel::new(), readiness(), Parker::new());
            let poller = thread::spawn({
                let (kernel, readiness) = (kernel.clone(), readiness.clone());
                move || kernel.poll(&readiness)
            });
            let sender = thread::spawn({
                let kernel = kernel.clone();
                move || {
                    kernel.arrive(1, false);
                    kernel.arrive(1, false);
                }
            });
            let mut total = 0;
            while total < 2 {
                total += receive(&kernel, &readiness, &parker, 4);
            }
            kernel.close();
            sender.join().unwrap();
            poller.join().unwrap();
        });
    }

    #[test]
    fn loom_the_end_that_comes_with_the_data_is_seen() {
        model(|| {
            let (kernel, readiness, parker) = (Kernel::new(), readiness(), Parker::new());
            let poller = thread::spawn({
                let (kernel, readiness) = (kernel.clone(), readiness.clone());
                move || {
                    kernel.arrive(1, true);
                    kernel.poll(&readiness);
                }
            });
            assert_eq!(receive(&kernel, &readiness, &parker, 4), 1);
            assert_eq!(receive(&kernel, &readiness, &parker, 4), 0);
            kernel.close();
            poller.join().unwrap();
        });
    }

    #[test]
    fn loom_two_readers_share_what_comes_and_neither_is_lost() {
        bounded(|| {
            let (kernel, readiness) = (Kernel::new(), readiness());
            let parkers = [Parker::new(), Parker::new()];
            let reader = thread::spawn({
                let (kernel, readiness, parker) = (kernel.clone(), readiness.clone(), parkers[1].clone());
                move || assert_eq!(receive(&kernel, &readiness, &parker, 1), 1)
            });
            let poller = thread::spawn({
                let (kernel, readiness) = (kernel.clone(), readiness.clone());
                move || {
                    kernel.arrive(2, false);
                    kernel.poll(&readiness);
                }
            });
            assert_eq!(receive(&kernel, &readiness, &parkers[0], 1), 1);
            reader.join().unwrap();
            kernel.close();
            poller.join().unwrap();
        });
    }

    #[test]
    fn loom_a_waiter_that_gives_up_is_not_woken_after_it_has_left() {
        model(|| {
            let (readiness, parker) = (readiness(), Parker::new());
            readiness.blocked(Direction::Read, readiness.seen());
            let poller = thread::spawn({
                let (readiness, parker) = (readiness.clone(), parker.clone());
                move || {
                    readiness.event(READABLE);
                    drop(parker);
                }
            });
            parker.listed.store(true, Ordering::Relaxed);
            // A deadline that has passed already.
            listed(&readiness, Direction::Read, Name(&*parker), |_| ());
            parker.listed.store(false, Ordering::Relaxed);
            poller.join().unwrap();
            assert!(readiness.seen().is_ready(Direction::Read));
        });
    }

    #[test]
    fn loom_the_two_directions_do_not_clear_each_other() {
        model(|| {
            let readiness = readiness();
            let writer = thread::spawn({
                let readiness = readiness.clone();
                move || readiness.blocked(Direction::Write, readiness.seen())
            });
            readiness.drained(Direction::Read, readiness.seen());
            writer.join().unwrap();
            assert!(!readiness.seen().is_ready(Direction::Read));
            assert!(!readiness.seen().is_ready(Direction::Write));
        });
    }
}

#[cfg(not(loom))]
mod words {
    use super::{super::*, listed};
    use std::cell::Cell;

    #[derive(Clone, Copy)]
    struct Count<'a>(&'a Cell<usize>);

    impl Wake for Count<'_> {
        unsafe fn wake(self) {
            self.0.set(self.0.get() + 1);
        }
    }

    #[test]
    fn a_short_read_keeps_the_end_and_a_blocked_one_clears_it() {
        let readiness = Readiness::<Count<'_>>::new();
        readiness.event(READABLE | READ_ENDED);
        readiness.drained(Direction::Read, readiness.seen());
        assert!(readiness.seen().is_ready(Direction::Read));
        readiness.blocked(Direction::Read, readiness.seen());
        assert!(!readiness.seen().is_ready(Direction::Read));
        assert!(readiness.seen().is_ready(Direction::Write));
    }

    #[test]
    fn an_event_between_the_call_and_the_clearing_wins() {
        let readiness = Readiness::<Count<'_>>::new();
        let seen = readiness.seen();
        readiness.event(READABLE);
        readiness.blocked(Direction::Read, seen);
        assert!(readiness.seen().is_ready(Direction::Read));
    }

    #[test]
    fn after_urgent_data_a_short_read_says_nothing() {
        let readiness = Readiness::<Count<'_>>::new();
        readiness.event(READABLE | URGENT);
        readiness.drained(Direction::Read, readiness.seen());
        assert!(readiness.seen().is_ready(Direction::Read));
    }

    #[test]
    fn waiters_leave_from_any_place_and_the_rest_are_woken() {
        let readiness = Readiness::new();
        let (counts, direction) = ([const { Cell::new(0) }; 4], Direction::Read);
        readiness.blocked(direction, readiness.seen());
        readiness.blocked(Direction::Write, readiness.seen());
        let woken = listed(&readiness, direction, Count(&counts[0]), |outer| {
            listed(&readiness, Direction::Write, Count(&counts[3]), |writer| {
                listed(&readiness, direction, Count(&counts[1]), |_| ());
                listed(&readiness, direction, Count(&counts[1]), |_| {
                    listed(&readiness, direction, Count(&counts[2]), |_| ());
                });
                readiness.event(READABLE);
                outer.is_woken() && !writer.is_woken()
            })
        });
        assert_eq!(woken, Some(Some(true)));
        assert_eq!(counts.each_ref().map(Cell::get), [1, 0, 0, 0]);
        assert!(listed(&readiness, direction, Count(&counts[0]), |_| ()).is_none(), "ready: nothing to wait for");
    }
}
