//! What a worker looks at once in a while, between two threads: every 128 picks, and when somebody asks for attention
//! (whoever sends the first message to an empty inbox; the monitor, if the worker has not come here for more than a tick).
//!
//! A tick is a millisecond. What costs a system call, or a walk over other workers, is done at the first look of a tick; and the
//! poller is asked at each look while it has more events than it gives at once.

use super::{carrier::Carrier, fork, timer::Alarm, worker::Worker};
use crate::{
    primitive::Ordering,
    stack::{SizeClass, Stack},
    task::{Task, TaskRef, wake},
};
use std::{
    ptr::{self, NonNull},
    time::Duration,
};

/// Ticks that an unstarted thread may wait before it is taken although newer ones are there.
const OLD: u32 = 10;
/// Threads taken from the injector at once.
const INJECTED: usize = 64;
/// Carriers of a class that a worker keeps; more go back to the pool, coldest first.
const KEPT: usize = 1024;
/// Bytes at the top of a free stack that stay when the runtime is idle.
const HOT: usize = 16 << 10;
/// Carriers given back in one tick at most.
const RETURNED: usize = 256;
/// Free carriers of a class that are looked at before the worker looks for work again, when the runtime is idle.
const COOLED: usize = 256;
/// Stacks taken from the pool at once.
const STACKS: usize = 16;

impl Worker {
    /// See the module's documentation.
    #[cold]
    #[inline(never)]
    pub(crate) fn look_up(&self, poll: bool) {
        fork::check();
        self.attention.store(false, Ordering::Relaxed);
        let runtime = self.runtime();
        let tick = runtime.tick();
        let ticked = tick != self.last_tick.replace(tick);
        if ticked {
            self.shared.ticked.store(tick, Ordering::Relaxed);
            self.at_tick(tick);
        }
        self.look_outside(poll && (ticked || self.reactor.has_more()));
        self.look_whether_closing();
    }

    /// Once a tick.
    fn at_tick(&self, tick: u32) {
        if let Some(next) = NonNull::new(self.next.replace(ptr::null_mut())) {
            // Its time slice is over.
            // SAFETY: it was in the slot, so it is in no queue.
            unsafe { self.ready.push(next) };
        }
        // SAFETY: the owner.
        let is_old = |task: NonNull<Task>| {
            // SAFETY: threads in the deque live.
            let born = unsafe { task.as_ref() }.born.get();
            tick.wrapping_sub(born) >= OLD
        };
        // SAFETY: the owner; what was in the deque is in no queue now.
        unsafe {
            if let Some(oldest) = self.deque.take_oldest_if(is_old) {
                self.ready.push(oldest);
            }
        }
        if !self.deque.is_empty() {
            // Whoever spawned them may have left it to this to wake a sleeper.
            self.runtime().wake_one();
        }
        self.measure_load();
        self.trim();
        if self.starved.get() {
            self.refill(true);
        }
        if self.doubtful.get() && !std::thread::panicking() {
            self.resolve_doubts();
        }
    }

    /// No thread of this worker unwinds: those that caught a cancellation meanwhile may be cancelled again.
    #[cold]
    fn resolve_doubts(&self) {
        self.doubtful.set(false);
        // SAFETY: the owner; waking runs nothing.
        for carrier in unsafe { &*self.carriers.get() } {
            // SAFETY: carriers in the list live, and so does a thread on one.
            if let Some(task) = NonNull::new(unsafe { carrier.as_ref() }.task.get())
                // SAFETY: the same.
                && unsafe { task.as_ref() }.waiting.get() & wake::RECHECK != 0
            {
                // SAFETY: of this worker.
                unsafe { self.wake_own(task, wake::RECHECK) };
            }
        }
    }

    /// Takes in what came from outside. True if anything did.
    pub(crate) fn look_outside(&self, poll: bool) -> bool {
        let before = self.batch.replace(true);
        let mut any = self.read_inbox();
        any |= self.take_mail();
        any |= self.take_injected();
        any |= self.fire_timers();
        if poll && self.reactor.has_sources() {
            any |= self.poll(Some(Duration::ZERO));
        }
        self.batch.set(before);
        any
    }

    pub(crate) fn poll(&self, timeout: Option<Duration>) -> bool {
        let before = self.batch.replace(true);
        let count = match self.reactor.poll(timeout) {
            Ok(count) => count,
            Err(error) => {
                eprintln!("sinew: worker {} cannot poll: {error}", self.index);
                std::process::abort();
            }
        };
        self.batch.set(before);
        count != 0
    }

    fn read_inbox(&self) -> bool {
        let mut any = false;
        for task in self.shared.inbox.drain() {
            any = true;
            // SAFETY: the message's reference.
            let reference = unsafe { TaskRef::from_raw(task) };
            let bits = reference.state.take_wakes();
            if reference.state.is_done() {
                self.outstanding.set(self.outstanding.get() - 1);
            } else {
                // SAFETY: started here: messages go to the thread's owner.
                unsafe { self.wake_own(task, bits) };
            }
        }
        any
    }

    fn take_mail(&self) -> bool {
        let mut any = false;
        while let Some(task) = self.shared.mailbox.pop() {
            any = true;
            // SAFETY: the owner; the thread is in no queue.
            unsafe { self.deque.push(task) };
        }
        while let Some(task) = self.shared.pinned.pop() {
            any = true;
            // SAFETY: the owner; the thread is in no queue. Not the deque: others steal from it.
            unsafe { self.ready.push(task) };
        }
        any
    }

    /// A fair part of what was spawned from outside.
    fn take_injected(&self) -> bool {
        let runtime = self.runtime();
        let length = runtime.injector.len();
        if length == 0 {
            return false;
        }
        let part = (length / runtime.workers().len() + 1).min(INJECTED);
        // SAFETY: the owner; the threads are in no queue.
        let taken = runtime.injector.pop_batch(part, |task| unsafe { self.deque.push(task) });
        if taken != 0 && !runtime.injector.is_empty() {
            // A worker that left its sleep for this need not have been searching.
            runtime.wake_one();
        }
        taken != 0
    }

    fn fire_timers(&self) -> bool {
        // SAFETY: the owner; waking does not touch the wheel.
        let wheel = unsafe { &mut *self.wheel.get() };
        if wheel.is_empty() {
            return false;
        }
        let mut any = false;
        wheel.advance(self.now(), |_, alarm| {
            any = true;
            // SAFETY: a sleeper takes its entry out before its thread goes on, and a region before it ends; the threads are of this
            // worker.
            unsafe {
                match alarm {
                    Alarm::Thread(task) => self.wake_own(task, wake::EVENT),
                    Alarm::Region(region) => self.wake_own(region.as_ref().expire(), wake::CANCEL),
                }
            }
        });
        any
    }

    /// If the runtime is shutting down, cancels every started thread, once. Those that start from now on are refused.
    pub(crate) fn look_whether_closing(&self) {
        if self.runtime().is_closing() && !self.closing.get() {
            self.close();
        }
    }

    fn close(&self) {
        self.closing.set(true);
        // SAFETY: the owner; waking runs nothing.
        for carrier in unsafe { &*self.carriers.get() } {
            // SAFETY: carriers in the list live, and so does a thread on one.
            if let Some(task) = NonNull::new(unsafe { carrier.as_ref() }.task.get()) {
                // SAFETY: it lives, and is of this worker.
                unsafe {
                    task.as_ref().extra().requests.add_for_good("the runtime is shutting down".into());
                    self.wake_own(task, wake::CANCEL);
                }
            }
        }
    }

    /// A fresh carrier of a class, unless no stack can be had.
    #[cold]
    #[inline(never)]
    pub(crate) fn new_carrier(&self, class: u8) -> Option<NonNull<Carrier>> {
        let class = SizeClass::from_index(class);
        let pool = &self.runtime().stacks;
        let stack = if class == SizeClass::DEFAULT {
            // SAFETY: the owner.
            let spare = unsafe { &mut *self.spare.get() };
            if spare.is_empty() && pool.acquire_batch(class, STACKS, spare).is_err() {
                return None;
            }
            spare.pop()?
        } else {
            pool.acquire(class).ok()?
        };
        let carrier = Carrier::new(stack);
        // SAFETY: the owner; the carrier was just made.
        unsafe {
            let carriers = &mut *self.carriers.get();
            carrier.as_ref().index.set(carriers.len());
            carriers.push(carrier);
        }
        Some(carrier)
    }

    /// Gives a carrier's stack back.
    ///
    /// # Safety
    /// It was taken off the free list and is not the running one.
    unsafe fn dissolve(&self, carrier: NonNull<Carrier>) -> crate::stack::Stack {
        // SAFETY: the owner; the carrier lives until `Carrier::dissolve`.
        unsafe {
            let carriers = &mut *self.carriers.get();
            let index = carrier.as_ref().index.get();
            carriers.swap_remove(index);
            if let Some(moved) = carriers.get(index) {
                moved.as_ref().index.set(index);
            }
            Carrier::dissolve(carrier)
        }
    }

    /// Gives carriers beyond the worker's share back to the pool; while stacks are short, all but the one that may be running.
    fn trim(&self) {
        let pool = &self.runtime().stacks;
        let short = pool.is_exhausted();
        if short {
            // SAFETY: the owner.
            pool.release_batch(unsafe { &mut *self.spare.get() }.drain(..));
        }
        let kept = if short { 1 } else { KEPT };
        for class in 0..SizeClass::COUNT {
            // SAFETY: the owner.
            let free = unsafe { &mut (&mut (*self.free.get()))[class] };
            if free.len() > kept {
                // Each costs a system call.
                let surplus = (free.len() - kept).min(RETURNED);
                // The running carrier, if this is called by a loop, was released last and stays.
                // SAFETY: taken off the free list.
                pool.release_batch(free.drain(..surplus).map(|carrier| unsafe { self.dissolve(carrier) }));
            }
        }
    }

    /// The runtime has been idle for a while: gives back the memory that threads touched deep in some stacks which are free now, those
    /// after the first `done` of each class. Gives how many have been looked at now, none when there are no more.
    ///
    /// # Safety
    /// Called on the worker's own context, so that no free carrier is running.
    pub(crate) unsafe fn cool(&self, done: usize) -> Option<usize> {
        // SAFETY: the owner; what a free carrier has on its stack is the record, at most 1 KiB below the top, and the loop's
        // few frames, so it lies far above the end of these bytes.
        unsafe {
            let mut more = false;
            for class in &*self.free.get() {
                let some = class.iter().skip(done).take(COOLED);
                more |= class.len() > done + COOLED;
                let used = some.filter(|carrier| carrier.as_ref().used.replace(false));
                Stack::trim_all(used.map(|carrier| carrier.as_ref().stack()), HOT);
            }
            more.then_some(done + COOLED)
        }
    }

    /// Everything that no thread uses to the pool: before the worker ends, and before it sleeps while stacks are short.
    ///
    /// # Safety
    /// Called on the worker's own context.
    pub(crate) unsafe fn give_back_stacks(&self) {
        // SAFETY: the owner; no carrier is running.
        unsafe {
            for free in &mut *self.free.get() {
                self.runtime().stacks.release_batch(free.drain(..).map(|carrier| self.dissolve(carrier)));
            }
            self.runtime().stacks.release_batch((&mut (*self.spare.get())).drain(..));
        }
    }

    /// Finds stacks for the threads that wait for one: free ones of this worker, which is tried whenever a thread ends, and of
    /// the pool, once a tick.
    #[cold]
    pub(crate) fn refill(&self, ask_pool: bool) {
        while let Some(task) = self.stackless.pop() {
            // SAFETY: unstarted threads live.
            let header = unsafe { task.as_ref() };
            let class = header.stack_class.get();
            // SAFETY: the owner.
            let free = unsafe { (&mut (*self.free.get()))[usize::from(class)].pop() };
            let carrier = free.or_else(|| if ask_pool { self.new_carrier(class) } else { None });
            // SAFETY: in no queue, in either case.
            unsafe {
                if let Some(carrier) = carrier {
                    // Set aside for it, so that no other start takes it first.
                    header.carrier.set(carrier.as_ptr().cast());
                    self.ready.push(task);
                } else {
                    self.stackless.push_front(task);
                    return;
                }
            }
        }
        self.starved.set(false);
        self.least_streak.set(0);
    }
}
