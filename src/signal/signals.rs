//! `Signals`: each has a pipe of its own, into which the handler writes a byte after it has noted the signal in a table.

use std::{borrow::Borrow, fmt, io, os::unix::net::UnixStream};

use libc::c_int;
use signal_hook::{
    consts::FORBIDDEN,
    iterator::{
        backend::{self, SignalDelivery},
        exfiltrator::SignalOnly,
    },
};

use crate::{io::Watched, sys::signal};

/// Listens for signals: an iterator that waits for the next. The names are those of `signal_hook::iterator::Signals`.
///
/// Signals that came before are not told; those that come while nobody waits are kept, each once. Dropped, it listens no
/// more.
///
/// # Cancellation
/// [`wait`](Self::wait) and `next` can be cancelled while they wait, and have then taken no signal.
///
/// # Examples
/// ```
/// use sinew::signal::{SIGUSR1, Signals};
///
/// let mut signals = Signals::new([SIGUSR1])?;
/// let waiting = sinew::spawn(move || signals.next());
/// // SAFETY: there is a handler.
/// unsafe { libc::raise(SIGUSR1) };
/// assert_eq!(waiting.join().unwrap(), Some(SIGUSR1));
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Signals {
    delivery: SignalDelivery<Watched<UnixStream>, SignalOnly>,
    /// Those that came together, and are not yet handed out by the iterator.
    rest: Pending,
}

/// Signals that have come; an iterator that never waits.
pub struct Pending(std::vec::IntoIter<c_int>);

/// Adds signals to a [`Signals`], or ends it, from anywhere.
#[derive(Clone)]
pub struct Handle(backend::Handle);

impl Signals {
    /// Listens for these signals.
    ///
    /// # Errors
    /// The operating system's, such as too many open files; `InvalidInput` for a signal that no handler can be set for, or
    /// that comes from a fault of the program.
    pub fn new<I, S>(signals: I) -> io::Result<Signals>
    where
        I: IntoIterator<Item = S>,
        S: Borrow<c_int>,
    {
        let (read, write) = UnixStream::pair()?;
        // The handler must never be blocked by a full pipe.
        write.set_nonblocking(true)?;
        let none: [c_int; 0] = [];
        let delivery = SignalDelivery::with_pipe(Watched::new(read)?, write, SignalOnly, none)?;
        let all = Signals { delivery, rest: Pending(Vec::new().into_iter()) };
        for signal in signals {
            all.add_signal(*signal.borrow())?;
        }
        Ok(all)
    }

    /// Listens for one more.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn add_signal(&self, signal: c_int) -> io::Result<()> {
        self.handle().add_signal(signal)
    }

    /// Waits until some signals have come, and gives them; none if it was closed.
    ///
    /// # Errors
    /// The operating system's.
    ///
    /// # Cancellation
    /// While it waits, and no signal is lost.
    pub fn wait(&mut self) -> io::Result<Pending> {
        loop {
            // It empties the pipe before it looks at the table: a signal after this writes another byte.
            let came = self.pending();
            if came.0.len() != 0 || self.is_closed() {
                return Ok(came);
            }
            self.delivery.get_read().readable()?;
        }
    }

    /// The signals that have come and were not taken yet. Never waits.
    pub fn pending(&mut self) -> Pending {
        Pending(self.delivery.pending().collect::<Vec<_>>().into_iter())
    }

    /// Whether a [`Handle`] has closed it.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.delivery.handle().is_closed()
    }

    /// A handle for other threads.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle(self.delivery.handle())
    }
}

impl Iterator for Signals {
    type Item = c_int;

    /// Waits for the next signal; none once it was closed, or the operating system fails.
    fn next(&mut self) -> Option<c_int> {
        loop {
            if let Some(signal) = self.rest.next() {
                return Some(signal);
            }
            if self.is_closed() {
                return None;
            }
            self.rest = self.wait().ok()?;
        }
    }
}

impl Handle {
    /// Listens for one more signal.
    ///
    /// # Errors
    /// As [`Signals::new`].
    pub fn add_signal(&self, signal: c_int) -> io::Result<()> {
        if FORBIDDEN.contains(&signal) || !(1..=signal::last()).contains(&signal) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "no handler can be set for this signal"));
        }
        self.0.add_signal(signal)?;
        // A green thread's stack may be too small for a handler.
        signal::use_alt_stack(signal)
    }

    /// Ends the [`Signals`]: who waits comes back with nothing.
    pub fn close(&self) {
        self.0.close();
    }

    /// Whether it was closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}

impl Iterator for Pending {
    type Item = c_int;

    fn next(&mut self) -> Option<c_int> {
        self.0.next()
    }
}

impl fmt::Debug for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signals").field("is_closed", &self.is_closed()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pending").field(&self.0.as_slice()).finish()
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("is_closed", &self.is_closed()).finish()
    }
}
