//! Standard input.

use std::{
    fmt,
    fs::File,
    io::{self, BufRead, BufReader, IoSliceMut, IsTerminal, Lines, Read},
    mem::ManuallyDrop,
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, RawFd},
    sync::{OnceLock, PoisonError},
};

use crate::{
    fs::operate::Transfers,
    sync::{Mutex, MutexGuard},
};

/// A handle to the process's standard input: [`std::io::stdin`] whose reads suspend the calling thread only.
///
/// It has a buffer of its own, beside that of std's: what one of the two has read ahead the other does not see.
///
/// The descriptor's mode is left alone, for it is often shared with other processes. So a green thread waits until there is
/// something, and then reads, on the blocking pool if the kernel has no call that surely does not wait. If
/// another process takes it in between, the thread cannot be cancelled until more comes.
///
/// # Examples
/// ```no_run
/// for line in sinew::io::stdin().lines() {
///     println!("{}", line?.to_uppercase());
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use]
pub fn stdin() -> Stdin {
    Stdin(())
}

/// A handle to standard input, made by [`stdin`]. See [`std::io::Stdin`].
///
/// # Cancellation
/// Reads can be cancelled while they wait, and have then taken nothing. What `read_exact` and `read_to_end` took by earlier ones lies in
/// the buffer; what `read_line` and `read_to_string` took is lost.
pub struct Stdin(());

/// Standard input, locked. See [`std::io::StdinLock`]. Other threads, green or not, wait for the lock.
pub struct StdinLock<'a>(MutexGuard<'a, BufReader<Input>>);

/// The descriptor, with what is known of it.
struct Input(Transfers);

static INPUT: OnceLock<Mutex<BufReader<Input>>> = OnceLock::new();

impl Stdin {
    /// Locks it, for the buffer and for reads that belong together.
    ///
    /// # Cancellation
    /// While it waits for the lock.
    #[must_use]
    pub fn lock(&self) -> StdinLock<'static> {
        let input = INPUT.get_or_init(|| Mutex::new(BufReader::new(Input(Transfers::default()))));
        // As std's: a panic elsewhere leaves the input as it is.
        StdinLock(input.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Locks it and reads a line, with its end. See [`BufRead::read_line`].
    ///
    /// # Errors
    /// The operating system's; `InvalidData` for what is no UTF-8.
    pub fn read_line(&self, buf: &mut String) -> io::Result<usize> {
        self.lock().read_line(buf)
    }

    /// Locks it, and gives an iterator over its lines.
    #[must_use]
    pub fn lines(self) -> Lines<StdinLock<'static>> {
        self.lock().lines()
    }

    /// Whether it is a terminal: [`IsTerminal`], which only std may implement.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        io::stdin().is_terminal()
    }
}

impl StdinLock<'_> {
    /// Whether it is a terminal: [`IsTerminal`], which only std may implement.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        io::stdin().is_terminal()
    }
}

impl Read for Input {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        // SAFETY: std too takes the descriptor for open as long as the process runs; `ManuallyDrop` does not close it.
        let file = ManuallyDrop::new(unsafe { File::from_raw_fd(libc::STDIN_FILENO) });
        match self.0.read(&file, &mut [IoSliceMut::new(buf)], None) {
            // As std: a process that was started without standard input finds its end.
            Err(error) if error.raw_os_error() == Some(libc::EBADF) => Ok(0),
            done => done,
        }
    }
}

impl Read for &Stdin {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.lock().read(buf)
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.lock().read_vectored(bufs)
    }

    fn read_to_end(&mut self, buf: &mut Vec<u8>) -> io::Result<usize> {
        self.lock().read_to_end(buf)
    }

    fn read_to_string(&mut self, buf: &mut String) -> io::Result<usize> {
        self.lock().read_to_string(buf)
    }

    fn read_exact(&mut self, buf: &mut [u8]) -> io::Result<()> {
        self.lock().read_exact(buf)
    }
}

impl Read for Stdin {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.lock().read(buf)
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.lock().read_vectored(bufs)
    }

    fn read_to_end(&mut self, buf: &mut Vec<u8>) -> io::Result<usize> {
        self.lock().read_to_end(buf)
    }

    fn read_to_string(&mut self, buf: &mut String) -> io::Result<usize> {
        self.lock().read_to_string(buf)
    }

    fn read_exact(&mut self, buf: &mut [u8]) -> io::Result<()> {
        self.lock().read_exact(buf)
    }
}

impl Read for StdinLock<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }

    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.0.read_vectored(bufs)
    }

    fn read_to_end(&mut self, buf: &mut Vec<u8>) -> io::Result<usize> {
        self.0.read_to_end(buf)
    }

    fn read_to_string(&mut self, buf: &mut String) -> io::Result<usize> {
        self.0.read_to_string(buf)
    }

    fn read_exact(&mut self, buf: &mut [u8]) -> io::Result<()> {
        self.0.read_exact(buf)
    }
}

impl BufRead for StdinLock<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.0.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.0.consume(amount);
    }
}

macro_rules! descriptor {
    ($($type:ty, $name:literal;)*) => {$(
        impl AsFd for $type {
            fn as_fd(&self) -> BorrowedFd<'_> {
                // SAFETY: as in `Input::read`.
                unsafe { BorrowedFd::borrow_raw(libc::STDIN_FILENO) }
            }
        }

        impl AsRawFd for $type {
            fn as_raw_fd(&self) -> RawFd {
                libc::STDIN_FILENO
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct($name).finish_non_exhaustive()
            }
        }
    )*};
}

descriptor! {
    Stdin, "Stdin";
    StdinLock<'_>, "StdinLock";
}
