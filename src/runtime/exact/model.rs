//! The same for the model checker: a thread of a model waits on a parker of its own, and another thread of the model plays its deadline
//! or its cancellation.
//!
//! A cancellation unwinds here as it does outside of models, but no destructor that it runs may touch anything of loom's: all threads of
//! a model share one OS thread, so a switch in the middle would have the others find `std::thread::panicking` true, and poison loom's locks.

use crate::primitive::{AtomicBool, Condvar, Mutex, MutexGuard, Ordering, lock, thread_local};
use std::{
    any::Any,
    cell::{Cell, RefCell},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    ptr,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

/// A thread of a model.
pub(crate) struct Parker {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    woken: bool,
    interrupted: bool,
    /// It is worth looking whether there is something to raise, as `wake::CANCEL` says.
    looks: bool,
    /// The whole thread is cancelled.
    cancelled: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Unwinds {
    #[default]
    No,
    Cancelled,
    Panics,
}

thread_local! {
    /// Of no interest to other threads, so loom need not know of it.
    static UNWINDS: Cell<Unwinds> = Cell::new(Unwinds::No);
    static MASKS: Cell<usize> = Cell::new(0);
    /// The parts of its run that have a cancellation of their own, outermost first, by what says that they are cancelled.
    static PARTS: RefCell<Vec<*const AtomicBool>> = RefCell::new(Vec::new());
    static CURRENT: Arc<Parker> = Arc::new(Parker { state: Mutex::new(State::default()), changed: Condvar::new() });
}

impl Parker {
    /// The current thread's.
    pub(crate) fn current() -> Arc<Self> {
        CURRENT.with(Arc::clone)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Ends the thread's present wait with a deadline, or its next one, as the deadline would.
    pub(crate) fn interrupt(&self) {
        self.lock().interrupted = true;
        self.changed.notify_one();
    }

    /// Cancels the thread: ends its present wait, or its next one, that is not masked.
    pub(crate) fn cancel(&self) {
        let mut state = self.lock();
        (state.cancelled, state.looks) = (true, true);
        drop(state);
        self.changed.notify_one();
    }

    /// Has the thread look whether a part of it is cancelled, in its present wait, or its next one, that is not masked.
    pub(crate) fn wake_to_look(&self) {
        self.lock().looks = true;
        self.changed.notify_one();
    }
}

/// What is to unwind: as far as a part, by its address, or the whole thread.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Target {
    Part(usize),
    Thread,
}

impl Target {
    fn part(part: &AtomicBool) -> Self {
        Self::Part(ptr::from_ref(part).addr())
    }

    /// The current thread's, if anything of it is cancelled.
    fn of(state: &State) -> Option<Self> {
        if state.cancelled {
            return Some(Self::Thread);
        }
        PARTS.with(|parts| {
            let parts = parts.borrow();
            // SAFETY: they are there until they are closed.
            let mut parts = parts.iter().map(|part| unsafe { &**part });
            parts.find(|part| part.load(Ordering::Acquire)).map(Self::part)
        })
    }
}

/// From now on a part of the current thread's run can be cancelled alone, inside of those that were opened before. It stays where it is until
/// it is closed.
pub(crate) fn open_part(cancelled: &AtomicBool) {
    PARTS.with(|parts| parts.borrow_mut().push(cancelled));
}

/// Ends what was opened last.
pub(crate) fn close_part() {
    PARTS.with(|parts| parts.borrow_mut().pop());
}

/// None if the unwind was to end here: at this part, or at the end of the thread. All others go on.
pub(crate) fn settle<R>(result: Result<R, Box<dyn Any + Send>>, part: Option<&AtomicBool>) -> Option<R> {
    let here = part.map_or(Target::Thread, Target::part);
    match result {
        Ok(value) => Some(value),
        Err(payload) if payload.downcast_ref() == Some(&here) => None,
        Err(payload) => resume_unwind(payload),
    }
}

impl Drop for Parker {
    fn drop(&mut self) {
        assert!(std::thread::panicking() || !self.lock().woken, "a wake came for a wait that was over");
    }
}

/// A deadline that passes for a thread when it is interrupted.
pub(crate) fn deadline() -> Instant {
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    *ORIGIN.get_or_init(Instant::now)
}

/// What time it is for the current thread: before, or after.
pub(crate) fn now() -> Instant {
    let second = Duration::from_secs(1);
    if Parker::current().lock().interrupted { deadline() + second } else { deadline() - second }
}

/// Runs `f` in the current thread; none if it is cancelled in it.
pub(crate) fn catch<R>(f: impl FnOnce() -> R) -> Option<R> {
    settle(catch_unwind(AssertUnwindSafe(f)), None)
}

/// Does what an unwind would do.
pub(crate) fn as_if_unwinding(by_panic: bool, f: impl FnOnce()) {
    let set = |to| UNWINDS.with(|unwinds| unwinds.set(to));
    set(if by_panic { Unwinds::Panics } else { Unwinds::Cancelled });
    f();
    set(Unwinds::No);
}

/// What [`crate::thread`] says of the current thread.
pub(crate) fn panicking() -> bool {
    UNWINDS.with(Cell::get) != Unwinds::No
}

/// The same.
pub(crate) fn panicking_by_panic() -> bool {
    UNWINDS.with(Cell::get) == Unwinds::Panics
}

/// See the real one.
#[derive(Clone, Copy)]
pub(crate) struct Name(*const Parker);

// SAFETY: parkers may be used from all threads.
unsafe impl Send for Name {}
// SAFETY: the same.
unsafe impl Sync for Name {}

impl Name {
    /// See the real one.
    ///
    /// # Safety
    /// The thread is in its wait, or about to be.
    pub(crate) unsafe fn wake(self) {
        // SAFETY: the thread lives, being in its wait.
        let parker = unsafe { &*self.0 };
        let mut state = parker.lock();
        assert!(!state.woken, "woke a thread twice");
        state.woken = true;
        // Under the lock: the thread may go, and its parker with it, once it has seen the wake.
        parker.changed.notify_one();
    }
}

/// See the real one.
pub(crate) fn in_order(wakes: impl FnOnce()) {
    wakes();
}

/// See the real one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ended {
    Woken,
    TimedOut,
    Cancelled,
}

/// See the real one.
pub(crate) struct Current<'a> {
    parker: Arc<Parker>,
    _lives: std::marker::PhantomData<&'a ()>,
}

/// See `task::cancel::Mask`.
pub(crate) struct Mask;

impl Drop for Mask {
    fn drop(&mut self) {
        MASKS.with(|masks| masks.set(masks.get() - 1));
    }
}

/// See the real one. Here it is the same: models run no code of strangers.
pub(crate) struct Apart;

impl Apart {
    pub(crate) fn new() -> Self {
        Self
    }

    pub(crate) fn waker(&self) -> std::task::Waker {
        unreachable!("nobody waits apart")
    }
}

impl<'a> Current<'a> {
    pub(crate) fn apart(self, _: &'a Apart) -> Self {
        self
    }

    pub(crate) fn waits_apart(&self) -> Option<&'a Apart> {
        None
    }

    pub(crate) fn get() -> Self {
        Self { parker: Parker::current(), _lives: std::marker::PhantomData }
    }

    pub(crate) fn name(&self) -> Name {
        assert!(!self.parker.lock().woken, "a wake came for a wait that was over");
        Name(&raw const *self.parker)
    }

    pub(crate) fn is_alone(&self) -> bool {
        true
    }

    pub(crate) fn may_spin(&self) -> bool {
        false
    }

    pub(crate) fn mask(&self) -> Mask {
        MASKS.with(|masks| masks.set(masks.get() + 1));
        Mask
    }

    pub(crate) fn wait(&self, deadline: Option<Instant>) -> Ended {
        let masked = MASKS.with(Cell::get) > 0;
        self.wait_or(|state| {
            if state.looks && !masked {
                if Target::of(state).is_some() {
                    return Some(Ended::Cancelled);
                }
                state.looks = false;
            }
            (state.interrupted && deadline.is_some()).then_some(Ended::TimedOut)
        })
    }

    fn wait_or(&self, other: impl Fn(&mut State) -> Option<Ended>) -> Ended {
        let mut state = self.parker.lock();
        loop {
            if state.woken {
                state.woken = false;
                return Ended::Woken;
            }
            if let Some(ended) = other(&mut state) {
                return ended;
            }
            state = self.parker.changed.wait(state).unwrap();
        }
    }

    pub(crate) fn wait_for_wake(&self) {
        self.wait_or(|_| None);
    }

    pub(crate) fn raise(&self) -> ! {
        let target = Target::of(&self.parker.lock());
        resume_unwind(Box::new(target.expect("something is cancelled")))
    }
}
