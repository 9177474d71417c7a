//! [`OnceLock`].

use super::once::Once;
use crate::primitive::const_unless_loom;
use std::{
    cell::UnsafeCell,
    fmt,
    marker::PhantomData,
    mem::{self, MaybeUninit},
    panic::{RefUnwindSafe, UnwindSafe},
};

/// A place that is written once, for green threads and OS threads, in any mixture. See [`std::sync::OnceLock`].
///
/// Unlike std's, which has the compiler's leave for it, a value of this that holds references must be declared after what they refer to,
/// so that it is dropped first.
///
/// # Examples
/// ```
/// use sinew::sync::OnceLock;
///
/// static WORDS: OnceLock<Vec<&str>> = OnceLock::new();
/// assert_eq!(WORDS.get_or_init(|| vec!["one"]).len(), 1);
/// assert!(WORDS.set(Vec::new()).is_err());
/// ```
pub struct OnceLock<T> {
    once: Once,
    /// Written if, and only if, `once` has completed.
    value: UnsafeCell<MaybeUninit<T>>,
    _owns: PhantomData<T>,
}

// SAFETY: threads share the value, and it may be dropped by another than has made it.
unsafe impl<T: Sync + Send> Sync for OnceLock<T> {}
// SAFETY: it goes with its value.
unsafe impl<T: Send> Send for OnceLock<T> {}

impl<T: RefUnwindSafe + UnwindSafe> RefUnwindSafe for OnceLock<T> {}
impl<T: UnwindSafe> UnwindSafe for OnceLock<T> {}

impl<T> OnceLock<T> {
    const_unless_loom! {
        /// An empty place.
        #[inline]
        #[must_use]
        pub const fn new() -> Self {
            Self { once: Once::new(), value: UnsafeCell::new(MaybeUninit::uninit()), _owns: PhantomData }
        }
    }

    /// The value, if it was written. Never waits.
    #[inline]
    pub fn get(&self) -> Option<&T> {
        // SAFETY: written, and never changed while it is shared.
        self.once.is_completed().then(|| unsafe { (*self.value.get()).assume_init_ref() })
    }

    /// The same, to change it.
    #[inline]
    pub fn get_mut(&mut self) -> Option<&mut T> {
        // SAFETY: written.
        self.once.is_completed().then(|| unsafe { self.value.get_mut().assume_init_mut() })
    }

    /// Suspends the current thread until the value has been written.
    ///
    /// # Cancellation
    /// A thread that waits unwinds.
    #[inline]
    pub fn wait(&self) -> &T {
        self.once.wait_force();
        // SAFETY: written, and never changed while it is shared.
        unsafe { (*self.value.get()).assume_init_ref() }
    }

    /// Writes the value. If another thread is about to do so, waits for the end of that.
    ///
    /// # Errors
    /// With this value, if there is one already.
    ///
    /// # Cancellation
    /// A thread that waits unwinds, and the value is dropped.
    pub fn set(&self, value: T) -> Result<(), T> {
        let mut value = Some(value);
        self.get_or_init(|| value.take().expect("called once"));
        value.map_or(Ok(()), Err)
    }

    /// The value; if there is none, what the closure returns is written. If another thread is about to write it, waits for the end of that.
    ///
    /// The closure may suspend. If it asks for this very place, the thread waits for ever.
    ///
    /// # Panics
    /// If the closure does; then nothing is written, and the next who comes runs its own.
    ///
    /// # Cancellation
    /// A thread that waits unwinds. If it is cancelled in the closure, it is as after a panic.
    #[inline]
    pub fn get_or_init<F: FnOnce() -> T>(&self, f: F) -> &T {
        self.once.call_once_force(|_| {
            let value = f();
            // SAFETY: nobody else reads or writes it while the once runs this.
            unsafe { (*self.value.get()).write(value) };
        });
        // SAFETY: written, and never changed while it is shared.
        unsafe { (*self.value.get()).assume_init_ref() }
    }

    /// The value, if it was written.
    pub fn into_inner(mut self) -> Option<T> {
        self.take()
    }

    /// Takes the value out, if it was written, and leaves the place empty.
    pub fn take(&mut self) -> Option<T> {
        let taken = mem::take(self);
        let written = taken.once.is_completed();
        let taken = mem::ManuallyDrop::new(taken);
        // SAFETY: written, and read once, since `drop` does not run.
        written.then(|| unsafe { (*taken.value.get()).assume_init_read() })
    }
}

impl<T> Drop for OnceLock<T> {
    #[inline]
    fn drop(&mut self) {
        if self.once.is_completed() {
            // SAFETY: written.
            unsafe { self.value.get_mut().assume_init_drop() };
        }
    }
}

impl<T> Default for OnceLock<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> From<T> for OnceLock<T> {
    fn from(value: T) -> Self {
        let place = Self::new();
        match place.set(value) {
            Ok(()) => place,
            Err(_) => unreachable!("it was empty"),
        }
    }
}

impl<T: Clone> Clone for OnceLock<T> {
    fn clone(&self) -> Self {
        self.get().cloned().map_or_else(Self::new, Self::from)
    }
}

impl<T: PartialEq> PartialEq for OnceLock<T> {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl<T: Eq> Eq for OnceLock<T> {}

impl<T: fmt::Debug> fmt::Debug for OnceLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_tuple("OnceLock");
        match self.get() {
            Some(value) => debug.field(value),
            None => debug.field(&format_args!("<uninit>")),
        };
        debug.finish()
    }
}
