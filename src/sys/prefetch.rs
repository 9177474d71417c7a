//! Asking the processor to fetch a line before it is needed.
//!
//! A thread that was woken by a poll of many has cold memory: its header, its stack (often with the page's address translation) are
//! somewhere else for each thread. While one runs, the next one's can be on their way.

/// Starts to fetch the line at an address, which may be any address: nothing is read and nothing can fault.
#[inline(always)]
pub(crate) fn prefetch<T>(address: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: SSE is part of x86-64, and a prefetch does not fault.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(address.cast());
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: a prefetch does not fault and changes no register.
    unsafe {
        std::arch::asm!("prfm pldl1keep, [{0}]", in(reg) address, options(nostack, preserves_flags, readonly));
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = address;
}
