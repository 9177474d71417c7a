//! The same for the model checker: a thread of a model waits on a parker of its own, and another thread of the model plays its deadline
//! or its cancellation.

use crate::primitive::{Arc, Condvar, Mutex, lock, thread_local};
use std::time::Instant;

/// A thread of a model.
pub(crate) struct Parker {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    woken: bool,
    interrupted: bool,
}

thread_local! {
    static CURRENT: Arc<Parker> = Arc::new(Parker { state: Mutex::new(State::default()), changed: Condvar::new() });
}

impl Parker {
    /// The current thread's.
    pub(crate) fn current() -> Arc<Self> {
        CURRENT.with(Arc::clone)
    }

    /// Ends the thread's present wait with a deadline, or its next one, as the deadline would.
    pub(crate) fn interrupt(&self) {
        lock(&self.state).interrupted = true;
        self.changed.notify_one();
    }
}

impl Drop for Parker {
    fn drop(&mut self) {
        assert!(std::thread::panicking() || !lock(&self.state).woken, "a wake came for a wait that was over");
    }
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
        let mut state = lock(&parker.state);
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

/// See the real one. Here it is the same: models run no code of strangers.
pub(crate) struct Apart;

impl Apart {
    pub(crate) fn new() -> Self {
        Self
    }
}

impl<'a> Current<'a> {
    pub(crate) fn apart(self, _: &'a Apart) -> Self {
        self
    }

    pub(crate) fn waker(&self) -> Option<std::task::Waker> {
        None
    }

    pub(crate) fn get() -> Self {
        Self { parker: Parker::current(), _lives: std::marker::PhantomData }
    }

    pub(crate) fn name(&self) -> Name {
        assert!(!lock(&self.parker.state).woken, "a wake came for a wait that was over");
        Name(&raw const *self.parker)
    }

    pub(crate) fn is_alone(&self) -> bool {
        true
    }

    pub(crate) fn may_spin(&self) -> bool {
        false
    }

    pub(crate) fn mask(&self) {}

    pub(crate) fn wait(&self, deadline: Option<Instant>) -> Ended {
        let mut state = lock(&self.parker.state);
        loop {
            if state.woken {
                state.woken = false;
                return Ended::Woken;
            }
            if deadline.is_some() && state.interrupted {
                return Ended::TimedOut;
            }
            state = self.parker.changed.wait(state).unwrap();
        }
    }

    pub(crate) fn wait_for_wake(&self) {
        assert_eq!(self.wait(None), Ended::Woken);
    }

    pub(crate) fn raise(&self) -> ! {
        unreachable!("models do not unwind")
    }
}
