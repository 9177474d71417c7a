//! [`std::thread`]'s face for green threads: `use sinew::thread` replaces `use std::thread`.
//!
//! Everything here works on green threads and on ordinary OS threads alike, and between the two kinds. On a green thread a call that
//! waits suspends that thread and lets its worker run others; on an OS thread it blocks the OS thread.
//!
//! # Cancellation
//! [`Thread::cancel`] asks a green thread to end. At its next suspension it unwinds, running its destructors, and [`JoinHandle::join`]
//! gives [`Cancelled`](crate::Cancelled) as the payload. Functions that suspend say so under `# Cancellation`.

mod builder;
mod current;
mod handle;
mod local;
mod runtime;
mod scope;

pub use builder::{Builder, spawn, spawn_local};
pub(crate) use current::panicking_by_panic;
pub use current::{
    Thread, ThreadId, available_parallelism, current, panicking, park, park_timeout, sleep, sleep_until, yield_now,
};
#[allow(deprecated, reason = "std has them, so programs that are ported may use them")]
pub use current::{park_timeout_ms, sleep_ms};
pub use handle::{CancelOnDrop, JoinHandle, Joins, LocalJoinHandle};
pub use local::{AccessError, LocalKey};
pub use runtime::{blocking, run};
pub use scope::{Scope, ScopedJoinHandle, scope};
#[doc(inline)]
pub use std::thread::Result;

#[doc(inline)]
pub use crate::thread_local;
