//! The pipes to and from a child.

use std::{
    fmt,
    io::{self, IoSlice, IoSliceMut, Read, Write},
    os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd},
    process::{self, Stdio},
};

use crate::io::{PipeReader, PipeWriter, Watched};

/// The writing end of a child's standard input. See [`std::process::ChildStdin`]. Dropped, it ends that input.
///
/// # Cancellation
/// A write can be cancelled while it waits, and has then written nothing.
pub struct ChildStdin(PipeWriter);

/// The reading end of a child's standard output. See [`std::process::ChildStdout`].
///
/// # Cancellation
/// A read can be cancelled while it waits, and has then taken nothing.
pub struct ChildStdout(PipeReader);

/// The reading end of a child's standard error. See [`std::process::ChildStderr`].
///
/// # Cancellation
/// A read can be cancelled while it waits, and has then taken nothing.
pub struct ChildStderr(PipeReader);

/// What all ends have alike: ours is in non-blocking mode, and goes out of it when it is given away. The child's end is an
/// open file of its own, with a mode of its own.
macro_rules! end {
    ($type:ident, $pipe:ident) => {
        impl $type {
            /// The descriptor with its readiness.
            pub(crate) fn watched(&self) -> &Watched<io::$pipe> {
                self.0.watched()
            }
        }

        impl From<OwnedFd> for $type {
            /// Takes the descriptor over, and sets it to non-blocking mode.
            fn from(fd: OwnedFd) -> $type {
                $type($pipe::adopt(fd))
            }
        }

        impl From<process::$type> for $type {
            /// Takes std's end over, and sets it to non-blocking mode.
            fn from(end: process::$type) -> $type {
                OwnedFd::from(end).into()
            }
        }

        impl From<$type> for OwnedFd {
            /// Gives the descriptor away, in the mode that it had at first.
            fn from(end: $type) -> OwnedFd {
                end.0.into()
            }
        }

        impl From<$type> for process::$type {
            /// Gives the end to std, in the mode that it had at first.
            fn from(end: $type) -> process::$type {
                OwnedFd::from(end).into()
            }
        }

        impl From<$type> for Stdio {
            /// For another child, in the mode that it had at first.
            fn from(end: $type) -> Stdio {
                OwnedFd::from(end).into()
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

        impl IntoRawFd for $type {
            fn into_raw_fd(self) -> RawFd {
                OwnedFd::from(self).into_raw_fd()
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($type)).finish_non_exhaustive()
            }
        }
    };
}

/// The ends that are read.
macro_rules! reads {
    ($type:ident) => {
        impl Read for &$type {
            fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                (&self.0).read(buf)
            }

            fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
                (&self.0).read_vectored(bufs)
            }
        }

        impl Read for $type {
            fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                self.0.read(buf)
            }

            fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
                self.0.read_vectored(bufs)
            }
        }
    };
}

end!(ChildStdin, PipeWriter);
end!(ChildStdout, PipeReader);
end!(ChildStderr, PipeReader);
reads!(ChildStdout);
reads!(ChildStderr);

impl Write for &ChildStdin {
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

impl Write for ChildStdin {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.write(buf)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.write_vectored(bufs)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
