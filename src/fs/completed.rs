//! What the kernel completes where the worker's ring is on (see [`uring`](crate::runtime::uring)): opening a file, and reading
//! and writing at its position. What needs no more than a descriptor and an offset is asked for by `operate` itself.
//!
//! # The position
//! A system call that uses a file's position has it to itself meanwhile. An operation of the ring has not: of two reads at once
//! both may give the same bytes, and of two writes one be lost; and where a disk is asked without the page cache, it does not
//! move the position at all. So here one is at an offset, the position is asked before and set afterwards, and who uses
//! it has taken its turn (`Transfers::turn`). That orders uses by one [`File`](super::File) only: it is not done once others may
//! use the position by another descriptor, of which a file that was opened here has none until it is cloned or its descriptor is
//! asked for. An operation that is under way at the moment in which a descriptor is asked for still ends so.
//!
//! A write at the position of a file that appends moves that to where the write has ended, which only the call itself can tell.
//! So it is left to the blocking pool; one at an offset is not, and appends too, as Linux has it.
//!
//! # Asking
//! What is known of a file is asked for on the blocking pool, with or without a ring: the kernel has an OS thread of its own do it for
//! a ring, too, and tells it in another form than that of [`Metadata`](std::fs::Metadata), which only std can make. Asking in place is
//! quick on most file systems, but on others waits for a server.

use std::{
    ffi::CString,
    fs::File,
    io::{self, Seek, SeekFrom},
    os::{fd::AsRawFd, unix::ffi::OsStrExt},
    path::Path,
};

use super::transfer::Transfer;
use crate::{
    runtime::{event::Here, readiness::Direction, uring::files},
    sys::{socket, uring as sys},
};

/// What kind of file this is, by the bits of its mode; none where there is no ring.
pub(super) fn kind(file: &File) -> Option<libc::mode_t> {
    Here::with_ring()?;
    sys::kind(file.as_raw_fd()).ok()
}

/// Reads or writes at the position, and moves it. The caller has the position for itself.
pub(super) fn at_position<T: Transfer>(mut file: &File, transfer: &mut T) -> Option<io::Result<usize>> {
    Here::with_ring()?;
    if T::DIRECTION == Direction::Write && socket::mode(file.as_raw_fd()).ok()? & libc::O_APPEND != 0 {
        return None;
    }
    let start = file.stream_position().ok()?;
    let done = transfer.completed(file, start)?;
    Some(done.and_then(|len| {
        if len != 0 {
            file.seek(SeekFrom::Start(start + len as u64))?;
        }
        Ok(len)
    }))
}

/// How a file is to be opened.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub(super) read: bool,
    pub(super) write: bool,
    pub(super) append: bool,
    pub(super) truncate: bool,
    pub(super) create: bool,
    pub(super) create_new: bool,
    pub(super) mode: u32,
    pub(super) custom_flags: libc::c_int,
}

impl Wish {
    pub(super) const NEW: Self = Self {
        read: false,
        write: false,
        append: false,
        truncate: false,
        create: false,
        create_new: false,
        mode: 0o666,
        custom_flags: 0,
    };

    /// The flags of `open(2)` that std uses for it; none where std refuses.
    fn flags(&self) -> Option<libc::c_int> {
        let access = match (self.read, self.write, self.append) {
            (true, false, false) => libc::O_RDONLY,
            (false, true, false) => libc::O_WRONLY,
            (true, true, false) => libc::O_RDWR,
            (false, _, true) => libc::O_WRONLY | libc::O_APPEND,
            (true, _, true) => libc::O_RDWR | libc::O_APPEND,
            (false, false, false) => return None,
        };
        let changes = self.truncate || self.create || self.create_new;
        if changes && access == libc::O_RDONLY || self.append && self.truncate && !self.create_new {
            return None;
        }
        let creation = match (self.create_new, self.create, self.truncate) {
            (true, _, _) => libc::O_CREAT | libc::O_EXCL,
            (false, create, truncate) => {
                (if create { libc::O_CREAT } else { 0 }) | if truncate { libc::O_TRUNC } else { 0 }
            }
        };
        Some(access | creation | (self.custom_flags & !libc::O_ACCMODE) | libc::O_LARGEFILE)
    }

    /// Opens a file by the ring; none if that cannot be, and nothing was done.
    ///
    /// That is for what never waits for another process, and what a path leads to is asked of the kernel's memory: if it lies
    /// there, so do the folders on the way, and the ring mostly opens the file at once. Else the pool has to be gone to for the
    /// answer, and can open it there.
    pub(super) fn open(&self, path: &Path) -> Option<io::Result<File>> {
        Here::with_ring()?;
        let flags = self.flags()?;
        let path = CString::new(path.as_os_str().as_bytes()).ok()?;
        match sys::kind_at(&path) {
            Ok(libc::S_IFREG | libc::S_IFDIR) => {}
            // Of no path and wrong flags, a ring tells the one and a call the other.
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) && !path.is_empty() => {}
            _ => return None,
        }
        Some(files::open(&path, flags, self.mode)?.map(File::from))
    }
}
