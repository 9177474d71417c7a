//! Reads and writes with a longest time each, for any stream.

use std::{
    io::{self, IoSlice, IoSliceMut, Read, Write},
    time::Duration,
};

use crate::time::timeout;

/// A stream whose reads and writes end in `TimedOut` after a time: for pipes, terminals and types of other crates. Sockets
/// have timeouts of their own, which end as std's do, in `WouldBlock`.
///
/// The time is that of one call of [`read`](Read::read), [`write`](Write::write) or [`flush`](Write::flush). What waits
/// by this crate is interrupted, on OS threads too; an operation on the blocking pool comes to its end first.
///
/// # Cancellation
/// As the stream's.
///
/// # Examples
/// ```
/// use sinew::io::{Timeout, pipe};
/// use std::{io::{ErrorKind, Read}, time::Duration};
///
/// let (reader, _writer) = pipe()?;
/// let mut reader = Timeout::new(reader);
/// reader.set_read_timeout(Some(Duration::from_millis(1)));
/// assert_eq!(reader.read(&mut [0]).unwrap_err().kind(), ErrorKind::TimedOut);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Timeout<S> {
    stream: S,
    read: Option<Duration>,
    write: Option<Duration>,
}

impl<S> Timeout<S> {
    /// A stream without timeouts at first.
    pub const fn new(stream: S) -> Timeout<S> {
        Timeout { stream, read: None, write: None }
    }

    /// Sets how long a read may wait; `None` is for ever.
    pub fn set_read_timeout(&mut self, timeout: Option<Duration>) {
        self.read = timeout;
    }

    /// Sets how long a write may wait; `None` is for ever.
    pub fn set_write_timeout(&mut self, timeout: Option<Duration>) {
        self.write = timeout;
    }

    /// How long a read may wait.
    #[must_use]
    pub fn read_timeout(&self) -> Option<Duration> {
        self.read
    }

    /// How long a write may wait.
    #[must_use]
    pub fn write_timeout(&self) -> Option<Duration> {
        self.write
    }

    /// The stream.
    pub fn get_ref(&self) -> &S {
        &self.stream
    }

    /// The stream.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    /// The stream back.
    pub fn into_inner(self) -> S {
        self.stream
    }
}

fn within<T>(time: Option<Duration>, call: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    match time {
        None => call(),
        Some(time) => timeout(time, call)?,
    }
}

impl<S: Read> Read for Timeout<S> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        within(self.read, || self.stream.read(buf))
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        within(self.read, || self.stream.read_vectored(bufs))
    }
}

impl<S: Write> Write for Timeout<S> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        within(self.write, || self.stream.write(buf))
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        within(self.write, || self.stream.write_vectored(bufs))
    }

    fn flush(&mut self) -> io::Result<()> {
        within(self.write, || self.stream.flush())
    }
}
