//! Requests to valgrind: instructions that do nothing on a processor, and that valgrind takes for calls.
//!
//! The sequences and numbers are those of `valgrind.h` and `memcheck.h` (valgrind 3.19), for the processors that valgrind knows and
//! that this crate has ports for.

use std::sync::OnceLock;

/// Whether this process runs under valgrind.
pub(crate) fn runs() -> bool {
    const RUNNING_ON_VALGRIND: usize = 0x1001;
    static RUNS: OnceLock<bool> = OnceLock::new();
    *RUNS.get_or_init(|| request([RUNNING_ON_VALGRIND, 0, 0, 0, 0, 0]) != 0)
}

/// Tells memcheck that these bytes may be used, and have no contents yet.
pub(crate) fn make_undefined(start: *mut u8, bytes: usize) {
    const MAKE_MEM_UNDEFINED: usize = (b'M' as usize) << 24 | (b'C' as usize) << 16 | 1;
    request([MAKE_MEM_UNDEFINED, start.addr(), bytes, 0, 0, 0]);
}

#[cfg(target_arch = "x86_64")]
fn request(arguments: [usize; 6]) -> usize {
    let result: usize;
    // SAFETY: the rotations add up to a whole turn; under valgrind the request reads the arguments and writes rdx.
    unsafe {
        std::arch::asm!(
            "rol rdi, 3",
            "rol rdi, 13",
            "rol rdi, 61",
            "rol rdi, 51",
            "xchg rbx, rbx",
            inlateout("rdx") 0_usize => result,
            in("rax") &raw const arguments,
            options(nostack),
        );
    }
    result
}

#[cfg(target_arch = "aarch64")]
fn request(arguments: [usize; 6]) -> usize {
    let result: usize;
    // SAFETY: the rotations add up to a whole turn; under valgrind the request reads the arguments and writes x3.
    unsafe {
        std::arch::asm!(
            "ror x12, x12, #3",
            "ror x12, x12, #13",
            "ror x12, x12, #51",
            "ror x12, x12, #61",
            "orr x10, x10, x10",
            inlateout("x3") 0_usize => result,
            in("x4") &raw const arguments,
            options(nostack),
        );
    }
    result
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn request(_: [usize; 6]) -> usize {
    0
}
