//! Which way a runtime's threads wait for sockets and files.

use super::reactor::Reactor;
use std::{
    io,
    sync::atomic::{AtomicBool, Ordering},
};

/// How a runtime's threads wait for sockets and files (feature `io-uring`, on Linux); see
/// [`Builder::io_driver`](super::Builder::io_driver).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IoDriver {
    /// By readiness: epoll tells when a call may succeed, and the thread makes it again.
    Epoll,
    /// By completion: the kernel performs the call on the thread's own memory, and tells when it is done (io_uring, since Linux 5.11;
    /// best since 6.1). For streams, for accepting and connecting, and for [files](crate::fs); the rest waits by readiness.
    ///
    /// A thread that is cancelled waits until the kernel has given the memory back. If the operation has come to pass meanwhile,
    /// it has its effect, and the thread is cancelled at its next suspension.
    Uring,
}

impl IoDriver {
    /// As the environment says.
    pub(super) fn by_default() -> io::Result<Self> {
        match std::env::var_os("SINEW_IO") {
            None => Ok(Self::Epoll),
            Some(value) if value == "epoll" => Ok(Self::Epoll),
            Some(value) if value == "uring" => Ok(Self::Uring),
            Some(value) => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("SINEW_IO is to be epoll or uring, not {value:?}"),
            )),
        }
    }

    /// Has a worker's reactor go this way, if the kernel lets it; on the worker's own OS thread.
    pub(super) fn start(self, reactor: &Reactor) {
        static TOLD: AtomicBool = AtomicBool::new(false);
        if self == Self::Uring
            && let Err(error) = reactor.start_ring()
            && !TOLD.swap(true, Ordering::Relaxed)
        {
            eprintln!("sinew: io_uring cannot be used, so threads wait by epoll: {error}");
        }
    }
}
