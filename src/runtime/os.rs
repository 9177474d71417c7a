//! Headers for OS threads that are not workers: what `current`, `park` and `join` use there.

use super::{
    region,
    wait::{Ending, raise_now},
};
use crate::{
    primitive::Ordering,
    sys::socket,
    task::{OS_THREAD, Task, TaskRef, block, payload, wake},
};
use std::{
    cell::{Cell, OnceCell},
    io::{self, Read, Write},
    mem::ManuallyDrop,
    os::fd::{AsFd, AsRawFd},
    ptr::{self, NonNull},
    sync::Arc,
    task::{Wake, Waker},
    time::Instant,
};

/// This OS thread's header; its locals are dropped when the OS thread ends.
struct Own(ManuallyDrop<TaskRef>);

impl Own {
    fn new() -> Self {
        Self(ManuallyDrop::new(header(std::thread::current().name().map(Box::from))))
    }
}

/// A header without a thread, whose wakes go to its parker.
fn header(name: Option<Box<str>>) -> TaskRef {
    let block = block::allocate_outside(block::class_for(0), 0);
    let header = Task::new(&payload::NONE, block::class_for(0), 1);
    header.home.store(OS_THREAD, Ordering::Relaxed);
    // SAFETY: nobody else sees the header yet; the block is ours and large enough; its one reference is this one.
    unsafe {
        // The parker comes with it, so that nobody who wakes this thread has to make one.
        header.set_name(name);
        block.write(header);
        TaskRef::from_raw(block)
    }
}

/// What stands for a future where a thread is to be named that waits: its wakes go to the future's waker.
pub(crate) struct Proxy(TaskRef);

impl Proxy {
    pub(crate) fn new(waker: Waker) -> Self {
        let header = header(None);
        header.extra().parker.set_waker(waker);
        Self(header)
    }

    pub(crate) fn as_ptr(&self) -> NonNull<Task> {
        self.0.as_ptr()
    }

    /// Whether its exact wake has come; if not, `waker` is told when it does.
    pub(crate) fn poll(&self, waker: &Waker) -> bool {
        let parker = &self.0.extra().parker;
        parker.set_waker(waker.clone());
        parker.has(wake::EXACT)
    }

    /// Blocks the OS thread until its exact wake has come, which is on its way.
    pub(crate) fn wait(&self) {
        self.0.extra().parker.wait(wake::EXACT, None);
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        // Here and not wherever the last handle goes: what a value's destructor does is not ours to know.
        self.0.extra().vars.close();
        if self.0.extra().locals.clear().is_err() {
            // As std does.
            eprintln!("sinew: a thread's local panicked when it was dropped");
            std::process::abort();
        }
        // SAFETY: dropped once.
        unsafe { ManuallyDrop::drop(&mut self.0) };
    }
}

std::thread_local! {
    static OWN: Own = Own::new();
    static LATE: Cell<*mut Own> = const { Cell::new(ptr::null_mut()) };
}

/// Calls `f` with this OS thread's header. While the OS thread's locals are dropped, and that header with them, with another
/// that is never freed: what still waits then, in the destructor of some other local, must have one.
pub(crate) fn with_current<R>(f: impl FnOnce(&TaskRef) -> R) -> R {
    let mut f = Some(f);
    let mut call = |header: &TaskRef| f.take().map(|f| f(header));
    let result = match OWN.try_with(|own| call(&own.0)) {
        Ok(result) => result,
        Err(_) => {
            if LATE.get().is_null() {
                LATE.set(Box::into_raw(Box::new(Own::new())));
            }
            // SAFETY: made above, on this OS thread, and never freed.
            call(unsafe { &(*LATE.get()).0 })
        }
    };
    result.expect("called once")
}

/// The same, none while this OS thread's thread-locals are being dropped.
pub(crate) fn try_with_current<R>(f: impl FnOnce(&TaskRef) -> R) -> Option<R> {
    OWN.try_with(|own| f(&own.0)).ok()
}

/// Names this OS thread where a raw header is wanted.
pub(crate) fn current() -> NonNull<Task> {
    with_current(|current| current.as_ptr())
}

/// Blocks this OS thread until one of `want` arrives, the deadline passes, or the part of its run that it is in is cancelled: there is
/// no cancelling an OS thread as a whole.
pub(crate) fn wait(want: u8, deadline: Option<Instant>) -> Ending {
    with_current(|current| {
        let parker = &current.extra().parker;
        let end = |bits| if bits & want == 0 { Ending::TimedOut } else { Ending::Woken(bits & want) };
        if !region::may_cancel(current) {
            return end(parker.wait(want, deadline));
        }
        let bits = parker.take(want);
        if bits != 0 {
            return Ending::Woken(bits);
        }
        loop {
            region::look_at_clock(current);
            if region::target(current).is_some() {
                return Ending::Cancelled;
            }
            let first = region::next_deadline(current);
            let earlier = first.filter(|&first| deadline.is_none_or(|deadline| first < deadline));
            let bits = parker.wait(want | wake::CANCEL, earlier.or(deadline));
            if bits & want != 0 || bits == 0 && earlier.is_none() {
                return end(bits);
            }
        }
    })
}

/// Blocks this OS thread until one of the descriptors is as its entry wants it, or the deadline passes, which is `false`. Unwinds if
/// the part of its run that it is in is cancelled.
pub(crate) fn poll(entries: &mut [libc::pollfd], deadline: Option<Instant>) -> io::Result<bool> {
    with_current(|current| {
        if !region::may_cancel(current) {
            return socket::wait_any(entries, deadline);
        }
        let bell = if region::has_source(current) { Bell::get() } else { None };
        let mut all = entries.to_vec();
        all.extend(bell.as_ref().map(|bell| socket::poll_entry(bell.reader.as_fd(), false)));
        loop {
            if let Some(bell) = &bell {
                // Before the look: whoever cancels first says so and then takes the waker.
                bell.quiet();
                current.extra().parker.set_waker(Waker::from(bell.clone()));
            }
            region::look_at_clock(current);
            if region::target(current).is_some() {
                raise_now(current);
            }
            let first = region::next_deadline(current);
            let earlier = first.filter(|&first| deadline.is_none_or(|deadline| first < deadline));
            let woken = socket::wait_any(&mut all, earlier.or(deadline))?;
            if all[..entries.len()].iter().any(|entry| entry.revents != 0) {
                return Ok(true);
            }
            if !woken && earlier.is_none() {
                return Ok(false);
            }
        }
    })
}

/// Ends an OS thread's wait for descriptors when it is woken: a pipe among them.
struct Bell {
    reader: io::PipeReader,
    writer: io::PipeWriter,
}

impl Bell {
    /// This OS thread's. None if there is no room for two more descriptors, or the OS thread's locals are being dropped: then a
    /// cancellation that has no deadline is seen after the wait.
    fn get() -> Option<Arc<Self>> {
        std::thread_local! {
            static BELL: OnceCell<Option<Arc<Bell>>> = const { OnceCell::new() };
        }
        BELL.try_with(|bell| bell.get_or_init(|| Self::new().ok().map(Arc::new)).clone()).ok()?
    }

    fn new() -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        socket::set_nonblocking(reader.as_raw_fd(), true)?;
        socket::set_nonblocking(writer.as_raw_fd(), true)?;
        Ok(Self { reader, writer })
    }

    /// Forgets earlier rings.
    fn quiet(&self) {
        while (&self.reader).read(&mut [0; 64]).is_ok_and(|len| len == 64) {}
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        // A pipe that is full rings already.
        let _ = (&self.writer).write(&[1]);
    }
}
