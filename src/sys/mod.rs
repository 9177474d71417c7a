//! Raw facts of the operating system: system calls, flags and error numbers that `libc` leaves to its callers.

#[cfg(not(loom))]
pub(crate) mod address;
#[cfg(not(loom))]
pub(crate) mod ancillary;
#[cfg(all(not(loom), any(target_os = "linux", target_os = "android")))]
pub(crate) mod cached;
#[cfg(not(loom))]
pub(crate) mod datagrams;
#[cfg(not(loom))]
pub(crate) mod membarrier;
#[cfg(not(loom))]
pub(crate) mod memory;
pub(crate) mod prefetch;
#[cfg(not(loom))]
pub(crate) mod process;
#[cfg(not(loom))]
pub(crate) mod report;
#[cfg(not(loom))]
pub(crate) mod signal;
#[cfg(not(loom))]
pub(crate) mod socket;
#[cfg(all(not(loom), any(target_os = "linux", target_os = "android")))]
pub(crate) mod transfer;
#[cfg(all(not(loom), feature = "io-uring", target_os = "linux"))]
pub(crate) mod uring;
#[cfg(not(loom))]
pub(crate) mod valgrind;
