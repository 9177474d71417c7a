//! Parts of a thread's run that have a cancellation of their own, or are shielded from it: what `timeout`, tokens, groups
//! and `shield` are made of. The idea is that of Trio's cancel scopes (N. J. Smith, *Timeouts and cancellation for humans*, 2018).
//!
//! A [`Region`] lies in the frame of the function that runs the part, and is in the thread's list while the part runs, innermost
//! first. A *boundary* can be cancelled: by its deadline, or by its [`Source`]. The thread then unwinds as far as this boundary and no
//! further. A *shield* hides from what runs in it whatever is asked outside of it.
//!
//! # What is raised
//!
//! [`target`] goes through the list outwards, as far as the first shield, and takes the outermost boundary that is cancelled; if it
//! comes to the end, the thread's own requests count, and more than any boundary. The unwind's payload names its target, and the target
//! notes the payload's address; so a payload that was kept and raised again elsewhere is never taken for another region's.
//!
//! `wake::CANCEL` says no more than that it is worth looking: it may be pending with nothing to raise, and is cleared then. But
//! whatever could be raised after that sets it again: a request, a deadline, and the end of a shield.
//!
//! # Coroutines (rule 9)
//!
//! A coroutine that suspends itself inside regions takes them along: [`take`] removes from the thread's list those that were entered
//! since the coroutine was resumed, with their timers, and [`bring`] puts them into the list of whichever thread resumes it. A deadline
//! that has passed meanwhile takes effect there. How they are told from those of the resumer, and what a [`wall`] is for, is in
//! `coroutine::baggage`.

use super::{
    children, clock,
    timer::{Alarm, Key},
    wait,
    worker::Worker,
};
use crate::{
    coroutine::baggage::{self, Inside, Keeper, Note, Wall},
    primitive::{AtomicBool, Ordering},
    task::{Task, TaskRef, cancel::Cancelled, flag, wake},
};
use std::{
    any::Any,
    cell::Cell,
    marker::PhantomPinned,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    ptr::{self, NonNull},
    sync::Arc,
    time::Instant,
};

/// Something else than a deadline that cancels boundaries: it calls [`Region::cancel`] on those that watch it, and then, best
/// without its lock, [`Region::wake`].
pub(crate) trait Source {
    /// From now on the region is to be told; false if it is cancelled already, and then it need not.
    ///
    /// # Safety
    /// The region stays where it is until `unwatch`.
    unsafe fn watch(&self, region: NonNull<Region>) -> bool;
    /// The region is to be told no more, and nobody is about to tell it when this returns.
    fn unwatch(&self, region: NonNull<Region>);
    fn reason(&self) -> Option<Arc<str>>;
}

/// See the module's documentation.
pub(crate) struct Region {
    is_shield: bool,
    /// See `coroutine::baggage`.
    wall: Option<Wall>,
    /// Given when it is entered first.
    serial: Cell<u64>,
    /// The next further out.
    outer: Cell<*const Region>,
    /// In whose list it is.
    thread: Cell<*const Task>,
    deadline: Cell<Option<Instant>>,
    expired: Cell<bool>,
    /// By the source.
    cancelled: AtomicBool,
    source: Option<NonNull<dyn Source>>,
    /// The source's to use.
    pub(crate) place: Cell<usize>,
    /// The address of the payload that was raised for it last.
    raised: Cell<usize>,
    /// The timer of the deadline, once it was set.
    alarm: Cell<Option<Key>>,
    /// In whose wheel the alarm may be set.
    worker: Cell<*const Worker>,
    _stays: PhantomPinned,
}

/// Where a thread's cancellation ends.
pub(crate) enum Target {
    Region(NonNull<Region>),
    Thread,
}

static KEEPER: Keeper = Keeper { innermost, take, bring, wall };

impl Region {
    fn with(is_shield: bool, deadline: Option<Instant>, source: Option<NonNull<dyn Source>>) -> Self {
        Self {
            is_shield,
            wall: None,
            serial: Cell::new(0),
            outer: Cell::new(ptr::null()),
            thread: Cell::new(ptr::null()),
            deadline: Cell::new(deadline),
            expired: Cell::new(false),
            cancelled: AtomicBool::new(false),
            source,
            place: Cell::new(0),
            raised: Cell::new(0),
            alarm: Cell::new(None),
            worker: Cell::new(ptr::null()),
            _stays: PhantomPinned,
        }
    }

    pub(crate) fn shield() -> Self {
        Self::with(true, None, None)
    }

    pub(crate) fn with_deadline(deadline: Option<Instant>) -> Self {
        Self::with(false, deadline, None)
    }

    /// # Safety
    /// The source outlives the region.
    pub(crate) unsafe fn with_source(source: NonNull<dyn Source>) -> Self {
        Self::with(false, None, Some(source))
    }

    fn note(&self) -> Note {
        Note(ptr::from_ref(self).cast(), self.serial.get())
    }

    pub(crate) fn address(&self) -> usize {
        ptr::from_ref(self).addr()
    }

    pub(crate) fn reason(&self) -> Option<Arc<str>> {
        // SAFETY: promised when the region was made.
        self.source.and_then(|source| unsafe { source.as_ref() }.reason())
    }

    pub(crate) fn note_raised(&self, payload: &Cancelled) {
        self.raised.set(ptr::from_ref(payload).addr());
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline.get()
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.expired.get() || self.cancelled.load(Ordering::Acquire)
    }

    /// The source is cancelled. From anywhere. Gives the thread, which is then to be woken.
    ///
    /// # Safety
    /// The region watches the caller's source, and `unwatch` waits for the end of this call.
    pub(crate) unsafe fn cancel(region: NonNull<Self>) -> TaskRef {
        // SAFETY: a region unwatches before its thread leaves it, so both are there.
        unsafe {
            region.as_ref().cancelled.store(true, Ordering::Release);
            TaskRef::share(NonNull::new_unchecked(region.as_ref().thread.get().cast_mut()))
        }
    }

    /// Wakes the thread of a region that was cancelled; it may have left that since.
    pub(crate) fn wake(thread: &TaskRef) {
        // SAFETY: the reference keeps it.
        unsafe { wait::wake(thread.as_ptr(), wake::CANCEL) };
    }

    /// The deadline has passed. Gives the thread, which is to be woken.
    pub(crate) fn expire(&self) -> NonNull<Task> {
        self.expired.set(true);
        NonNull::new(self.thread.get().cast_mut()).expect("a region without a thread has no alarm")
    }

    /// Another deadline, or none; false if the last one has passed and the unwind was raised.
    pub(crate) fn reschedule(&self, deadline: Option<Instant>) -> bool {
        if self.raised.get() != 0 {
            return false;
        }
        self.unset_alarm();
        self.deadline.set(deadline);
        self.expired.set(false);
        // SAFETY: the header of the current thread, in whose list it is; without one it sets its alarm when it is entered again.
        unsafe {
            if let Some(thread) = self.thread.get().as_ref() {
                self.set_alarm(thread);
            }
        }
        true
    }

    /// Runs a part of the current thread in the region. The error is the region's own cancellation; all other unwinds go on.
    pub(crate) fn run<T>(&self, f: impl FnOnce() -> T) -> Result<T, Cancelled> {
        // SAFETY: the current thread; the region is borrowed, so it stays where it is, until it has been taken out.
        unsafe { self.enter(children::current()) };
        let result = catch_unwind(AssertUnwindSafe(f));
        self.leave();
        match result {
            Ok(value) => Ok(value),
            Err(payload) => self.unwound(payload).map(|never| match never {}),
        }
    }

    #[cold]
    fn unwound(&self, payload: Box<dyn Any + Send>) -> Result<std::convert::Infallible, Cancelled> {
        // SAFETY: the current thread's header.
        let current = unsafe { children::current().as_ref() };
        match payload.downcast::<Cancelled>() {
            Ok(cancelled) => {
                if cancelled.region() == Some(self.address()) && self.raised.get() == (&raw const *cancelled).addr() {
                    // It did not unwind before this was raised, so it does not now.
                    current.clear_flag(flag::UNWINDING | flag::CANCELLING);
                    return Err(cancelled.settled());
                }
                // Known to unwind, as it was.
                current.set_flag(flag::UNWINDING);
                resume_unwind(cancelled)
            }
            Err(panic) => resume_unwind(panic),
        }
    }

    /// # Safety
    /// The region stays where it is until it is out of the list again; the thread is the current one.
    unsafe fn enter(&self, thread: NonNull<Task>) {
        // SAFETY: the current thread's header.
        let header = unsafe { thread.as_ref() };
        let list = &header.extra().regions;
        self.thread.set(thread.as_ptr());
        self.outer.set(list.replace(ptr::from_ref(self).cast()).cast());
        if self.serial.get() == 0 {
            self.serial.set(baggage::serial());
        }
        baggage::opened(&KEEPER);
        // SAFETY: as promised.
        unsafe { self.set_alarm(header) };
        if let Some(source) = self.source
            // SAFETY: the source outlives the region, which unwatches before it goes.
            && unsafe { !source.as_ref().watch(NonNull::from(self)) }
        {
            self.cancelled.store(true, Ordering::Relaxed);
            header.pending.set(header.pending.get() | wake::CANCEL);
        }
    }

    /// Takes the region, the thread's innermost, out of its list.
    fn leave(&self) {
        self.unset_alarm();
        if let Some(source) = self.source {
            // SAFETY: the source outlives the region.
            unsafe { source.as_ref() }.unwatch(NonNull::from(self));
        }
        // SAFETY: a header in whose list it is, the current thread's.
        let header = unsafe { &*self.thread.replace(ptr::null()) };
        let list = &header.extra().regions;
        debug_assert!(ptr::eq(list.get(), ptr::from_ref(self).cast()), "regions end in the order of a stack");
        list.set(self.outer.get().cast());
        baggage::closed();
        if self.is_shield && target(header).is_some() {
            header.pending.set(header.pending.get() | wake::CANCEL);
        }
    }

    /// # Safety
    /// The region stays where it is until `unset_alarm`; `thread` is the current thread.
    unsafe fn set_alarm(&self, thread: &Task) {
        let Some(deadline) = self.deadline.get() else { return };
        let now = clock::now();
        if deadline <= now {
            self.expired.set(true);
            thread.pending.set(thread.pending.get() | wake::CANCEL);
            return;
        }
        let Some(worker) = Worker::current() else { return };
        self.worker.set(worker);
        // SAFETY: the owner.
        let key = unsafe { (*worker.wheel.get()).insert(Alarm::Region(NonNull::from(self)), deadline) };
        self.alarm.set(Some(key));
    }

    fn unset_alarm(&self) {
        let Some(key) = self.alarm.take() else { return };
        // SAFETY: a region is left on the worker where it was entered (rule 1), whose key this is.
        unsafe { (*(*self.worker.get()).wheel.get()).remove(key) };
    }
}

/// Goes through a thread's regions, innermost first.
fn regions(thread: &Task) -> impl Iterator<Item = &Region> {
    let first = thread.try_extra().map_or(ptr::null(), |extra| extra.regions.get().cast::<Region>());
    // SAFETY: regions in the list live.
    std::iter::successors(unsafe { first.as_ref() }, |region| unsafe { region.outer.get().as_ref() })
}

/// What of a thread is to unwind: see the module's documentation. Nothing is said of masks.
pub(crate) fn target(thread: &Task) -> Option<Target> {
    let mut target = None;
    for region in regions(thread) {
        if region.is_shield {
            return target;
        }
        if region.is_cancelled() {
            target = Some(Target::Region(NonNull::from(region)));
        }
    }
    if thread.try_extra().is_some_and(|extra| extra.requests.count() != 0) { Some(Target::Thread) } else { target }
}

/// Whether a thread is asked to unwind, wholly or in part, be it shielded or not.
pub(crate) fn is_asked(thread: &Task) -> bool {
    thread.try_extra().is_some_and(|extra| extra.requests.count() != 0) || regions(thread).any(Region::is_cancelled)
}

/// Whether an OS thread may be cancelled where it is.
pub(crate) fn may_cancel(thread: &Task) -> bool {
    regions(thread).next().is_some() && thread.mask.get() == 0 && !std::thread::panicking()
}

/// Whether the thread is in a part that something else than a deadline can cancel.
pub(crate) fn has_source(thread: &Task) -> bool {
    regions(thread).take_while(|region| !region.is_shield).any(|region| region.source.is_some())
}

/// The earliest deadline that can cancel the thread where it is.
pub(crate) fn next_deadline(thread: &Task) -> Option<Instant> {
    regions(thread).take_while(|region| !region.is_shield).filter_map(Region::deadline).min()
}

/// Has deadlines take effect that have passed and that no timer has told of.
pub(crate) fn look_at_clock(thread: &Task) {
    let mut now = None;
    for region in regions(thread) {
        if let Some(deadline) = region.deadline.get()
            && !region.expired.get()
            && deadline <= *now.get_or_insert_with(clock::now)
        {
            region.unset_alarm();
            region.expired.set(true);
            // No timer will say so any more, and the caller need not unwind.
            thread.pending.set(thread.pending.get() | wake::CANCEL);
        }
    }
}

/// The current thread's innermost region.
fn innermost() -> Note {
    // SAFETY: the current thread's header.
    regions(unsafe { children::current().as_ref() }).next().map_or(Note::NONE, Region::note)
}

/// Takes the current thread's regions inside of a coroutine out of its list. Gives the outermost of them, which leads inwards.
fn take(inside: &Inside) -> *const () {
    // SAFETY: the current thread's header.
    let header = unsafe { children::current().as_ref() };
    let mut taken: *const Region = ptr::null();
    while let Some(region) = regions(header).next() {
        if region.note() == inside.outside || region.wall.as_ref().is_some_and(|wall| inside.has_outside(wall)) {
            break;
        }
        region.leave();
        region.outer.set(taken);
        taken = region;
    }
    taken.cast()
}

/// Runs the function in a region that is a wall.
fn wall(wall: Wall, f: &mut dyn FnMut(Note)) {
    let region = Region { wall: Some(wall), ..Region::with(false, None, None) };
    // SAFETY: the current thread; the region stays where it is until it has been taken out. `f` resumes a coroutine and lets no unwind
    // out.
    unsafe { region.enter(children::current()) };
    f(region.note());
    region.leave();
}

/// Puts them into the current thread's list.
///
/// # Safety
/// What `take` gave, once, and they are still there.
unsafe fn bring(taken: *const ()) {
    let current = children::current();
    let mut next = taken.cast::<Region>();
    // SAFETY: as promised; the current thread.
    while let Some(region) = unsafe { next.as_ref() } {
        next = region.outer.get();
        // SAFETY: the same.
        unsafe { region.enter(current) };
    }
}
