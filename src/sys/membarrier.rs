//! `membarrier(2)`, private and expedited: a full memory barrier on every processor that runs this process.
//!
//! A process registers once, before it relies on it; until [`register`] has returned, [`is_registered`] says no, and
//! callers use ordinary fences. It is never unregistered, so the answer only ever changes from no to yes, and must do
//! so before the threads that rely on it start: a runtime registers before it makes its workers.

use std::sync::atomic::{AtomicBool, Ordering};

static REGISTERED: AtomicBool = AtomicBool::new(false);

/// Whether [`barrier`] may be called.
#[inline(always)]
pub(crate) fn is_registered() -> bool {
    REGISTERED.load(Ordering::Relaxed)
}

/// Registers the process with the kernel, where the kernel has the call. Does nothing the second time.
pub(crate) fn register() {
    #[cfg(target_os = "linux")]
    {
        use std::sync::Once;
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            if call(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED as libc::c_int) == 0 {
                REGISTERED.store(true, Ordering::SeqCst);
            }
        });
    }
}

/// Runs a full barrier on every processor that runs this process. Aborts if the kernel refuses although the process is
/// registered, which would leave every caller's argument without its ground.
pub(crate) fn barrier() {
    #[cfg(target_os = "linux")]
    if call(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED as libc::c_int) != 0 {
        eprintln!("sinew: membarrier failed: {}", std::io::Error::last_os_error());
        std::process::abort();
    }
}

#[cfg(target_os = "linux")]
fn call(command: libc::c_int) -> libc::c_long {
    // SAFETY: membarrier takes three integers and touches no memory of ours.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) }
}
