//! Files by the ring: opening, asking about, reading, writing and syncing them, without an OS thread of ours that waits.
//!
//! Each function gives none where there is no ring, and the caller takes the blocking pool. They wait as every operation does,
//! and can be cancelled; but what the kernel has begun on a file goes on to its end, and is waited for.

use crate::{runtime::event::Here, sys::uring as sys};
use io_uring::squeue::Entry;
use std::{
    ffi::CStr,
    io,
    mem::MaybeUninit,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
};

/// Performs an operation that no deadline ends.
///
/// # Safety
/// What `entry` names stays until this returns or unwinds, and is used by nobody else.
unsafe fn perform(entry: Entry) -> Option<io::Result<u32>> {
    let (here, ring) = Here::with_ring()?;
    here.breathe();
    // SAFETY: the running thread; the rest as promised.
    Some(unsafe { ring.perform(here, entry, None) }.map(|result| result.expect("there is no deadline")))
}

/// Opens a file, by the flags of `open(2)`; `exec` will close it.
///
/// # Errors
/// The operating system's.
pub(crate) fn open(path: &CStr, flags: libc::c_int, mode: libc::mode_t) -> Option<io::Result<OwnedFd>> {
    // SAFETY: the path is borrowed for this call.
    let opened = unsafe { perform(sys::open_at(path, flags, mode)) }?;
    // SAFETY: the kernel has just made this descriptor, and nobody else has it.
    Some(opened.map(|fd| unsafe { OwnedFd::from_raw_fd(fd as RawFd) }))
}

/// What is known of a path, or of an open file. A symbolic link at the path's end is followed, if `follow`.
///
/// # Errors
/// The operating system's.
pub(crate) fn stat(file: Result<&CStr, BorrowedFd<'_>>, follow: bool) -> Option<io::Result<libc::statx>> {
    let file = file.map(std::ptr::from_ref).map_err(|fd| fd.as_raw_fd());
    let flags = if follow { 0 } else { libc::AT_SYMLINK_NOFOLLOW };
    let mut known = MaybeUninit::zeroed();
    // SAFETY: the path is borrowed for this call, and the room lies in its frame.
    let done = unsafe { perform(sys::stat(file, flags, known.as_mut_ptr())) }?;
    // SAFETY: a statx is integers, so all zeroes was one before the kernel filled it.
    Some(done.map(|_| unsafe { known.assume_init() }))
}

/// Reads from an offset on, without moving the file's position. What lies in the page cache is read at once.
///
/// # Errors
/// The operating system's.
pub(crate) fn read_at(file: BorrowedFd<'_>, buf: &mut [u8], offset: u64) -> Option<io::Result<usize>> {
    Here::with_ring()?;
    let fd = file.as_raw_fd();
    match sys::read_cached(fd, buf, offset) {
        // Not there, or a file system that cannot tell.
        Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EOPNOTSUPP)) => {}
        done => return Some(done),
    }
    // SAFETY: the buffer is borrowed for this call.
    let read = unsafe { perform(sys::read(fd, buf, offset)) }?;
    Some(read.map(|len| len as usize))
}

/// Writes from an offset on, without moving the file's position; possibly less than all.
///
/// # Errors
/// The operating system's.
pub(crate) fn write_at(file: BorrowedFd<'_>, buf: &[u8], offset: u64) -> Option<io::Result<usize>> {
    // SAFETY: the buffer is borrowed for this call.
    let written = unsafe { perform(sys::write(file.as_raw_fd(), buf, offset)) }?;
    Some(written.map(|len| len as usize))
}

/// Waits until a file's data are on its device; and the rest of what is known of it, unless `data_only`.
///
/// # Errors
/// The operating system's.
pub(crate) fn sync(file: BorrowedFd<'_>, data_only: bool) -> Option<io::Result<()>> {
    // SAFETY: the entry names no memory.
    let done = unsafe { perform(sys::sync(file.as_raw_fd(), data_only)) }?;
    Some(done.map(drop))
}
