//! Threads of which one's failure ends all.

use crate::{
    Cancelled,
    cancel::CancelToken,
    sync::WaitGroup,
    thread::{Builder, Scope, ScopedJoinHandle, scope},
};
use std::{
    any::Any,
    fmt, io,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// A group to spawn threads in; see [`group`]. Clones are the same group, for threads that spawn others.
pub struct TaskGroup<'scope, 'env, E> {
    scope: &'scope Scope<'scope, 'env>,
    shared: Arc<Shared<E>>,
    running: WaitGroup,
}

struct Shared<E> {
    token: CancelToken,
    ends: Mutex<Ends<E>>,
}

struct Ends<E> {
    errors: Vec<E>,
    panic: Option<Box<dyn Any + Send>>,
}

impl<E> Shared<E> {
    fn lock(&self) -> MutexGuard<'_, Ends<E>> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fail(&self, error: E) {
        self.lock().errors.push(error);
        self.token.cancel_with("another thread of the group failed");
    }

    fn panicked(&self, payload: Box<dyn Any + Send>) {
        let another = {
            let mut ends = self.lock();
            match ends.panic {
                None => ends.panic.replace(payload),
                Some(_) => Some(payload),
            }
        };
        self.token.cancel_with("another thread of the group panicked");
        // A payload may panic too when it is dropped, and one panic is enough to tell.
        std::mem::forget(another);
    }
}

/// What went wrong in a [`group`]: the errors of its threads and its body, in the order in which they came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupError<E> {
    errors: Vec<E>,
}

impl<E> GroupError<E> {
    /// The errors; none if the group was cancelled by [`TaskGroup::cancel`] and nothing failed.
    #[must_use]
    pub fn errors(&self) -> &[E] {
        &self.errors
    }

    /// The errors.
    #[must_use]
    pub fn into_errors(self) -> Vec<E> {
        self.errors
    }
}

impl<E: fmt::Display> fmt::Display for GroupError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((first, others)) = self.errors.split_first() else { return f.write_str("the group was cancelled") };
        write!(f, "{first}")?;
        others.iter().try_for_each(|error| write!(f, "; {error}"))
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for GroupError<E> {}

impl<E> IntoIterator for GroupError<E> {
    type Item = E;
    type IntoIter = std::vec::IntoIter<E>;

    fn into_iter(self) -> Self::IntoIter {
        self.errors.into_iter()
    }
}

/// Runs `f` with a group, in which it may spawn threads that borrow from outside, and waits until all of them have ended.
///
/// An error, of a thread or of `f` itself, cancels the other threads and `f`. All are awaited, and what they still report is added.
///
/// # Errors
/// All errors; those that follow from the cancellation are no errors. Without one, the group was cancelled by
/// [`TaskGroup::cancel`] before `f` had returned.
///
/// # Panics
/// With the panic of `f`, or else the first of a thread; after all the others have been cancelled and have ended.
///
/// # Cancellation
/// Cancels the threads, waits until they have ended, and unwinds; with a panic, if a thread has panicked.
///
/// # Examples
/// ```
/// use sinew::group::group;
///
/// let words = ["1", "2", "three"];
/// let result = group(|group| {
///     for word in &words {
///         group.spawn(move || word.parse::<i32>());
///     }
///     sinew::park();
///     Ok(())
/// });
/// assert_eq!(result.unwrap_err().errors().len(), 1);
/// ```
#[doc(alias = "errgroup", alias = "nursery", alias = "try_join")]
pub fn group<'env, T, E, F>(f: F) -> Result<T, GroupError<E>>
where
    F: for<'scope> FnOnce(&TaskGroup<'scope, 'env, E>) -> Result<T, E>,
    E: Send + 'env,
{
    let ends = Mutex::new(Ends { errors: Vec::new(), panic: None });
    let shared = Arc::new(Shared { token: CancelToken::new(), ends });
    let value = scope(|scope| {
        let running = WaitGroup::new();
        let group = TaskGroup { scope, shared: shared.clone(), running: running.clone() };
        let body = catch_unwind(AssertUnwindSafe(|| {
            let value = match shared.token.run_until_cancelled(|| f(&group)) {
                Ok(Ok(value)) => Some(value),
                Ok(Err(error)) => {
                    shared.fail(error);
                    None
                }
                Err(_) => None,
            };
            drop(group);
            // The scope waits too, but cannot be cancelled.
            running.wait();
            value
        }));
        if body.is_err() {
            shared.token.cancel_with("the group's body unwound");
        }
        body
    });
    let mut ends = shared.lock();
    let panic = match (ends.panic.take(), &value) {
        (Some(panic), Err(unwound)) if !unwound.is::<Cancelled>() => {
            // As above.
            std::mem::forget(panic);
            None
        }
        (panic, _) => panic,
    };
    if let Some(panic) = panic {
        drop(ends);
        // A cancellation comes again, a panic does not.
        drop(value);
        resume_unwind(panic);
    }
    let value = value.unwrap_or_else(|unwound| resume_unwind(unwound));
    match (value, std::mem::take(&mut ends.errors)) {
        (Some(value), errors) if errors.is_empty() => Ok(value),
        (_, errors) => Err(GroupError { errors }),
    }
}

impl<'scope, 'env, E: Send + 'env> TaskGroup<'scope, 'env, E> {
    /// Spawns a thread in the group. The handle gives [`None`] if the thread failed, panicked or was cancelled with the group; it need not be
    /// joined. A thread that is cancelled for itself is no failure: the group goes on, and the handle gives [`Cancelled`].
    ///
    /// In a group that is cancelled the closure is dropped and never runs.
    ///
    /// # Panics
    /// As [`spawn`](crate::spawn()).
    pub fn spawn<F, T>(&self, f: F) -> ScopedJoinHandle<'scope, Option<T>>
    where
        F: FnOnce() -> Result<T, E> + Send + 'scope,
        T: Send + 'scope,
    {
        self.spawn_with(Builder::new(), f).unwrap_or_else(|error| panic!("failed to spawn thread: {error}"))
    }

    /// The same for a thread as the builder says: with a name, a stack of a certain size, or the deadline of the caller. (All threads
    /// of a group end with a timeout around it; this is for one inside.)
    ///
    /// # Errors
    /// As [`Builder::spawn`].
    ///
    /// # Panics
    /// As [`Builder::spawn`].
    ///
    /// # Examples
    /// ```
    /// use sinew::{Builder, group::group};
    ///
    /// let result = group(|group| {
    ///     let named = Builder::new().name("reader".into());
    ///     let thread = group.spawn_with(named, || Ok::<_, ()>(sinew::current().name() == Some("reader")));
    ///     Ok(thread.unwrap().join().unwrap())
    /// });
    /// assert_eq!(result, Ok(Some(true)));
    /// ```
    pub fn spawn_with<F, T>(&self, builder: Builder, f: F) -> io::Result<ScopedJoinHandle<'scope, Option<T>>>
    where
        F: FnOnce() -> Result<T, E> + Send + 'scope,
        T: Send + 'scope,
    {
        let (shared, running) = (self.shared.clone(), self.running.clone());
        builder.spawn_scoped(self.scope, move || {
            let result = catch_unwind(AssertUnwindSafe(|| shared.token.run_until_cancelled(f)));
            let value = match result {
                Ok(Ok(Ok(value))) => Some(value),
                Ok(Ok(Err(error))) => {
                    shared.fail(error);
                    None
                }
                Ok(Err(_)) => None,
                // This thread alone was cancelled.
                Err(payload) if payload.is::<Cancelled>() => resume_unwind(payload),
                Err(payload) => {
                    shared.panicked(payload);
                    None
                }
            };
            drop(running);
            value
        })
    }

    /// Cancels the threads of the group, and its body if that has not returned.
    pub fn cancel(&self) {
        self.shared.token.cancel();
    }

    /// A token that is cancelled with the group.
    #[must_use]
    pub fn token(&self) -> CancelToken {
        self.shared.token.child_token()
    }
}

impl<E> Clone for TaskGroup<'_, '_, E> {
    fn clone(&self) -> Self {
        Self { scope: self.scope, shared: self.shared.clone(), running: self.running.clone() }
    }
}

impl<E> fmt::Debug for TaskGroup<'_, '_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskGroup").field("token", &self.shared.token).finish_non_exhaustive()
    }
}
