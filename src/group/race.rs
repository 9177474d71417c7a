//! Several closures at once, of which the first result is wanted.

use super::group;
use crate::cancel::lost;
use std::{
    convert::Infallible,
    sync::{Mutex, PoisonError},
};

/// Runs each closure in a thread of its own, and gives the result of the first that ends; the others are cancelled and awaited. They
/// may borrow.
///
/// # Panics
/// With the first panic of a closure, after the others have ended; if there are no closures; or if a thread cannot be spawned. A thread
/// that is cancelled by somebody for itself is out of the race; if all are, there is no result, and this panics.
///
/// # Cancellation
/// Cancels the threads, waits until they have ended, and unwinds.
///
/// # Examples
/// ```
/// let numbers = [3, 1, 2];
/// let first = sinew::group::race(numbers.iter().map(|&number| move || {
///     if number != 1 {
///         sinew::park();
///     }
///     number
/// }));
/// assert_eq!(first, 1);
/// ```
pub fn race<F, T>(closures: impl IntoIterator<Item = F>) -> T
where
    F: FnOnce() -> T + Send,
    T: Send,
{
    let closures: Vec<F> = closures.into_iter().collect();
    assert!(!closures.is_empty(), "nobody runs in this race");
    let first = Mutex::new(None);
    let ended = group::<_, Infallible, _>(|group| {
        for closure in closures {
            let (first, winner) = (&first, group.clone());
            group.spawn(move || {
                let value = closure();
                let mut first = first.lock().unwrap_or_else(PoisonError::into_inner);
                let late = if first.is_none() { first.replace(value) } else { Some(value) };
                drop(first);
                drop(late);
                winner.cancel();
                Ok(())
            });
        }
        Ok(())
    });
    drop(ended);
    first.into_inner().unwrap_or_else(PoisonError::into_inner).unwrap_or_else(|| lost("every thread of the race", None))
}

/// Runs closures of one result type, each in a thread of its own, and gives the first result. See
/// [`group::race`](crate::group::race()).
///
/// # Examples
/// ```
/// use sinew::time::{Duration, sleep};
///
/// let first = sinew::race!(
///     || {
///         sleep(Duration::from_secs(60));
///         "slow"
///     },
///     || "fast",
/// );
/// assert_eq!(first, "fast");
/// ```
#[macro_export]
macro_rules! race {
    ($($closure:expr),+ $(,)?) => {
        $crate::group::race::<::std::boxed::Box<dyn FnOnce() -> _ + Send + '_>, _>([
            $(::std::boxed::Box::new($closure) as ::std::boxed::Box<dyn FnOnce() -> _ + Send + '_>),+
        ])
    };
}
