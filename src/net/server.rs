//! `Server`: accept loops, a thread for each connection, a limit, and an end that lets connections finish.
//!
//! All is a [`scope`](crate::scope), so `serve` outlives its threads however it ends. Two tokens end them: `stop` the accept
//! loops, `force` the connections. A permit of one semaphore goes with each connection, and who has all the permits knows
//! that none is left: that is the limit and the drain.
//!
//! The loop's pauses when the system refuses (Go's net/http has the same, from 5 ms to a second) end early when a connection of
//! this server ends, since that frees its descriptor. See [`Ends`] for why no such end is missed.

use std::{
    any::Any,
    fmt, io,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    time::Duration,
};

use super::{
    SocketAddr, TcpListener, TcpStream,
    unix::{self, UnixListener, UnixStream},
};
use crate::{
    Cancelled,
    cancel::{CancelToken, shield},
    runtime::{
        Handle,
        spawn::{Wishes, room_here},
    },
    sync::{Condvar, Mutex, Semaphore, SemaphorePermit},
    thread::{Scope, ScopedJoinHandle, scope},
    time::timeout,
};

/// The first pause after an error, and the longest: each is twice the one before.
const PAUSES: (Duration, Duration) = (Duration::from_millis(5), Duration::from_secs(1));

/// What a [`Server`] takes connections from.
pub trait Listener: Send + Sync {
    /// A connection.
    type Stream: Send;
    /// Who is at its other end.
    type Addr: Send;

    /// Takes a connection, and waits for one if there is none yet.
    ///
    /// # Errors
    /// The [`Server`] goes by them: after `ConnectionAborted`, `ConnectionReset` and `Interrupted` it takes the next at
    /// once; `WouldBlock`, and the operating system's `EBADF`, `EINVAL` and `ENOTSOCK`, say that this listener is of no more use;
    /// after all others it pauses.
    ///
    /// # Cancellation
    /// While it waits, without the loss of a connection.
    fn accept(&self) -> io::Result<(Self::Stream, Self::Addr)>;
}

impl Listener for TcpListener {
    type Stream = TcpStream;
    type Addr = SocketAddr;

    fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        self.accept()
    }
}

impl Listener for UnixListener {
    type Stream = UnixStream;
    type Addr = unix::SocketAddr;

    fn accept(&self) -> io::Result<(UnixStream, unix::SocketAddr)> {
        self.accept()
    }
}

/// The listener is not closed when the server stops: connections that come later wait in its queue.
impl<L: Listener + ?Sized> Listener for &L {
    type Stream = L::Stream;
    type Addr = L::Addr;

    fn accept(&self) -> io::Result<(L::Stream, L::Addr)> {
        L::accept(self)
    }
}

/// Serves the connections of a listener, or of several, each in a green thread of its own.
///
/// # Examples
/// An echo server that holds at most 10,000 connections. When `stop` is cancelled, it takes no more, and those that are there
/// have five seconds to come to their ends:
/// ```
/// use sinew::{cancel::CancelToken, net::{Server, TcpListener, TcpStream}, time::Duration};
/// use std::io::{self, Read, Write};
///
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let address = listener.local_addr()?;
/// let stop = CancelToken::new();
/// let server = Server::new(listener).max_connections(10_000).until(&stop).drain_timeout(Duration::from_secs(5));
/// let server = sinew::spawn(move || server.serve(|stream, _| io::copy(&mut &stream, &mut &stream)));
///
/// let mut client = TcpStream::connect(address)?;
/// client.write_all(b"hello")?;
/// let mut answer = [0; 5];
/// client.read_exact(&mut answer)?;
/// drop(client);
///
/// stop.cancel();
/// let served = server.join().unwrap()?;
/// assert_eq!((served.connections, served.cancelled), (1, 0));
/// # Ok::<(), io::Error>(())
/// ```
///
/// A connection that would wait for its client's next request, and so need not be waited for, watches the same token:
/// ```
/// # use sinew::{cancel::CancelToken, net::TcpStream};
/// # use std::io::{self, BufRead, BufReader, Write};
/// fn handle(stream: TcpStream, stop: &CancelToken) -> io::Result<()> {
///     let mut reader = BufReader::new(&stream);
///     let mut line = String::new();
///     // Between requests it ends at once; within one it goes on.
///     while let Ok(waiting) = stop.run_until_cancelled(|| reader.fill_buf().map(|bytes| !bytes.is_empty())) {
///         if !waiting? {
///             break;
///         }
///         line.clear();
///         reader.read_line(&mut line)?;
///         (&stream).write_all(line.to_uppercase().as_bytes())?;
///     }
///     Ok(())
/// }
/// ```
#[must_use = "it does nothing until `serve` is called"]
pub struct Server<L> {
    listeners: Vec<L>,
    per_worker: bool,
    most: usize,
    drain: Option<Duration>,
    stop: CancelToken,
    on_error: Option<OnError>,
}

/// Is told of errors of accepting.
type OnError = Box<dyn Fn(&io::Error) + Send + Sync>;

/// What a [`Server`] did until it stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Served {
    /// How many connections were taken.
    pub connections: u64,
    /// How many of their handlers panicked.
    pub panicked: u64,
    /// How many were cancelled, since they had not ended when the time to drain was over.
    pub cancelled: u64,
}

impl<L: Listener> Server<L> {
    /// Serves the connections of one listener.
    pub fn new(listener: L) -> Self {
        Self::over([listener])
    }

    /// Serves those of several, by an accept loop for each.
    pub fn over(listeners: impl IntoIterator<Item = L>) -> Self {
        Self {
            listeners: listeners.into_iter().collect(),
            per_worker: false,
            most: Semaphore::MAX_PERMITS,
            drain: None,
            stop: CancelToken::new(),
            on_error: None,
        }
    }

    /// Runs the first listener's accept loop on the first worker, the second's on the second, and so on in turn, and each connection
    /// on the worker that took it. By default connections go to wherever there is time for them.
    ///
    /// With [`TcpListener::bind_reuse_port`] and as many listeners as workers the kernel divides the connections among the workers, and
    /// nothing passes between these. It does not look at what they have to do: connections that differ much in their work are better
    /// placed by default.
    ///
    /// # Examples
    /// ```no_run
    /// use sinew::{net::{Server, TcpListener}, runtime::Handle};
    ///
    /// sinew::run(|| {
    ///     let listeners = TcpListener::bind_reuse_port("127.0.0.1:7000", Handle::current().workers())?;
    ///     Server::over(listeners).per_worker().serve(|stream, _| std::io::copy(&mut &stream, &mut &stream))
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn per_worker(mut self) -> Self {
        self.per_worker = true;
        self
    }

    /// How many handlers run at once, at most. When so many do, an accept loop takes one connection more, which waits, and then pauses:
    /// the others wait in the kernel's queue. By default there is no limit.
    ///
    /// # Panics
    /// If `count` is 0.
    pub fn max_connections(mut self, count: usize) -> Self {
        assert!(count != 0, "a server needs room for a connection");
        self.most = count.min(Semaphore::MAX_PERMITS);
        self
    }

    /// Has the server stop when the token is cancelled.
    pub fn until(mut self, token: &CancelToken) -> Self {
        self.stop = token.clone();
        self
    }

    /// How long connections have to come to their ends when the server stops; then they are cancelled. By default as long as they
    /// take.
    pub fn drain_timeout(mut self, time: Duration) -> Self {
        self.drain = Some(time);
        self
    }

    /// Is told of an error for which an accept loop pauses, such as too many open files: once, until it has taken a connection
    /// again.
    pub fn on_error(mut self, tell: impl Fn(&io::Error) + Send + Sync + 'static) -> Self {
        self.on_error = Some(Box::new(tell));
        self
    }

    /// Serves until the token of [`until`](Self::until) is cancelled, and suspends the calling thread meanwhile. The handler, which may
    /// borrow, runs in a green thread for each connection, of the current runtime or, on an OS thread, the default one.
    ///
    /// Then the listeners are closed, of which connections that wait in the kernel's queues are told by a reset, and handlers go on to
    /// their ends, or until the [time to drain](Self::drain_timeout) is over. Those that are left are cancelled, and
    /// awaited however long they take to unwind.
    ///
    /// A handler that panics ends its connection only, which is closed as the stack unwinds; the panic hook tells of it.
    ///
    /// While the system is out of descriptors or memory, or the runtime out of stacks, an accept loop tries again after 5 ms, then twice as
    /// long, up to a second, and at once when a connection of this server has ended. Connections wait in the kernel's queue meanwhile.
    ///
    /// # Errors
    /// A listener is of no more use: it is not listening, or was set non-blocking. All is drained before.
    ///
    /// # Panics
    /// With a panic of [`on_error`](Self::on_error), or if the accept loops cannot be spawned.
    ///
    /// # Cancellation
    /// Cancels the handlers, waits until they have ended, and unwinds.
    pub fn serve<H, R>(self, handler: H) -> io::Result<Served>
    where
        H: Fn(L::Stream, L::Addr) -> R + Send + Sync,
    {
        let Self { listeners, per_worker, most, drain, stop, on_error } = self;
        let serving = Serving {
            slots: Semaphore::new(most),
            stop: stop.child_token(),
            force: CancelToken::new(),
            ends: Ends { starving: AtomicUsize::new(0), count: Mutex::new(0), changed: Condvar::new() },
            connections: AtomicU64::new(0),
            panicked: AtomicU64::new(0),
            cancelled: AtomicU64::new(0),
            failure: Mutex::new(None),
            on_error,
            handler,
        };
        let runtime = per_worker.then(Handle::current);
        scope(|scope| {
            let serving = &serving;
            // Whatever is left when this closure ends, also by unwinding, is to end: first the loops.
            let _force = serving.force.clone().drop_guard();
            let _stop = serving.stop.clone().drop_guard();
            let loops: Vec<_> = listeners
                .into_iter()
                .enumerate()
                .map(|(number, listener)| {
                    let accepting = move || serving.accept_all(scope, &listener, per_worker);
                    match &runtime {
                        Some(runtime) => scope.spawn_on(runtime, number % runtime.workers(), accepting),
                        None => scope.spawn_with(Wishes::NONE, accepting),
                    }
                })
                .collect::<io::Result<_>>()
                .unwrap_or_else(|error| panic!("failed to spawn an accept loop: {error}"));
            serving.stop.wait();
            let drained = || {
                loops
                    .into_iter()
                    .map(ScopedJoinHandle::join)
                    .for_each(|ended| ended.unwrap_or_else(|panic| resume_unwind(panic)));
                let _all = serving.slots.acquire_many(most);
            };
            match drain {
                None => drained(),
                Some(time) => {
                    if timeout(time, drained).is_err() {
                        serving.force.cancel_with("the server's time to drain is over");
                    }
                }
            }
        });
        match serving.failure.into_inner() {
            Ok(Some(error)) => Err(error),
            _ => Ok(Served {
                connections: serving.connections.into_inner(),
                panicked: serving.panicked.into_inner(),
                cancelled: serving.cancelled.into_inner(),
            }),
        }
    }
}

impl<L> fmt::Debug for Server<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("listeners", &self.listeners.len())
            .field("per_worker", &self.per_worker)
            .field("drain_timeout", &self.drain)
            .finish_non_exhaustive()
    }
}

/// A server while it serves.
struct Serving<H> {
    /// Connections that may still be served at once.
    slots: Semaphore,
    /// Ends the accept loops.
    stop: CancelToken,
    /// Ends the connections.
    force: CancelToken,
    ends: Ends,
    connections: AtomicU64,
    panicked: AtomicU64,
    cancelled: AtomicU64,
    /// Of a listener that is of no more use.
    failure: Mutex<Option<io::Error>>,
    on_error: Option<OnError>,
    handler: H,
}

impl<H: Sync> Serving<H> {
    /// An accept loop. When it ends, all do.
    fn accept_all<'scope, L, R>(&'scope self, scope: &'scope Scope<'scope, '_>, listener: &L, stays: bool)
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
                        Meaning::Next => {}
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

/// Counts connections that end while an accept loop has trouble.
///
/// A loop first counts itself as starving and reads the count, then calls the kernel, and waits only if that has refused. A connection
/// closes its descriptor, then looks whether anyone starves. If the refusal came before that closing, then what the loop wrote
/// before its call is seen after the closing, since the kernel's table of descriptors has a lock; so the count goes up.
struct Ends {
    starving: AtomicUsize,
    count: Mutex<u64>,
    changed: Condvar,
}

impl Ends {
    fn tell(&self) {
        if self.starving.load(Ordering::SeqCst) != 0 {
            *self.count.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) += 1;
            self.changed.notify_all();
        }
    }

    fn count(&self) -> u64 {
        *self.count.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// An accept loop's trouble, from the first refusal until a connection is taken.
struct Trouble<'a> {
    ends: &'a Ends,
    /// The count of ends before the last call.
    seen: u64,
    pause: Duration,
}

impl<'a> Trouble<'a> {
    fn new(ends: &'a Ends) -> Self {
        ends.starving.fetch_add(1, Ordering::SeqCst);
        Self { ends, seen: ends.count(), pause: PAUSES.0 }
    }

    /// Waits until a connection ends, or the pause is over.
    fn pause(&mut self) {
        let count = self.ends.count.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let waited = self.ends.changed.wait_timeout_while(count, self.pause, |count| *count == self.seen);
        let (count, result) = waited.unwrap_or_else(|poisoned| poisoned.into_inner());
        self.seen = *count;
        if result.timed_out() {
            self.pause = (self.pause * 2).min(PAUSES.1);
        }
    }
}

impl Drop for Trouble<'_> {
    fn drop(&mut self) {
        self.ends.starving.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What an error of `accept` means for the loop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Meaning {
    /// A connection was lost; the next may be there.
    Next,
    /// It may go better in a while.
    Pause,
    /// The listener is of no more use.
    End,
}

impl Meaning {
    /// By accept(2): Linux passes on errors of the new connection too, which are to be treated as if none had come. Those
    /// of them that can last are paused for all the same.
    fn of(error: &io::Error) -> Meaning {
        match error.raw_os_error() {
            Some(libc::ECONNABORTED | libc::EINTR | libc::EPROTO | libc::ECONNRESET | libc::ETIMEDOUT) => Meaning::Next,
            Some(libc::EBADF | libc::EINVAL | libc::ENOTSOCK | libc::EFAULT) => Meaning::End,
            _ => match error.kind() {
                io::ErrorKind::WouldBlock => Meaning::End,
                io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted => {
                    Meaning::Next
                }
                _ => Meaning::Pause,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lasting_errors_pause_and_lost_connections_do_not() {
        let of = |errno| Meaning::of(&io::Error::from_raw_os_error(errno));
        for errno in [libc::EMFILE, libc::ENFILE, libc::ENOMEM, libc::ENOBUFS, libc::EPERM, libc::ENETDOWN] {
            assert_eq!(of(errno), Meaning::Pause, "{errno}");
        }
        for errno in [libc::ECONNABORTED, libc::EPROTO, libc::EINTR] {
            assert_eq!(of(errno), Meaning::Next, "{errno}");
        }
        for errno in [libc::EBADF, libc::EINVAL, libc::ENOTSOCK, libc::EAGAIN] {
            assert_eq!(of(errno), Meaning::End, "{errno}");
        }
        assert_eq!(Meaning::of(&io::Error::other("a listener's own")), Meaning::Pause);
    }

    #[test]
    fn a_pause_ends_with_a_connection_before_and_during_it() {
        let ends = Ends { starving: AtomicUsize::new(0), count: Mutex::new(0), changed: Condvar::new() };
        // Nobody starves, so it is not counted.
        ends.tell();
        let mut trouble = Trouble { pause: Duration::from_secs(3_600), ..Trouble::new(&ends) };
        ends.tell();
        trouble.pause();
        crate::scope(|scope| {
            scope.spawn(|| ends.tell());
            trouble.pause();
        });
        assert_eq!((trouble.seen, trouble.pause), (2, Duration::from_secs(3_600)));
        trouble.pause = Duration::from_millis(1);
        trouble.pause();
        assert_eq!(trouble.pause, Duration::from_millis(2));
        drop(trouble);
        assert_eq!(ends.starving.into_inner(), 0);
    }
}
