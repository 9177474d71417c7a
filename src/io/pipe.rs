//! Pipes whose ends suspend the calling thread only.

use std::{
    fmt,
    io::{self, IoSlice, IoSliceMut, Read, Write},
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
    process::Stdio,
};

use super::Watched;

/// Makes a pipe: what is written into the second is read from the first. [`std::io::pipe`], whose ends suspend the calling
/// thread only.
///
/// The reader comes to the end when every handle to the writing end is closed: clones too, and what a
/// [`Command`](crate::process::Command) keeps until it is dropped.
///
/// # Errors
/// The operating system's, such as too many open files.
///
/// # Examples
/// ```
/// use std::io::{Read, Write};
///
/// let (mut reader, mut writer) = sinew::io::pipe()?;
/// let writing = sinew::spawn(move || writer.write_all(b"hello"));
/// let mut text = String::new();
/// reader.read_to_string(&mut text)?;
/// assert_eq!(text, "hello");
/// writing.join().unwrap()?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// What a child writes to its output and its errors, in one stream:
/// ```
/// use sinew::{io::pipe, process::Command, time::{Duration, timeout}};
/// use std::io::{BufRead, BufReader};
///
/// let (reader, writer) = pipe()?;
/// // No variable keeps the command, so its handles to the writing end are closed here.
/// let mut child =
///     Command::new("sh").args(["-c", "echo one; echo two >&2"]).stdout(writer.try_clone()?).stderr(writer).spawn()?;
/// let reading = sinew::spawn(move || {
///     timeout(Duration::from_secs(60), || BufReader::new(reader).lines().collect::<Result<Vec<_>, _>>())
/// });
/// assert_eq!(reading.join().unwrap()??, ["one", "two"]);
/// assert!(child.wait()?.success());
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn pipe() -> io::Result<(PipeReader, PipeWriter)> {
    let (reader, writer) = io::pipe()?;
    Ok((reader.try_into()?, writer.try_into()?))
}

/// The reading end of a [`pipe`]. See [`std::io::PipeReader`]. Its descriptor is in non-blocking mode, until it is turned
/// into std's type or given to a child. Clones share that mode, so of several all are turned: one that is left would block
/// its worker as it waits.
///
/// # Cancellation
/// A read can be cancelled while it waits, and has then taken nothing. What `read_exact` and `read_to_end` took by earlier calls lies in
/// the buffer; what `read_to_string` took is lost.
pub struct PipeReader(Watched<io::PipeReader>);

/// The writing end of a [`pipe`]. See [`std::io::PipeWriter`]. Its descriptor is in non-blocking mode, until it is turned
/// into std's type or given to a child. Clones share that mode, so of several all are turned: one that is left would block
/// its worker as it waits.
///
/// # Cancellation
/// A write can be cancelled while it waits, and has then written nothing. How much `write_all` has written by
/// earlier calls is not told.
pub struct PipeWriter(Watched<io::PipeWriter>);

/// What both ends have alike.
macro_rules! end {
    ($type:ident) => {
        impl $type {
            /// Another handle to the same end.
            ///
            /// # Errors
            /// The operating system's, such as too many open files.
            pub fn try_clone(&self) -> io::Result<$type> {
                // The mode is shared, so the clone's is right already; it gives back what the first would.
                Ok($type(self.0.another(self.0.get_ref().try_clone()?)))
            }

            /// Takes a descriptor over that was made elsewhere, and sets it to non-blocking mode.
            pub(crate) fn adopt(fd: OwnedFd) -> $type {
                $type(Watched::adopt(fd.into()))
            }

            /// The descriptor with its readiness.
            pub(crate) fn watched(&self) -> &Watched<io::$type> {
                &self.0
            }
        }

        impl TryFrom<io::$type> for $type {
            type Error = io::Error;

            /// Takes std's end over, and sets it to non-blocking mode.
            fn try_from(end: io::$type) -> io::Result<$type> {
                Watched::new(end).map($type)
            }
        }

        impl From<$type> for io::$type {
            /// Gives the end to std, in the mode that it had at first.
            fn from(end: $type) -> io::$type {
                end.0.into_inner()
            }
        }

        impl From<$type> for OwnedFd {
            /// Gives the descriptor away, in the mode that it had at first.
            fn from(end: $type) -> OwnedFd {
                end.0.into_inner().into()
            }
        }

        impl From<$type> for Stdio {
            /// For a [child](crate::process), in the mode that it had at first.
            fn from(end: $type) -> Stdio {
                io::$type::from(end).into()
            }
        }

        impl AsFd for $type {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.0.as_fd()
            }
        }

        impl AsRawFd for $type {
            fn as_raw_fd(&self) -> RawFd {
                self.0.as_raw_fd()
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self.0.get_ref(), f)
            }
        }
    };
}

end!(PipeReader);
end!(PipeWriter);

impl Read for &PipeReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        (&self.0).read(buf)
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        (&self.0).read_vectored(bufs)
    }
}

impl Read for PipeReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        (&*self).read(buf)
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        (&*self).read_vectored(bufs)
    }
}

impl Write for &PipeWriter {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        (&self.0).write(buf)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        (&self.0).write_vectored(bufs)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Write for PipeWriter {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        (&*self).write(buf)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        (&*self).write_vectored(bufs)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
