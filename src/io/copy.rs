//! Copying a reader into a writer, inside the kernel where std does so.
//!
//! On Linux std copies by `splice` when one side is a pipe and the other a pipe or a socket, and by `sendfile` from a
//! regular file. It knows its own types only; so ours are recognised here, and all else is left to it. The kernel's call
//! may have found either side not ready, so both are waited for.

use std::{
    io::{self, Read, Write},
    os::fd::AsFd,
};

use super::{PipeReader, PipeWriter};
use crate::{
    process::{ChildStderr, ChildStdin, ChildStdout},
    runtime::readiness::Direction,
};

#[cfg(any(target_os = "linux", target_os = "android"))]
use super::cast::cast;
#[cfg(any(target_os = "linux", target_os = "android"))]
use crate::{
    net::{TcpStream, unix::UnixStream},
    runtime::event::Here,
    sys::transfer,
};
#[cfg(any(target_os = "linux", target_os = "android"))]
use std::fs::File;

/// One of our types, as an end of the kernel's copying.
pub(crate) trait Endpoint: AsFd {
    /// Whether its calls wait for ever: what has other ideas is copied by calls that know them.
    fn is_patient(&self) -> bool;

    /// Waits until the operating system says that a call would not block.
    fn ready(&self, direction: Direction) -> io::Result<()>;
}

macro_rules! pipe_end {
    ($type:ident) => {
        impl Endpoint for $type {
            fn is_patient(&self) -> bool {
                true
            }

            fn ready(&self, direction: Direction) -> io::Result<()> {
                self.watched().ready(direction, None).map(drop)
            }
        }
    };
}

pipe_end!(PipeReader);
pipe_end!(PipeWriter);
pipe_end!(ChildStdin);
pipe_end!(ChildStdout);
pipe_end!(ChildStderr);

/// Copies all that a reader gives into a writer, until its end: how many bytes. See [`std::io::copy`].
///
/// Between a pipe and a pipe or stream of this crate, and from a regular [`std::fs::File`] to one, the kernel copies
/// (`splice`, `sendfile`), on Linux; a file's reading can block the worker, as all reading of files. Streams with a timeout, or
/// set non-blocking, are copied by reading and writing.
///
/// # Errors
/// The first of a read or write. `Interrupted` is tried again.
///
/// # Cancellation
/// While a read or write waits. What was copied until then stays copied; bytes that were read and not yet written are lost.
///
/// # Examples
/// ```
/// use sinew::net::unix::UnixStream;
///
/// let (one, mut two) = UnixStream::pair()?;
/// let sending = sinew::spawn(move || sinew::io::copy(&mut &b"hello"[..], &mut &one));
/// let mut got = Vec::new();
/// assert_eq!(sinew::io::copy(&mut two, &mut got)?, 5);
/// assert_eq!(got, b"hello");
/// assert_eq!(sending.join().unwrap()?, 5);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn copy<R, W>(reader: &mut R, writer: &mut W) -> io::Result<u64>
where
    R: ?Sized + Read,
    W: ?Sized + Write,
{
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let moved = in_kernel(reader, writer)?;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let moved = 0;
    // What the kernel has copied to its end ends here at once.
    Ok(moved + io::copy(reader, writer)?)
}

/// What a reader or writer is, and whether that is a pipe.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn endpoint<T: ?Sized>(value: &T) -> Option<(&dyn Endpoint, bool)> {
    /// A value of type `E`, or a reference to one.
    fn of<E: Endpoint + 'static, T: ?Sized>(value: &T) -> Option<&dyn Endpoint> {
        match cast::<T, E>(value) {
            Some(end) => Some(end),
            None => cast::<T, &E>(value).map(|end| *end as &dyn Endpoint),
        }
    }
    let pipe = of::<PipeReader, T>(value).or_else(|| of::<PipeWriter, T>(value));
    let child = || of::<ChildStdout, T>(value).or_else(|| of::<ChildStderr, T>(value));
    let pipe = pipe.or_else(child).or_else(|| of::<ChildStdin, T>(value));
    let stream = || of::<TcpStream, T>(value).or_else(|| of::<UnixStream, T>(value));
    pipe.map(|end| (end, true)).or_else(|| stream().map(|end| (end, false)))
}

/// Copies what the kernel can. It is not told why it stopped: at the end, or since it cannot go on with these.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn in_kernel<R, W>(reader: &R, writer: &W) -> io::Result<u64>
where
    R: ?Sized,
    W: ?Sized,
{
    let Some((to, to_pipe)) = endpoint(writer).filter(|(to, _)| to.is_patient()) else { return Ok(0) };
    if let Some(file) = cast::<R, File>(reader).or_else(|| cast::<R, &File>(reader).map(|file| &**file)) {
        // Files that only seem to be there, as those of /proc, have no length and cannot be sent.
        let is_plain = file.metadata().is_ok_and(|data| data.is_file() && data.len() != 0);
        if !is_plain {
            return Ok(0);
        }
        return repeat(|| transfer::sendfile(file.as_fd(), to.as_fd()), || to.ready(Direction::Write));
    }
    let Some((from, from_pipe)) = endpoint(reader).filter(|(from, _)| from.is_patient()) else { return Ok(0) };
    if !from_pipe && !to_pipe {
        return Ok(0);
    }
    repeat(
        || transfer::splice(from.as_fd(), to.as_fd()),
        || {
            from.ready(Direction::Read)?;
            to.ready(Direction::Write)
        },
    )
}

/// Makes a call until it moves nothing, and waits when it would block.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn repeat(mut call: impl FnMut() -> io::Result<usize>, wait: impl Fn() -> io::Result<()>) -> io::Result<u64> {
    let mut moved = 0;
    loop {
        if let Some(here) = Here::current() {
            here.breathe();
        }
        match call() {
            Ok(0) => return Ok(moved),
            Ok(more) => moved += more as u64,
            Err(error) => match error.raw_os_error() {
                Some(libc::EINTR) => {}
                Some(libc::EAGAIN) => wait()?,
                // Not with these descriptors: refused before anything has moved, as in std's list.
                Some(libc::EINVAL | libc::ENOSYS | libc::EPERM | libc::EOPNOTSUPP | libc::EOVERFLOW) => {
                    return Ok(moved);
                }
                _ => return Err(error),
            },
        }
    }
}

#[cfg(all(test, any(target_os = "linux", target_os = "android")))]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::io::pipe;

    #[test]
    fn the_kernel_copies_between_pipes_and_streams_and_from_files() {
        let (reader, mut writer) = pipe().unwrap();
        let (one, two) = UnixStream::pair().unwrap();
        writer.write_all(b"hello").unwrap();
        drop(writer);
        assert_eq!(in_kernel(&reader, &&one).unwrap(), 5);
        drop(one);
        let (last, writer) = pipe().unwrap();
        assert_eq!(in_kernel(&two, &writer).unwrap(), 5);
        let mut file = File::open("Cargo.toml").unwrap();
        let len = file.metadata().unwrap().len();
        assert_eq!(in_kernel(&file, &writer).unwrap(), len);
        assert_eq!(file.read(&mut [0]).unwrap(), 0);
        drop(writer);
        let (one, _two) = UnixStream::pair().unwrap();
        one.set_nonblocking(true).unwrap();
        assert_eq!(in_kernel(&last, &one).unwrap(), 0);
        assert_eq!(in_kernel::<[u8], _>(b"no descriptor", &one).unwrap(), 0);
    }
}
