//! `Child`: a process that was started, and its end.
//!
//! The end is waited for by a descriptor of the process (`pidfd_open`, Linux 5.3). Where there is none, as in an older
//! kernel or with too many open files, the waiting thread asks now and then: so it holds no thread of the blocking pool for
//! as long as the child runs, and can be cancelled.

use std::{
    fmt, io,
    os::fd::OwnedFd,
    process::{self, ExitStatus, Output},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::{ChildStderr, ChildStdin, ChildStdout, drain::drain};
use crate::{cancel, io::Watched, sys::process as sys, thread};

/// How long a thread sleeps between asking, at first and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(32));

/// How long a child is waited for that was killed as its handle was dropped.
const LAST: Duration = Duration::from_secs(1);

/// Children that were killed and had not ended by then.
static ORPHANS: Mutex<Vec<u32>> = Mutex::new(Vec::new());

/// A process that was started by a [`Command`](super::Command). See [`std::process::Child`].
///
/// Dropped, it goes on, and leaves an entry in the system's table when it ends, since nobody waits for it: as std's. With
/// [`kill_on_drop`](super::Command::kill_on_drop) it is killed and waited for.
pub struct Child {
    /// Writes the child's standard input, if that is a pipe.
    pub stdin: Option<ChildStdin>,
    /// Reads the child's standard output, if that is a pipe.
    pub stdout: Option<ChildStdout>,
    /// Reads the child's standard error, if that is a pipe.
    pub stderr: Option<ChildStderr>,
    running: Running,
}

/// What of a [`Child`] has a destructor, so that its pipes can be moved out of it as out of std's.
struct Running {
    inner: process::Child,
    /// Readable once the process has ended. Opened by the first wait.
    end: Option<Watched<OwnedFd>>,
    kill_on_drop: bool,
}

impl Child {
    pub(super) fn new(mut inner: process::Child, kill_on_drop: bool) -> Child {
        bury();
        Child {
            stdin: inner.stdin.take().map(ChildStdin::from),
            stdout: inner.stdout.take().map(ChildStdout::from),
            stderr: inner.stderr.take().map(ChildStderr::from),
            running: Running { inner, end: None, kill_on_drop },
        }
    }

    /// The process's number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.running.inner.id()
    }

    /// Kills the process (`SIGKILL`). It is still to be waited for. One that was waited for is left alone.
    ///
    /// # Errors
    /// std's.
    pub fn kill(&mut self) -> io::Result<()> {
        self.running.inner.kill()
    }

    /// Closes the child's standard input, if that is still here, and waits until the process has ended. Later calls give the
    /// same again.
    ///
    /// # Errors
    /// std's.
    ///
    /// # Cancellation
    /// While it waits; the child goes on, and can be waited for again.
    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        drop(self.stdin.take());
        cancel::checkpoint();
        let (mut pause, longest) = PAUSES;
        loop {
            if let Some(status) = self.running.inner.try_wait()? {
                self.running.end = None;
                return Ok(status);
            }
            if self.running.watch().is_none_or(|end| end.readable().is_err()) {
                thread::sleep(pause);
                pause = longest.min(pause * 2);
            }
        }
    }

    /// How the process has ended, if it has. Never waits.
    ///
    /// # Errors
    /// std's.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.running.inner.try_wait()
    }

    /// Closes the child's standard input, reads its output and errors to their ends, both at once, and waits until the process
    /// has ended.
    ///
    /// # Errors
    /// std's.
    ///
    /// # Cancellation
    /// While it waits. What was read is lost, and the handle dropped: the child goes on without a reader, or is killed if
    /// [`kill_on_drop`](super::Command::kill_on_drop) was set.
    pub fn wait_with_output(mut self) -> io::Result<Output> {
        drop(self.stdin.take());
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        drain(&mut [
            self.stdout.as_ref().map(|pipe| (pipe.watched(), &mut stdout)),
            self.stderr.as_ref().map(|pipe| (pipe.watched(), &mut stderr)),
        ])?;
        drop((self.stdout.take(), self.stderr.take()));
        let status = self.wait()?;
        Ok(Output { status, stdout, stderr })
    }
}

impl Running {
    /// The descriptor of a process that was not waited for yet.
    fn watch(&mut self) -> Option<&Watched<OwnedFd>> {
        if self.end.is_none() {
            self.end = sys::watch(self.inner.id()).ok().map(Watched::new_as_is);
        }
        self.end.as_ref()
    }
}

/// Takes the ends of children that nobody waits for.
fn bury() {
    ORPHANS.lock().unwrap_or_else(PoisonError::into_inner).retain(|&child| !sys::reap(child));
}

impl Drop for Running {
    fn drop(&mut self) {
        // Who may not be killed is not waited for.
        if !self.kill_on_drop || !matches!(self.inner.try_wait(), Ok(None)) || self.inner.kill().is_err() {
            return;
        }
        // A destructor is no place to unwind from.
        cancel::shield(|| self.watch().map(|end| end.readable_timeout(LAST)));
        if matches!(self.inner.try_wait(), Ok(None)) {
            ORPHANS.lock().unwrap_or_else(PoisonError::into_inner).push(self.inner.id());
        }
    }
}

impl fmt::Debug for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child")
            .field("stdin", &self.stdin)
            .field("stdout", &self.stdout)
            .field("stderr", &self.stderr)
            .finish_non_exhaustive()
    }
}
