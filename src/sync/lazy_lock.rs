//! [`LazyLock`].

use super::once::Once;
use crate::runtime::region::Region;
use std::{
    cell::UnsafeCell,
    fmt, mem,
    ops::{Deref, DerefMut},
    panic::{RefUnwindSafe, UnwindSafe},
};

/// A value that is made when it is first asked for, for green threads and OS threads, in any mixture. See [`std::sync::LazyLock`].
///
/// Its function may suspend; others that ask meanwhile wait. If it asks for its own value, the thread waits for ever.
///
/// # Cancellation
/// A thread that waits for another that makes the value, unwinds. While a thread makes it itself it is masked from cancellation, since
/// the function is there only once; but not inside a [coroutine](crate::coroutine), which may go on in another thread. If it is cancelled
/// there, or the coroutine is dropped while it makes the value, that is as after a panic.
///
/// # Examples
/// ```
/// use sinew::sync::LazyLock;
///
/// static WORDS: LazyLock<Vec<&str>> = LazyLock::new(|| vec!["one", "two"]);
/// assert_eq!(WORDS.len(), 2);
/// ```
pub struct LazyLock<T, F = fn() -> T> {
    once: Once,
    /// `Made` if, and only if, `once` has completed.
    state: UnsafeCell<State<T, F>>,
}

enum State<T, F> {
    Awaits(F),
    Made(T),
    /// The function panicked.
    Poisoned,
}

// SAFETY: threads share the value, one of them has made it by the function, and another may drop it.
unsafe impl<T: Sync + Send, F: Send> Sync for LazyLock<T, F> {}

impl<T: RefUnwindSafe + UnwindSafe, F: UnwindSafe> RefUnwindSafe for LazyLock<T, F> {}
impl<T: UnwindSafe, F: UnwindSafe> UnwindSafe for LazyLock<T, F> {}

impl<T, F: FnOnce() -> T> LazyLock<T, F> {
    /// A value that this function will make.
    #[inline]
    pub const fn new(f: F) -> Self {
        Self { once: Once::new(), state: UnsafeCell::new(State::Awaits(f)) }
    }

    /// The value, made if need be.
    ///
    /// # Panics
    /// If the function panics, or has panicked.
    ///
    /// # Cancellation
    /// See the type.
    #[inline]
    #[track_caller]
    pub fn force(this: &Self) -> &T {
        if !this.once.is_completed() {
            Self::make(this);
        }
        // SAFETY: made, and never changed while it is shared.
        unsafe { (*this.state.get()).made() }.expect("made")
    }

    #[cold]
    #[track_caller]
    fn make(this: &Self) {
        this.once.call_once_force(|_| {
            // SAFETY: nobody else reads or writes it while the once runs this.
            let made = Region::shield().run(|| unsafe { (*this.state.get()).make() });
            made.expect("a shield is not cancelled");
        });
    }

    /// The value, made if need be, to change it.
    ///
    /// # Panics
    /// As [`force`](Self::force).
    #[track_caller]
    pub fn force_mut(this: &mut Self) -> &mut T {
        Self::force(this);
        Self::get_mut(this).expect("made")
    }
}

impl<T, F> LazyLock<T, F> {
    /// The value, if it was made. Never waits.
    #[inline]
    pub fn get(this: &Self) -> Option<&T> {
        // SAFETY: made, and never changed while it is shared.
        if this.once.is_completed() { unsafe { (*this.state.get()).made() } } else { None }
    }

    /// The same, to change it.
    #[inline]
    pub fn get_mut(this: &mut Self) -> Option<&mut T> {
        match this.state.get_mut() {
            State::Made(value) => Some(value),
            _ => None,
        }
    }
}

impl<T, F> State<T, F> {
    fn made(&self) -> Option<&T> {
        match self {
            Self::Made(value) => Some(value),
            _ => None,
        }
    }
}

impl<T, F: FnOnce() -> T> State<T, F> {
    #[track_caller]
    fn make(&mut self) {
        match mem::replace(self, Self::Poisoned) {
            Self::Awaits(f) => *self = Self::Made(f()),
            _ => panic!("LazyLock instance has previously been poisoned"),
        }
    }
}

impl<T, F: FnOnce() -> T> Deref for LazyLock<T, F> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        Self::force(self)
    }
}

impl<T, F: FnOnce() -> T> DerefMut for LazyLock<T, F> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        Self::force_mut(self)
    }
}

impl<T: Default> Default for LazyLock<T> {
    fn default() -> Self {
        Self::new(T::default)
    }
}

impl<T: fmt::Debug, F> fmt::Debug for LazyLock<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_tuple("LazyLock");
        match Self::get(self) {
            Some(value) => debug.field(value),
            None => debug.field(&format_args!("<uninit>")),
        };
        debug.finish()
    }
}
