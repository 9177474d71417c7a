//! [`std::sync`]'s face for green threads, and more: `use sinew::sync` replaces `use std::sync`.
//!
//! Everything here works on green threads and on ordinary OS threads alike, and between the two kinds. A green thread that waits is suspended and
//! leaves its worker to others; an OS thread that waits is blocked. What does not have to wait never enters the runtime.
//!
//! | as std's | more |
//! |---|---|
//! | [`Mutex`], [`RwLock`], [`Condvar`] | [`Semaphore`] |
//! | [`Barrier`] | [`WaitGroup`] |
//! | [`Once`], [`OnceLock`], [`LazyLock`] | [`Event`], [`Notify`] |
//! | [`mpsc`] | [`sinew::channel`](crate::channel) |
//!
//! What of std does not wait is std's own: [`Arc`], [`Weak`], [`atomic`], and the errors.
//!
//! # Cancellation
//! A thread that is [cancelled](crate::thread::Thread::cancel) while it waits here unwinds, and the operation has had no effect; each says
//! so under `# Cancellation`. An operation that does not have to wait does not look. If what is waited for comes together with the
//! cancellation, it is taken, and the thread unwinds at its next suspension.

mod barrier;
mod condvar;
mod event;
mod lazy_lock;
pub mod mpsc;
mod mutex;
mod notify;
mod once;
mod once_lock;
mod poison;
pub(crate) mod raw;
mod rwlock;
mod semaphore;
mod wait_group;

pub use barrier::{Barrier, BarrierWaitResult};
pub use condvar::{Condvar, WaitTimeoutResult};
pub use event::Event;
pub use lazy_lock::LazyLock;
pub use mutex::{Mutex, MutexGuard};
pub use notify::Notify;
#[allow(deprecated, reason = "for programs that still name it")]
pub use once::ONCE_INIT;
pub use once::{Once, OnceState};
pub use once_lock::OnceLock;
pub use rwlock::{RwLock, RwLockReadGuard, RwLockWriteGuard};
pub use semaphore::{AcquireError, OwnedSemaphorePermit, Semaphore, SemaphorePermit, TryAcquireError};
#[doc(no_inline)]
pub use std::sync::{Arc, LockResult, PoisonError, TryLockError, TryLockResult, Weak, atomic};
pub use wait_group::WaitGroup;
