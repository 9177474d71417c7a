//! Models of a worker and the others that wake its thread: the state word, the inbox, the injector and the sleep protocol
//! together, as `runtime::wait` (the wake from outside), `runtime::maintain` (reading the inbox) and `runtime::park` (the sleep,
//! the end) use them.
//!
//! The worker has one thread, which waits for its park token and then ends; so does the worker. A wake that is
//! lost leaves the worker in its poller, which loom reports as a deadlock. A visitor that touches the worker after its end
//! shows as a race for its memory.

use super::*;
use crate::{
    primitive::{Condvar, Mutex, lock},
    runtime::{idle::Idle, shared_queue::SharedQueue},
};

struct ByNext;

// SAFETY: a field of the node, used by the injector alone.
unsafe impl Link for ByNext {
    type Node = Header;
    unsafe fn link(node: NonNull<Header>) -> NonNull<AtomicPtr<Header>> {
        // SAFETY: the node is alive (caller's promise).
        NonNull::from(unsafe { &node.as_ref().next })
    }
}

/// A worker, its runtime and its thread.
struct Worker {
    header: Header,
    inbox: Inbox<ByLink>,
    injector: SharedQueue<ByNext>,
    idle: Idle,
    attention: AtomicBool,
    visitors: AtomicUsize,
    /// The poller: a wake stays until it is taken.
    poked: Mutex<bool>,
    poller: Condvar,
    /// Read by visitors, written when the worker has ended.
    memory: UnsafeCell<()>,
}

// SAFETY: the models test that the cell is used in turn, and loom checks each access.
unsafe impl Sync for Worker {}
// SAFETY: as above.
unsafe impl Send for Worker {}

impl Worker {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            header: Header::new(2),
            inbox: Inbox::new(),
            injector: SharedQueue::new(),
            idle: Idle::new(1),
            attention: AtomicBool::new(false),
            visitors: AtomicUsize::new(0),
            poked: Mutex::new(false),
            poller: Condvar::new(),
            memory: UnsafeCell::new(()),
        })
    }

    fn interrupt(&self) {
        *lock(&self.poked) = true;
        self.poller.notify_one();
    }

    fn poll(&self) {
        let mut poked = lock(&self.poked);
        while !*poked {
            poked = self.poller.wait(poked).unwrap();
        }
        *poked = false;
    }

    /// As `runtime::wait::wake_from_outside`.
    fn wake_from_outside(&self, bits: u8) {
        let header = &self.header;
        if header.state.wake(bits, || header.is_started()) == Delivery::None {
            return;
        }
        assert!(header.is_started(), "a message to nobody");
        self.visitors.fetch_add(1, Ordering::SeqCst);
        self.memory.with(|_| ());
        assert_eq!(header.messages.fetch_add(1, SeqCst), 0, "invariant 1: two messages on their way");
        // SAFETY: the header outlives the model's threads, and by the check above it is in the inbox once.
        if unsafe { self.inbox.push(NonNull::from(header)) } {
            self.attention.store(true, Ordering::Relaxed);
            if self.idle.wake_specific(0) {
                self.interrupt();
            }
        }
        self.memory.with(|_| ());
        self.visitors.fetch_sub(1, Ordering::Release);
    }

    /// As `runtime::spawn::spawn_into`.
    fn spawn_from_outside(&self) {
        // SAFETY: the header outlives the model's threads, and is pushed once.
        unsafe { self.injector.push(NonNull::from(&self.header)) };
        if self.idle.wake_one().is_some() {
            self.interrupt();
        }
    }

    fn spawn(shared: &Arc<Self>, body: impl FnOnce(&Self) + 'static) -> thread::JoinHandle<()> {
        let shared = Arc::clone(shared);
        thread::spawn(move || body(&shared))
    }

    /// The worker's loop, until its thread has ended and nobody will touch the worker any more.
    fn run(&self) {
        let (mut pending, mut searching) = (0, false);
        loop {
            self.attention.store(false, Ordering::Relaxed);
            self.header.read(&self.inbox, |bits| pending |= bits);
            if self.injector.pop().is_some() {
                pending |= self.header.start();
            }
            if pending & wake::PARK != 0 {
                break;
            }
            self.idle.prepare_sleep(0, searching, false);
            let finds = !self.inbox.is_empty() || !self.injector.is_empty() || self.attention.load(Ordering::Relaxed);
            if !finds {
                self.poll();
            }
            searching = self.idle.finish_sleep(0);
        }
        let mut outstanding = usize::from(end(&self.header.state));
        loop {
            outstanding -= self.header.read(&self.inbox, |_| ());
            // As `runtime::park::may_end`; no other thread is alive.
            if outstanding == 0 && self.inbox.is_empty() && self.visitors.load(Ordering::Acquire) == 0 {
                break;
            }
            // A worker that is about to end looks again after a moment.
            thread::yield_now();
        }
        self.memory.with_mut(|_| ());
    }
}

/// Preemption bound 3.
#[test]
fn loom_a_parked_thread_is_woken_and_its_worker_outlives_its_wakers() {
    model(Some(3), || {
        let shared = Worker::new();
        shared.header.start();
        let wakers =
            [wake::PARK, wake::EVENT].map(|bits| Worker::spawn(&shared, move |shared| shared.wake_from_outside(bits)));
        shared.run();
        wakers.into_iter().for_each(|waker| waker.join().unwrap());
        assert!(shared.inbox.is_empty());
    });
}

#[test]
fn loom_a_worker_that_falls_asleep_is_woken_for_its_thread() {
    model(None, || {
        let shared = Worker::new();
        shared.header.start();
        let waker = Worker::spawn(&shared, |shared| shared.wake_from_outside(wake::PARK));
        shared.run();
        waker.join().unwrap();
    });
}

/// Preemption bound 5.
#[test]
fn loom_a_thread_that_is_spawned_and_unparked_from_outside_runs() {
    model(Some(5), || {
        let shared = Worker::new();
        let spawner = Worker::spawn(&shared, |shared| {
            shared.spawn_from_outside();
            shared.wake_from_outside(wake::PARK);
        });
        shared.run();
        spawner.join().unwrap();
    });
}

/// Preemption bound 3.
#[test]
fn loom_two_wakes_of_a_thread_that_was_just_spawned_find_it() {
    model(Some(3), || {
        let shared = Worker::new();
        let spawner = Worker::spawn(&shared, |shared| {
            shared.spawn_from_outside();
            shared.wake_from_outside(wake::EVENT);
        });
        let other = Worker::spawn(&shared, |shared| shared.wake_from_outside(wake::PARK));
        shared.run();
        spawner.join().unwrap();
        other.join().unwrap();
        assert!(shared.inbox.is_empty());
    });
}

impl Worker {
    /// As `runtime::wait`'s `Worker::wait`, with the reading of the inbox and the sleep in the place of the switch: ends by one of `want`,
    /// takes those, but for a cancellation.
    fn wait(&self, pending: &mut u8, want: u8) -> u8 {
        let mut searching = false;
        loop {
            self.attention.store(false, Ordering::Relaxed);
            self.header.read(&self.inbox, |bits| *pending |= bits);
            let got = *pending & want;
            if got != 0 {
                *pending &= !(got & !wake::CANCEL);
                return got;
            }
            self.idle.prepare_sleep(0, searching, false);
            if self.inbox.is_empty() && !self.attention.load(Ordering::Relaxed) {
                self.poll();
            }
            searching = self.idle.finish_sleep(0);
        }
    }
}

/// A green thread waits for an exact wake and may be cancelled, while it is also unparked: the exact wake is taken once, by the wait or by the
/// one that follows a cancellation; the park token and the cancellation stay (rules 12 and 14). Preemption bound 2.
#[test]
fn loom_a_wait_takes_its_own_wake_and_leaves_the_others_to_theirs() {
    model(Some(2), || {
        let shared = Worker::new();
        shared.header.start();
        let wakers = [wake::EXACT, wake::CANCEL]
            .map(|bits| Worker::spawn(&shared, move |shared| shared.wake_from_outside(bits)));
        let mut pending = wake::PARK;
        if shared.wait(&mut pending, wake::EXACT | wake::CANCEL) & wake::EXACT == 0 {
            // As one that was granted before it could leave.
            assert_eq!(shared.wait(&mut pending, wake::EXACT), wake::EXACT);
        }
        assert_eq!(pending & wake::EXACT, 0, "left behind to a later wait");
        assert_eq!(shared.wait(&mut pending, wake::PARK), wake::PARK);
        assert_eq!(shared.wait(&mut pending, wake::CANCEL), wake::CANCEL);
        wakers.into_iter().for_each(|waker| waker.join().unwrap());
        shared.header.read(&shared.inbox, |bits| pending |= bits);
        assert_eq!(pending, wake::CANCEL);
    });
}
