//! Files and folders for green threads, with [`std::fs`]'s types, names and errors.
//!
//! `use sinew::fs` replaces `use std::fs`. Calls are done by the OS threads of the blocking pool, and suspend the calling
//! thread only; at most 64 that ask a disk are there at once in a process, and further ones wait in turn. On a plain OS thread they are
//! done in place. What never asks a disk is std's own, re-exported: [`Metadata`], [`Permissions`], [`FileType`],
//! [`FileTimes`]. The methods of [`Path`](std::path::Path) that ask the file system block the worker: use the functions
//! here.
//!
//! A read of a [`File`] that finds its bytes in the page cache is done at once, on Linux: it costs about a microsecond, and a way to
//! the pool some ten. So it is worth while to do several steps in one call: [`read`] opens, reads and closes
//! on one way, and so does [`thread::blocking`](crate::thread::blocking) with a closure of std's calls.
//!
//! With the feature `io-uring`, on a worker whose ring is on (`runtime::Builder::io_driver`), the kernel reads, writes and syncs
//! a [`File`] on the caller's memory and no thread of the pool is needed, after the page cache has been looked into as ever; and it
//! opens what it knows, without asking a disk, to be a regular file or folder. A read or write at the file's position goes this way
//! only as long as the [`File`] alone can move that position: once it was cloned, or its descriptor was asked for, the pool does it;
//! and a write at the position of a file that appends always. One [`File`]'s uses of the position wait for each other.
//! The rest goes to the pool: [`metadata`] too, for which io_uring has an OS thread of its own wait, and whose result
//! only std can make.
//!
//! What is no file, as a named pipe or a terminal, is read and written when it is ready, and does not hold a thread of
//! the pool till then; a write to a device that is no terminal, as `/dev/kmsg`, holds one, and is done whole. Opening a named pipe holds
//! one until the other side is opened, and so do [`read`], [`write()`] and [`copy`] until they have come to the end of one; at most 256
//! that open such things or write devices are on the pool at once, which have no part in the 64.
//!
//! # Errors
//! All calls give std's.
//!
//! # Cancellation
//! A call can be cancelled while it waits for its turn, and has then done nothing. Once it is under way it comes to its
//! end, since the operating system uses the caller's memory, and a cancellation takes effect at the next suspension. What a ring has
//! not begun can be called off, and has then done nothing; what it has begun is waited for. Reads
//! and writes of pipes and terminals can be cancelled while they wait, and [`File::lock`] too.

#[cfg(all(feature = "io-uring", target_os = "linux"))]
mod completed;
mod file;
mod folder;
mod open_options;
pub(crate) mod operate;
mod paths;
mod transfer;
pub mod unix;

pub use file::File;
pub use folder::{DirBuilder, DirEntry, ReadDir, read_dir};
pub use open_options::OpenOptions;
#[expect(deprecated, reason = "std has it still")]
pub use paths::soft_link;
pub use paths::{
    canonicalize, copy, create_dir, create_dir_all, exists, hard_link, metadata, read, read_link, read_to_string,
    remove_dir, remove_dir_all, remove_file, rename, set_permissions, symlink_metadata, write,
};
pub use std::fs::{FileTimes, FileType, Metadata, Permissions, TryLockError};
