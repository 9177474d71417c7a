//! What [`std::os::unix::fs`] has: its traits, which the types of [`fs`](crate::fs) implement, and its functions.

pub use std::os::unix::fs::{
    DirBuilderExt, DirEntryExt, FileExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt,
};

use std::{io, os::fd::AsFd, os::unix::fs, path::Path};

use super::operate::call;

/// Makes a symbolic link. See [`std::os::unix::fs::symlink`].
///
/// # Errors
/// std's.
pub fn symlink<P: AsRef<Path>, Q: AsRef<Path>>(original: P, link: Q) -> io::Result<()> {
    let (original, link) = (original.as_ref(), link.as_ref());
    call(|| fs::symlink(original, link))
}

/// Sets the owner and group of a file. See [`std::os::unix::fs::chown`].
///
/// # Errors
/// std's.
pub fn chown<P: AsRef<Path>>(dir: P, uid: Option<u32>, gid: Option<u32>) -> io::Result<()> {
    let dir = dir.as_ref();
    call(|| fs::chown(dir, uid, gid))
}

/// The same, of a symbolic link itself if there is one. See [`std::os::unix::fs::lchown`].
///
/// # Errors
/// std's.
pub fn lchown<P: AsRef<Path>>(dir: P, uid: Option<u32>, gid: Option<u32>) -> io::Result<()> {
    let dir = dir.as_ref();
    call(|| fs::lchown(dir, uid, gid))
}

/// The same of an open file. See [`std::os::unix::fs::fchown`].
///
/// # Errors
/// std's.
pub fn fchown<F: AsFd>(fd: F, uid: Option<u32>, gid: Option<u32>) -> io::Result<()> {
    let fd = fd.as_fd();
    call(|| fs::fchown(fd, uid, gid))
}

/// Changes the root folder of the process. See [`std::os::unix::fs::chroot`].
///
/// # Errors
/// std's.
pub fn chroot<P: AsRef<Path>>(dir: P) -> io::Result<()> {
    let dir = dir.as_ref();
    call(|| fs::chroot(dir))
}
