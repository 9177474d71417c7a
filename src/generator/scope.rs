//! Generators whose closures borrow: for the time of a call, so that nobody can forget one.

use super::{Generator, Yielder, make::root};
use crate::{
    coroutine::{Coroutine, stack::DefaultStack},
    sys::report::write_stderr,
};

impl<Yield, Sent, Return> Generator<Yield, Sent, Return> {
    /// Calls `f` with a generator whose body may borrow, and ends the generator when `f` has ended. It has 240 KiB of stack.
    ///
    /// # Panics
    /// If there is no memory for a stack. As `f`; as [`drop`](super#dropping) with a panic of the body.
    ///
    /// Aborts the process if the body yields instead of ending when it is closed, since what it borrows ends.
    ///
    /// # Examples
    /// ```
    /// use sinew::generator::Generator;
    ///
    /// let text = String::from("some short sentence");
    /// let mut seen = 0;
    /// let longest = Generator::<&str>::scope(
    ///     |y| {
    ///         for word in text.split(' ') {
    ///             seen += 1;
    ///             y.yield_(word);
    ///         }
    ///     },
    ///     |words| words.max_by_key(|word| word.len()),
    /// );
    /// assert_eq!((longest, seen), (Some("sentence"), 3));
    /// ```
    ///
    /// The generator cannot be kept:
    /// ```compile_fail
    /// use sinew::generator::Generator;
    /// let text = String::from("borrowed");
    /// let kept = Generator::<&str>::scope(|y| { y.yield_(&text); }, |g| g);
    /// ```
    /// ```compile_fail,E0507
    /// use sinew::generator::Generator;
    /// let text = String::from("borrowed");
    /// Generator::<&str>::scope(|y| { y.yield_(&text); }, |g| std::mem::forget(*g));
    /// ```
    pub fn scope<T>(body: impl FnOnce(&Yielder<Yield, Sent>) -> Return, f: impl FnOnce(&Self) -> T) -> T {
        Self::scope_with_stack(Default::default(), body, f)
    }

    /// The same on the given stack, for a body that calls deeply.
    ///
    /// # Panics
    /// If the closure is too large for the stack. And as [`scope`](Self::scope).
    ///
    /// # Examples
    /// ```
    /// use sinew::{coroutine::stack::DefaultStack, generator::{Generator, Yielder}};
    ///
    /// fn down<'a>(y: &Yielder<&'a str>, text: &'a str) {
    ///     y.yield_(text);
    ///     if let Some((_, rest)) = text.split_at_checked(1) { down(y, rest) }
    /// }
    /// let text = "deep ".repeat(4_000);
    /// let stack = DefaultStack::new(64 << 20)?;
    /// let tails = Generator::scope_with_stack(stack, |y| down(y, &text), |tails| tails.count());
    /// assert_eq!(tails, 20_001);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn scope_with_stack<T>(
        stack: DefaultStack,
        body: impl FnOnce(&Yielder<Yield, Sent>) -> Return,
        f: impl FnOnce(&Self) -> T,
    ) -> T {
        struct Ends<'a, Y, S, R>(&'a Generator<Y, S, R>);

        impl<Y, S, R> Drop for Ends<'_, Y, S, R> {
            fn drop(&mut self) {
                if !self.0.finish() {
                    write_stderr(
                        b"sinew: a generator that borrows could not be unwound at the end of its scope, so the process aborts\n",
                    );
                    std::process::abort();
                }
            }
        }

        // SAFETY: what the body borrows outlives this call, and so the body: `Ends` unwinds it or does not return (rules 3
        // and 4). `f` has the generator by reference only, so it can neither move nor forget it.
        let generator = Self::of(unsafe { Coroutine::with_stack_unchecked(stack, root(body)) });
        let _ends = Ends(&generator);
        f(&generator)
    }
}
