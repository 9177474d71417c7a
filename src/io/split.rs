//! A stream as two owned halves.

use std::{
    fmt,
    io::{self, IoSlice, IoSliceMut, Read, Write},
    sync::Arc,
};

/// A stream of which the writing half can be ended alone: the other side then reads the end, and may still write.
pub trait ShutdownWrite {
    /// Ends the writing half.
    ///
    /// # Errors
    /// The operating system's, such as `NotConnected`.
    fn shutdown_write(&self) -> io::Result<()>;
}

/// Splits a stream into halves that different threads may own. The stream is closed when both are gone.
///
/// # Examples
/// ```
/// use sinew::{io::split, net::unix::UnixStream};
/// use std::io::{Read, Write};
///
/// let (one, two) = UnixStream::pair()?;
/// let (mut reader, mut writer) = split(one);
/// let writing = sinew::spawn(move || {
///     writer.write_all(b"hello")?;
///     writer.shutdown()
/// });
/// let (mut input, mut output) = split(two);
/// std::io::copy(&mut input, &mut output)?;
/// drop((input, output));
/// let mut text = String::new();
/// reader.read_to_string(&mut text)?;
/// assert_eq!(text, "hello");
/// writing.join().unwrap()?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn split<S>(stream: S) -> (ReadHalf<S>, WriteHalf<S>)
where
    for<'a> &'a S: Read + Write,
{
    let stream = Arc::new(stream);
    (ReadHalf(Arc::clone(&stream)), WriteHalf(stream))
}

/// The reading half of a stream, made by [`split`].
pub struct ReadHalf<S>(Arc<S>);

/// The writing half of a stream, made by [`split`]. Dropped, it does not end the stream: see [`shutdown`](Self::shutdown).
pub struct WriteHalf<S>(Arc<S>);

impl<S> ReadHalf<S> {
    /// The stream.
    pub fn get_ref(&self) -> &S {
        &self.0
    }

    /// The stream in one piece again; the halves back if they are not of one stream.
    ///
    /// # Errors
    /// The halves.
    pub fn reunite(self, other: WriteHalf<S>) -> Result<S, (ReadHalf<S>, WriteHalf<S>)> {
        if !Arc::ptr_eq(&self.0, &other.0) {
            return Err((self, other));
        }
        drop(other);
        // There are two at most, and this is the last.
        Arc::try_unwrap(self.0).map_err(|stream| (ReadHalf(Arc::clone(&stream)), WriteHalf(stream)))
    }
}

impl<S> WriteHalf<S> {
    /// The stream.
    pub fn get_ref(&self) -> &S {
        &self.0
    }
}

impl<S: ShutdownWrite> WriteHalf<S> {
    /// Ends this half: the other side reads the end.
    ///
    /// # Errors
    /// The operating system's, such as `NotConnected`.
    pub fn shutdown(&self) -> io::Result<()> {
        self.0.shutdown_write()
    }
}

impl<S> Read for ReadHalf<S>
where
    for<'a> &'a S: Read,
{
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        (&*self.0).read(buf)
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        (&*self.0).read_vectored(bufs)
    }
}

impl<S> Write for WriteHalf<S>
where
    for<'a> &'a S: Write,
{
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        (&*self.0).write(buf)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        (&*self.0).write_vectored(bufs)
    }

    fn flush(&mut self) -> io::Result<()> {
        (&*self.0).flush()
    }
}

impl<S: fmt::Debug> fmt::Debug for ReadHalf<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReadHalf").field(&self.0).finish()
    }
}

impl<S: fmt::Debug> fmt::Debug for WriteHalf<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WriteHalf").field(&self.0).finish()
    }
}
