//! Values that a thread inherits from its spawner: a request's number, a user's name, a language.
//!
//! A [`Var`] has a value in each thread. A thread that is spawned starts with the values of the thread that spawns it, and what it
//! sets later is its own. ([`thread_local!`](crate::thread_local) declares values that start anew in each thread.) Programs that set
//! no `Var` pay one load and a branch for each spawn.

use crate::{runtime::children::current, task::vars};
use std::{fmt, ptr, sync::Arc};

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

    /// Sets the current thread's value, for it and for threads that it spawns from now on.
    ///
    /// While a thread ends, in the destructors of its locals and its values, this does nothing.
    pub fn set(&'static self, value: T) {
        // SAFETY: the current thread's header.
        let vars = &unsafe { current().as_ref() }.extra().vars;
        vars.set(self.key(), Arc::new(value));
    }
}

impl<T> fmt::Debug for Var<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Var").finish_non_exhaustive()
    }
}
