//! Values that a thread inherits from its spawner: a request's number, a user's name, a language.
//!
//! A [`Var`] has a value in each thread. A thread that is spawned starts with the values of the thread that spawns it, and what it
//! sets later is its own. ([`thread_local!`](crate::thread_local) declares values that start anew in each thread.) Programs that set
//! no `Var` pay one load and a branch for each spawn.

use crate::{
    runtime::{
        children::current,
        region::{Region, Source},
    },
    task::vars::{self, Value},
};
use std::{
    cell::RefCell,
    fmt, mem,
    ptr::{self, NonNull},
    sync::Arc,
};

/// A variable with a value for each thread, inherited at spawn.
///
/// # Examples
/// ```
/// use sinew::context::Var;
///
/// static USER: Var<&str> = Var::new(|| "nobody");
///
/// USER.set("alice");
/// let child = sinew::spawn(|| {
///     let inherited = USER.get();
///     USER.set("bob");
///     inherited
/// });
/// assert_eq!(child.join().unwrap(), "alice");
/// assert_eq!(USER.get(), "alice");
/// ```
#[doc(alias = "task_local", alias = "ContextVar")]
pub struct Var<T: 'static> {
    default: fn() -> T,
    /// So that no two have one address.
    _own_address: u8,
}

impl<T: Send + Sync + 'static> Var<T> {
    /// A variable that has the value of `default` where none was set. It is its address, so it must be a `static`.
    #[must_use]
    pub const fn new(default: fn() -> T) -> Self {
        Self { default, _own_address: 0 }
    }

    fn key(&'static self) -> usize {
        ptr::from_ref(self).addr()
    }

    fn find(&'static self) -> Option<Arc<T>> {
        if !vars::in_use() {
            return None;
        }
        // SAFETY: the current thread's header.
        let vars = &unsafe { current().as_ref() }.try_extra()?.vars;
        let value = vars.find(self.key())?;
        Some(value.downcast().expect("a key stands for one type"))
    }

    /// The current thread's value, shared with those that it came from.
    #[must_use]
    pub fn get_shared(&'static self) -> Arc<T> {
        self.find().unwrap_or_else(|| Arc::new((self.default)()))
    }

    /// A copy of the current thread's value.
    #[must_use]
    pub fn get(&'static self) -> T
    where
        T: Clone,
    {
        self.with(T::clone)
    }

    /// Calls `f` with the current thread's value. `f` may suspend, and may set another one.
    pub fn with<R>(&'static self, f: impl FnOnce(&T) -> R) -> R {
        match self.find() {
            Some(value) => f(&value),
            None => f(&(self.default)()),
        }
    }

    /// Calls `f` with `value` as the current thread's, and puts back the value of before when `f` returns or unwinds. What `f` sets
    /// is gone then too; threads that it spawns keep what they have inherited.
    ///
    /// A coroutine that suspends itself in `f` takes its value along, and has it again when it is resumed.
    ///
    /// # Examples
    /// ```
    /// use sinew::context::Var;
    ///
    /// static INDENT: Var<usize> = Var::new(|| 0);
    ///
    /// let inside = INDENT.scope(INDENT.get() + 2, || sinew::spawn(|| INDENT.get()).join().unwrap());
    /// assert_eq!((inside, INDENT.get()), (2, 0));
    /// ```
    pub fn scope<R>(&'static self, value: T, f: impl FnOnce() -> R) -> R {
        let other = Other { key: self.key(), value: RefCell::new(Some(Arc::new(value))) };
        let source: &dyn Source = &other;
        // SAFETY: the region ends before `other`; nothing but its lifetime is changed.
        let region = unsafe {
            Region::with_source(mem::transmute::<NonNull<dyn Source + '_>, NonNull<dyn Source>>(source.into()))
        };
        match region.run(f) {
            Ok(result) => result,
            Err(_) => unreachable!("nobody cancels it"),
        }
    }

    /// Sets the current thread's value, for it and for threads that it spawns from now on.
    ///
    /// While a thread ends, in the destructors of its locals and its values, this does nothing.
    pub fn set(&'static self, value: T) {
        // SAFETY: the current thread's header.
        let vars = &unsafe { current().as_ref() }.extra().vars;
        vars.set(self.key(), Arc::new(value));
    }
}

/// The value that a thread has not: while a scope runs, that of outside; before and after, and while a coroutine is suspended in it,
/// that of inside. Entering and leaving the scope's region exchange them.
struct Other {
    key: usize,
    value: RefCell<Option<Value>>,
}

impl Other {
    fn exchange(&self) {
        // SAFETY: the current thread's header.
        let vars = &unsafe { current().as_ref() }.extra().vars;
        let value = self.value.take();
        let other = vars.exchange(self.key, value);
        self.value.replace(other);
    }
}

impl Source for Other {
    unsafe fn watch(&self, _: NonNull<Region>) -> bool {
        self.exchange();
        true
    }

    fn unwatch(&self, _: NonNull<Region>) {
        self.exchange();
    }

    fn reason(&self) -> Option<Arc<str>> {
        None
    }
}

impl<T> fmt::Debug for Var<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Var").finish_non_exhaustive()
    }
}
