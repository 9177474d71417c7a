//! `File`.

use std::{
    fmt,
    fs::{self, FileTimes, Metadata, Permissions, TryLockError},
    io::{self, IoSlice, IoSliceMut, IsTerminal, Read, Seek, SeekFrom, Write},
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd},
        unix::fs::FileExt,
    },
    path::Path,
    process::Stdio,
    time::{Duration, SystemTime},
};

use super::{
    OpenOptions,
    operate::{Transfers, call, sync},
};
use crate::{runtime::event::Here, thread};

/// How long [`File::lock`] sleeps after it was refused first, and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(32));

/// An open file: [`std::fs::File`] whose calls suspend the calling thread only.
///
/// Reading and writing work on a shared reference too: `&*file` of an `Arc<File>`, for which std alone can have the traits. [`FileExt`] is implemented, for reads and writes at an offset. The
/// file is closed, in place, when the value is dropped.
///
/// # Cancellation
/// See [the module](super#cancellation).
///
/// # Examples
/// ```
/// use sinew::fs::File;
/// use std::io::Read;
///
/// let mut text = String::new();
/// File::open("Cargo.toml")?.read_to_string(&mut text)?;
/// assert!(text.contains("sinew"));
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct File {
    // In this order: what watches the descriptor goes before it is closed.
    transfers: Transfers,
    inner: fs::File,
}

impl File {
    /// What nobody else has had yet.
    pub(super) fn opened(inner: fs::File) -> File {
        File { transfers: Transfers::opened(&inner), inner }
    }

    /// Opens a file for reading.
    ///
    /// # Errors
    /// std's.
    pub fn open<P: AsRef<Path>>(path: P) -> io::Result<File> {
        OpenOptions::new().read(true).open(path)
    }

    /// Opens a file for writing; makes it, or empties it if there is one.
    ///
    /// # Errors
    /// std's.
    pub fn create<P: AsRef<Path>>(path: P) -> io::Result<File> {
        OpenOptions::new().write(true).create(true).truncate(true).open(path)
    }

    /// Makes a file, for reading and writing.
    ///
    /// # Errors
    /// std's: `AlreadyExists`.
    pub fn create_new<P: AsRef<Path>>(path: P) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).create_new(true).open(path)
    }

    /// [`OpenOptions::new`].
    #[must_use]
    pub fn options() -> OpenOptions {
        OpenOptions::new()
    }

    /// Waits until all that was written, and what is known of the file, is on the disk.
    ///
    /// # Errors
    /// std's.
    pub fn sync_all(&self) -> io::Result<()> {
        sync(&self.inner, false)
    }

    /// Waits until all that was written is on the disk.
    ///
    /// # Errors
    /// std's.
    pub fn sync_data(&self) -> io::Result<()> {
        sync(&self.inner, true)
    }

    /// Waits until no other handle has a lock on the file, and locks it. See [`std::fs::File::lock`].
    ///
    /// A green thread asks again after 1, 2, 4 … and then every 32 ms, and holds nothing meanwhile; so others may be faster.
    ///
    /// # Errors
    /// std's.
    ///
    /// # Cancellation
    /// While a green thread waits; the file is not locked then. An OS thread waits in the kernel until it has the lock.
    pub fn lock(&self) -> io::Result<()> {
        self.lock_by(fs::File::lock, fs::File::try_lock)
    }

    /// The same for a lock that others may share. See [`std::fs::File::lock_shared`].
    ///
    /// # Errors
    /// std's.
    ///
    /// # Cancellation
    /// As [`lock`](Self::lock).
    pub fn lock_shared(&self) -> io::Result<()> {
        self.lock_by(fs::File::lock_shared, fs::File::try_lock_shared)
    }

    fn lock_by(
        &self,
        lock: fn(&fs::File) -> io::Result<()>,
        try_lock: fn(&fs::File) -> Result<(), TryLockError>,
    ) -> io::Result<()> {
        if Here::current().is_none() {
            return lock(&self.inner);
        }
        let (mut pause, longest) = PAUSES;
        loop {
            match call(|| try_lock(&self.inner)) {
                Ok(()) => return Ok(()),
                Err(TryLockError::Error(error)) => return Err(error),
                Err(TryLockError::WouldBlock) => thread::sleep(pause),
            }
            pause = longest.min(pause * 2);
        }
    }

    /// Locks the file if no other handle has a lock on it. See [`std::fs::File::try_lock`].
    ///
    /// # Errors
    /// std's.
    pub fn try_lock(&self) -> Result<(), TryLockError> {
        call(|| self.inner.try_lock())
    }

    /// The same for a lock that others may share. See [`std::fs::File::try_lock_shared`].
    ///
    /// # Errors
    /// std's.
    pub fn try_lock_shared(&self) -> Result<(), TryLockError> {
        call(|| self.inner.try_lock_shared())
    }

    /// Gives the lock up. See [`std::fs::File::unlock`].
    ///
    /// # Errors
    /// std's.
    pub fn unlock(&self) -> io::Result<()> {
        call(|| self.inner.unlock())
    }

    /// Cuts the file, or fills it up with zeros, to this length.
    ///
    /// # Errors
    /// std's.
    pub fn set_len(&self, size: u64) -> io::Result<()> {
        call(|| self.inner.set_len(size))
    }

    /// What is to be known of the file.
    ///
    /// # Errors
    /// std's.
    pub fn metadata(&self) -> io::Result<Metadata> {
        call(|| self.inner.metadata())
    }

    /// Another handle to the same open file, with the same position. Done in place, except that where operations of a ring use the
    /// position, they come to their end first.
    ///
    /// # Errors
    /// std's, such as too many open files.
    pub fn try_clone(&self) -> io::Result<File> {
        Ok(File { transfers: self.transfers.another(), inner: self.inner.try_clone()? })
    }

    /// Sets the file's permissions.
    ///
    /// # Errors
    /// std's.
    pub fn set_permissions(&self, perm: Permissions) -> io::Result<()> {
        call(|| self.inner.set_permissions(perm))
    }

    /// Sets the file's times.
    ///
    /// # Errors
    /// std's.
    pub fn set_times(&self, times: FileTimes) -> io::Result<()> {
        call(|| self.inner.set_times(times))
    }

    /// Sets when the file was changed last.
    ///
    /// # Errors
    /// std's.
    pub fn set_modified(&self, time: SystemTime) -> io::Result<()> {
        self.set_times(FileTimes::new().set_modified(time))
    }

    /// Whether it is a terminal: [`IsTerminal`], which only std may implement.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        self.inner.is_terminal()
    }
}

impl Read for &File {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.transfers.read(&self.inner, &mut [IoSliceMut::new(buf)], None)
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.transfers.read(&self.inner, bufs, None)
    }

    fn read_to_end(&mut self, buf: &mut Vec<u8>) -> io::Result<usize> {
        // On one way; std asks how long the file is.
        let turn = self.transfers.turn();
        let done = self.transfers.at_once(&self.inner, || (&self.inner).read_to_end(buf));
        drop(turn);
        done.unwrap_or_else(|| ByReads(self).read_to_end(buf))
    }

    fn read_to_string(&mut self, buf: &mut String) -> io::Result<usize> {
        // On one way; std asks how long the file is.
        let turn = self.transfers.turn();
        let done = self.transfers.at_once(&self.inner, || (&self.inner).read_to_string(buf));
        drop(turn);
        done.unwrap_or_else(|| ByReads(self).read_to_string(buf))
    }
}

/// A file that is read to its end by single reads.
struct ByReads<'a>(&'a File);

impl Read for ByReads<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }
}

impl Write for &File {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.transfers.write(&self.inner, &[IoSlice::new(buf)], None)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.transfers.write(&self.inner, bufs, None)
    }

    /// Does nothing: a file has no buffer of its own.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for &File {
    /// Done in place, except that the file's end is asked for elsewhere, and that where operations of a ring use the position, they
    /// come to their end first.
    fn seek(&mut self, pos: SeekFrom) -> io::Result<u64> {
        let _turn = self.transfers.turn();
        match pos {
            SeekFrom::End(_) => call(|| (&self.inner).seek(pos)),
            SeekFrom::Start(_) | SeekFrom::Current(_) => (&self.inner).seek(pos),
        }
    }
}

impl Read for File {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        (&*self).read(buf)
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        (&*self).read_vectored(bufs)
    }

    fn read_to_end(&mut self, buf: &mut Vec<u8>) -> io::Result<usize> {
        (&*self).read_to_end(buf)
    }

    fn read_to_string(&mut self, buf: &mut String) -> io::Result<usize> {
        (&*self).read_to_string(buf)
    }
}

impl Write for File {
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

impl Seek for File {
    fn seek(&mut self, pos: SeekFrom) -> io::Result<u64> {
        (&*self).seek(pos)
    }
}

impl FileExt for File {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.transfers.read(&self.inner, &mut [IoSliceMut::new(buf)], Some(offset))
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        self.transfers.write(&self.inner, &[IoSlice::new(buf)], Some(offset))
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.inner, f)
    }
}

impl AsFd for File {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.transfers.share();
        self.inner.as_fd()
    }
}

impl AsRawFd for File {
    fn as_raw_fd(&self) -> RawFd {
        self.transfers.share();
        self.inner.as_raw_fd()
    }
}

impl From<fs::File> for File {
    fn from(inner: fs::File) -> File {
        File { transfers: Transfers::default(), inner }
    }
}

impl From<File> for fs::File {
    fn from(file: File) -> fs::File {
        let File { transfers, inner } = file;
        drop(transfers);
        inner
    }
}

impl From<OwnedFd> for File {
    fn from(fd: OwnedFd) -> File {
        fs::File::from(fd).into()
    }
}

impl From<File> for OwnedFd {
    fn from(file: File) -> OwnedFd {
        fs::File::from(file).into()
    }
}

impl From<File> for Stdio {
    fn from(file: File) -> Stdio {
        fs::File::from(file).into()
    }
}

impl FromRawFd for File {
    unsafe fn from_raw_fd(fd: RawFd) -> File {
        // SAFETY: the caller gives an open descriptor that it owns, as this trait demands.
        File::from(unsafe { OwnedFd::from_raw_fd(fd) })
    }
}

impl IntoRawFd for File {
    fn into_raw_fd(self) -> RawFd {
        fs::File::from(self).into_raw_fd()
    }
}
