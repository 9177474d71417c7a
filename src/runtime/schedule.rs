//! What runs next.
//!
//! # Order
//!
//! 1. The `next` slot: a thread that the running one has just woken. It inherits the time slice: it may go on until
//!    the tick, then it queues like all the others.
//! 2. Unstarted threads, newest first: fork-join work goes depth first, so few stacks live at once. But at most
//!    [`STREAK`] in a row while others are ready.
//! 3. Ready threads, first come, first served.
//! 4. Nothing: the worker's own context searches and sleeps.
//!
//! So neither kind starves the other: a thread that only yields goes behind all unstarted ones, and after [`STREAK`]
//! starts a ready one runs. Newest first alone could leave the oldest waiting for ever, so `maintain` takes it once
//! it has waited 10 ms.
//!
//! A thread that parks runs this code itself, on its own stack, and switches straight to what it picked.
//!
//! Rejected: ready before unstarted (then a thousand threads that yield to each other let no new one start); every 61st
//! pick from the other end, as Go does for its global queue (in fork-join work each such pick opens another branch, and
//! costs thousands of stacks: measured on a simulation of skynet).

use super::{carrier::Carrier, worker::Worker};
use crate::{
    arch::{self, Context},
    primitive::Ordering,
    task::{Task, flag, wake},
};
use std::ptr::NonNull;

/// Whether a thread was suspended.
pub(crate) enum Suspension {
    /// It was, and has been resumed.
    Done,
    /// It was not.
    Refused,
}

/// Unstarted threads in a row while others are ready.
const STREAK: u32 = 16;
/// Picks between two looks at the clock and at what came from outside: a look costs 20 to 50 ns.
const LOOK_EVERY: u64 = 128;

impl Worker {
    /// Chooses what runs next, makes it current and gives the context to switch to, which may be the caller's own.
    ///
    /// # Safety
    /// The caller runs on this worker, as a thread that is queued or registered to be woken, or as a carrier's loop, and
    /// switches to the result at once.
    #[inline(always)]
    pub(crate) unsafe fn pick(&self) -> *const Context {
        let resumes = self.resumes.load(Ordering::Relaxed) + 1;
        self.resumes.store(resumes, Ordering::Relaxed);
        if self.attention.load(Ordering::Relaxed) || resumes.is_multiple_of(LOOK_EVERY) {
            self.look_up(true);
        }
        // SAFETY: as promised here.
        unsafe { self.pick_queued() }
    }

    /// # Safety
    /// As [`pick`](Self::pick).
    #[inline(always)]
    pub(crate) unsafe fn pick_queued(&self) -> *const Context {
        if let Some(task) = NonNull::new(self.next.get()) {
            self.next.set(std::ptr::null_mut());
            // SAFETY: what is in the slot is ready and belongs to this worker.
            return unsafe { self.resume(task) };
        }
        loop {
            let unstarted = if self.streak.get() < STREAK
                // SAFETY: the owner.
                && let Some(task) = unsafe { self.deque.pop() }
            {
                self.streak.set(self.streak.get() + 1);
                task
            } else if let Some(task) = self.ready.pop() {
                self.streak.set(self.least_streak.get());
                // SAFETY: ready threads live; this one is of this worker.
                unsafe {
                    if task.as_ref().has_flag(flag::STARTED) {
                        self.ready.prefetch();
                        return self.resume(task);
                    }
                }
                // A local thread, or one that had to wait for a stack.
                task
            } else if let Some(task) = self.pick_last() {
                task
            } else {
                self.current.set(std::ptr::null_mut());
                return self.root.get();
            };
            // SAFETY: unstarted, and in no queue any more.
            if let Some(context) = unsafe { self.start(unstarted) } {
                return context;
            }
        }
    }

    /// Nothing is ready: an unstarted thread, if the streak alone kept it back.
    #[cold]
    fn pick_last(&self) -> Option<NonNull<Task>> {
        self.streak.set(self.least_streak.get());
        // SAFETY: the owner.
        if self.starved.get() { None } else { unsafe { self.deque.pop() } }
    }

    /// # Safety
    /// The thread is ready, started, and of this worker.
    #[inline(always)]
    unsafe fn resume(&self, task: NonNull<Task>) -> *const Context {
        self.current.set(task.as_ptr());
        // SAFETY: ready threads live.
        unsafe { task.as_ref() }.context.get()
    }

    /// A carrier's loop for an unstarted thread; none if it was passed on or no stack can be had.
    ///
    /// # Safety
    /// The thread is unstarted and ours alone, and the caller switches to the result at once.
    #[inline(always)]
    pub(crate) unsafe fn start(&self, task: NonNull<Task>) -> Option<*const Context> {
        // SAFETY: ours.
        let header = unsafe { task.as_ref() };
        if self.held.load(Ordering::Relaxed) >= self.held_limit.get() && self.place(task) {
            return None;
        }
        let class = header.stack_class.get();
        let free = match NonNull::new(header.carrier.get()) {
            // SAFETY: the owner; nothing else refers to the vectors meanwhile.
            None => unsafe { (&mut (*self.free.get()))[usize::from(class)].pop() },
            set_aside => set_aside.map(NonNull::cast::<Carrier>),
        };
        let Some(carrier) = free.or_else(|| self.new_carrier(class)) else {
            // SAFETY: as promised.
            unsafe { self.starve(task) };
            return None;
        };
        self.starting.set(task.as_ptr());
        // SAFETY: carriers on the free list live and are suspended in their loop.
        Some(unsafe { carrier.as_ref() }.context.get())
    }

    /// Keeps an unstarted thread until a stack comes free.
    #[cold]
    unsafe fn starve(&self, task: NonNull<Task>) {
        // SAFETY: the thread is in no queue.
        unsafe { self.stackless.push(task) };
        if !self.starved.replace(true) {
            self.ask_for_stacks();
        }
        // Those that lie in the deque stay there, for workers that have stacks.
        self.streak.set(STREAK);
        self.least_streak.set(STREAK);
    }

    /// Suspends the running thread, whose header this is, until somebody resumes it.
    ///
    /// # Safety
    /// It is queued, or registered with whoever will wake it.
    #[inline(always)]
    pub(crate) unsafe fn suspend(&self, current: &Task) {
        // SAFETY: the caller's promise; the context chosen belongs to this worker (rule 2), and the running thread's own is
        // free while it runs.
        unsafe {
            if std::thread::panicking() {
                return self.suspend_unwinding(current);
            }
            let target = self.pick();
            if !std::ptr::eq(target, current.context.get()) {
                arch::switch(current.context.get(), target);
            }
        }
    }

    /// The same for a thread that is, or may be, in the middle of an unwind: the count of panics belongs to the OS thread
    /// (rule 16), so others must know that it is not theirs.
    #[cold]
    unsafe fn suspend_unwinding(&self, current: &Task) {
        let unwinding = self.is_unwinding(current);
        let count = if unwinding { &self.unwinding } else { &self.perhaps_unwinding };
        if unwinding {
            current.set_flag(flag::UNWINDING);
        }
        count.set(count.get() + 1);
        // SAFETY: as in `suspend`.
        unsafe {
            let target = self.pick();
            if !std::ptr::eq(target, current.context.get()) {
                arch::switch(current.context.get(), target);
            }
        }
        count.set(count.get() - 1);
    }

    /// Whether the running thread unwinds.
    ///
    /// std counts panics by OS thread. While the count is zero nobody unwinds. While no other thread was suspended under a count that
    /// was not zero, the count is the running thread's. Otherwise it cannot tell, and a thread counts as unwinding only if that is known:
    /// its cancellation was raised, or it was suspended when it was certain.
    #[inline(always)]
    pub(crate) fn is_unwinding(&self, current: &Task) -> bool {
        if !std::thread::panicking() {
            current.clear_flag(flag::UNWINDING | flag::CANCELLING);
            return false;
        }
        self.counts_as_unwinding(current)
    }

    #[cold]
    fn counts_as_unwinding(&self, current: &Task) -> bool {
        current.has_flag(flag::UNWINDING) || self.unwinding.get() + self.perhaps_unwinding.get() == 0
    }

    /// What a thread that counts as unwinding has in the place of `wake::CANCEL`. It may have caught its cancellation while
    /// another is suspended in an unwind; it is woken to look again when no thread of this worker unwinds.
    #[cold]
    pub(crate) fn doubt(&self, current: &Task) -> u8 {
        if self.unwinding.get() + self.perhaps_unwinding.get() == 0 || !current.has_flag(flag::UNWINDING) {
            return 0;
        }
        self.doubtful.set(true);
        wake::RECHECK
    }

    /// Suspends the running thread until one of `want` comes, and runs `child`, for which it waits, at once, if that is the newest
    /// unstarted thread here and nothing else is due. The child then ends on this worker and finds its joiner by plain fields.
    ///
    /// # Safety
    /// `current` is the running thread and is in `child`'s `joiner`.
    #[inline(always)]
    pub(crate) unsafe fn suspend_for_child(&self, current: &Task, child: NonNull<Task>, want: u8) -> Suspension {
        let resumes = self.resumes.load(Ordering::Relaxed) + 1;
        if self.attention.load(Ordering::Relaxed)
            || resumes.is_multiple_of(LOOK_EVERY)
            || !self.next.get().is_null()
            || std::thread::panicking()
            // SAFETY: the owner.
            || !unsafe { self.deque.pop_if(child) }
        {
            return Suspension::Refused;
        }
        // SAFETY: taken from the deque, so it is ours; what is chosen belongs to this worker.
        unsafe {
            let Some(target) = self.start(child) else { return Suspension::Refused };
            self.resumes.store(resumes, Ordering::Relaxed);
            child.as_ref().set_flag(flag::LOCAL_JOINER);
            current.waiting.set(want);
            arch::switch(current.context.get(), target);
        }
        Suspension::Done
    }

    /// A thread became ready by another's doing: it runs next, and what was to run next queues.
    ///
    /// # Safety
    /// It is started, of this worker, and in no queue.
    #[inline(always)]
    pub(crate) unsafe fn ready_next(&self, task: NonNull<Task>) {
        // SAFETY: by the caller's promise.
        unsafe {
            if self.batch.get() {
                return self.ready.push(task);
            }
            if let Some(kicked) = NonNull::new(self.next.replace(task.as_ptr())) {
                self.ready.push(kicked);
            }
        }
    }

    /// Puts a carrier without a thread on the free list.
    ///
    /// # Safety
    /// It belongs to this worker and is, or is about to be, suspended in its loop.
    #[inline(always)]
    pub(crate) unsafe fn release(&self, carrier: NonNull<Carrier>) {
        // SAFETY: the owner; carriers live.
        unsafe {
            let class = carrier.as_ref().stack().class().index();
            (&mut (*self.free.get()))[class].push(carrier);
        }
    }
}
