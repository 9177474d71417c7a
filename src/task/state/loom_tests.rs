//! Models of the state word, by the invariants of the module's head: wakers, a starter, an owner, a joiner, a handle. What
//! surrounds the word in the runtime (the inbox, `home`, the result) is played by loom's cells, so that a missing order shows as
//! a race. `worker` models the same word inside a worker's wakes, sleep and end.

use super::*;
use crate::{
    primitive::{Arc, AtomicBool, AtomicPtr, AtomicUsize, UnsafeCell, model::Builder, thread},
    runtime::inbox::{Inbox, Link},
};
use std::{
    ptr::{self, NonNull},
    sync::atomic::{self, Ordering::SeqCst},
};

mod worker;

/// All runs with at most so many preemptions, or all runs.
fn model(bound: Option<usize>, body: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = bound;
    builder.check(body);
}

/// A header, as far as the protocol goes.
struct Header {
    state: State,
    /// The owner; null before the start.
    home: AtomicPtr<()>,
    link: AtomicPtr<Header>,
    /// The link of the queue of unstarted threads.
    next: AtomicPtr<Header>,
    /// Messages on their way. Not loom's: a check, and no part of the model.
    messages: atomic::AtomicUsize,
}

struct ByLink;

// SAFETY: a field of the node, used by nothing else.
unsafe impl Link for ByLink {
    type Node = Header;
    unsafe fn link(node: NonNull<Header>) -> NonNull<AtomicPtr<Header>> {
        // SAFETY: the node is alive (caller's promise).
        NonNull::from(unsafe { &node.as_ref().link })
    }
}

impl Header {
    /// With a handle, if there is more than one reference.
    fn new(references: u64) -> Self {
        Self {
            state: State::new(references),
            home: AtomicPtr::new(ptr::null_mut()),
            link: AtomicPtr::new(ptr::null_mut()),
            next: AtomicPtr::new(ptr::null_mut()),
            messages: atomic::AtomicUsize::new(0),
        }
    }

    fn is_started(&self) -> bool {
        !self.home.load(Ordering::Acquire).is_null()
    }

    /// The start: gives the wakes that came before.
    fn start(&self) -> u8 {
        self.home.store(ptr::without_provenance_mut(64), Ordering::Release);
        self.state.take_late()
    }

    /// A wake from outside. True if it sent the message.
    fn wake(&self, bits: u8, inbox: &Inbox<ByLink>) -> bool {
        if self.state.wake(bits, || self.is_started()) == Delivery::None {
            return false;
        }
        assert!(self.is_started(), "a message to nobody");
        assert_eq!(self.messages.fetch_add(1, SeqCst), 0, "invariant 1: two messages on their way");
        // SAFETY: the header outlives the model's threads, and by the check above it is in the inbox once.
        unsafe { inbox.push(NonNull::from(self)) };
        true
    }

    /// The owner reads its inbox: how many messages there were. `hear` gets each one's wakes.
    fn read(&self, inbox: &Inbox<ByLink>, mut hear: impl FnMut(u8)) -> usize {
        inbox.drain().fold(0, |count, node| {
            assert!(ptr::eq(node.as_ptr(), self));
            self.messages.fetch_sub(1, SeqCst);
            hear(self.state.take_wakes());
            assert!(!self.state.drop_reference(), "the thread's own reference is there");
            count + 1
        })
    }
}

/// Two wakers of one thread that another starts.
struct Wakes {
    header: Header,
    inbox: Inbox<ByLink>,
    /// Set by each waker before its wake.
    told: [AtomicBool; 2],
}

impl Wakes {
    fn new(references: u64) -> Arc<Self> {
        let told = [AtomicBool::new(false), AtomicBool::new(false)];
        Arc::new(Self { header: Header::new(references), inbox: Inbox::new(), told })
    }

    fn wakers(shared: &Arc<Self>, bits: [u8; 2]) -> [thread::JoinHandle<()>; 2] {
        [0, 1].map(|index| {
            let shared = Arc::clone(shared);
            thread::spawn(move || {
                shared.told[index].store(true, Ordering::Relaxed);
                shared.header.wake(bits[index], &shared.inbox);
            })
        })
    }

    /// Who has been heard by an owner that took these wakes.
    fn hear(&self, bits: [u8; 2], taken: u8, heard: &mut [bool; 2]) {
        for index in 0..2 {
            heard[index] |= taken & bits[index] != 0 && self.told[index].load(Ordering::Relaxed);
        }
    }
}

/// A thread is started and reads its inbox while two wake it; in the end each is heard.
fn no_wake_is_lost(bound: Option<usize>, bits: [u8; 2]) {
    model(bound, move || {
        let shared = Wakes::new(1);
        let wakers = Wakes::wakers(&shared, bits);
        let mut heard = [false; 2];
        let late = shared.header.start();
        shared.hear(bits, late, &mut heard);
        shared.header.read(&shared.inbox, |taken| shared.hear(bits, taken, &mut heard));
        wakers.into_iter().for_each(|waker| waker.join().unwrap());
        shared.header.read(&shared.inbox, |taken| shared.hear(bits, taken, &mut heard));
        assert_eq!(heard, [true; 2], "a wake was lost");
        assert_eq!(shared.header.state.0.load(Ordering::Relaxed), REFERENCE, "only the thread's own reference is left");
    });
}

/// Preemption bound 5.
#[test]
fn loom_two_wakes_of_a_starting_thread_are_both_heard() {
    no_wake_is_lost(Some(5), [wake::PARK, wake::EVENT]);
}

/// Preemption bound 5.
#[test]
fn loom_two_wakes_that_become_one_carry_what_was_written_before_both() {
    no_wake_is_lost(Some(5), [wake::PARK, wake::PARK]);
}

/// As an owner ends a thread; returns whether a message was announced.
fn end(state: &State) -> bool {
    !state.end_plainly() && state.end(false).expect("the handle lives").message
}

/// Preemption bound 4.
#[test]
fn loom_a_message_comes_after_the_end_exactly_if_the_end_says_so() {
    model(Some(4), || {
        // One reference each: the thread's, the handle's, the wakers'.
        let shared = Wakes::new(4);
        let wakers = Wakes::wakers(&shared, [wake::PARK, wake::CANCEL]);
        shared.header.start();
        shared.header.read(&shared.inbox, |_| ());
        let announced = end(&shared.header.state);
        wakers.into_iter().for_each(|waker| waker.join().unwrap());
        let count = shared.header.read(&shared.inbox, |_| ());
        assert_eq!(count, usize::from(announced), "invariant 2");
        assert!(!shared.header.wake(wake::PARK, &shared.inbox), "nobody wakes what has ended");
    });
}

/// Without the inbox read before the end, so that all runs can be had.
#[test]
fn loom_a_wake_and_the_end_agree_on_the_message() {
    model(None, || {
        let shared = Arc::new((Header::new(3), Inbox::new()));
        let waker = thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.0.wake(wake::PARK, &shared.1)
        });
        let late = shared.0.start();
        let announced = end(&shared.0.state);
        let sent = waker.join().unwrap();
        assert_eq!(announced, sent, "invariant 2");
        assert!(!(late != 0 && sent), "heard at the start, and sent all the same");
        assert_eq!(shared.0.read(&shared.1, |_| ()), usize::from(sent));
    });
}

/// A thread's end and what hangs on it.
struct Ending {
    header: Header,
    /// The result; none when it was taken or dropped.
    result: UnsafeCell<Option<u32>>,
    joiner: UnsafeCell<u32>,
    /// Exact wakes.
    woken: AtomicUsize,
    /// Not loom's: a check.
    freed: atomic::AtomicUsize,
}

// SAFETY: the models test that the cells are used in turn, and loom checks each access.
unsafe impl Sync for Ending {}
// SAFETY: as above.
unsafe impl Send for Ending {}

impl Ending {
    fn new(references: u64) -> Arc<Self> {
        let header = Header::new(references);
        header.start();
        Arc::new(Self {
            header,
            result: UnsafeCell::new(None),
            joiner: UnsafeCell::new(0),
            woken: AtomicUsize::new(0),
            freed: atomic::AtomicUsize::new(0),
        })
    }

    /// Takes or drops the result, which must be there.
    fn take(&self) -> u32 {
        // SAFETY: who takes it is alone with it; loom checks it.
        self.result.with_mut(|result| unsafe { (*result).take() }).expect("the result is taken or dropped once")
    }

    fn drop_reference(&self) {
        if self.header.state.drop_reference() {
            assert_eq!(self.freed.fetch_add(1, SeqCst), 0, "freed twice");
            // SAFETY: who frees is alone with it; loom checks it.
            self.result.with_mut(|result| assert_eq!(unsafe { *result }, None, "freed with a result in it"));
        }
    }

    /// As `thread::handle` drops a handle.
    fn drop_handle(&self) {
        if self.header.state.detach() {
            return;
        }
        if self.header.state.clear_handle() {
            self.take();
        }
        self.drop_reference();
    }

    /// As `runtime::execute` ends a thread. Gives the joiner that was woken.
    fn end(&self) -> Option<u32> {
        // SAFETY: the running thread's payload is its own; loom checks it.
        self.result.with_mut(|result| unsafe { *result = Some(7) });
        let mut unclaimed = !self.header.state.has_handle();
        if unclaimed {
            self.take();
        }
        if self.header.state.end_plainly() {
            return None;
        }
        let ended = loop {
            if let Some(ended) = self.header.state.end(unclaimed) {
                break ended;
            }
            unclaimed = true;
            self.take();
        };
        // SAFETY: by invariant 4 nobody writes it now; loom checks it.
        let joiner = ended.joiner.then(|| self.joiner.with(|joiner| unsafe { *joiner }));
        if joiner.is_some() {
            self.woken.fetch_add(1, Ordering::Release);
        }
        self.drop_reference();
        joiner
    }

    /// Registers a joiner of this name; false if the thread has ended.
    fn register(&self, name: u32) -> bool {
        // SAFETY: by invariant 4 nobody reads it now; loom checks it.
        self.joiner.with_mut(|joiner| unsafe { *joiner = name });
        self.header.state.set_joiner()
    }

    fn spawn_end(shared: &Arc<Self>) -> thread::JoinHandle<Option<u32>> {
        let shared = Arc::clone(shared);
        thread::spawn(move || shared.end())
    }
}

#[test]
fn loom_a_joiner_is_woken_once_exactly_if_it_waits() {
    model(None, || {
        let shared = Ending::new(2);
        let owner = Ending::spawn_end(&shared);
        let waits = shared.register(1);
        if !waits {
            assert_eq!(shared.take(), 7, "it has ended, so the result can be seen");
        }
        let woken = owner.join().unwrap();
        assert_eq!((woken, shared.woken.load(Ordering::Acquire)), if waits { (Some(1), 1) } else { (None, 0) });
        if waits {
            assert_eq!(shared.take(), 7);
        }
        shared.drop_reference();
        assert_eq!(shared.freed.load(SeqCst), 1);
    });
}

#[test]
fn loom_a_joiner_that_gives_up_is_not_woken_or_waits_for_the_wake() {
    model(None, || {
        let shared = Ending::new(2);
        let owner = Ending::spawn_end(&shared);
        let mut expected = None;
        for name in [1, 2] {
            if !shared.register(name) {
                assert_eq!(shared.take(), 7, "it has ended, so the result can be seen");
                break;
            }
            if !shared.header.state.clear_joiner() {
                // The wake is on its way; the result is there already.
                expected = Some(name);
                assert_eq!(shared.take(), 7);
                break;
            }
        }
        let woken = owner.join().unwrap();
        assert_eq!((woken, shared.woken.load(Ordering::Acquire)), (expected, usize::from(expected.is_some())));
    });
}

#[test]
fn loom_a_result_is_dropped_by_the_thread_or_by_its_handle() {
    model(None, || {
        let shared = Ending::new(2);
        let owner = Ending::spawn_end(&shared);
        shared.drop_handle();
        assert_eq!(owner.join().unwrap(), None);
        assert_eq!(shared.freed.load(SeqCst), 1);
    });
}

/// Preemption bound 4.
#[test]
fn loom_a_result_is_dropped_once_with_a_clone_and_a_wake_in_the_way() {
    model(Some(4), || {
        // The thread, its handle, a clone.
        let shared = Ending::new(3);
        let inbox = Arc::new(Inbox::new());
        let owner = Ending::spawn_end(&shared);
        let clone = thread::spawn({
            let (shared, inbox) = (Arc::clone(&shared), Arc::clone(&inbox));
            move || {
                shared.header.wake(wake::PARK, &inbox);
                shared.drop_reference();
            }
        });
        shared.drop_handle();
        owner.join().unwrap();
        clone.join().unwrap();
        for _ in inbox.drain() {
            shared.header.state.take_wakes();
            shared.drop_reference();
        }
        assert_eq!(shared.freed.load(SeqCst), 1);
    });
}

/// Whoever drops the last reference is alone with the header: after all that the others did with it.
/// Preemption bound 5.
#[test]
fn loom_the_last_reference_frees_once_and_after_all_others() {
    struct Counted {
        header: Header,
        /// Read by holders of references, written by whoever frees.
        memory: UnsafeCell<bool>,
        freed: atomic::AtomicBool,
    }
    // SAFETY: loom checks each access to the cell.
    unsafe impl Sync for Counted {}
    // SAFETY: as above.
    unsafe impl Send for Counted {}
    impl Counted {
        fn look(&self) {
            // SAFETY: a reference is held; loom checks it.
            self.memory.with(|freed| assert!(!unsafe { *freed }, "used after it was freed"));
        }
        fn drop_reference(&self) {
            self.look();
            if self.header.state.drop_reference() {
                // SAFETY: who frees is alone with it; loom checks it.
                self.memory.with_mut(|freed| unsafe { *freed = true });
                assert!(!self.freed.swap(true, SeqCst), "freed twice");
            }
        }
    }
    model(Some(5), || {
        let shared = Arc::new(Counted {
            header: Header::new(2),
            memory: UnsafeCell::new(false),
            freed: atomic::AtomicBool::new(false),
        });
        // The thread, its handle, and one for the other's clones.
        shared.header.state.add_reference();
        let cloner = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                shared.header.state.add_reference();
                shared.drop_reference();
                shared.drop_reference();
            }
        });
        let owner = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                shared.look();
                if !shared.header.state.end_plainly() {
                    shared.header.state.end(false).expect("the handle was not given up");
                    shared.drop_reference();
                }
            }
        });
        // The handle takes the result, which leaves HANDLE set.
        shared.drop_reference();
        cloner.join().unwrap();
        owner.join().unwrap();
        assert!(shared.freed.load(SeqCst));
    });
}
