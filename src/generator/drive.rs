//! The generator itself: its states, and all that resumes it.
//!
//! # States
//!
//! | state | `coroutine` | goes to |
//! |---|---|---|
//! | `Created` | live, not started | `Running`, by the first resume; `Closed`, by `throw`, `close` and drop, without a step of the body |
//! | `Suspended` | live | `Running`, by every resume |
//! | `Unwinding` | live, suspended by a destructor that runs because of an exception thrown in | as `Suspended`, but another throw aborts |
//! | `Running` | in use by the resume that is under way | `Suspended` or `Unwinding`, when the body yields; `Closed`, when it ends |
//! | `Closed` | dropped | stays |
//!
//! All methods take `&self`. Whoever finds `Running` is called, directly or not, by the body, or by another green thread while
//! the body waits, and is refused; so a resume has the coroutine for itself (invariant 1), although the cell that holds it is shared.
//! `Closed` is set by whoever drops the coroutine, and nobody else touches it then (invariant 2).
//!
//! That an unwind is under way is asked of std (`panicking`), and only by what is cold: after a throw, and after each resume of
//! an `Unwinding` one. So one whose body itself raises, and yields from a destructor then, counts as `Suspended`. `Unwinding` may be
//! left too late, if another panic of the OS thread hides the end of the unwind, but not too early.
//!
//! # Exceptions
//!
//! One that is thrown in travels as a value: the body's `suspend` gives it in the place of what is sent, and `yield_` raises it
//! there. One that leaves the body is caught at the stack's bottom, travels out as a value, and is raised by whoever resumed. The same
//! holds for panics and cancellations.

use super::{Exception, GeneratorError, GeneratorExit, StopIteration};
use crate::{
    coroutine::{self, Coroutine, CoroutineResult},
    sys::report::write_stderr,
};
use std::{
    any::Any,
    cell::{Cell, UnsafeCell},
    fmt,
    iter::FusedIterator,
    marker::PhantomData,
    mem::{self, ManuallyDrop},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
};

/// What goes into a body: what was sent, or an exception that was thrown.
pub(super) type Input<Sent> = Result<Sent, Exception>;

/// What comes out at its end: what it returned, or what it unwound with.
pub(super) type Outcome<Return> = Result<Return, Box<dyn Any + Send>>;

/// The coroutine below.
type Bare<Yield, Sent, Return> = Coroutine<Input<Sent>, Yield, Outcome<Return>>;

/// The bare coroutine's way to suspend itself.
pub(super) type Suspend<Yield, Sent> = coroutine::Yielder<Input<Sent>, Yield>;

/// What a resume gives: a value that was yielded, or none if the body returned.
pub(super) type Step<Yield> = Result<Option<Yield>, Exception>;

/// Where a generator stands, as Python's `inspect.getgeneratorstate` tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GeneratorState {
    /// It has not begun.
    Created,
    /// It is being resumed right now.
    Running,
    /// It waits in `yield_`.
    Suspended,
    /// It has ended.
    Closed,
}

/// The same for this module.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Created,
    Running,
    Suspended,
    Unwinding,
    Closed,
}

use State::{Closed, Created, Running, Suspended, Unwinding};

/// A closure that yields values, one at each [`next`](Self::next): Python's generator. See the [module](super).
///
/// `Yield` comes out, `Sent` is what [`send`](Self::send) puts in, `Return` is what the closure gives at its end.
///
/// As an iterator, and as `&Generator` is one too, it sends `Sent::default()`: `()`, or the `None` of an `Option`.
///
/// # Dropping
///
/// A suspended one is closed, so that its destructors run; see the [module](super#dropping) for one that yields again meanwhile.
///
/// One that is suspended in a destructor which runs because of an unwind cannot be unwound again. [`throw`](Self::throw) and
/// [`close`](Self::close) abort the process then, with std's line about a panic in a destructor during cleanup. Dropping it leaks it
/// with a line on stderr, if the unwind is that of an exception which was thrown in; if it is that of a panic of the body, or of
/// an exception which the body raised, dropping aborts too.
pub struct Generator<Yield, Sent = (), Return = ()> {
    coroutine: UnsafeCell<ManuallyDrop<Bare<Yield, Sent, Return>>>,
    state: Cell<State>,
    returned: Cell<Option<Return>>,
    /// Its stack may hold anything (rule 9).
    not_send: PhantomData<*mut ()>,
}

impl<Yield, Sent, Return> Generator<Yield, Sent, Return> {
    pub(super) fn of(coroutine: Bare<Yield, Sent, Return>) -> Self {
        Self {
            coroutine: UnsafeCell::new(ManuallyDrop::new(coroutine)),
            state: Cell::new(Created),
            returned: Cell::new(None),
            not_send: PhantomData,
        }
    }

    /// Starts the body and gives the first value that it yields; `None` if it returns instead. [`next`](Self::next) does the same
    /// where `Sent` has a default.
    ///
    /// # Panics
    /// If it has started already. With a panic of the body, or with a [`GeneratorError`]'s text; unwinds with an exception of
    /// the body.
    #[track_caller]
    pub fn start(&self) -> Option<Yield> {
        escaping(self.step_first())
    }

    /// Starts it, drops the first value that it yields, and gives it back ready for [`send`](Self::send): what the decorator
    /// `@coroutine` is for in many Python programs.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    #[must_use = "a generator that is dropped is closed"]
    #[track_caller]
    pub fn primed(self) -> Self {
        self.start();
        self
    }

    /// Resumes the body until it yields again, and gives that value; `None` if it returns instead, or has ended before.
    ///
    /// `yield_` gives the body `Sent::default()`.
    ///
    /// # Panics
    /// With a panic of the body, and with a [`GeneratorError`]'s text, as when it is called by the body itself; unwinds with
    /// an exception of the body.
    #[inline]
    #[track_caller]
    pub fn next(&self) -> Option<Yield>
    where
        Sent: Default,
    {
        escaping(self.step_next())
    }

    /// [`next`](Self::next) in a `try:`, which catches exceptions of type `E`.
    ///
    /// # Errors
    /// The exception; if `E` is [`GeneratorError`], an error of the protocol.
    pub fn try_next<E: 'static>(&self) -> Result<Option<Yield>, E>
    where
        Sent: Default,
    {
        self.step_next().map_err(Exception::catch)
    }

    /// Resumes the body with a value, which its `yield_` gives, until it yields again, and gives what it yields; `None` if it returns
    /// instead, or has ended before.
    ///
    /// # Panics
    /// If it has not started; the value is dropped then, and it can still be started. And as [`next`](Self::next).
    ///
    /// # Examples
    /// ```
    /// use sinew::generator::Generator;
    ///
    /// let averager = Generator::<f64, f64>::new(|y| {
    ///     let (mut sum, mut count, mut average) = (0.0, 0.0, 0.0);
    ///     loop {
    ///         sum += y.yield_(average);
    ///         count += 1.0;
    ///         average = sum / count;
    ///     }
    /// });
    /// averager.start();
    /// assert_eq!(averager.send(10.0), Some(10.0));
    /// assert_eq!(averager.send(30.0), Some(20.0));
    /// ```
    #[inline]
    #[track_caller]
    pub fn send(&self, value: Sent) -> Option<Yield> {
        escaping(self.step_send(value))
    }

    /// [`send`](Self::send) in a `try:`, which catches exceptions of type `E`.
    ///
    /// # Errors
    /// The exception; if `E` is [`GeneratorError`], an error of the protocol.
    pub fn try_send<E: 'static>(&self, value: Sent) -> Result<Option<Yield>, E> {
        self.step_send(value).map_err(Exception::catch)
    }

    /// Resumes the body with an exception, which unwinds it from its `yield_`, or which its
    /// [`try_yield`](super::Yielder::try_yield) catches; gives what it yields next, or `None` if it returns.
    ///
    /// Thrown into a generator that has not started, it ends it without a step of its body, and comes back; so it does from one
    /// that has ended.
    ///
    /// # Panics
    /// As [`next`](Self::next); unwinds with the exception if nobody catches it.
    #[track_caller]
    pub fn throw<X: Send + fmt::Debug + 'static>(&self, exception: X) -> Option<Yield> {
        escaping(self.step_throw(Exception::new(exception)))
    }

    /// [`throw`](Self::throw) in a `try:`, which catches exceptions of type `E`.
    ///
    /// # Errors
    /// The exception that comes out; if `E` is [`GeneratorError`], an error of the protocol.
    ///
    /// # Examples
    /// ```
    /// use sinew::generator::Generator;
    ///
    /// #[derive(Debug)]
    /// struct Stop(&'static str);
    ///
    /// let numbers = Generator::<u32>::from_iter(0..);
    /// numbers.next();
    /// let Err(Stop(why)) = numbers.try_throw(Stop("enough")) else { panic!("nobody catches it inside") };
    /// assert_eq!(why, "enough");
    /// ```
    pub fn try_throw<X: Send + fmt::Debug + 'static, E: 'static>(&self, exception: X) -> Result<Option<Yield>, E> {
        self.step_throw(Exception::new(exception)).map_err(Exception::catch)
    }

    /// Ends it: unwinds the body with [`GeneratorExit`] from its `yield_`, so that its destructors run. Gives what the body
    /// returns, if it catches that and returns, as Python does since 3.13.
    ///
    /// One that has not started ends without a step of its body. Does nothing to one that has ended.
    ///
    /// # Panics
    /// If the body yields again; it is suspended then. And as [`next`](Self::next).
    #[track_caller]
    pub fn close(&self) -> Option<Return> {
        escaping(self.step_close())
    }

    /// [`close`](Self::close) in a `try:`, which catches exceptions of type `E`.
    ///
    /// # Errors
    /// The exception that comes out in the place of [`GeneratorExit`]; if `E` is [`GeneratorError`], an error of the protocol.
    pub fn try_close<E: 'static>(&self) -> Result<Option<Return>, E> {
        self.step_close().map_err(Exception::catch)
    }

    /// Takes what the body returned when it ended: the value of Python's `StopIteration`. `None` while it has not, if it ended
    /// otherwise, and once the value was taken.
    pub fn take_return(&self) -> Option<Return> {
        self.returned.take()
    }

    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> GeneratorState {
        match self.state.get() {
            Created => GeneratorState::Created,
            Running => GeneratorState::Running,
            Suspended | Unwinding => GeneratorState::Suspended,
            Closed => GeneratorState::Closed,
        }
    }

    #[inline(always)]
    pub(super) fn step_next(&self) -> Step<Yield>
    where
        Sent: Default,
    {
        if self.state.get() == Suspended {
            // SAFETY: suspended.
            return unsafe { self.resume(Ok(Sent::default())) };
        }
        self.step_next_slow()
    }

    #[cold]
    fn step_next_slow(&self) -> Step<Yield>
    where
        Sent: Default,
    {
        if self.state.get() == Created { self.step_start() } else { self.step_send_slow(Sent::default()) }
    }

    #[inline(always)]
    pub(super) fn step_send(&self, value: Sent) -> Step<Yield> {
        if self.state.get() == Suspended {
            // SAFETY: suspended.
            return unsafe { self.resume(Ok(value)) };
        }
        self.step_send_slow(value)
    }

    #[cold]
    fn step_send_slow(&self, value: Sent) -> Step<Yield> {
        match self.state.get() {
            // A `Suspended` one does not come here.
            Suspended | Unwinding => self.step_unwinding(Ok(value)),
            Created => Err(Exception::new(GeneratorError::NotStarted)),
            Running => already_executing(),
            Closed => Ok(None),
        }
    }

    /// Of one that must be `Created`.
    #[track_caller]
    pub(super) fn step_first(&self) -> Step<Yield> {
        assert!(self.state.get() == Created, "generator has started already");
        self.step_start()
    }

    #[cold]
    fn step_start(&self) -> Step<Yield> {
        // SAFETY: created. What goes in is forgotten there.
        unsafe { self.resume(Err(Exception::nothing())) }
    }

    /// Of one that is `Unwinding`.
    #[cold]
    fn step_unwinding(&self, input: Input<Sent>) -> Step<Yield> {
        // SAFETY: suspended.
        let step = unsafe { self.resume(input) };
        self.note_unwind(std::thread::panicking());
        step
    }

    fn note_unwind(&self, unwinds: bool) {
        if unwinds && self.state.get() == Suspended {
            self.state.set(Unwinding);
        }
    }

    #[cold]
    pub(super) fn step_throw(&self, exception: Exception) -> Step<Yield> {
        match self.state.get() {
            Suspended => {
                let already = std::thread::panicking();
                // SAFETY: suspended.
                let step = unsafe { self.resume(Err(exception)) };
                self.note_unwind(!already && std::thread::panicking());
                step
            }
            Unwinding => self.step_unwinding(Err(exception)),
            Created => {
                self.end();
                Err(exception)
            }
            Running => already_executing(),
            Closed => Err(exception),
        }
    }

    #[cold]
    pub(super) fn step_close(&self) -> Result<Option<Return>, Exception> {
        match self.state.get() {
            Suspended | Unwinding => match self.step_throw(Exception::new(GeneratorExit)) {
                Ok(None) => Ok(self.take_return()),
                Ok(Some(_)) => Err(Exception::new(GeneratorError::IgnoredExit)),
                Err(exit) if exit.is::<GeneratorExit>() => Ok(None),
                Err(exception) => Err(exception),
            },
            Created => {
                self.end();
                Ok(None)
            }
            Running => already_executing().map(|_: Option<Yield>| None),
            Closed => Ok(None),
        }
    }

    /// # Safety
    /// It is created or suspended.
    #[inline(always)]
    unsafe fn resume(&self, input: Input<Sent>) -> Step<Yield> {
        self.state.set(Running);
        // SAFETY: invariant 1; it is live by the caller's promise.
        let coroutine = unsafe { &mut *self.coroutine.get() };
        match coroutine.resume(input) {
            CoroutineResult::Yield(value) => {
                self.state.set(Suspended);
                Ok(Some(value))
            }
            CoroutineResult::Return(outcome) => self.returned(outcome),
        }
    }

    #[cold]
    fn returned(&self, outcome: Outcome<Return>) -> Step<Yield> {
        self.end();
        match outcome {
            Ok(value) => {
                self.returned.set(Some(value));
                Ok(None)
            }
            Err(payload) => match payload.downcast::<Exception>() {
                Ok(exception) => Err(converted(*exception)),
                Err(panic) => resume_unwind(panic),
            },
        }
    }

    /// Drops the coroutine, and with it its stack, or, before the start, the closure.
    fn end(&self) {
        self.state.set(Closed);
        // SAFETY: it was live, and is not touched again (invariant 2). Either it has returned, or its frames are none (rule 3).
        unsafe { ManuallyDrop::drop(&mut *self.coroutine.get()) };
    }

    /// Ends it as drop does. False if it cannot be: it is to be leaked then.
    pub(super) fn finish(&self) -> bool {
        // Another unwind in the midst of one would abort the process.
        let stuck = match self.state.get() {
            Suspended => cfg!(panic = "abort"),
            Unwinding => cfg!(panic = "abort") || std::thread::panicking(),
            _ => false,
        };
        if stuck {
            return false;
        }
        let end = catch_unwind(AssertUnwindSafe(|| self.step_close()));
        if self.state.get() != Closed {
            // It has yielded again. If what it yielded has panicked when it was dropped, the panic hook has said so.
            discard(end);
            return false;
        }
        match end {
            Ok(Ok(_)) => {}
            Ok(Err(exception)) => exception.report("an exception in a generator that was dropped"),
            Err(panic) if std::thread::panicking() => {
                discard(panic);
                write_stderr(b"sinew: a panic in a generator that was dropped during another panic\n");
            }
            Err(panic) => resume_unwind(panic),
        }
        true
    }
}

/// For functions that catch nothing. No closure, so that a panic's location is the caller's.
#[inline(always)]
#[track_caller]
fn escaping<T>(step: Result<T, Exception>) -> T {
    match step {
        Ok(value) => value,
        Err(exception) => exception.escape(),
    }
}

/// Drops what nobody will see, and forgets what panics at that.
#[cold]
fn discard<T>(unseen: T) {
    catch_unwind(AssertUnwindSafe(|| drop(unseen))).unwrap_or_else(mem::forget);
}

/// A `StopIteration` does not leave a generator, since it would end a loop in its caller (PEP 479).
fn converted(exception: Exception) -> Exception {
    if exception.is::<StopIteration>() { Exception::new(GeneratorError::RaisedStopIteration) } else { exception }
}

#[cold]
fn already_executing<Yield>() -> Step<Yield> {
    Err(Exception::new(GeneratorError::AlreadyExecuting))
}

impl<Yield, Sent, Return> Drop for Generator<Yield, Sent, Return> {
    #[inline]
    fn drop(&mut self) {
        if self.state.get() != Closed && !self.finish() {
            // Rule 3: the stack stays as it is, for ever.
            write_stderr(if cfg!(panic = "abort") {
                b"sinew: a generator was dropped while it was suspended, and cannot be unwound in a program built with \
                  panic = \"abort\"; its stack is leaked\n"
            } else {
                b"sinew: a generator that was dropped yielded instead of ending; its stack is leaked\n".as_slice()
            });
        }
    }
}

impl<Yield, Sent: Default, Return> Iterator for Generator<Yield, Sent, Return> {
    type Item = Yield;

    #[inline]
    fn next(&mut self) -> Option<Yield> {
        Self::next(self)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, (self.state.get() == Closed).then_some(0))
    }
}

impl<Yield, Sent: Default, Return> FusedIterator for Generator<Yield, Sent, Return> {}

impl<Yield, Sent: Default, Return> Iterator for &Generator<Yield, Sent, Return> {
    type Item = Yield;

    #[inline]
    fn next(&mut self) -> Option<Yield> {
        Generator::next(self)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        Iterator::size_hint(*self)
    }
}

impl<Yield, Sent: Default, Return> FusedIterator for &Generator<Yield, Sent, Return> {}

impl<Yield, Sent, Return> fmt::Debug for Generator<Yield, Sent, Return> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generator").field("state", &self.state()).finish_non_exhaustive()
    }
}
