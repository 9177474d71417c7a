//! Waiting for any descriptor, beside the sockets of [`net`](crate::net).
//!
//! [`Watched`] makes green threads wait for whatever can be polled: pipes, terminals, `eventfd`, `timerfd`, `inotify`,
//! other libraries' sockets. The types of `net` are built on it.

pub(crate) mod watched;

pub use watched::Watched;
