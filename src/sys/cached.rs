//! Reads and writes of files that are done only if no disk has to be waited for.
//!
//! Linux does so by `preadv2` and `pwritev2` with `RWF_NOWAIT`: what the page cache has is copied, and else the call gives
//! `EAGAIN`. Not all file systems know the flag, and hardly any for writing; those that do not give `EOPNOTSUPP`.

use std::{
    io::{self, IoSlice, IoSliceMut},
    os::fd::RawFd,
    sync::OnceLock,
};

use super::socket::MOST_BUFFERS;

/// Reads what is in memory; from the file's position if there is no offset.
pub(crate) fn read(fd: RawFd, bufs: &mut [IoSliceMut<'_>], offset: Option<u64>) -> io::Result<usize> {
    // `IoSliceMut` has the layout of `iovec`, as std promises.
    call(libc::SYS_preadv2, fd, bufs.as_ptr().cast(), bufs.len(), offset)
}

/// Writes as far as memory takes it; at the file's position if there is no offset.
pub(crate) fn write(fd: RawFd, bufs: &[IoSlice<'_>], offset: Option<u64>) -> io::Result<usize> {
    call(libc::SYS_pwritev2, fd, bufs.as_ptr().cast(), bufs.len(), offset)
}

/// Only for buffers that the two functions above were lent.
fn call(
    number: libc::c_long,
    fd: RawFd,
    bufs: *const libc::iovec,
    len: usize,
    offset: Option<u64>,
) -> io::Result<usize> {
    // An offset of -1 is the position. The kernel takes the offset in two halves of a `long`, of which a processor of 64
    // bits needs the first only.
    let offset = match offset.map(i64::try_from) {
        None => -1,
        Some(Ok(offset)) => offset,
        Some(Err(_)) => return Err(io::Error::from_raw_os_error(libc::EINVAL)),
    };
    let (low, high) = (offset as libc::c_long, (offset >> 32) as libc::c_long);
    let len = len.min(MOST_BUFFERS);
    // SAFETY: `bufs` and `len` name buffers that the callers were lent, mutably where the kernel writes.
    match unsafe { libc::syscall(number, fd, bufs, len, low, high, libc::RWF_NOWAIT) } {
        -1 => Err(io::Error::last_os_error()),
        done => Ok(done as usize),
    }
}

/// Whether the kernel can be relied on: 5.9 and 5.10 may say that a file has ended where a page is only not in memory
/// (<https://lore.kernel.org/io-uring/fea8b16d-5a69-40f9-b123-e84dcd6e8f2e@www.fastmail.com/>).
pub(crate) fn is_sound() -> bool {
    static SOUND: OnceLock<bool> = OnceLock::new();
    *SOUND.get_or_init(|| {
        // SAFETY: a `utsname` is bytes, for which zeros are valid.
        let mut name: libc::utsname = unsafe { std::mem::zeroed() };
        // SAFETY: the kernel writes into a local of the right type.
        if unsafe { libc::uname(&raw mut name) } == -1 {
            return false;
        }
        let release = name.release.map(|byte| byte as u8);
        !release.starts_with(b"5.9.") && !release.starts_with(b"5.10.")
    })
}
