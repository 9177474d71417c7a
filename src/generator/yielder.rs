//! What the body of a generator holds: yielding, and delegating to other generators.

use super::{
    Exception, Generator, GeneratorError, GeneratorExit,
    drive::{Input, Step, Suspend},
};
use std::{fmt, ptr};

/// How a generator's body yields. Any function that is given it can.
///
/// # Examples
/// ```
/// use sinew::generator::{Generator, Yielder};
///
/// struct Node(u32, Vec<Node>);
///
/// fn walk(y: &Yielder<u32>, Node(value, children): &Node) {
///     y.yield_(*value);
///     children.iter().for_each(|child| walk(y, child));
/// }
///
/// let tree = Node(1, vec![Node(2, vec![Node(3, vec![])]), Node(4, vec![])]);
/// let values = Generator::new(move |y| walk(y, &tree));
/// assert_eq!(values.collect::<Vec<_>>(), [1, 2, 3, 4]);
/// ```
///
/// It stays with its body:
/// ```compile_fail,E0277
/// use sinew::generator::Generator;
/// let escapes = Generator::<u32>::new(|y| {
///     std::thread::scope(|s| { s.spawn(|| y.yield_(1)); });
/// });
/// ```
/// ```compile_fail
/// use sinew::generator::{Generator, Yielder};
/// let escapes = Generator::<u32, (), &'static Yielder<u32>>::new(|y| y);
/// ```
#[repr(transparent)]
pub struct Yielder<Yield, Sent = ()>(Suspend<Yield, Sent>);

impl<Yield, Sent> Yielder<Yield, Sent> {
    #[inline(always)]
    pub(super) fn from_ref(suspend: &Suspend<Yield, Sent>) -> &Self {
        // SAFETY: `repr(transparent)`: the same value under another name, for the same lifetime.
        unsafe { &*ptr::from_ref(suspend).cast() }
    }

    /// Gives `value` to whoever resumed the generator, and suspends it until it is resumed again; gives what was sent: the default
    /// value if it was resumed by [`next`](Generator::next).
    ///
    /// Unwinds with an exception that is thrown in; [`try_yield`](Self::try_yield) catches it.
    ///
    /// This does not suspend the green thread that runs the generator.
    #[inline(always)]
    pub fn yield_(&self, value: Yield) -> Sent {
        match self.0.suspend(value) {
            Ok(sent) => sent,
            Err(exception) => exception.raise(),
        }
    }

    /// The same in a `try:`, which catches exceptions of type `E` that are thrown in.
    ///
    /// # Errors
    /// The exception.
    ///
    /// # Examples
    /// ```
    /// use sinew::generator::Generator;
    ///
    /// #[derive(Debug)]
    /// struct Reset;
    ///
    /// let counter = Generator::<u32>::new(|y| {
    ///     let mut n = 0;
    ///     loop {
    ///         n = match y.try_yield(n) {
    ///             Ok(()) => n + 1,
    ///             Err(Reset) => 0,
    ///         };
    ///     }
    /// });
    /// assert_eq!((counter.next(), counter.next()), (Some(0), Some(1)));
    /// assert_eq!(counter.throw(Reset), Some(0));
    /// ```
    #[inline]
    pub fn try_yield<E: 'static>(&self, value: Yield) -> Result<Sent, E> {
        self.0.suspend(value).map_err(Exception::catch)
    }

    /// Yields each item, as `yield from` of what is no generator. What is sent meanwhile is dropped.
    ///
    /// A generator that was given as an iterator (`y.yield_all(&g)`) is not sent or thrown anything; see
    /// [`yield_from`](Self::yield_from).
    pub fn yield_all(&self, items: impl IntoIterator<Item = Yield>) {
        for item in items {
            self.yield_(item);
        }
    }

    /// Yields all that `inner` yields, and gives its return value: Python's `yield from`, by the rules of
    /// [PEP 380](https://peps.python.org/pep-0380/).
    ///
    /// What is sent or thrown meanwhile goes to `inner`. [`GeneratorExit`] closes it, then unwinds this body. If
    /// it has ended already, its return value is that which nobody has taken.
    ///
    /// Each value passes through every generator in a chain of delegations. A recursive function that is given the yielder
    /// has no such chain; see the example at [`Yielder`].
    ///
    /// An `inner` that has started already is resumed with `Sent::default()` first, as Python's is with `None`; hence the bound.
    /// [`yield_from_start`](Self::yield_from_start) has none.
    ///
    /// For an iterator that is no generator there is [`yield_all`](Self::yield_all).
    ///
    /// Unwinds with an exception that comes out of `inner`, which may be a [`GeneratorError`].
    ///
    /// # Examples
    /// ```
    /// use sinew::generator::Generator;
    ///
    /// let inner = || Generator::<u32, (), &str>::new(|y| {
    ///     y.yield_all([1, 2]);
    ///     "inner's value"
    /// });
    /// let outer = Generator::<u32, (), String>::new(move |y| format!("{} twice", {
    ///     y.yield_from(&inner());
    ///     y.yield_from(&inner())
    /// }));
    /// assert_eq!((&outer).collect::<Vec<_>>(), [1, 2, 1, 2]);
    /// assert_eq!(outer.take_return().unwrap(), "inner's value twice");
    /// ```
    pub fn yield_from<Return>(&self, inner: &Generator<Yield, Sent, Return>) -> Return
    where
        Sent: Default,
    {
        self.delegate(inner, inner.step_next()).unwrap_or_else(|exception| exception.raise())
    }

    /// The same in a `try:`, which catches exceptions of type `E` that come out of `inner`, or, if it has none to be
    /// thrown into, are thrown in.
    ///
    /// # Errors
    /// The exception.
    pub fn try_yield_from<Return, E: 'static>(&self, inner: &Generator<Yield, Sent, Return>) -> Result<Return, E>
    where
        Sent: Default,
    {
        self.delegate(inner, inner.step_next()).map_err(Exception::catch)
    }

    /// [`yield_from`](Self::yield_from) an `inner` that has not started, whatever is sent: nothing is at its start.
    ///
    /// # Panics
    /// If `inner` has started already.
    ///
    /// # Examples
    /// ```
    /// use sinew::generator::{Generator, Yielder};
    ///
    /// enum Command { Add(i32), Stop }
    ///
    /// fn sum() -> Generator<i32, Command, i32> {
    ///     Generator::<i32, Command, i32>::new(|y| {
    ///         let mut sum = 0;
    ///         while let Command::Add(n) = y.yield_(sum) {
    ///             sum += n;
    ///         }
    ///         sum
    ///     })
    /// }
    /// let product = Generator::<i32, Command, i32>::new(|y| y.yield_from_start(&sum()) * y.yield_from_start(&sum()));
    /// product.start();
    /// for command in [Command::Add(2), Command::Stop, Command::Add(1), Command::Add(3), Command::Stop] {
    ///     product.send(command);
    /// }
    /// assert_eq!(product.take_return(), Some(8));
    /// ```
    #[track_caller]
    pub fn yield_from_start<Return>(&self, inner: &Generator<Yield, Sent, Return>) -> Return {
        self.delegate(inner, inner.step_first()).unwrap_or_else(|exception| exception.raise())
    }

    /// The same in a `try:`, as [`try_yield_from`](Self::try_yield_from).
    ///
    /// # Errors
    /// The exception.
    ///
    /// # Panics
    /// If `inner` has started already.
    #[track_caller]
    pub fn try_yield_from_start<Return, E: 'static>(
        &self,
        inner: &Generator<Yield, Sent, Return>,
    ) -> Result<Return, E> {
        self.delegate(inner, inner.step_first()).map_err(Exception::catch)
    }

    /// From the first step of `inner` on.
    fn delegate<Return>(
        &self,
        inner: &Generator<Yield, Sent, Return>,
        mut step: Step<Yield>,
    ) -> Result<Return, Exception> {
        while let Some(value) = step? {
            step = match self.0.suspend(value) {
                Err(exit) if exit.is::<GeneratorExit>() => {
                    inner.step_close()?;
                    return Err(exit);
                }
                Err(exception) => inner.step_throw(exception),
                Ok(sent) => inner.step_send(sent),
            };
        }
        inner.take_return().ok_or_else(|| Exception::new(GeneratorError::NoReturnValue))
    }
}

impl<Yield, Sent> fmt::Debug for Yielder<Yield, Sent> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Yielder").finish_non_exhaustive()
    }
}

/// For the speed of `next`: what goes in fits in a register when nothing is sent.
const _: () = assert!(size_of::<Input<()>>() == size_of::<usize>());
