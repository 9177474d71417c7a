//! Values that each thread has for itself, declared by [`thread_local!`](crate::thread_local).

use super::current::with_header;
use crate::task::{
    TaskRef,
    locals::{Borrowed, Refusal},
};
use std::{
    cell::{Cell, RefCell},
    error::Error,
    fmt, ptr,
};

/// A value that each green thread, and each OS thread, has for itself. See [`std::thread::LocalKey`]; declared by
/// [`thread_local!`](crate::thread_local).
pub struct LocalKey<T: 'static> {
    init: fn() -> T,
    /// So that no two keys have one address.
    _own_address: u8,
}

/// The thread is ending and has dropped the value. See [`std::thread::AccessError`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AccessError(());

impl fmt::Debug for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessError").finish()
    }
}

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("already destroyed")
    }
}

impl Error for AccessError {}

/// Declares values local to a green thread, in the shape of [`std::thread_local!`].
///
/// A value is made when its thread first asks for it and dropped when the thread ends, before `join` returns. On an OS thread it is
/// local to that. Values may be anything: a green thread never changes its OS thread.
///
/// # Examples
/// ```
/// use std::cell::Cell;
///
/// sinew::thread_local! {
///     static DEPTH: Cell<u32> = const { Cell::new(0) };
/// }
///
/// DEPTH.set(1);
/// let other = sinew::spawn(|| DEPTH.get());
/// assert_eq!(other.join().unwrap(), 0);
/// assert_eq!(DEPTH.get(), 1);
/// ```
///
/// A reference to the value cannot leave `with`, and so not its thread:
/// ```compile_fail
/// sinew::thread_local!(static NAME: String = String::from("mine"));
/// let name: &'static str = NAME.with(|name| name.as_str());
/// ```
#[macro_export]
macro_rules! thread_local {
    () => {};
    ($(#[$attr:meta])* $vis:vis static $name:ident : $t:ty = const $init:block; $($rest:tt)*) => {
        $crate::thread_local!($(#[$attr])* $vis static $name: $t = const $init);
        $crate::thread_local!($($rest)*);
    };
    ($(#[$attr:meta])* $vis:vis static $name:ident : $t:ty = const $init:block) => {
        $(#[$attr])* $vis static $name: $crate::thread::LocalKey<$t> =
            $crate::thread::LocalKey::new(|| const { $init });
    };
    ($(#[$attr:meta])* $vis:vis static $name:ident : $t:ty = $init:expr; $($rest:tt)*) => {
        $crate::thread_local!($(#[$attr])* $vis static $name: $t = $init);
        $crate::thread_local!($($rest)*);
    };
    ($(#[$attr:meta])* $vis:vis static $name:ident : $t:ty = $init:expr) => {
        $(#[$attr])* $vis static $name: $crate::thread::LocalKey<$t> = $crate::thread::LocalKey::new(|| $init);
    };
}

impl<T: 'static> LocalKey<T> {
    /// For [`thread_local!`](crate::thread_local) only: a key is its address, so it must be a `static`.
    #[doc(hidden)]
    #[must_use]
    pub const fn new(init: fn() -> T) -> Self {
        Self { init, _own_address: 0 }
    }

    /// Calls `f` with the current thread's value, which is made first if there is none.
    ///
    /// `f` may suspend: other threads have values of their own. It may also suspend a [coroutine](crate::coroutine) that it runs in;
    /// if the thread ends before that goes on, the value stays until `f` is left.
    ///
    /// # Panics
    /// If the value was dropped already because the thread is ending, or if the initialiser asks for its own value.
    pub fn with<F, R>(&'static self, f: F) -> R
    where
        F: FnOnce(&T) -> R,
    {
        self.try_with(f).expect("cannot access a thread-local value during or after its destruction")
    }

    /// The same.
    ///
    /// # Errors
    /// If the value was dropped already because the thread is ending.
    ///
    /// # Panics
    /// If the initialiser asks for its own value.
    pub fn try_with<F, R>(&'static self, f: F) -> Result<R, AccessError>
    where
        F: FnOnce(&T) -> R,
    {
        self.initialize_with(self.init, f)
    }

    fn initialize_with<R>(&'static self, init: impl FnOnce() -> T, f: impl FnOnce(&T) -> R) -> Result<R, AccessError> {
        // SAFETY: the key's address stands for this key alone, whose values are `T`.
        let value = match with_header(|header| unsafe { header.extra().locals.get(self.key()) }) {
            Some(Ok(value)) => value,
            Some(Err(Refusal::Missing)) => self.make(init)?,
            Some(Err(Refusal::Reentrant)) => reentrant(),
            Some(Err(Refusal::Dropped)) | None => return Err(AccessError(())),
        };
        Ok(f(&value))
    }

    /// The initialiser runs outside of [`with_header`], and with a reference of its own: the thread may have ended, and its header be gone
    /// but for that, when a coroutine that is suspended in there goes on.
    #[cold]
    #[inline(never)]
    fn make(&'static self, init: impl FnOnce() -> T) -> Result<Borrowed<T>, AccessError> {
        let task = with_header(TaskRef::clone).ok_or(AccessError(()))?;
        // SAFETY: as above; asked for just before, by the same thread.
        Ok(unsafe { task.extra().locals.make(self.key(), init) })
    }

    fn key(&'static self) -> *const () {
        ptr::from_ref(self).cast()
    }
}

#[cold]
fn reentrant() -> ! {
    panic!("a thread-local value's initialiser asked for that value")
}

impl<T: 'static> LocalKey<Cell<T>> {
    /// Sets the value, without running the initialiser.
    ///
    /// # Panics
    /// As [`with`](Self::with).
    pub fn set(&'static self, value: T) {
        let mut value = Some(value);
        self.initialize_with(|| Cell::new(value.take().expect("taken once")), |_| ())
            .expect("cannot access a thread-local value during or after its destruction");
        if let Some(value) = value {
            self.with(|cell| cell.set(value));
        }
    }

    /// A copy of the value.
    ///
    /// # Panics
    /// As [`with`](Self::with).
    #[must_use]
    pub fn get(&'static self) -> T
    where
        T: Copy,
    {
        self.with(Cell::get)
    }

    /// Takes the value, leaving the default.
    ///
    /// # Panics
    /// As [`with`](Self::with).
    pub fn take(&'static self) -> T
    where
        T: Default,
    {
        self.with(Cell::take)
    }

    /// Puts a value in the place of the one that was there.
    ///
    /// # Panics
    /// As [`with`](Self::with).
    pub fn replace(&'static self, value: T) -> T {
        self.with(|cell| cell.replace(value))
    }
}

impl<T: 'static> LocalKey<RefCell<T>> {
    /// Calls `f` with the value borrowed.
    ///
    /// # Panics
    /// If it is borrowed mutably, and as [`with`](Self::with).
    pub fn with_borrow<F, R>(&'static self, f: F) -> R
    where
        F: FnOnce(&T) -> R,
    {
        self.with(|cell| f(&cell.borrow()))
    }

    /// Calls `f` with the value borrowed mutably.
    ///
    /// # Panics
    /// If it is borrowed, and as [`with`](Self::with).
    pub fn with_borrow_mut<F, R>(&'static self, f: F) -> R
    where
        F: FnOnce(&mut T) -> R,
    {
        self.with(|cell| f(&mut cell.borrow_mut()))
    }

    /// Sets the value, without running the initialiser.
    ///
    /// # Panics
    /// If it is borrowed, and as [`with`](Self::with).
    pub fn set(&'static self, value: T) {
        let mut value = Some(value);
        self.initialize_with(|| RefCell::new(value.take().expect("taken once")), |_| ())
            .expect("cannot access a thread-local value during or after its destruction");
        if let Some(value) = value {
            self.with(|cell| *cell.borrow_mut() = value);
        }
    }

    /// Takes the value, leaving the default.
    ///
    /// # Panics
    /// If it is borrowed, and as [`with`](Self::with).
    pub fn take(&'static self) -> T
    where
        T: Default,
    {
        self.with(RefCell::take)
    }

    /// Puts a value in the place of the one that was there.
    ///
    /// # Panics
    /// If it is borrowed, and as [`with`](Self::with).
    pub fn replace(&'static self, value: T) -> T {
        self.with(|cell| cell.replace(value))
    }
}

impl<T: 'static> fmt::Debug for LocalKey<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalKey").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use crate::{coroutine::Coroutine, runtime::Runtime, task::Task, thread};
    use std::{cell::Cell, ptr::NonNull};

    type Suspend = Box<dyn FnOnce()>;

    std::thread_local! {
        static SUSPENDS: Cell<Option<Suspend>> = const { Cell::new(None) };
        static LEFT: Cell<Option<Coroutine<(), (), ()>>> = const { Cell::new(None) };
    }

    crate::thread_local!(static SLOW: u8 = {
        SUSPENDS.take().expect("set below")();
        1
    });

    fn header() -> usize {
        NonNull::<Task>::addr(thread::current().task.as_ptr()).get()
    }

    #[test]
    fn an_initialiser_that_is_suspended_keeps_the_header_of_its_ended_thread() {
        Runtime::builder().workers(1).build().unwrap().run(|| {
            let ended = thread::spawn(|| {
                let mut coroutine = Coroutine::new(|yielder: &crate::coroutine::Yielder<(), ()>, ()| {
                    let yielder = std::ptr::from_ref(yielder);
                    // SAFETY: called inside this body, by the initialiser.
                    SUSPENDS.set(Some(Box::new(move || unsafe { (*yielder).suspend(()) })));
                    SLOW.with(|value| assert_eq!(*value, 1));
                });
                coroutine.resume(());
                LEFT.set(Some(coroutine));
                header()
            });
            let ended = ended.join().unwrap();
            let others = || (0..100).map(|_| thread::spawn(header).join().unwrap()).any(|header| header == ended);
            assert!(!others(), "the initialiser refers to it");
            LEFT.take().unwrap().resume(());
            assert!(others(), "nobody refers to it any more");
        });
    }
}
