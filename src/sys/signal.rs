//! Signal actions and alternate signal stacks, as far as the overflow report needs them.

use std::io;

/// What the kernel calls for a signal that was installed with `SA_SIGINFO`.
pub(crate) type Handler = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);

/// The action that stands for `signal` now.
pub(crate) fn current(signal: libc::c_int) -> io::Result<libc::sigaction> {
    replace(signal, None)
}

/// Installs `handler`, on the alternate stack where the thread has one, and returns the action that stood before.
pub(crate) fn install(signal: libc::c_int, handler: Handler) -> io::Result<libc::sigaction> {
    // SAFETY: a sigaction is integers and bit sets (and on some systems a function that is optional): zeros are valid.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    replace(signal, Some(&action))
}

/// Has the handler of `signal`, if there is one, run on the alternate stack where the thread has one, and other signals wait
/// until it returns. An alternate stack that std has made is 8 KiB in size, and each of several handlers within each other would
/// have a frame there, of 3 KiB and more on some processors.
pub(crate) fn use_alt_stack(signal: libc::c_int) -> io::Result<()> {
    let mut action = current(signal)?;
    if matches!(action.sa_sigaction, libc::SIG_DFL | libc::SIG_IGN) || action.sa_flags & libc::SA_ONSTACK != 0 {
        return Ok(());
    }
    action.sa_flags |= libc::SA_ONSTACK;
    // A fault that is held back ends the process without a word, so those are not; nor is what a filter of system calls sends.
    // SAFETY: the sets are this action's, and the numbers signals.
    unsafe {
        libc::sigfillset(&raw mut action.sa_mask);
        for fault in
            [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP, libc::SIGABRT, libc::SIGSYS]
        {
            libc::sigdelset(&raw mut action.sa_mask, fault);
        }
    }
    replace(signal, Some(&action)).map(drop)
}

/// The largest number of a signal.
pub(crate) fn last() -> libc::c_int {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    return libc::SIGRTMAX();
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    return 31;
}

/// Makes `signal` do what it does in a process that handles nothing. Async-signal-safe.
pub(crate) fn restore_default(signal: libc::c_int) {
    // SAFETY: zeros are a valid sigaction (see `install`), and SIG_DFL is one of them.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = libc::SIG_DFL;
    let _ = replace(signal, Some(&action));
}

fn replace(signal: libc::c_int, new: Option<&libc::sigaction>) -> io::Result<libc::sigaction> {
    // SAFETY: zeros are a valid sigaction (see `install`).
    let mut old: libc::sigaction = unsafe { std::mem::zeroed() };
    let new = new.map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: `new` is null or a live action whose handler is a function of this library, or stands already; `old` is ours to write.
    match unsafe { libc::sigaction(signal, new, &raw mut old) } {
        0 => Ok(old),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The stack pointer of the interrupted code, where this processor's layout of the context is known.
///
/// # Safety
///
/// `context` is the third argument that the kernel gave to a handler that is still running.
#[allow(clippy::needless_return, reason = "one return per platform")]
pub(crate) unsafe fn stack_pointer(context: *mut libc::c_void) -> Option<usize> {
    #[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")))]
    {
        let context = context.cast::<libc::ucontext_t>();
        // SAFETY: by this function's contract the kernel put a ucontext there, and it lives as long as the handler.
        let machine = unsafe { &(*context).uc_mcontext };
        #[cfg(target_arch = "x86_64")]
        return Some(machine.gregs[libc::REG_RSP as usize] as usize);
        #[cfg(target_arch = "aarch64")]
        return Some(machine.sp as usize);
        #[cfg(target_arch = "riscv64")]
        return Some(machine.__gregs[libc::REG_SP] as usize);
    }
    #[cfg(not(all(
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")
    )))]
    {
        let _ = context;
        return None;
    }
}

/// The address whose access raised the signal; none if no access did, but a `kill`.
///
/// # Safety
///
/// `info` is the second argument that the kernel gave to a handler of `SIGSEGV` or `SIGBUS` that is still running.
pub(crate) unsafe fn fault_address(info: *const libc::siginfo_t) -> Option<usize> {
    // SAFETY: by this function's contract the kernel filled it in, for a signal whose union holds an address.
    unsafe { ((*info).si_code > 0).then(|| (*info).si_addr() as usize) }
}

/// The least alternate stack on which a handler of ours runs: the frame that the kernel pushes, which depends on the
/// processor's registers, and a page for the handler.
pub(crate) fn min_alt_stack() -> usize {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    // SAFETY: getauxval takes an integer and touches no memory of ours.
    let frame = unsafe { libc::getauxval(libc::AT_MINSIGSTKSZ) } as usize;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let frame = 0;
    frame.max(libc::MINSIGSTKSZ) + 4096
}

/// The calling thread's alternate stack, if it has one.
pub(crate) fn alt_stack() -> Option<libc::stack_t> {
    let mut stack = libc::stack_t { ss_sp: std::ptr::null_mut(), ss_flags: 0, ss_size: 0 };
    // SAFETY: with a null new stack, sigaltstack only writes the old one, which is ours.
    let result = unsafe { libc::sigaltstack(std::ptr::null(), &raw mut stack) };
    (result == 0 && stack.ss_flags & libc::SS_DISABLE == 0).then_some(stack)
}

/// Makes `stack` the calling thread's alternate stack, or leaves it with none.
///
/// # Errors
///
/// Fails with `EPERM` when the thread runs on its alternate stack now, and when the stack is too small.
///
/// # Safety
///
/// The memory stays mapped, and is used for nothing else, until another call replaces it.
pub(crate) unsafe fn set_alt_stack(stack: Option<libc::stack_t>) -> io::Result<()> {
    let disable = libc::stack_t { ss_sp: std::ptr::null_mut(), ss_flags: libc::SS_DISABLE, ss_size: min_alt_stack() };
    let stack = stack.unwrap_or(disable);
    // SAFETY: the caller vouches for the memory, `stack` is a live local.
    match unsafe { libc::sigaltstack(&raw const stack, std::ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The calling OS thread's name as the kernel keeps it, cut to 15 bytes; empty if it cannot be told. Async-signal-safe.
pub(crate) fn os_thread_name(buffer: &mut [u8; 16]) -> &str {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    // SAFETY: this request writes at most 16 bytes, a terminating zero included.
    if unsafe { libc::prctl(libc::PR_GET_NAME, buffer.as_mut_ptr()) } != 0 {
        return "";
    }
    let length = buffer.iter().position(|byte| *byte == 0).unwrap_or(0);
    std::str::from_utf8(&buffer[..length]).unwrap_or("")
}
