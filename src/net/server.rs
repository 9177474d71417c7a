//! `Server`: accept loops, a thread for each connection, a limit, and an end that lets connections finish.
//!
//! All is a [`scope`](crate::scope), so `serve` outlives its threads however it ends. Two tokens end them: `stop` the accept
//! loops, `force` the connections. A permit of one semaphore goes with each connection, and who has all the permits knows
//! that none is left: that is the limit and the drain.
//!
//! The loop's pauses when the system refuses (Go's net/http has the same, from 5 ms to a second) end early when a connection of
//! this server ends, since that frees its descriptor. See `trouble` for why no such end is missed.

mod serving;
mod trouble;

use std::{fmt, io, panic::resume_unwind, time::Duration};

use super::{
    SocketAddr, TcpListener, TcpStream,
    unix::{self, UnixListener, UnixStream},
};
use crate::{
    cancel::CancelToken,
    runtime::{Handle, spawn::Wishes},
    sync::Semaphore,
    thread::{ScopedJoinHandle, scope},
    time::timeout,
};
use serving::{OnError, Serving};

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
    #[track_caller]
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
    /// borrow, runs in a green thread for each connection, of the current runtime or, on an OS thread, the default one. What it
    /// returns is dropped: of its errors it tells by itself.
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
        let serving = Serving::new(most, stop.child_token(), on_error, handler);
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
        serving.ended()
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
