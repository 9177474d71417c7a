//! Making generators: of closures and of iterators.

use super::{
    Generator, Yielder,
    drive::{Input, Outcome, Suspend},
};
use crate::coroutine::{Coroutine, stack::DefaultStack};
use std::{
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
};

impl<Yield: 'static, Sent: 'static, Return: 'static> Generator<Yield, Sent, Return> {
    /// Makes a generator of a closure, which runs from the first resume on. It has 240 KiB of stack.
    ///
    /// The closure owns what it uses (`move`, and `String` where a `&str` would borrow); [`scope`](Self::scope) is for one that
    /// borrows.
    ///
    /// # Panics
    /// If there is no memory for a stack.
    ///
    /// # Examples
    /// The compiler reads the closure before it looks at the type that is expected of the whole. So where something is sent, name the types
    /// before `::new`, as here by an alias; the return type of the function does not suffice.
    /// ```
    /// use sinew::generator::Generator;
    ///
    /// type Sink = Generator<(), String>;
    ///
    /// fn shouter() -> Sink {
    ///     Sink::new(|y| loop {
    ///         println!("{}", y.yield_(()).to_uppercase());
    ///     })
    /// }
    /// shouter().primed().send("hello".into());
    /// ```
    #[must_use = "a generator does nothing until it is resumed"]
    pub fn new<F>(body: F) -> Self
    where
        F: FnOnce(&Yielder<Yield, Sent>) -> Return + 'static,
    {
        Self::of(Coroutine::new(root(body)))
    }

    /// The same on the given stack, for a body that calls deeply.
    ///
    /// # Panics
    /// If the closure is too large for the stack.
    ///
    /// # Examples
    /// ```
    /// use sinew::{coroutine::stack::DefaultStack, generator::{Generator, Yielder}};
    ///
    /// fn down(y: &Yielder<u32>, n: u32) {
    ///     y.yield_(n);
    ///     if n > 0 { down(y, n - 1) }
    /// }
    /// let deep = Generator::with_stack(DefaultStack::new(64 << 20)?, |y| down(y, 20_000));
    /// assert_eq!(deep.count(), 20_001);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use = "a generator does nothing until it is resumed"]
    pub fn with_stack<F>(stack: DefaultStack, body: F) -> Self
    where
        F: FnOnce(&Yielder<Yield, Sent>) -> Return + 'static,
    {
        Self::of(Coroutine::with_stack(stack, root(body)))
    }

    /// A generator of an iterator's items: Python's generator expression. It gives the iterator `throw` and `close`.
    ///
    /// # Panics
    /// As [`new`](Self::new).
    #[must_use = "a generator does nothing until it is resumed"]
    #[expect(
        clippy::should_implement_trait,
        reason = "FromIterator would have to collect the items, since it allows borrows"
    )]
    pub fn from_iter<I>(items: I) -> Self
    where
        I: IntoIterator<Item = Yield> + 'static,
        Return: Default,
    {
        Self::new(move |y| {
            y.yield_all(items);
            Return::default()
        })
    }
}

/// What runs on the coroutine's stack.
pub(super) fn root<Yield, Sent, Return>(
    body: impl FnOnce(&Yielder<Yield, Sent>) -> Return,
) -> impl FnOnce(&Suspend<Yield, Sent>, Input<Sent>) -> Outcome<Return> {
    |suspend, start| {
        mem::forget(start);
        catch_unwind(AssertUnwindSafe(|| body(Yielder::from_ref(suspend))))
    }
}
