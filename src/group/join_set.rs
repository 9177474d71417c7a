//! Threads that come out as they end.

use crate::{
    runtime::{
        wait,
        waiters::{Waiters, Want},
    },
    thread::{Builder, JoinHandle, Result, Thread},
};
use std::{
    collections::{HashMap, VecDeque},
    fmt, io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Threads whose results are taken in the order in which they end.
///
/// Dropped, it cancels those that are left and waits for them.
///
/// # Examples
/// ```
/// use sinew::{group::JoinSet, time::{Duration, sleep}};
///
/// let mut set = JoinSet::new();
/// for number in [20, 1] {
///     set.spawn(move || {
///         sleep(Duration::from_millis(number));
///         number
///     });
/// }
/// let mut numbers = Vec::new();
/// while let Some(result) = set.join_next() {
///     numbers.push(result.unwrap());
/// }
/// assert_eq!(numbers, [1, 20]);
///
/// let squares: JoinSet<i32> = (1..4).map(|number| move || number * number).collect();
/// assert_eq!(squares.join_all().into_iter().map(Result::unwrap).sum::<i32>(), 14);
/// ```
pub struct JoinSet<T> {
    handles: HashMap<u64, JoinHandle<T>>,
    next: u64,
    ended: Arc<Ended>,
}

#[derive(Default)]
struct Ended {
    numbers: Mutex<VecDeque<u64>>,
    waiters: Waiters,
}

impl Ended {
    fn lock(&self) -> MutexGuard<'_, VecDeque<u64>> {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says that a thread ends, also if it never ran.
struct Says(Arc<Ended>, u64);

impl Drop for Says {
    fn drop(&mut self) {
        self.0.lock().push_back(self.1);
        self.0.waiters.lock().grant_all(0);
    }
}

impl<T> JoinSet<T> {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self { handles: HashMap::new(), next: 0, ended: Arc::default() }
    }

    /// Spawns a thread in the set.
    ///
    /// # Panics
    /// As [`spawn`](crate::spawn()).
    pub fn spawn<F>(&mut self, f: F) -> Thread
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.spawn_with(Builder::new(), f).unwrap_or_else(|error| panic!("failed to spawn thread: {error}"))
    }

    /// The same for a thread as the builder says: with a name, a stack of a certain size, or the deadline of the caller.
    ///
    /// # Errors
    /// As [`Builder::spawn`].
    ///
    /// # Panics
    /// As [`Builder::spawn`].
    ///
    /// # Examples
    /// ```
    /// use sinew::{Builder, Cancelled, group::JoinSet, time::{Duration, timeout}};
    ///
    /// let mut set = JoinSet::new();
    /// timeout(Duration::from_millis(2), || {
    ///     set.spawn_with(Builder::new().inherit_deadline(), || sinew::park()).unwrap();
    /// })?;
    /// assert!(set.join_next().unwrap().unwrap_err().is::<Cancelled>());
    /// # Ok::<(), sinew::time::Elapsed>(())
    /// ```
    pub fn spawn_with<F>(&mut self, builder: Builder, f: F) -> io::Result<Thread>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let number = self.next;
        // Also if the spawn fails, which drops the closure: then this number has ended without a handle.
        self.next += 1;
        let says = Says(self.ended.clone(), number);
        let handle = builder.spawn(move || {
            let _says = says;
            f()
        })?;
        let thread = handle.thread().clone();
        self.handles.insert(number, handle);
        Ok(thread)
    }

    /// How many threads there are whose results were not taken.
    #[must_use]
    pub fn len(&self) -> usize {
        self.handles.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.handles.is_empty()
    }

    /// Suspends the current thread until a thread of the set has ended, takes that out, and gives its result; none if the set is empty.
    ///
    /// # Errors
    /// The inner one: the payload of the thread's panic, or [`Cancelled`](crate::Cancelled).
    ///
    /// # Cancellation
    /// Unwinds, and nothing was taken.
    pub fn join_next(&mut self) -> Option<Result<T>> {
        if self.handles.is_empty() {
            return None;
        }
        loop {
            if let Some(result) = self.try_join_next() {
                return Some(result);
            }
            self.ended.waiters.wait(Want::amount(0), None, |_| !self.ended.lock().is_empty(), drop);
        }
    }

    /// The same for a thread that has ended already; none if there is none.
    pub fn try_join_next(&mut self) -> Option<Result<T>> {
        let handle = loop {
            let number = self.ended.lock().pop_front()?;
            if let Some(handle) = self.handles.remove(&number) {
                break handle;
            }
        };
        // It has no more to do than to end.
        let _mask = wait::mask();
        Some(handle.join())
    }

    /// Waits for all, and gives their results in the order in which they ended.
    ///
    /// # Cancellation
    /// Cancels those that are left, waits for them, and unwinds.
    pub fn join_all(mut self) -> Vec<Result<T>> {
        std::iter::from_fn(|| self.join_next()).collect()
    }

    /// Cancels all; they are still to be taken.
    #[doc(alias = "abort_all")]
    pub fn cancel_all(&self) {
        self.handles.values().for_each(JoinHandle::cancel);
    }
}

impl<T> Default for JoinSet<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<F, T> FromIterator<F> for JoinSet<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    /// Spawns a thread for each closure.
    ///
    /// # Panics
    /// As [`spawn`](JoinSet::spawn).
    fn from_iter<I: IntoIterator<Item = F>>(closures: I) -> Self {
        let mut set = Self::new();
        set.extend(closures);
        set
    }
}

impl<F, T> Extend<F> for JoinSet<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    /// Spawns a thread for each closure.
    ///
    /// # Panics
    /// As [`spawn`](JoinSet::spawn).
    fn extend<I: IntoIterator<Item = F>>(&mut self, closures: I) {
        for closure in closures {
            self.spawn(closure);
        }
    }
}

impl<T> Drop for JoinSet<T> {
    fn drop(&mut self) {
        if self.handles.is_empty() {
            return;
        }
        self.cancel_all();
        let _mask = wait::mask();
        for (_, handle) in self.handles.drain() {
            // Nobody asks for it any more.
            drop(handle.join());
        }
    }
}

impl<T> fmt::Debug for JoinSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinSet").field("len", &self.len()).finish_non_exhaustive()
    }
}
