//! The driver over Linux's io_uring: a worker's ring, to which its threads hand operations that the kernel completes on their
//! own memory, and in which the worker sleeps.
//!
//! # The problem
//! A descriptor's readiness is only told: who hears of it makes the call, on memory that the kernel touches during the call
//! alone. A ring's operation is made when the kernel finds the time, on memory that was named before: here a buffer that
//! mostly lies on the stack of the suspended thread. So that thread must not go on, return or unwind, while the kernel may
//! still touch it.
//!
//! # An operation's life
//! | state | whose its memory is | ends by |
//! |---|---|---|
//! | its entry lies in the submission queue | the kernel's, from now on | the worker's next call into the kernel |
//! | in flight | the kernel's | the kernel's completion |
//! | completed, not read | the thread's | the worker's next look at the completion queue |
//! | read | the thread's | the thread goes on |
//!
//! # Invariants
//! 1. An entry's mark is the address of its [`Operation`], which lies in the frame of the thread that handed it over. The kernel
//!    tells of each entry exactly once (no entry here asks for several completions, or for none). The frame stays until all
//!    that bear its mark have been told of; so a mark that is read names a frame that is there.
//! 2. A cancelled thread, or one whose time is up, hands over an entry that cancels, and goes on waiting, now masked (rule 12).
//!    That entry's own completion proves nothing: the operation may be beyond recall, on another processor. The thread goes on
//!    when *both* have been told of; were it to go on at the operation's, its next one in the same frame, with the same mark,
//!    could be the one that is cancelled.
//! 3. An operation that was to be cancelled and yet succeeded has had its effect, so its result is given. The cancellation stays
//!    (rule 12) and is raised at the next suspension.
//! 4. The ring is used by its worker's OS thread alone: it is made there, threads are pinned (rule 1), and the worker does not end
//!    while a thread lives (rule 11). So no operation is in flight when it goes.
//!
//! # Sleeping
//! The worker's poller stays: for waits that are not operations, for sources of other workers, and for the waker. An entry
//! waits until the poller's own descriptor is readable; the worker then looks into the poller, and asks anew when it next sleeps.
//! Asked afresh each time, the kernel looks at the present state, so events that one look left over are not lost.
//!
//! Entries are handed over when the worker sleeps or polls, many at once; or when the queue is full; those of files a few at once.
//!
//! # What goes this way
//! A call that may succeed is made at once, as with the other driver; only one that would block becomes an operation. Measured
//! on loopback with 1,000 and with 10,000 connections, sends by the ring, also in batches, are no faster than calls. A connect is
//! begun by a call, and the ring tells when it has ended. Datagrams, and other descriptors, wait by readiness.
//!
//! Rejected: *multishot receive* into a ring of buffers (it takes data out of the socket before anybody reads: `peek`, a clone,
//! or who gets the descriptor next would miss them; measured, -5 to 4 %). *Multishot accept*, likewise: connections that nobody
//! accepts yet would be lost with the listener. *Registered descriptors*: no gain measured, and a table to keep. *Marks of index
//! and generation*, as the poller's tokens: an event can come late for a source that is gone, a completion cannot.

pub(crate) mod files;
mod operation;
#[cfg(test)]
mod tests;

pub(crate) use operation::{Near, Operation};

use super::event::Waker;
use crate::{
    primitive::{AtomicUsize, Ordering},
    sys::{prefetch::prefetch, uring as sys},
};
use io_uring::{IoUring, cqueue, squeue};
use std::{
    cell::{Cell, OnceCell, RefCell, RefMut},
    io,
    mem::MaybeUninit,
    os::fd::{AsRawFd, RawFd},
    time::Duration,
};

/// The mark of the entry that watches the poller. No operation lies there.
const POLLER: u64 = 0;
/// The most completions that one poll reads: few, as the events of the reactor, so that the stacks of the threads that are woken
/// are still at hand when these run.
const BATCH: usize = 64;
/// Entries of files that are not held back. 32 direct reads at once, of a disk that takes some 75,000 a second: in three runs each,
/// 58,000 to 73,000 a second with 4, 50,000 to 73,000 with 1, and 55,000 to 58,000 if all wait for the worker's next look. The first
/// two cannot be told apart by that; both are better than the third.
const HURRY: usize = 4;
/// How many completions before its turn an operation's memory is fetched.
const AHEAD: usize = 4;

/// A worker's ring; off until [`start`](Self::start) finds that the kernel lets it have one.
pub(crate) struct Ring {
    /// The owner's, as all cells here (invariant 4).
    kernel: OnceCell<RefCell<IoUring>>,
    /// Operations that were handed over and not told of. Others may read it.
    in_flight: AtomicUsize,
    /// An entry watches the poller.
    watching: Cell<bool>,
    /// It was told that the poller has something.
    found: Cell<bool>,
    /// The last poll read as many completions as it could.
    was_full: Cell<bool>,
}

impl Ring {
    pub(crate) const fn new() -> Self {
        Self {
            kernel: OnceCell::new(),
            in_flight: AtomicUsize::new(0),
            watching: Cell::new(false),
            found: Cell::new(false),
            was_full: Cell::new(false),
        }
    }

    /// Makes the ring, on the worker's own OS thread; its descriptor.
    ///
    /// # Errors
    /// The kernel's; the ring stays off.
    pub(super) fn start(&self) -> io::Result<RawFd> {
        let ring = sys::open()?;
        let descriptor = ring.as_raw_fd();
        assert!(self.kernel.set(RefCell::new(ring)).is_ok(), "a worker starts its ring once");
        Ok(descriptor)
    }

    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.kernel.get().is_some()
    }

    /// Whether any operation is under way. For anyone to ask.
    #[inline]
    pub(crate) fn is_busy(&self) -> bool {
        self.in_flight.load(Ordering::Relaxed) != 0
    }

    /// Whether the last poll probably left completions behind.
    #[inline]
    pub(crate) fn has_more(&self) -> bool {
        self.was_full.get()
    }

    fn kernel(&self) -> RefMut<'_, IoUring> {
        self.kernel.get().expect("the ring is on").borrow_mut()
    }

    /// Hands over what lies ready, takes what has completed, waiting for `timeout` at most (for ever if there is none), and wakes
    /// who waited for it. The number of operations that ended, and whether `poller`, a descriptor, has something to tell.
    ///
    /// # Errors
    /// The kernel's own, which a sound ring never has.
    pub(super) fn poll(&self, timeout: Option<Duration>, poller: RawFd) -> io::Result<(usize, bool)> {
        let mut kernel = self.kernel();
        if !self.watching.get() {
            // If there is no memory for it, the wait below will have none either.
            let watch = sys::poll(poller, libc::POLLIN).user_data(POLLER);
            // SAFETY: this entry names no memory.
            let (pushed, _) = unsafe { self.push(&mut kernel, &watch) };
            self.watching.set(pushed.is_ok());
        }
        let (waiting, kernel_has_more) = {
            let queue = kernel.submission();
            (queue.len() as u32, queue.taskrun() || queue.cq_overflow())
        };
        // What an earlier poll left is not waited for.
        let look = timeout == Some(Duration::ZERO) || !kernel.completion().is_empty();
        let mut count = 0;
        // A mere look needs the kernel only if one of the sides has something for the other.
        if !look || waiting != 0 || kernel_has_more {
            match sys::enter(&kernel, waiting, u32::from(!look), timeout) {
                Ok(()) => {}
                Err(error) => match error.raw_os_error() {
                    Some(libc::EINTR) => {}
                    // What has completed must be read first; or there is no memory for entries, which stay where they are.
                    Some(libc::EBUSY | libc::EAGAIN) => {
                        count = self.take(&mut kernel);
                        if count == 0 && !self.found.get() && !look {
                            std::thread::sleep(Duration::from_millis(1));
                        }
                    }
                    _ => return Err(error),
                },
            }
        }
        count += self.take(&mut kernel);
        Ok((count, self.found.replace(false)))
    }

    /// Hands entries over at once if some lie ready: for operations that ask a disk, which is to begin while further ones are
    /// made.
    pub(super) fn hurry(&self) {
        let mut kernel = self.kernel();
        if kernel.submission().len() >= HURRY {
            // If the kernel cannot take them now, they are handed over as all others are.
            let _ = kernel.submit();
        }
    }

    /// Adds an entry; makes room if there is none. Also the number of operations that ended meanwhile.
    ///
    /// # Errors
    /// The kernel has no memory for entries that lie before it; this one was not added.
    ///
    /// # Safety
    /// What the entry names stays there until its completion has been told.
    #[inline(always)]
    unsafe fn push(&self, kernel: &mut IoUring, entry: &squeue::Entry) -> (io::Result<()>, usize) {
        // SAFETY: as promised.
        if unsafe { kernel.submission().push(entry) }.is_ok() {
            return (Ok(()), 0);
        }
        // SAFETY: the same.
        unsafe { self.push_when_there_is_room(kernel, entry) }
    }

    /// # Safety
    /// As for [`push`](Self::push).
    #[cold]
    #[inline(never)]
    unsafe fn push_when_there_is_room(&self, kernel: &mut IoUring, entry: &squeue::Entry) -> (io::Result<()>, usize) {
        let mut count = 0;
        loop {
            let waiting = kernel.submission().len() as u32;
            let entered = sys::enter(kernel, waiting, 0, None);
            count += self.take(kernel);
            match entered.map_err(|error| (error.raw_os_error(), error)) {
                Ok(()) | Err((Some(libc::EINTR | libc::EBUSY), _)) => {}
                Err((Some(libc::EAGAIN), _)) => return (Err(io::ErrorKind::OutOfMemory.into()), count),
                Err((_, error)) => return (Err(error), count),
            }
            // SAFETY: as promised.
            if unsafe { kernel.submission().push(entry) }.is_ok() {
                return (Ok(()), count);
            }
        }
    }

    /// Reads some of what has completed, and wakes who waited for it; how many operations ended.
    fn take(&self, kernel: &mut IoUring) -> usize {
        let mut count = 0;
        let mut room = [const { MaybeUninit::uninit() }; BATCH];
        let mut queue = kernel.completion();
        let told = &*queue.fill(&mut room);
        // The kernel may fill the places again while these are dealt with.
        drop(queue);
        for at in 0..told.len() {
            // Fetched in two steps while earlier ones are handled: the operation, then the thread's header.
            if let Some(later) = told.get(at + 2 * AHEAD).map(operation) {
                prefetch(later);
            }
            // SAFETY: invariant 1, since it has not been told of yet.
            if let Some(soon) = told.get(at + AHEAD).and_then(|told| unsafe { operation(told).as_ref() }) {
                soon.prefetch();
            }
            // SAFETY: the same.
            match unsafe { operation(&told[at]).as_ref() } {
                None => {
                    self.watching.set(false);
                    self.found.set(true);
                }
                Some(operation) => count += usize::from(self.told(operation, &told[at])),
            }
        }
        self.was_full.set(told.len() == BATCH);
        count
    }

    /// The kernel has told of an entry with this operation's mark. Wakes its thread if that was the last; whether it was.
    fn told(&self, operation: &Operation, entry: &cqueue::Entry) -> bool {
        let Some(waker) = operation.told(entry) else { return false };
        self.in_flight.store(self.in_flight.load(Ordering::Relaxed) - 1, Ordering::Relaxed);
        wake(waker);
        true
    }
}

/// What an entry's mark names: null if it is the poller's.
fn operation(entry: &cqueue::Entry) -> *const Operation {
    std::ptr::with_exposed_provenance((entry.user_data() & !Operation::CANCELS) as usize)
}

fn wake(waker: Waker) {
    use super::readiness::Wake;
    // SAFETY: the thread is in its operation still: it was not ready before this.
    unsafe { waker.wake() };
}
