//! A server while it serves: its accept loops, and its connections' threads.

use std::{
    any::Any,
    io,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::atomic::{AtomicU64, Ordering},
};

use super::{
    Listener, Served,
    trouble::{Ends, Meaning, Trouble},
};
use crate::{
    Cancelled,
    cancel::{CancelToken, shield},
    runtime::spawn::{Wishes, room_here},
    sync::{Mutex, Semaphore, SemaphorePermit},
    thread::{Scope, yield_now},
};

/// Is told of errors of accepting.
pub(super) type OnError = Box<dyn Fn(&io::Error) + Send + Sync>;

/// A server while it serves.
pub(super) struct Serving<H> {
    /// Connections that may still be served at once.
    pub(super) slots: Semaphore,
    /// Ends the accept loops.
    pub(super) stop: CancelToken,
    /// Ends the connections.
    pub(super) force: CancelToken,
    ends: Ends,
    connections: AtomicU64,
    panicked: AtomicU64,
    cancelled: AtomicU64,
    /// Of a listener that is of no more use.
    failure: Mutex<Option<io::Error>>,
    on_error: Option<OnError>,
    handler: H,
}

impl<H> Serving<H> {
    pub(super) fn new(most: usize, stop: CancelToken, on_error: Option<OnError>, handler: H) -> Self {
        Self {
            slots: Semaphore::new(most),
            stop,
            force: CancelToken::new(),
            ends: Ends::default(),
            connections: AtomicU64::new(0),
            panicked: AtomicU64::new(0),
            cancelled: AtomicU64::new(0),
            failure: Mutex::new(None),
            on_error,
            handler,
        }
    }

    /// What came of it.
    pub(super) fn ended(self) -> io::Result<Served> {
        match self.failure.into_inner() {
            Ok(Some(error)) => Err(error),
            _ => Ok(Served {
                connections: self.connections.into_inner(),
                panicked: self.panicked.into_inner(),
                cancelled: self.cancelled.into_inner(),
            }),
        }
    }
}

impl<H: Sync> Serving<H> {
    /// An accept loop. When it ends, all do.
    pub(super) fn accept_all<'scope, L, R>(&'scope self, scope: &'scope Scope<'scope, '_>, listener: &L, stays: bool)
    where
        L: Listener,
        L::Stream: 'scope,
        L::Addr: 'scope,
        H: Fn(L::Stream, L::Addr) -> R,
    {
        let _all = self.stop.clone().drop_guard();
        let failure = self.stop.run_until_cancelled(|| {
            let mut trouble = None;
            loop {
                match room_here().and_then(|()| listener.accept()) {
                    Ok((stream, addr)) => {
                        trouble = None;
                        self.connections.fetch_add(1, Ordering::Relaxed);
                        self.start(scope, stream, addr, stays);
                    }
                    Err(error) => match Meaning::of(&error) {
                        // A listener of another kind may never suspend here.
                        Meaning::Next => yield_now(),
                        Meaning::End => return error,
                        Meaning::Pause => self.pause(&mut trouble, &error),
                    },
                }
            }
        });
        if let Ok(error) = failure {
            *self.failure.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(error);
        }
    }

    fn pause<'a>(&'a self, trouble: &mut Option<Trouble<'a>>, error: &io::Error) {
        if let Some(trouble) = trouble {
            trouble.pause();
            return;
        }
        // The call is made again at once: what was freed before this went unseen.
        *trouble = Some(Trouble::new(&self.ends));
        if let Some(tell) = &self.on_error {
            tell(error);
        }
    }

    /// Spawns a connection's thread, once there is a slot for it. A connection that was taken is served, also if the server stops
    /// meanwhile.
    fn start<'scope, S, A, R>(&'scope self, scope: &'scope Scope<'scope, '_>, stream: S, addr: A, stays: bool)
    where
        S: Send + 'scope,
        A: Send + 'scope,
        H: Fn(S, A) -> R,
    {
        let permit = match self.slots.try_acquire() {
            Ok(permit) => permit,
            Err(_) => match shield(|| self.force.run_until_cancelled(|| self.slots.acquire())) {
                Ok(permit) => permit.expect("it is never closed"),
                Err(_) => {
                    self.cancelled.fetch_add(1, Ordering::Relaxed);
                    return;
                }
            },
        };
        let slot = Slot { permit: Some(permit), ends: &self.ends };
        let connection = move || {
            let _slot = slot;
            self.handle(stream, addr);
        };
        let wishes = Wishes { local: stays, queues: true, ..Wishes::NONE };
        // A green thread's spawn that queues does not fail.
        let spawned = scope.spawn_with(wishes, connection);
        debug_assert!(spawned.is_ok());
    }

    /// Runs the handler. A cancellation of its thread alone goes on.
    fn handle<S, A, R>(&self, stream: S, addr: A)
    where
        H: Fn(S, A) -> R,
    {
        let handle = || self.force.run_until_cancelled(|| drop((self.handler)(stream, addr)));
        match catch_unwind(AssertUnwindSafe(handle)) {
            Ok(Ok(())) => {}
            Ok(Err(_)) => {
                self.cancelled.fetch_add(1, Ordering::Relaxed);
            }
            Err(payload) if payload.is::<Cancelled>() => resume_unwind(payload),
            Err(payload) => {
                self.panicked.fetch_add(1, Ordering::Relaxed);
                discard(payload);
            }
        }
    }
}

/// Drops a panic's payload. One that panics itself is leaked.
fn discard(payload: Box<dyn Any + Send>) {
    if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(another);
    }
}

/// A connection's permit; given back, it says that what the connection held is free.
struct Slot<'a> {
    permit: Option<SemaphorePermit<'a>>,
    ends: &'a Ends,
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.permit = None;
        self.ends.tell();
    }
}
