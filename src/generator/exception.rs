//! Exceptions: values of any type that unwind, and are caught by their type.
//!
//! An unwinding exception's payload is an [`Exception`], whatever it carries. That tells it from panics and from
//! cancellations, which nothing here catches.
//!
//! # One that nobody catches
//!
//! When it is raised nobody can know whether it will be caught. But who catches it looks at it, and where nobody does (at the
//! end of `main`, in a thread whose result is not taken) the payload is dropped as it is. So an exception that is raised is
//! marked, whoever looks at it takes the mark away, and one that is dropped with the mark says so on stderr.
//!
//! Rejected: a panic that runs the hook (`panic_any`). It would be reported when it is raised, caught or not, and as `Box<dyn Any>`.

use crate::sys::report::write_stderr;
use std::{
    any::{Any, TypeId, type_name},
    cell::Cell,
    error::Error,
    fmt,
    mem::{self, ManuallyDrop},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    ptr::NonNull,
};

/// What an exception can be. Every `Debug + Send` value is.
trait Payload: Any + Send + fmt::Debug {
    fn type_name(&self) -> &'static str;
}

impl<T: Any + Send + fmt::Debug> Payload for T {
    fn type_name(&self) -> &'static str {
        type_name::<T>()
    }
}

/// What an exception is the address of.
struct Inner {
    payload: Box<dyn Payload>,
    /// It was raised, and nobody has looked at it since.
    raised: Cell<bool>,
}

/// An exception: a value of any type on its way from where it was raised or thrown to where it is caught.
///
/// A thread that ends because of one gives it to `join`, as the payload. One that is dropped after it was raised, and before
/// anybody has looked at it, is said on stderr: it was caught by nobody, or swallowed by a `catch_unwind`.
///
/// # Examples
/// ```
/// use sinew::generator::{Exception, raise};
///
/// #[derive(Debug, PartialEq)]
/// struct ValueError(&'static str);
///
/// let thread = sinew::spawn(|| raise(ValueError("no such thing")));
/// let exception = thread.join().unwrap_err().downcast::<Exception>().unwrap();
/// assert_eq!(exception.downcast_ref(), Some(&ValueError("no such thing")));
/// ```
pub struct Exception {
    /// From `Box::into_raw`. One word, so that it crosses a switch in a register; and it may point nowhere ([`Self::nothing`]).
    inner: NonNull<Inner>,
}

// SAFETY: it is a box of what is `Send`.
unsafe impl Send for Exception {}

impl Exception {
    /// Makes an exception of a value. One of an exception is that exception.
    pub fn new<E: Send + fmt::Debug + 'static>(value: E) -> Self {
        match cast::<E, Self>(value) {
            Ok(exception) => exception,
            Err(value) => {
                let inner = Inner { payload: Box::new(value), raised: Cell::new(false) };
                Self { inner: NonNull::from(Box::leak(Box::new(inner))) }
            }
        }
    }

    /// What fills an exception's place where there is none. Only to be forgotten.
    pub(super) fn nothing() -> Self {
        Self { inner: NonNull::dangling() }
    }

    fn inner(&self) -> &Inner {
        // SAFETY: live until this is dropped, and not shared (`nothing` is asked for nothing).
        unsafe { self.inner.as_ref() }
    }

    /// For who catches it.
    fn payload(&self) -> &dyn Payload {
        let inner = self.inner();
        inner.raised.set(false);
        &*inner.payload
    }

    fn into_payload(self) -> Box<dyn Payload> {
        let this = ManuallyDrop::new(self);
        // SAFETY: from `Box::leak`, and given away here.
        unsafe { Box::from_raw(this.inner.as_ptr()) }.payload
    }

    /// Whether it is of this type.
    #[must_use]
    pub fn is<E: 'static>(&self) -> bool {
        self.payload().type_id() == TypeId::of::<E>()
    }

    /// The value, if it is of this type.
    #[must_use]
    pub fn downcast_ref<E: 'static>(&self) -> Option<&E> {
        (self.payload() as &dyn Any).downcast_ref()
    }

    /// The value, if it is of this type; `Exception` stands for every type.
    ///
    /// # Errors
    /// The exception, if it is of another type.
    pub fn downcast<E: 'static>(self) -> Result<E, Self> {
        self.inner().raised.set(false);
        let this = match cast::<Self, E>(self) {
            Ok(exception) => return Ok(exception),
            Err(this) => this,
        };
        if !this.is::<E>() {
            return Err(this);
        }
        let value: Box<dyn Any> = this.into_payload();
        Ok(*value.downcast().expect("asked just before"))
    }

    /// Raises it, as Python's `raise`. No panic hook runs; see [`raise`] for what is said if nobody catches it.
    #[cold]
    pub fn raise(self) -> ! {
        self.inner().raised.set(true);
        if cfg!(panic = "abort") {
            // It aborts here.
            self.report("an exception, which cannot be caught in a program built with panic = \"abort\"");
        }
        resume_unwind(Box::new(self))
    }

    /// For `try_` functions: the value if it is of the type that they catch; else goes on unwinding.
    pub(super) fn catch<E: 'static>(self) -> E {
        self.downcast().unwrap_or_else(|exception| exception.raise())
    }

    /// For functions that catch nothing: an error of the protocol panics, another exception goes on unwinding.
    #[cold]
    #[track_caller]
    pub(super) fn escape(self) -> ! {
        if let Some(error) = self.downcast_ref::<GeneratorError>() {
            panic!("{error}");
        }
        self.raise()
    }

    /// Says on stderr what has become of it, its type, and what its `Debug` writes.
    #[cold]
    pub(super) fn report(&self, what: &str) {
        let payload = self.payload();
        // The value's own code runs here, maybe in the midst of an unwind.
        let text = catch_unwind(AssertUnwindSafe(|| format!("{payload:?}"))).unwrap_or_else(|panic| {
            catch_unwind(AssertUnwindSafe(|| drop(panic))).unwrap_or_else(mem::forget);
            String::from("its Debug panicked")
        });
        write_stderr(format!("sinew: {what}: {}: {text}\n", payload.type_name()).as_bytes());
    }
}

impl Drop for Exception {
    fn drop(&mut self) {
        if self.inner().raised.get() {
            self.report("an exception that nobody caught");
        }
        // SAFETY: from `Box::leak`, and not given away.
        drop(unsafe { Box::from_raw(self.inner.as_ptr()) });
    }
}

impl fmt::Debug for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Exception").field(&self.payload()).finish()
    }
}

/// The value as another type, if it is of that type.
fn cast<From: 'static, To: 'static>(value: From) -> Result<To, From> {
    let mut from = Some(value);
    match (&mut from as &mut dyn Any).downcast_mut::<Option<To>>() {
        Some(to) => Ok(to.take().expect("filled above")),
        None => Err(from.expect("filled above")),
    }
}

/// Raises an exception, as Python's `raise`: unwinds to the nearest function that catches the type.
///
/// No panic hook runs, since it may well be caught. One that ends its thread, the main one too, and whose payload nobody looks
/// at, is said on stderr when that is dropped: its type, and what its `Debug` writes.
///
/// # Examples
/// ```
/// use sinew::generator::{Generator, raise};
///
/// #[derive(Debug)]
/// struct ValueError;
///
/// let one = Generator::<u32>::new(|y| {
///     y.yield_(1);
///     raise(ValueError)
/// });
/// assert_eq!(one.next(), Some(1));
/// let Err(ValueError) = one.try_next() else { panic!("it raises") };
/// assert_eq!(one.next(), None);
/// ```
pub fn raise<E: Send + fmt::Debug + 'static>(value: E) -> ! {
    Exception::new(value).raise()
}

/// Python's `try:` before a block: calls `f` and catches an exception of type `E`.
///
/// `E` may be [`Exception`], for all types; `Err(other) => other.raise()` then raises again what was not meant.
/// Exceptions of other types pass on, and so do panics and cancellations.
///
/// # Errors
/// The exception.
///
/// # Examples
/// ```
/// use sinew::generator::{raise, try_};
///
/// #[derive(Debug)]
/// struct KeyError(u32);
///
/// let found = try_(|| if "key".len() == 3 { raise(KeyError(7)) });
/// assert!(matches!(found, Err(KeyError(7))));
/// ```
pub fn try_<T, E: 'static>(f: impl FnOnce() -> T) -> Result<T, E> {
    catch_unwind(AssertUnwindSafe(f)).map_err(|payload| match payload.downcast::<Exception>() {
        Ok(exception) => exception.catch(),
        Err(payload) => resume_unwind(payload),
    })
}

/// What [`close`](super::Generator::close) throws. As Python's, it should not be stopped: do what must be done, and raise it again or
/// return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GeneratorExit;

/// An iterator's end as an exception, for code that raises it.
///
/// Iteration here ends with `None`, and raises nothing. A `StopIteration` that leaves a generator's body becomes
/// [`GeneratorError::RaisedStopIteration`], as in Python since [PEP 479](https://peps.python.org/pep-0479/).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StopIteration;

/// The errors of the protocol. Their texts are CPython's, where it has them; [`NotStarted`](Self::NotStarted) also says what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GeneratorError {
    /// It was resumed, thrown into or closed by its own body, or by another thread of the same worker while its body waits.
    /// Python: `ValueError`.
    AlreadyExecuting,
    /// It was sent a value before its start. It can still be started. Python: `TypeError`.
    NotStarted,
    /// It yielded instead of ending when it was closed. It can still be resumed. Python: `RuntimeError`.
    IgnoredExit,
    /// A [`StopIteration`] left its body. Python: `RuntimeError`.
    RaisedStopIteration,
    /// [`yield_from`](super::Yielder::yield_from) found it ended, and its return value gone. Python goes on with `None`.
    NoReturnValue,
}

impl fmt::Display for GeneratorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AlreadyExecuting => "generator already executing",
            Self::NotStarted => "can't send a value to a just-started generator: first call next, start or primed",
            Self::IgnoredExit => "generator ignored GeneratorExit",
            Self::RaisedStopIteration => "generator raised StopIteration",
            Self::NoReturnValue => "generator has ended, and its return value is gone",
        })
    }
}

impl Error for GeneratorError {}

impl fmt::Display for GeneratorExit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the generator is closed")
    }
}

impl Error for GeneratorExit {}
