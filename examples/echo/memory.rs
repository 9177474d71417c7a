//! Resident memory of a process, where the system tells it in `/proc`.

use std::fs;

/// Bytes of resident memory of the process with this id, or of this one.
pub(crate) fn resident(process: Option<u32>) -> Option<u64> {
    let path = match process {
        Some(id) => format!("/proc/{id}/status"),
        None => "/proc/self/status".to_owned(),
    };
    let status = fs::read_to_string(path).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}
