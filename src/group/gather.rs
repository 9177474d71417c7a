//! Several closures at once, all of whose results are wanted.

use super::{GroupError, group};
use crate::{
    cancel::{Cancelled, lost},
    thread::ScopedJoinHandle,
};
use std::{convert::Infallible, panic::resume_unwind};

/// Runs each closure in a thread of its own, and gives their results in the order of the closures. They may borrow.
///
/// # Panics
/// With the first panic of a closure, after the others have been cancelled and have ended; or if a thread cannot be spawned. Also, after
/// the same, if one of the threads was cancelled by somebody for itself, which leaves a result missing: then with a message that says so.
/// (A [`group`]'s handles and a [`JoinSet`](super::JoinSet) give [`Cancelled`] instead.)
///
/// # Cancellation
/// Cancels the threads, waits until they have ended, and unwinds.
///
/// # Examples
/// ```
/// let words = ["a", "bb", "ccc"];
/// let lengths = sinew::group::gather(words.iter().map(|word| || word.len()));
/// assert_eq!(lengths, [1, 2, 3]);
/// ```
pub fn gather<F, T>(closures: impl IntoIterator<Item = F>) -> Vec<T>
where
    F: FnOnce() -> T + Send,
    T: Send,
{
    let closures: Vec<F> = closures.into_iter().collect();
    let values = group::<_, Infallible, _>(|group| {
        let spawn = |closure: F| group.spawn(move || Ok(closure()));
        let handles: Vec<_> = closures.into_iter().map(spawn).collect();
        Ok(handles.into_iter().map(result).collect())
    });
    whole(values)
}

/// The result of a thread in a group where nothing fails: there is none if a thread has panicked.
fn result<T>(handle: ScopedJoinHandle<'_, Option<T>>) -> Option<T> {
    handle.join().unwrap_or_else(|payload| match payload.downcast_ref::<Cancelled>() {
        // Not the caller's own: to let it go on would have the caller seem cancelled.
        Some(cancelled) => lost("a thread of `gather` or `join`", Some(cancelled)),
        None => resume_unwind(payload),
    })
}

/// What such a group gave. It panics if a thread has, also where its body cannot be cancelled (in a destructor, say) and has to come to
/// its end without that thread's result.
fn whole<T>(values: Result<Option<T>, GroupError<Infallible>>) -> T {
    values.ok().flatten().expect("nothing fails, nobody cancels the group, and its panics go on")
}

/// A tuple of closures, each `FnOnce() -> T + Send`. Sealed.
pub trait Closures: sealed::Closures {}

mod sealed {
    pub trait Closures {
        type Results;
        fn run(self) -> Self::Results;
    }
}

/// Runs each closure of a tuple in a thread of its own, and gives a tuple of their results. They may borrow.
/// [`join!`](crate::join!) is the same with less parentheses.
///
/// # Panics
/// As [`gather`].
///
/// # Cancellation
/// As [`gather`].
///
/// # Examples
/// ```
/// let (number, text) = sinew::group::join((|| 1, || "two"));
/// assert_eq!((number, text), (1, "two"));
/// ```
pub fn join<C: Closures>(closures: C) -> C::Results {
    closures.run()
}

/// Runs each closure in a thread of its own, and gives a tuple of their results. See [`group::join`](crate::group::join()).
///
/// # Examples
/// ```
/// let text = String::from("borrowed");
/// let (length, upper) = sinew::join!(|| text.len(), || text.to_uppercase());
/// assert_eq!((length, &*upper), (8, "BORROWED"));
/// ```
#[macro_export]
macro_rules! join {
    ($($closure:expr),+ $(,)?) => { $crate::group::join(($($closure,)+)) };
}

macro_rules! tuples {
    ($(($($f:ident $t:ident $value:ident),+))+) => {$(
        impl<$($f: FnOnce() -> $t + Send, $t: Send),+> Closures for ($($f,)+) {}

        impl<$($f: FnOnce() -> $t + Send, $t: Send),+> sealed::Closures for ($($f,)+) {
            type Results = ($($t,)+);

            fn run(self) -> Self::Results {
                let ($($value,)+) = self;
                let values = group::<_, Infallible, _>(|group| {
                    $(let $value = group.spawn(move || Ok($value()));)+
                    let values = || Some(($(result($value)?,)+));
                    Ok(values())
                });
                whole(values)
            }
        }
    )+};
}

tuples! {
    (A Ta a)
    (A Ta a, B Tb b)
    (A Ta a, B Tb b, C Tc c)
    (A Ta a, B Tb b, C Tc c, D Td d)
    (A Ta a, B Tb b, C Tc c, D Td d, E Te e)
    (A Ta a, B Tb b, C Tc c, D Td d, E Te e, F Tf f)
    (A Ta a, B Tb b, C Tc c, D Td d, E Te e, F Tf f, G Tg g)
    (A Ta a, B Tb b, C Tc c, D Td d, E Te e, F Tf f, G Tg g, H Th h)
}
