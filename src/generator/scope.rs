//! Generators whose closures borrow: for the time of a call, so that nobody can forget one.

use super::{Generator, Yielder, drive::root};
use crate::{coroutine::Coroutine, sys::report::write_stderr};

impl<Yield, Sent, Return> Generator<Yield, Sent, Return> {
    /// Calls `f` with a generator whose body may borrow, and ends the generator when `f` has ended.
    ///
    /// # Panics
    /// As `f`; as [`drop`](super#dropping) with a panic of the body.
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
        struct Ends<'a, Y, S, R>(&'a Generator<Y, S, R>);

        impl<Y, S, R> Drop for Ends<'_, Y, S, R> {
            fn drop(&mut self) {
                if !self.0.finish() {
                    write_stderr(
                        b"sinew: a generator that borrows could not be unwound at the end of its scope: aborting\n",
                    );
                    std::process::abort();
                }
            }
        }

        // SAFETY: what the body borrows outlives this call, and so the body: `Ends` unwinds it or does not return (rules 3
        // and 4). `f` has the generator by reference only, so it can neither move nor forget it.
        let generator = Self::of(unsafe { Coroutine::with_stack_unchecked(Default::default(), root(body)) });
        let _ends = Ends(&generator);
        f(&generator)
    }
}
