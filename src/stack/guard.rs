//! Guards: the pages below a stack, on which every access faults.
//!
//! There are two kinds. A *marker* (`MADV_GUARD_INSTALL`, Linux 6.13) lies in the page tables and costs no mapping, so
//! a million guarded stacks fit in a few hundred. *Protection* (`mprotect`) works everywhere, splits the mapping in
//! two around the guard, and so ends at about 32,000 stacks with the kernel's usual `vm.max_map_count` of 65,530.
//!
//! Whether markers work is found out once, on a page of its own, by installing one and asking the kernel whether the
//! page can still be read: an emulator may accept advice that it does not know and ignore it, and that would leave
//! stacks unguarded. After that a single refusal still falls back to protection: the kernel refuses markers on memory
//! that the process has locked.
//!
//! Protection stops short of the kernel's limit and leaves a 32nd part to the rest of the process: at the limit itself
//! malloc fails and no OS thread starts.

use super::{Limit, class::guard_bytes};
use crate::sys::memory;
use memmap2::MmapOptions;
use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How a stack came to be guarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guard {
    /// By a marker in the page tables.
    Marker,
    /// By protection, which takes [`MAPPINGS_EACH`] mappings until the slab is unmapped and [`forget`] is called.
    Protection,
}

/// The guard, and the stack above it, which the guard cut off from the rest.
const MAPPINGS_EACH: usize = 2;

/// The mappings that protected guards take in this process. (A static, and so not one of loom's.)
static MAPPINGS: AtomicUsize = AtomicUsize::new(0);

/// Whether this kernel has markers, and they guard.
pub(crate) fn markers_work() -> bool {
    static WORK: OnceLock<bool> = OnceLock::new();
    *WORK.get_or_init(|| {
        let Ok(map) = MmapOptions::new().len(memory::page_size()).map_anon() else { return false };
        let page = map.as_ptr().cast_mut();
        // SAFETY: the page is this function's own, nothing refers into it, and it is unmapped on return.
        unsafe { memory::guard_install(page, map.len()).is_ok() && !memory::is_readable(page, map.len()) }
    })
}

/// Makes the [`guard_bytes`] from `start` a guard.
///
/// # Errors
///
/// Says which limit forbids it; the pages may then be accessible, and no stack may be handed out above them.
///
/// # Safety
///
/// The pages are mapped, belong to the caller, and nothing lives in them.
pub(crate) unsafe fn install(start: *mut u8) -> Result<Guard, Limit> {
    // SAFETY: by this function's contract.
    if markers_work() && unsafe { memory::guard_install(start, guard_bytes()) }.is_ok() {
        return Ok(Guard::Marker);
    }
    let taken = MAPPINGS.fetch_add(MAPPINGS_EACH, Ordering::Relaxed) + MAPPINGS_EACH;
    // SAFETY: by this function's contract.
    let result = within_limit(taken).and_then(|()| unsafe { memory::protect_none(start, guard_bytes()) }.map_err(why));
    match result {
        Ok(()) => Ok(Guard::Protection),
        Err(limit) => {
            MAPPINGS.fetch_sub(MAPPINGS_EACH, Ordering::Relaxed);
            Err(limit)
        }
    }
}

/// Counts `n` protected guards as gone, because their slab was unmapped.
pub(crate) fn forget(n: usize) {
    MAPPINGS.fetch_sub(n * MAPPINGS_EACH, Ordering::Relaxed);
}

fn within_limit(taken: usize) -> Result<(), Limit> {
    /// Below this, nobody needs to read the kernel's limit: a system that sets it lower than this has set it for us to
    /// meet, and `mprotect` will say so.
    const UNCHECKED: usize = 8192;
    if taken <= UNCHECKED {
        return Ok(());
    }
    /// The limit as last read. It is read again where it matters, for somebody may have raised it.
    static MOST: AtomicUsize = AtomicUsize::new(0);
    let allowed = |most: usize| taken <= most - most / 32;
    if allowed(MOST.load(Ordering::Relaxed)) {
        return Ok(());
    }
    let most = memory::max_map_count();
    MOST.store(most, Ordering::Relaxed);
    if allowed(most) { Ok(()) } else { Err(Limit::MapCount(most)) }
}

/// The limit behind an error of `mmap` or `mprotect`: both say `ENOMEM` for want of memory and for want of mappings.
pub(crate) fn why(error: io::Error) -> Limit {
    if error.raw_os_error() == Some(libc::ENOMEM) {
        let most = memory::max_map_count();
        // Splitting a mapping needs two more, and other threads unmap and map meanwhile.
        if memory::map_count().is_some_and(|count| count + 16 >= most) {
            return Limit::MapCount(most);
        }
    }
    Limit::Memory(error)
}
