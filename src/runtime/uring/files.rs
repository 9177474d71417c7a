//! Files by the ring: opening, reading, writing and syncing them, without an OS thread of ours that waits.
//!
//! Each function gives none where there is no ring, or where the kernel says that it cannot do this operation so; the caller then
//! has it done in another way, and none of it has been done yet. They wait as every operation does, and can be cancelled; but
//! what the kernel has begun on a file goes on to its end, and is waited for.

use super::Near;
use crate::{cancel, runtime::event::Here, sys::uring as sys};
use io_uring::squeue::Entry;
use std::{
    ffi::CStr,
    io::{self, IoSlice, IoSliceMut},
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
};

/// Performs an operation that no deadline ends.
///
/// # Safety
/// What `entry` names stays until this returns or unwinds, and is used by nobody else.
unsafe fn perform(entry: Entry) -> Option<io::Result<u32>> {
    let (here, ring) = Here::with_ring()?;
    // An operation that does not have to wait would succeed before it could be called off, each time.
    cancel::checkpoint();
    here.breathe();
    ring.hurry();
    // SAFETY: the running thread; the rest as promised.
    match unsafe { ring.perform(here, Near::NOTHING, entry, None) } {
        Err(error) if is_refused(&error) => None,
        done => Some(done.map(|result| result.expect("there is no deadline"))),
    }
}

/// Whether an error says nothing of the file: the kernel has no memory for the entry, does not do this on such a file by a ring,
/// or was interrupted, or would have to wait where it must not (a descriptor with `O_NONBLOCK`). Nothing was done then.
fn is_refused(error: &io::Error) -> bool {
    const REFUSED: [libc::c_int; 5] = [libc::EAGAIN, libc::EINTR, libc::ECANCELED, libc::EOPNOTSUPP, libc::ENOSYS];
    match error.raw_os_error() {
        Some(errno) => REFUSED.contains(&errno),
        None => error.kind() == io::ErrorKind::OutOfMemory,
    }
}

/// Opens a file, by the flags of `open(2)`; `exec` will close it.
///
/// The kernel first tries without waiting, as if `O_NONBLOCK` were asked for: so this is not for named pipes and devices.
///
/// # Errors
/// The operating system's.
pub(crate) fn open(path: &CStr, flags: libc::c_int, mode: libc::mode_t) -> Option<io::Result<OwnedFd>> {
    // SAFETY: the path is borrowed for this call.
    let opened = unsafe { perform(sys::open_at(path, flags, mode)) }?;
    // SAFETY: the kernel has just made this descriptor, and nobody else has it.
    Some(opened.map(|fd| unsafe { OwnedFd::from_raw_fd(fd as RawFd) }))
}

/// Reads from an offset on, without moving the file's position; possibly less than there is room.
///
/// For files that have offsets: of others the kernel reads what comes next. An offset above `i64::MAX` is none to the kernel, and
/// not for here either.
///
/// # Errors
/// The operating system's.
pub(crate) fn read(file: BorrowedFd<'_>, bufs: &mut [IoSliceMut<'_>], offset: u64) -> Option<io::Result<usize>> {
    i64::try_from(offset).ok()?;
    let fd = file.as_raw_fd();
    let entry = match bufs {
        [buf] => sys::read(fd, &raw mut **buf, offset),
        bufs => sys::read_vectored(fd, bufs, offset),
    };
    // SAFETY: the buffers, and the list of them, are borrowed for this call.
    let read = unsafe { perform(entry) }?;
    Some(read.map(|len| len as usize))
}

/// Writes from an offset on, or at the end of a file that appends, without moving the file's position; possibly less than all.
/// For the same files and offsets.
///
/// # Errors
/// The operating system's.
pub(crate) fn write(file: BorrowedFd<'_>, bufs: &[IoSlice<'_>], offset: u64) -> Option<io::Result<usize>> {
    i64::try_from(offset).ok()?;
    let fd = file.as_raw_fd();
    let entry = match bufs {
        [buf] => sys::write(fd, &raw const **buf, offset),
        bufs => sys::write_vectored(fd, bufs, offset),
    };
    // SAFETY: the buffers, and the list of them, are borrowed for this call.
    let written = unsafe { perform(entry) }?;
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
