//! What an accept loop does about errors: go on, pause, or give up.

use std::{
    io,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use crate::sync::{Condvar, Mutex};

/// The first pause after an error, and the longest: each is twice the one before.
const PAUSES: (Duration, Duration) = (Duration::from_millis(5), Duration::from_secs(1));

/// Counts connections that end while an accept loop has trouble.
///
/// A loop first counts itself as starving and reads the count, then calls the kernel, and waits only if that has refused. A connection
/// closes its descriptor, then looks whether anyone starves. If the refusal came before that closing, then what the loop wrote
/// before its call is seen after the closing, since the kernel's table of descriptors has a lock; so the count goes up.
#[derive(Default)]
pub(super) struct Ends {
    starving: AtomicUsize,
    count: Mutex<u64>,
    changed: Condvar,
}

impl Ends {
    pub(super) fn tell(&self) {
        if self.starving.load(Ordering::SeqCst) != 0 {
            *self.count.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) += 1;
            self.changed.notify_all();
        }
    }

    fn count(&self) -> u64 {
        *self.count.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// An accept loop's trouble, from the first refusal until a connection is taken.
pub(super) struct Trouble<'a> {
    ends: &'a Ends,
    /// The count of ends before the last call.
    seen: u64,
    pause: Duration,
}

impl<'a> Trouble<'a> {
    pub(super) fn new(ends: &'a Ends) -> Self {
        ends.starving.fetch_add(1, Ordering::SeqCst);
        Self { ends, seen: ends.count(), pause: PAUSES.0 }
    }

    /// Waits until a connection ends, or the pause is over.
    pub(super) fn pause(&mut self) {
        let count = self.ends.count.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let waited = self.ends.changed.wait_timeout_while(count, self.pause, |count| *count == self.seen);
        let (count, result) = waited.unwrap_or_else(|poisoned| poisoned.into_inner());
        self.seen = *count;
        if result.timed_out() {
            self.pause = (self.pause * 2).min(PAUSES.1);
        }
    }
}

impl Drop for Trouble<'_> {
    fn drop(&mut self) {
        self.ends.starving.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What an error of `accept` means for the loop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Meaning {
    /// A connection was lost; the next may be there.
    Next,
    /// It may go better in a while.
    Pause,
    /// The listener is of no more use.
    End,
}

impl Meaning {
    /// By accept(2): Linux passes on errors of the new connection too, which are to be treated as if none had come. Those
    /// of them that can last are paused for all the same.
    pub(super) fn of(error: &io::Error) -> Meaning {
        match error.raw_os_error() {
            Some(libc::ECONNABORTED | libc::EINTR | libc::EPROTO | libc::ECONNRESET | libc::ETIMEDOUT) => Meaning::Next,
            Some(libc::EBADF | libc::EINVAL | libc::ENOTSOCK | libc::EFAULT) => Meaning::End,
            _ => match error.kind() {
                io::ErrorKind::WouldBlock => Meaning::End,
                io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted => {
                    Meaning::Next
                }
                _ => Meaning::Pause,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lasting_errors_pause_and_lost_connections_do_not() {
        let of = |errno| Meaning::of(&io::Error::from_raw_os_error(errno));
        for errno in [libc::EMFILE, libc::ENFILE, libc::ENOMEM, libc::ENOBUFS, libc::EPERM, libc::ENETDOWN] {
            assert_eq!(of(errno), Meaning::Pause, "{errno}");
        }
        for errno in [libc::ECONNABORTED, libc::EPROTO, libc::EINTR] {
            assert_eq!(of(errno), Meaning::Next, "{errno}");
        }
        for errno in [libc::EBADF, libc::EINVAL, libc::ENOTSOCK, libc::EAGAIN] {
            assert_eq!(of(errno), Meaning::End, "{errno}");
        }
        assert_eq!(Meaning::of(&io::Error::other("a listener's own")), Meaning::Pause);
    }

    #[test]
    fn a_pause_ends_with_a_connection_before_and_during_it() {
        let ends = Ends::default();
        // Nobody starves, so it is not counted.
        ends.tell();
        let mut trouble = Trouble::new(&ends);
        trouble.pause = Duration::from_secs(3_600);
        ends.tell();
        trouble.pause();
        crate::scope(|scope| {
            scope.spawn(|| ends.tell());
            trouble.pause();
        });
        assert_eq!((trouble.seen, trouble.pause), (2, Duration::from_secs(3_600)));
        trouble.pause = Duration::from_millis(1);
        trouble.pause();
        assert_eq!(trouble.pause, Duration::from_millis(2));
        drop(trouble);
        assert_eq!(ends.starving.into_inner(), 0);
    }
}
