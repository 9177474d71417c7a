//! A worker's poller: which descriptors it hears of, and the waking of who waits for them.
//!
//! The owner polls. Registering is done on the owner's thread too (a thread registers where it waits), but taking out
//! can happen anywhere a socket is closed or given away, so the table of entries is shared and has a lock. An event
//! carries the entry's index and generation, never a pointer; one for an entry that has been given to another source
//! since is ignored. Sources are edge-triggered, in both directions at once, and stay registered until they are closed.
//!
//! Lock order: a source's registration, then this table, then a source's lists (`readiness`). Waking happens under the
//! last two.

use std::{
    cell::{Cell, RefCell},
    io,
    os::fd::{AsRawFd, RawFd},
    sync::{
        Arc,
        atomic::{AtomicI32, AtomicUsize, Ordering},
    },
    time::Duration,
};

use mio::{Events, Interest, Poll, Registry, Token, unix::SourceFd};

#[cfg(all(feature = "io-uring", target_os = "linux"))]
use super::uring::Ring;
use super::{
    readiness::{READ_ENDED, READABLE, URGENT, WRITABLE, WRITE_ENDED},
    source::Source,
};
use crate::{
    primitive::{Mutex, lock},
    sys::{prefetch::prefetch, socket},
};

/// The most events that one poll takes, holding the table meanwhile. Few, so that the memory which waking a thread touches, its
/// stack above all, is still at hand when the thread runs. Measured with 10,000 connections: a message takes 800 ns in user mode
/// if 1,024 are taken at once, 525 ns if 128, 466 ns if 64.
const EVENTS: usize = 64;
/// How many events before its turn an event's memory is fetched.
const AHEAD: usize = 4;

/// The token of the waker by which others end the owner's sleep.
const WAKER: Token = Token(usize::MAX);

const INDEX_BITS: u32 = if usize::BITS == 64 { 32 } else { 20 };
const INDEX: usize = (1 << INDEX_BITS) - 1;
/// One bit less than there is room for, so that no token is the waker's.
const GENERATION: usize = usize::MAX >> (INDEX_BITS + 1);

#[cfg(any(target_os = "linux", target_os = "android"))]
const INTEREST: Interest = Interest::READABLE.add(Interest::WRITABLE).add(Interest::PRIORITY);
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const INTEREST: Interest = Interest::READABLE.add(Interest::WRITABLE);

/// A worker's poller.
pub(crate) struct Reactor {
    poll: RefCell<(Poll, Events)>,
    /// The last poll took as many events as it could.
    was_full: Cell<bool>,
    /// The descriptors of the poller and of the ring, or a negative number.
    descriptors: [AtomicI32; 2],
    waker: Arc<mio::Waker>,
    shared: Arc<Shared>,
    #[cfg(all(feature = "io-uring", target_os = "linux"))]
    ring: Ring,
}

/// What of a reactor its sources hold on to.
pub(crate) struct Shared {
    /// Never given twice in a process, never 0.
    id: usize,
    /// How many entries are in use.
    count: AtomicUsize,
    table: Mutex<Table>,
}

struct Table {
    /// `None` once the reactor is gone.
    registry: Option<Registry>,
    entries: Vec<Entry>,
    free: Vec<u32>,
}

struct Entry {
    generation: usize,
    source: Option<Arc<Source>>,
}

impl Reactor {
    /// A poller with its waker.
    ///
    /// # Errors
    /// The operating system's, when it is out of descriptors or memory.
    pub(crate) fn new() -> io::Result<Reactor> {
        static LAST_ID: AtomicUsize = AtomicUsize::new(0);
        let poll = Poll::new()?;
        let waker = Arc::new(mio::Waker::new(poll.registry(), WAKER)?);
        let table = Table { registry: Some(poll.registry().try_clone()?), entries: Vec::new(), free: Vec::new() };
        let id = LAST_ID.fetch_add(1, Ordering::Relaxed) + 1;
        let shared = Arc::new(Shared { id, count: AtomicUsize::new(0), table: Mutex::new(table) });
        Ok(Reactor {
            descriptors: [AtomicI32::new(poll.as_raw_fd()), AtomicI32::new(-1)],
            poll: RefCell::new((poll, Events::with_capacity(EVENTS))),
            was_full: Cell::new(false),
            waker,
            shared,
            #[cfg(all(feature = "io-uring", target_os = "linux"))]
            ring: Ring::new(),
        })
    }

    /// Ends the owner's poll, from any OS thread.
    pub(crate) fn waker(&self) -> Arc<mio::Waker> {
        Arc::clone(&self.waker)
    }

    /// Has what the kernel can complete go to the ring, from now on; on the owner's OS thread.
    ///
    /// # Errors
    /// The kernel's; the ring stays off.
    #[cfg(all(feature = "io-uring", target_os = "linux"))]
    pub(super) fn start_ring(&self) -> io::Result<()> {
        self.descriptors[1].store(self.ring.start()?, Ordering::Relaxed);
        Ok(())
    }

    /// Whether something has happened that the owner has not taken by [`poll`](Self::poll). Waits until it has, or for `timeout`, or for
    /// ever if there is none; but the end of a ring's operation is seen only when the wait begins. For anyone to ask; it costs a system
    /// call.
    pub(crate) fn has_news(&self, timeout: Option<Duration>) -> bool {
        socket::have_news(self.descriptors.each_ref().map(|descriptor| descriptor.load(Ordering::Relaxed)), timeout)
    }

    /// Where operations go that the kernel completes, if it is on.
    #[cfg(all(feature = "io-uring", target_os = "linux"))]
    #[inline]
    pub(crate) fn ring(&self) -> &Ring {
        &self.ring
    }

    /// Whether any source is registered, or an operation under way. While none is, a poll can only be ended by the waker. The
    /// owner alone registers, so for it `false` stays true.
    #[inline]
    pub(crate) fn has_sources(&self) -> bool {
        self.is_ring_busy() || self.shared.count.load(Ordering::Relaxed) != 0
    }

    /// Whether an operation is under way that the kernel completes.
    #[inline]
    pub(crate) fn is_ring_busy(&self) -> bool {
        #[cfg(all(feature = "io-uring", target_os = "linux"))]
        return self.ring.is_busy();
        #[cfg(not(all(feature = "io-uring", target_os = "linux")))]
        false
    }

    /// Whether the last poll probably left events behind.
    #[inline]
    pub(crate) fn has_more(&self) -> bool {
        #[cfg(all(feature = "io-uring", target_os = "linux"))]
        if self.ring.has_more() {
            return true;
        }
        self.was_full.get()
    }

    /// Names this reactor among all there ever were.
    #[inline]
    pub(crate) fn id(&self) -> usize {
        self.shared.id
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Takes what has happened, waiting for `timeout` at most (for ever if there is none), and wakes who waited for it.
    /// The number of sources that had an event, and of operations that ended. A signal ends it early.
    ///
    /// # Errors
    /// The poller's own, which a sound one never has.
    pub(crate) fn poll(&self, timeout: Option<Duration>) -> io::Result<usize> {
        #[cfg(all(feature = "io-uring", target_os = "linux"))]
        if self.ring.is_on() {
            let poller = self.poll.borrow().0.as_raw_fd();
            let (ended, found) = self.ring.poll(timeout, poller)?;
            if !found {
                self.was_full.set(false);
                return Ok(ended);
            }
            return Ok(ended + self.poll_sources(Some(Duration::ZERO))?);
        }
        self.poll_sources(timeout)
    }

    #[inline(always)]
    fn poll_sources(&self, timeout: Option<Duration>) -> io::Result<usize> {
        let (poll, events) = &mut *self.poll.borrow_mut();
        match poll.poll(events, timeout) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(0),
            Err(error) => return Err(error),
        }
        let (mut count, mut taken) = (0, 0);
        let table = lock(&self.shared.table);
        // Each event's memory is fetched in two steps while earlier events are handled: the source, then its waiter.
        let (mut sources, mut waiters) = (events.iter().skip(2 * AHEAD), events.iter().skip(AHEAD));
        for event in events.iter() {
            if let Some(source) = sources.next().and_then(|event| table.source(event.token())) {
                prefetch(Arc::as_ptr(source));
            }
            if let Some(source) = waiters.next().and_then(|event| table.source(event.token())) {
                source.readiness.prefetch();
            }
            taken += 1;
            if event.token() == WAKER {
                continue;
            }
            if let Some(source) = table.source(event.token()) {
                source.readiness.event(bits(event));
                count += 1;
            }
        }
        self.was_full.set(taken == EVENTS);
        Ok(count)
    }
}

impl Drop for Reactor {
    /// Sources that are registered here may still be used by threads of other workers: these are woken and register
    /// anew where they are.
    fn drop(&mut self) {
        let entries = {
            let mut table = lock(&self.shared.table);
            table.registry = None;
            table.free = Vec::new();
            std::mem::take(&mut table.entries)
        };
        self.shared.count.store(0, Ordering::Relaxed);
        for source in entries.into_iter().filter_map(|entry| entry.source) {
            source.forget(self.id());
        }
    }
}

impl Shared {
    /// Takes a source in; its token.
    ///
    /// # Errors
    /// The poller's: no memory, `max_user_watches` reached, or a descriptor that cannot be polled. `NotConnected` if the
    /// reactor is gone.
    pub(super) fn register(&self, fd: RawFd, source: &Arc<Source>) -> io::Result<Token> {
        let mut table = lock(&self.table);
        let table = &mut *table;
        let Some(registry) = &table.registry else { return Err(io::ErrorKind::NotConnected.into()) };
        let index = match table.free.last() {
            Some(&index) => index as usize,
            None => table.entries.len(),
        };
        if index > INDEX {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        let generation = table.entries.get(index).map_or(0, |entry| entry.generation);
        let token = Token(generation << INDEX_BITS | index);
        registry.register(&mut SourceFd(&fd), token, INTEREST)?;
        let source = Some(Arc::clone(source));
        if table.free.pop().is_some() {
            table.entries[index].source = source;
        } else {
            table.entries.push(Entry { generation, source });
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        Ok(token)
    }

    /// Takes a source out. After this no event reaches it.
    pub(super) fn deregister(&self, fd: RawFd, token: Token) {
        let mut table = lock(&self.table);
        if table.source(token).is_none() {
            return;
        }
        if let Some(registry) = &table.registry {
            // It fails only for a descriptor that was closed behind our back, and that one is out already.
            let _ = registry.deregister(&mut SourceFd(&fd));
        }
        let index = token.0 & INDEX;
        let entry = &mut table.entries[index];
        let source = entry.source.take();
        entry.generation = (entry.generation + 1) & GENERATION;
        table.free.push(index as u32);
        self.count.fetch_sub(1, Ordering::Relaxed);
        drop(table);
        drop(source);
    }

    pub(super) fn id(&self) -> usize {
        self.id
    }
}

impl Table {
    #[inline]
    fn source(&self, token: Token) -> Option<&Arc<Source>> {
        let entry = self.entries.get(token.0 & INDEX)?;
        if entry.generation == token.0 >> INDEX_BITS { entry.source.as_ref() } else { None }
    }
}

/// An event in the words of [`Readiness`](super::readiness::Readiness).
#[inline]
fn bits(event: &mio::event::Event) -> usize {
    let mut bits = 0;
    if event.is_readable() {
        bits |= READABLE;
    }
    if event.is_writable() {
        bits |= WRITABLE;
    }
    if event.is_read_closed() || event.is_error() {
        bits |= READ_ENDED;
    }
    if event.is_write_closed() || event.is_error() {
        bits |= WRITE_ENDED;
    }
    if event.is_priority() {
        bits |= URGENT;
    }
    bits
}
