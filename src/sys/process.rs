//! Processes as descriptors.

use std::{
    io,
    os::fd::{FromRawFd, OwnedFd, RawFd},
};

/// A descriptor that becomes readable when a child process, which was not waited for yet, has ended. Linux 5.3 and later.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn watch(pid: u32) -> io::Result<OwnedFd> {
    // SAFETY: integers only. The kernel sets close-on-exec by itself.
    match unsafe { libc::syscall(libc::SYS_pidfd_open, pid as libc::pid_t, 0) } {
        -1 => Err(io::Error::last_os_error()),
        // SAFETY: the kernel has just made this descriptor, and nobody else has it.
        fd => Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) }),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn watch(_: u32) -> io::Result<OwnedFd> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Takes a child's end if it has come; false while it runs. Of a child that nobody else waits for.
pub(crate) fn reap(pid: u32) -> bool {
    // SAFETY: integers, and a null pointer for a status that is not wanted.
    unsafe { libc::waitpid(pid as libc::pid_t, std::ptr::null_mut(), libc::WNOHANG) != 0 }
}
