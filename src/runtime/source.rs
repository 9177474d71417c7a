//! The readiness state of one descriptor, and the waiting for it from a green thread or an OS thread.
//!
//! A source is registered with a reactor when a green thread first has to wait for it, namely with that thread's
//! worker. Threads of other workers may wait for it too, and are woken from there; when they alone have done so for
//! [`AWAY`] waits, the registration moves to them (a connection is often opened on one worker and served on another).
//! Moving loses nothing: to register tells afresh what is ready.
//!
//! An OS thread waits by `poll(2)`, and needs no registration.

use std::{
    io,
    os::fd::{BorrowedFd, RawFd},
    ptr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use mio::Token;

use super::{
    clock,
    event::{Here, Waker, Woke},
    os,
    reactor::{Reactor, Shared},
    readiness::{Direction, Listed, Node, Readiness},
};
use crate::{
    primitive::{Mutex, lock},
    sys::socket,
};

/// After how many waits on other workers in a row a registration moves.
const AWAY: usize = 4;

/// The readiness state of one descriptor. Whoever owns the descriptor calls [`Source::deregister`] before it is
/// closed or given away: a duplicate would keep a poller's entry alive.
pub(crate) struct Source {
    pub(super) readiness: Readiness<Waker>,
    /// The descriptor, which its owner keeps open until it has called [`Source::deregister`].
    fd: RawFd,
    /// The id of the reactor that `registration` names, 0 if none; a copy to be read without the lock.
    home: AtomicUsize,
    /// Waits on other workers since the last on the reactor's own. A hint: an update may be lost.
    away: AtomicUsize,
    registration: Mutex<Option<(Arc<Shared>, Token)>>,
}

impl Source {
    /// The state of a descriptor that nothing is known of yet.
    pub(crate) fn new(fd: RawFd) -> Arc<Source> {
        Arc::new(Source {
            readiness: Readiness::new(),
            fd,
            home: AtomicUsize::new(0),
            away: AtomicUsize::new(0),
            registration: Mutex::new(None),
        })
    }

    /// What is known of the descriptor, and the clearing of it.
    #[inline]
    pub(crate) fn readiness(&self) -> &Readiness<Waker> {
        &self.readiness
    }

    /// Where the reference to the source lies: in what has the descriptor, too, which a thread touches after its wait.
    #[inline]
    pub(crate) fn holder(self: &Arc<Self>) -> *const () {
        ptr::from_ref(self).cast()
    }

    /// Waits, with `fd` which is the descriptor of this source, until a call in this direction may succeed, or the deadline
    /// passes. May return early for no reason.
    ///
    /// # Errors
    /// Those of registering (no memory, too many watches), and of `poll(2)` on an OS thread.
    #[inline(always)]
    pub(crate) fn wait(
        self: &Arc<Self>,
        here: Option<Here<'_>>,
        fd: BorrowedFd<'_>,
        direction: Direction,
        deadline: Option<Instant>,
    ) -> io::Result<Woke> {
        let Some(here) = here else {
            let ready = os::poll(&mut [socket::poll_entry(fd, direction == Direction::Write)], deadline)?;
            return Ok(if ready { Woke::Event } else { Woke::TimedOut });
        };
        let node = Node::new(direction, here.waker(), self.holder());
        let Some(listed) = self.readiness.list(&node) else { return Ok(Woke::Event) };
        self.hear_of(here)?;
        loop {
            let woke = here.wait(deadline);
            if listed.is_woken() {
                return Ok(Woke::Event);
            }
            if woke == Woke::TimedOut {
                return Ok(Woke::TimedOut);
            }
        }
    }

    /// Waits, with `fd` which is the descriptor of this source, until the operating system says that a call in this direction
    /// would not block; `false` if the deadline passes first.
    ///
    /// # Errors
    /// As [`Source::wait`].
    pub(crate) fn ready(
        self: &Arc<Self>,
        fd: BorrowedFd<'_>,
        direction: Direction,
        deadline: Option<Instant>,
    ) -> io::Result<bool> {
        let write = direction == Direction::Write;
        let Some(here) = Here::current() else {
            return os::poll(&mut [socket::poll_entry(fd, write)], deadline);
        };
        here.breathe();
        let mut last = false;
        loop {
            let seen = self.readiness.seen();
            if socket::wait(fd, write, Some(clock::now()))? {
                return Ok(true);
            }
            self.readiness.blocked(direction, seen);
            if last {
                return Ok(false);
            }
            last = self.wait(Some(here), fd, direction, deadline)? == Woke::TimedOut;
        }
    }

    /// [`Source::wait`] for the first of several sources.
    ///
    /// # Errors
    /// As [`Source::wait`].
    pub(crate) fn wait_any(
        here: Option<Here<'_>>,
        sources: &[(&Arc<Source>, BorrowedFd<'_>)],
        direction: Direction,
        deadline: Option<Instant>,
    ) -> io::Result<Woke> {
        let Some(here) = here else {
            let write = direction == Direction::Write;
            let mut entries: Vec<_> = sources.iter().map(|&(_, fd)| socket::poll_entry(fd, write)).collect();
            return Ok(if os::poll(&mut entries, deadline)? { Woke::Event } else { Woke::TimedOut });
        };
        let nodes: Vec<_> =
            sources.iter().map(|(source, _)| Node::new(direction, here.waker(), source.holder())).collect();
        let mut listed = Vec::with_capacity(nodes.len());
        for (&(source, _), node) in sources.iter().zip(&nodes) {
            let Some(entry) = source.readiness.list(node) else { return Ok(Woke::Event) };
            listed.push(entry);
            source.hear_of(here)?;
        }
        loop {
            let woke = here.wait(deadline);
            if listed.iter().any(Listed::is_woken) {
                return Ok(Woke::Event);
            }
            if woke == Woke::TimedOut {
                return Ok(Woke::TimedOut);
            }
        }
    }

    /// Registers the source, for which the running thread is listed, if need be. Looked at after listing: a reactor that goes
    /// away says so here first and wakes who is listed then.
    #[inline(always)]
    fn hear_of(self: &Arc<Self>, here: Here<'_>) -> io::Result<()> {
        if self.home.load(Ordering::Acquire) != here.reactor().id() {
            self.settle(here.reactor())?;
        } else if self.away.load(Ordering::Relaxed) != 0 {
            self.away.store(0, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Waits on a worker whose reactor is not the one that hears of this source: registers it there if it should be.
    #[cold]
    fn settle(self: &Arc<Self>, reactor: &Reactor) -> io::Result<()> {
        let mut registration = lock(&self.registration);
        if let Some((place, token)) = &*registration {
            if place.id() == reactor.id() || self.away.fetch_add(1, Ordering::Relaxed) + 1 < AWAY {
                return Ok(());
            }
            place.deregister(self.fd, *token);
            *registration = None;
            self.home.store(0, Ordering::Release);
        }
        let token = reactor.shared().register(self.fd, self)?;
        *registration = Some((Arc::clone(reactor.shared()), token));
        self.away.store(0, Ordering::Relaxed);
        self.home.store(reactor.id(), Ordering::Release);
        Ok(())
    }

    /// Takes the source out of the reactor that it is registered with, if any.
    pub(crate) fn deregister(&self) {
        if self.home.load(Ordering::Acquire) == 0 {
            return;
        }
        let mut registration = lock(&self.registration);
        if let Some((place, token)) = registration.take() {
            place.deregister(self.fd, token);
        }
        self.home.store(0, Ordering::Release);
    }

    /// That reactor is gone: whoever waits, on other workers, is to register anew.
    pub(super) fn forget(&self, reactor: usize) {
        {
            let mut registration = lock(&self.registration);
            if registration.as_ref().is_none_or(|(place, _)| place.id() != reactor) {
                return;
            }
            *registration = None;
            self.home.store(0, Ordering::Release);
        }
        self.readiness.wake_all();
    }
}

#[cfg(test)]
#[path = "source_tests.rs"]
mod tests;
