//! Moving bytes between descriptors inside the kernel.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
    ptr,
};

/// The most that one call moves: some hundred microseconds' work, after which others get their turn.
const MOST: usize = 1 << 20;

/// Moves bytes between two descriptors, of which one is a pipe. Never waits where both are in non-blocking mode.
pub(crate) fn splice(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> io::Result<usize> {
    let flags = libc::SPLICE_F_MOVE | libc::SPLICE_F_NONBLOCK;
    let (from, to) = (from.as_raw_fd(), to.as_raw_fd());
    // SAFETY: integers and null pointers; touches no memory of ours.
    checked(unsafe { libc::splice(from, ptr::null_mut(), to, ptr::null_mut(), MOST, flags) })
}

/// Moves bytes of a file, from its position on, to a descriptor.
pub(crate) fn sendfile(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> io::Result<usize> {
    // SAFETY: integers and a null pointer; touches no memory of ours.
    checked(unsafe { libc::sendfile(to.as_raw_fd(), from.as_raw_fd(), ptr::null_mut(), MOST) })
}

fn checked(result: isize) -> io::Result<usize> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result as usize) }
}
