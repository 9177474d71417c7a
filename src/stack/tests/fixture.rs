//! What the stacks' tests share: running a test in a process of its own, looking at pages, running code on a stack.

use crate::stack::Stack;
use corosensei::stack::StackPointer;
use std::io::Write;
use std::process::{Command, Output};

const CHILD: &str = "SINEW_TEST_CHILD";

/// Whether this process was started by [`run_child`].
pub(super) fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

/// Runs one of this folder's tests, named as `file::test`, in a process of its own, where [`is_child`] holds. For
/// another processor's tests, the environment's `SINEW_TEST_RUNNER` is the emulator's command.
pub(super) fn run_child(test: &str) -> Output {
    let program = std::env::current_exe().unwrap().into_os_string().into_string().unwrap();
    let runner = std::env::var("SINEW_TEST_RUNNER").unwrap_or_default();
    let mut words = runner.split_whitespace().chain([&*program]);
    Command::new(words.next().unwrap())
        .args(words)
        .args(["--exact", &format!("stack::tests::{test}"), "--nocapture", "--test-threads=1"])
        .env(CHILD, "1")
        .env_remove("RUST_BACKTRACE")
        .output()
        .unwrap()
}

/// As [`run_child`], for a test that ends well.
pub(super) fn run_good_child(test: &str) -> Output {
    let output = run_child(test);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.contains("1 passed"), "{test}: {}\n{out}\n{err}", output.status);
    output
}

/// Whether the byte can be read, found out without a fault: the kernel reads it.
pub(super) fn is_readable(byte: *const u8) -> bool {
    let (_reader, writer) = std::io::pipe().unwrap();
    let fd = std::os::fd::AsRawFd::as_raw_fd(&writer);
    // SAFETY: the kernel checks the address itself, and answers EFAULT.
    let n = unsafe { libc::write(fd, byte.cast(), 1) };
    let error = std::io::Error::last_os_error();
    assert!(n == 1 || error.raw_os_error() == Some(libc::EFAULT), "{error}");
    n == 1
}

/// Checks every page of a stack's guard, and the first byte above it.
pub(super) fn assert_guarded(stack: &Stack) {
    let page = crate::sys::memory::page_size();
    let pages = crate::stack::class::guard_bytes() / page;
    for i in 1..=pages {
        assert!(!is_readable(stack.limit().wrapping_sub(i * page)), "page {i} below the limit");
    }
    assert!(!is_readable(stack.limit().wrapping_sub(1)));
    assert!(is_readable(stack.limit()));
    assert!(is_readable(stack.top().wrapping_sub(1)));
}

/// How many pages of a stack's memory are there.
pub(super) fn resident_pages(stack: &Stack) -> usize {
    let mut pages = vec![0_u8; stack.class().bytes() / crate::sys::memory::page_size()];
    // SAFETY: mincore writes one byte a page, for which there is room.
    let result = unsafe { libc::mincore(stack.limit().cast(), stack.class().bytes(), pages.as_mut_ptr().cast()) };
    assert_eq!(result, 0);
    pages.iter().filter(|&&page| page & 1 == 1).count()
}

/// A line's number of `/proc/self/status`, in KiB.
pub(super) fn status_kib(field: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Writes to the stack's memory, `depth` bytes below its top.
pub(super) fn poke(stack: &Stack, depth: usize, byte: u8) {
    assert!((1..=stack.class().bytes()).contains(&depth));
    // SAFETY: inside the memory of a stack that the caller holds.
    unsafe { stack.top().wrapping_sub(depth).write_volatile(byte) }
}

/// Reads what [`poke`] wrote.
pub(super) fn peek(stack: &Stack, depth: usize) -> u8 {
    assert!((1..=stack.class().bytes()).contains(&depth));
    // SAFETY: inside the memory of a stack that the caller holds.
    unsafe { stack.top().wrapping_sub(depth).read_volatile() }
}

/// A stack as corosensei wants it: its top, and its limit.
struct Range(StackPointer, StackPointer);

// SAFETY: `run_on` alone makes one, of a stack's memory with a guard below it, and uses it while it borrows that stack.
unsafe impl corosensei::stack::Stack for Range {
    fn base(&self) -> StackPointer {
        self.0
    }

    fn limit(&self) -> StackPointer {
        self.1
    }
}

/// Runs `f` on the stack, to its end.
pub(super) fn run_on(stack: &Stack, f: impl FnOnce() + 'static) {
    let [top, limit] = [stack.top(), stack.limit()].map(|end| StackPointer::new(end.expose_provenance()).unwrap());
    let mut coroutine = corosensei::Coroutine::<(), (), (), _>::with_stack(Range(top, limit), |_, ()| f());
    assert!(matches!(coroutine.resume(()), corosensei::CoroutineResult::Return(())));
}

/// Uses `depth` frames of more than 1 KiB.
#[inline(never)]
pub(super) fn recurse(depth: u64) -> u64 {
    let frame = std::hint::black_box([depth; 128]);
    if depth == 0 { 0 } else { recurse(depth - 1) + std::hint::black_box(frame)[7] }
}

/// Says on stderr that the child came here. For a child that is to die soon after.
pub(super) fn say(word: &str) {
    std::io::stderr().write_all(word.as_bytes()).unwrap();
}
