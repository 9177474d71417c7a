//! What memory a run takes, where the system tells it in `/proc`: that of its processes, and the kernel's.

use std::fs;

/// Bytes of user memory of the process with this id, or of this one: `Pss`, in which what several processes share counts
/// once, or else what is resident.
pub(crate) fn user(process: Option<u32>) -> Option<u64> {
    let folder = process.map_or("/proc/self".to_owned(), |id| format!("/proc/{id}"));
    let named = |file: &str, name| bytes(&fs::read_to_string(format!("{folder}/{file}")).ok()?, name);
    named("smaps_rollup", "Pss:").or_else(|| named("status", "VmRSS:"))
}

/// Bytes that the kernel uses in the whole machine: its objects, such as sockets, files and their wait queues, page
/// tables, and threads' stacks. What waits in sockets' buffers is among them in part only.
pub(crate) fn kernel() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    ["Slab:", "PageTables:", "KernelStack:", "VmallocUsed:"].iter().map(|name| bytes(&text, name)).sum()
}

/// The value of the line that begins with `name`.
fn bytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}
