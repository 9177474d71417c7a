//! A worker: an OS thread that runs green threads, and what belongs to it.
//!
//! The first part of [`Worker`] is touched at every switch and only by its owner; the second is what others write to. The
//! code is spread over the modules that say what it is for: `schedule` (what runs next), `execute` (a thread's start and end),
//! `wait` (suspending and waking), `maintain` (what is looked at once in a while), `park` (searching and sleeping).

use super::{
    Inner,
    carrier::Carrier,
    deque::Deque,
    inbox::{Inbox, Link},
    reactor::Reactor,
    shared_queue::SharedQueue,
    timer::{Alarm, Wheel},
};
use crate::{
    arch::Context,
    primitive::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering},
    stack::{SizeClass, Stack},
    sys::prefetch::prefetch,
    task::{
        Task,
        block::{self, Cache},
    },
};
use std::{
    cell::{Cell, UnsafeCell},
    io,
    ops::Deref,
    ptr::{self, NonNull},
    sync::Arc,
    time::Instant,
};

/// Lines of a stack that are fetched before a switch to it: the frames between a suspension and the code that waits, and what lies
/// just below, where that code's next calls go.
const PREFETCHED: usize = 8;
const BELOW: usize = 2;

/// A link through a header's `next`.
pub(crate) struct ByNext;

// SAFETY: the link is a field of the node, used by one queue at a time (see the table in `task`).
unsafe impl Link for ByNext {
    type Node = Task;
    unsafe fn link(node: NonNull<Task>) -> NonNull<AtomicPtr<Task>> {
        // SAFETY: the node lives; only an address is computed.
        unsafe { NonNull::new_unchecked(&raw mut (*node.as_ptr()).next) }
    }
}

/// A link through a header's `inbox`.
pub(crate) struct ByInbox;

// SAFETY: the link is a field of the node; at most one message is on its way (task::state, invariant 1).
unsafe impl Link for ByInbox {
    type Node = Task;
    unsafe fn link(node: NonNull<Task>) -> NonNull<AtomicPtr<Task>> {
        // SAFETY: the node lives; only an address is computed.
        unsafe { NonNull::new_unchecked(&raw mut (*node.as_ptr()).inbox) }
    }
}

/// A FIFO of headers, owner only.
pub(crate) struct List {
    head: Cell<*mut Task>,
    tail: Cell<*mut Task>,
}

impl List {
    pub(crate) const fn new() -> Self {
        Self { head: Cell::new(ptr::null_mut()), tail: Cell::new(ptr::null_mut()) }
    }

    /// # Safety
    /// The header lives and is in no other queue.
    #[inline(always)]
    pub(crate) unsafe fn push(&self, task: NonNull<Task>) {
        // SAFETY: by the caller's promise; the tail is in this list, so it lives.
        unsafe {
            task.as_ref().next.store(ptr::null_mut(), Ordering::Relaxed);
            match self.tail.replace(task.as_ptr()).as_ref() {
                Some(tail) => tail.next.store(task.as_ptr(), Ordering::Relaxed),
                None => self.head.set(task.as_ptr()),
            }
        }
    }

    /// # Safety
    /// As [`push`](Self::push).
    pub(crate) unsafe fn push_front(&self, task: NonNull<Task>) {
        let head = self.head.replace(task.as_ptr());
        // SAFETY: by the caller's promise.
        unsafe { task.as_ref() }.next.store(head, Ordering::Relaxed);
        if head.is_null() {
            self.tail.set(task.as_ptr());
        }
    }

    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.head.get().is_null()
    }

    /// Starts to fetch what the switch to the first thread will touch, the lines at its stack pointer, and the header of the
    /// second, in which the next call finds that pointer.
    #[inline(always)]
    pub(crate) fn prefetch(&self) {
        // SAFETY: headers in the list live.
        let Some(first) = (unsafe { self.head.get().as_ref() }) else { return };
        prefetch(first.next.load(Ordering::Relaxed));
        // SAFETY: the context of a thread that is ready does not change.
        let stack = unsafe { (*first.context.get()).stack_pointer() };
        let lowest = stack.wrapping_sub(BELOW * 64);
        for line in 0..PREFETCHED {
            prefetch(lowest.wrapping_add(line * 64));
        }
    }

    #[inline(always)]
    pub(crate) fn pop(&self) -> Option<NonNull<Task>> {
        let head = NonNull::new(self.head.get())?;
        // SAFETY: headers in the list live.
        let next = unsafe { head.as_ref() }.next.load(Ordering::Relaxed);
        self.head.set(next);
        if next.is_null() {
            self.tail.set(ptr::null_mut());
        }
        Some(head)
    }
}

/// See the module's documentation.
#[repr(C, align(128))]
pub(crate) struct Worker {
    /// The running thread; null while the worker itself runs.
    pub(crate) current: Cell<*mut Task>,
    /// A ready thread that runs next and inherits the time slice.
    pub(crate) next: Cell<*mut Task>,
    /// Ready threads.
    pub(crate) ready: List,
    /// The unstarted thread that the carrier being switched to is to run.
    pub(crate) starting: Cell<*mut Task>,
    /// Unstarted threads taken in a row while others were ready.
    pub(crate) streak: Cell<u32>,
    /// What `streak` goes back to: 0, or so much that none is taken while no stack can be had.
    pub(crate) least_streak: Cell<u32>,
    /// Started threads held, and the number above which a start looks for a less loaded worker.
    pub(crate) held: AtomicU32,
    pub(crate) held_limit: Cell<u32>,
    /// Wakes go to the end of `ready`, not into `next`: many come at once.
    pub(crate) batch: Cell<bool>,
    /// No stack could be had for an unstarted thread.
    pub(crate) starved: Cell<bool>,
    /// How many times in a row the worker's own loop came by, found nothing to run and waited for a stack.
    pub(crate) stuck: Cell<u32>,
    /// When it last did.
    pub(crate) tried: Cell<Instant>,
    /// When everything was last seen to stand still, workers had picked something to run so often.
    pub(crate) stuck_at: Cell<Option<u64>>,
    /// The runtime is shutting down, and this worker has cancelled its threads.
    pub(crate) closing: Cell<bool>,
    /// How many threads of this worker are suspended in the middle of an unwind; and how many while others were, of which it is
    /// not known.
    pub(crate) unwinding: Cell<u32>,
    /// Threads wait for it to be known whether they unwind.
    pub(crate) doubtful: Cell<bool>,
    pub(crate) perhaps_unwinding: Cell<u32>,
    /// Times that something was picked to run; watched by the monitor.
    pub(crate) resumes: AtomicU64,
    /// The worker's own context: its loop that searches and sleeps.
    pub(crate) root: UnsafeCell<Context>,
    pub(crate) cache: Cache,
    /// Unstarted threads.
    pub(crate) deque: Deque<Task>,
    /// Carriers without a thread, by size class; the hottest last.
    pub(crate) free: UnsafeCell<[Vec<NonNull<Carrier>>; SizeClass::COUNT]>,
    /// All carriers that this worker owns.
    pub(crate) carriers: UnsafeCell<Vec<NonNull<Carrier>>>,
    /// Stacks that were taken from the pool in advance, untouched, of the default class.
    pub(crate) spare: UnsafeCell<Vec<Stack>>,
    /// Unstarted threads for which no stack could be had.
    pub(crate) stackless: List,
    pub(crate) wheel: UnsafeCell<Wheel<Alarm>>,
    /// When this worker last stole, and how many threads it asked for.
    pub(crate) last_steal: Cell<Option<Instant>>,
    pub(crate) loot: Cell<usize>,
    /// The runtime's tick when this worker last did what it does once a tick.
    pub(crate) last_tick: Cell<u32>,
    /// The tick at which it last woke a sleeper for a single waiting thread.
    pub(crate) hinted: Cell<u32>,
    /// Messages that threads which have ended were sent and that were not read yet (task::state, invariant 2).
    pub(crate) outstanding: Cell<i64>,

    /// Somebody wants the worker to look up: the monitor, whoever sent the first message to the inbox, a shutdown. Read at every
    /// switch, so it stands where neither side writes else.
    pub(crate) attention: Line<AtomicBool>,
    pub(crate) shared: Shared,
    pub(crate) reactor: Reactor,
    pub(crate) runtime: Cell<*const Inner>,
    pub(crate) index: usize,
}

/// A value alone on its cache lines.
#[repr(align(128))]
pub(crate) struct Line<T>(T);

impl<T> Deref for Line<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.0
    }
}

/// What others read and write.
#[repr(C, align(128))]
pub(crate) struct Shared {
    /// Wakes from outside.
    pub(crate) inbox: Inbox<ByInbox>,
    /// Others that are just now in the middle of sending a wake. On the line that they write to anyway.
    pub(crate) visitors: AtomicUsize,
    /// Unstarted threads that others passed on to this worker.
    pub(crate) mailbox: SharedQueue<ByNext>,
    /// Unstarted threads that are to run on this worker and no other.
    pub(crate) pinned: SharedQueue<ByNext>,
    pub(crate) waker: Arc<mio::Waker>,
    /// The runtime's tick when the scheduler last ran here.
    pub(crate) ticked: AtomicU32,
    /// The worker has nothing to run and waits for a stack.
    pub(crate) stuck: AtomicBool,
    /// While the worker sleeps: a timer or I/O will wake it.
    pub(crate) expects: AtomicBool,
    /// The worker is to cool its stacks when it has nothing to do.
    pub(crate) cool: AtomicBool,
    /// While the worker sleeps and the clock is paused: when its next timer is due.
    pub(crate) alarm: AtomicU64,
    pub(crate) counters: Counters,
}

/// Counts since the start, written by the owner.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) spawned: AtomicU64,
    pub(crate) ended: AtomicU64,
    pub(crate) stolen: AtomicU64,
    pub(crate) placed: AtomicU64,
}

/// Adds to a counter that only its owner writes, without an atomic read-modify-write.
#[inline(always)]
pub(crate) fn bump(counter: &AtomicU64, by: u64) {
    // Release, for who adds up the counts of several workers: it sees the spawn of whatever it sees ended.
    counter.store(counter.load(Ordering::Relaxed) + by, Ordering::Release);
}

// SAFETY: the cells are the owner's alone (rule 2); others reach only `shared`, `deque`'s thief side, the atomics, and
// `index`.
unsafe impl Sync for Worker {}
// SAFETY: a worker is built on one OS thread and owned by another from its start on.
unsafe impl Send for Worker {}

std::thread_local! {
    static CURRENT: Cell<*const Worker> = const { Cell::new(ptr::null()) };
}

impl Worker {
    pub(crate) fn new(index: usize, origin: Instant) -> io::Result<Self> {
        let reactor = Reactor::new()?;
        let waker = reactor.waker();
        Ok(Self {
            current: Cell::new(ptr::null_mut()),
            next: Cell::new(ptr::null_mut()),
            ready: List::new(),
            starting: Cell::new(ptr::null_mut()),
            streak: Cell::new(0),
            least_streak: Cell::new(0),
            held: AtomicU32::new(0),
            held_limit: Cell::new(u32::MAX),
            batch: Cell::new(false),
            starved: Cell::new(false),
            stuck: Cell::new(0),
            tried: Cell::new(Instant::now()),
            stuck_at: Cell::new(None),
            closing: Cell::new(false),
            unwinding: Cell::new(0),
            doubtful: Cell::new(false),
            perhaps_unwinding: Cell::new(0),
            resumes: AtomicU64::new(0),
            attention: Line(AtomicBool::new(false)),
            root: UnsafeCell::new(Context::EMPTY),
            cache: Cache::new(),
            deque: Deque::new(),
            free: UnsafeCell::new([const { Vec::new() }; SizeClass::COUNT]),
            carriers: UnsafeCell::new(Vec::new()),
            spare: UnsafeCell::new(Vec::new()),
            stackless: List::new(),
            wheel: UnsafeCell::new(Wheel::new(origin)),
            last_steal: Cell::new(None),
            loot: Cell::new(1),
            last_tick: Cell::new(0),
            hinted: Cell::new(u32::MAX),
            outstanding: Cell::new(0),
            shared: Shared {
                inbox: Inbox::new(),
                visitors: AtomicUsize::new(0),
                mailbox: SharedQueue::new(),
                pinned: SharedQueue::new(),
                waker,
                ticked: AtomicU32::new(0),
                stuck: AtomicBool::new(false),
                expects: AtomicBool::new(false),
                cool: AtomicBool::new(false),
                alarm: AtomicU64::new(u64::MAX),
                counters: Counters::default(),
            },
            reactor,
            runtime: Cell::new(ptr::null()),
            index,
        })
    }

    /// The worker whose OS thread this is. Rule 8: never inlined, so no thread-local address lives across a switch.
    /// The reference itself stays good: a thread runs on one worker only (rule 1).
    #[inline(never)]
    pub(crate) fn current<'a>() -> Option<&'a Self> {
        // SAFETY: set for as long as the worker's OS thread runs its loop, in which the worker lives.
        unsafe { CURRENT.get().as_ref() }
    }

    /// The same, where it is known to be one.
    #[inline(always)]
    pub(crate) fn expect_current<'a>() -> &'a Self {
        // SAFETY: as in `current`; callers run on a carrier, and carriers run on workers only.
        unsafe { Self::current().unwrap_unchecked() }
    }

    /// Makes this OS thread the worker's, or nobody's.
    pub(crate) fn set_current(worker: *const Self) {
        CURRENT.set(worker);
        // SAFETY: a worker that is made current lives until another, or none, is.
        let cache = unsafe { worker.as_ref() }.map_or(ptr::null(), |worker| &raw const worker.cache);
        block::set_current(cache);
    }

    #[inline(always)]
    pub(crate) fn runtime(&self) -> &Inner {
        // SAFETY: set before the worker's OS thread starts; the runtime outlives its workers.
        unsafe { &*self.runtime.get() }
    }

    /// Whether this worker knows of nothing to run but the running thread.
    #[inline]
    pub(crate) fn has_nothing_ready(&self) -> bool {
        self.next.get().is_null() && self.ready.is_empty() && self.deque.is_empty()
    }

    /// The running thread's header.
    #[inline(always)]
    pub(crate) fn current_task(&self) -> Option<&Task> {
        // SAFETY: the running thread's header lives.
        unsafe { self.current.get().as_ref() }
    }

    pub(crate) fn address(&self) -> *mut () {
        ptr::from_ref(self).cast_mut().cast()
    }

    /// Wakes the worker from its poller, if it sleeps or is about to. To be called after what it is to find was published by
    /// sequentially consistent operations.
    pub(crate) fn nudge(&self) {
        if self.runtime().idle.wake_specific(self.index) {
            self.interrupt();
        }
    }

    /// Makes the poller return.
    pub(crate) fn interrupt(&self) {
        if let Err(error) = self.shared.waker.wake() {
            eprintln!("sinew: worker {} cannot be woken: {error}", self.index);
            std::process::abort();
        }
    }
}
