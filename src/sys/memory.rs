//! Pages: their size, guards on them, giving them back, and the kernel's limit on mappings.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The size of a page, from the kernel.
#[inline]
pub(crate) fn page_size() -> usize {
    static SIZE: AtomicUsize = AtomicUsize::new(0);
    match SIZE.load(Ordering::Relaxed) {
        0 => {
            // SAFETY: sysconf takes an integer and touches no memory of ours.
            let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
            let size = usize::try_from(size).ok().filter(|size| size.is_power_of_two()).unwrap_or(4096);
            SIZE.store(size, Ordering::Relaxed);
            size
        }
        size => size,
    }
}

/// Makes every access to these pages fault, without a mapping of their own: `MADV_GUARD_INSTALL`, Linux 6.13 and
/// later. Contents are dropped. The guard outlives `MADV_DONTNEED`; unmapping takes it away.
///
/// # Errors
///
/// `EINVAL` where the kernel does not know it, or where the memory is locked (`mlock`, `mlockall`). A success says only
/// that nothing refused: emulators take unknown advice for a hint and ignore it, see [`is_readable`].
///
/// # Safety
///
/// The pages are mapped, belong to the caller, and nothing lives in them.
#[cfg(all(target_os = "linux", not(sinew_guard = "mprotect")))]
pub(crate) unsafe fn guard_install(start: *mut u8, len: usize) -> io::Result<()> {
    /// From `linux/mman.h` (asm-generic; the same on every architecture).
    const MADV_GUARD_INSTALL: libc::c_int = 102;
    // SAFETY: the caller owns the pages and keeps nothing in them.
    check(unsafe { libc::madvise(start.cast(), len, MADV_GUARD_INSTALL) })
}

/// Where there are no guards without a mapping (or they are switched off by `--cfg sinew_guard="mprotect"`): refuses.
///
/// # Safety
///
/// As the real one; this one does nothing.
#[cfg(not(all(target_os = "linux", not(sinew_guard = "mprotect"))))]
pub(crate) unsafe fn guard_install(_start: *mut u8, _len: usize) -> io::Result<()> {
    Err(io::Error::from_raw_os_error(libc::EINVAL))
}

/// Whether these pages can be read, asked of the kernel without a fault (`MADV_POPULATE_READ`). The kernel says no for
/// a guard; a system that does not know the question says anything but a clean `EFAULT`, and counts as readable.
///
/// # Safety
///
/// The pages are mapped and belong to the caller.
#[cfg(target_os = "linux")]
pub(crate) unsafe fn is_readable(start: *mut u8, len: usize) -> bool {
    // SAFETY: populating reads each page in; it changes no contents.
    let answer = check(unsafe { libc::madvise(start.cast(), len, libc::MADV_POPULATE_READ) });
    answer.err().and_then(|error| error.raw_os_error()) != Some(libc::EFAULT)
}

/// As on Linux; nobody to ask, so yes.
///
/// # Safety
///
/// None needed here.
#[cfg(not(target_os = "linux"))]
pub(crate) unsafe fn is_readable(_start: *mut u8, _len: usize) -> bool {
    true
}

/// Makes every access to these pages fault, by `mprotect(PROT_NONE)`. It splits the mapping around it, so each costs
/// two of the mappings that [`max_map_count`] limits.
///
/// # Errors
///
/// `ENOMEM` at that limit.
///
/// # Safety
///
/// The pages are mapped, belong to the caller, and nothing lives in them.
pub(crate) unsafe fn protect_none(start: *mut u8, len: usize) -> io::Result<()> {
    // SAFETY: the caller owns the pages and keeps nothing in them.
    check(unsafe { libc::mprotect(start.cast(), len, libc::PROT_NONE) })
}

/// Gives the memory of these pages back. On Linux they read as zeros afterwards; elsewhere they may keep their contents
/// until the kernel takes them. A refusal (locked memory) changes nothing, so there is no result.
///
/// # Safety
///
/// The pages are mapped privately and anonymously, belong to the caller, and nothing lives in them.
pub(crate) unsafe fn discard(start: *mut u8, len: usize) {
    #[cfg(target_os = "linux")]
    const ADVICE: libc::c_int = libc::MADV_DONTNEED;
    #[cfg(not(target_os = "linux"))]
    const ADVICE: libc::c_int = libc::MADV_FREE;
    if len != 0 {
        // SAFETY: the caller owns the pages and keeps nothing in them.
        unsafe { libc::madvise(start.cast(), len, ADVICE) };
    }
}

/// [`discard`] for many ranges. Linux 6.16 and later do it with one flush of the processors' translation buffers in all; else there is one
/// for each, and it interrupts every other processor that runs this process.
///
/// # Safety
///
/// As `discard`, for each range.
pub(crate) unsafe fn discard_all(ranges: &[Range]) {
    #[cfg(target_os = "linux")]
    {
        use std::sync::atomic::AtomicBool;

        /// From `linux/pidfd.h`: the calling process. Linux 6.14.
        const PIDFD_SELF: libc::c_int = -10000;
        static REFUSED: AtomicBool = AtomicBool::new(false);

        if ranges.len() > 1 && !REFUSED.load(Ordering::Relaxed) {
            // SAFETY: a range is laid out as the kernel has it, and the caller owns the pages and keeps nothing in them.
            let done = unsafe {
                libc::syscall(
                    libc::SYS_process_madvise,
                    PIDFD_SELF,
                    ranges.as_ptr(),
                    ranges.len(),
                    libc::MADV_DONTNEED,
                    0,
                )
            };
            if usize::try_from(done).ok() == Some(ranges.iter().map(|range| range.0.iov_len).sum()) {
                return;
            }
            // An older kernel, a sandbox, or locked memory. What was done before an error does no harm when it is done again.
            REFUSED.store(true, Ordering::Relaxed);
        }
    }
    for range in ranges {
        // SAFETY: by the caller's promise.
        unsafe { discard(range.0.iov_base.cast(), range.0.iov_len) };
    }
}

/// Some pages, for [`discard_all`].
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(crate) struct Range(libc::iovec);

impl Range {
    pub(crate) const EMPTY: Self = Self(libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 });

    pub(crate) fn new(start: *mut u8, len: usize) -> Self {
        Self(libc::iovec { iov_base: start.cast(), iov_len: len })
    }
}

/// How many mappings the kernel allows a process: `vm.max_map_count`, or its default where that cannot be read. Without
/// such a limit (not Linux), the largest number.
pub(crate) fn max_map_count() -> usize {
    if cfg!(target_os = "linux") {
        let text = std::fs::read_to_string("/proc/sys/vm/max_map_count").unwrap_or_default();
        text.trim().parse().unwrap_or(65_530)
    } else {
        usize::MAX
    }
}

/// How many mappings this process has now, as far as that can be read. Takes milliseconds when there are many.
pub(crate) fn map_count() -> Option<usize> {
    use std::io::Read;
    let mut file = std::fs::File::open("/proc/self/maps").ok()?;
    let mut block = [0; 4096];
    let mut lines = 0;
    loop {
        match file.read(&mut block) {
            Ok(0) => return Some(lines),
            Ok(n) => lines += block[..n].iter().filter(|&&byte| byte == b'\n').count(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
