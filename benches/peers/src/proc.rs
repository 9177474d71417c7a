//! Facts about processes that Linux tells: memory, mappings, processor time, voluntary switches; and the few settings a
//! measured program needs (processor affinity, limits, priority).

use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::model::Sample;

/// A field of `/proc/self/status` in KiB.
fn status_kib(field: &str) -> u64 {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(field)).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or(0)
}

/// Bytes of this process that are in memory, its page tables included.
pub fn resident_bytes() -> u64 {
    (status_kib("VmRSS:") + status_kib("VmPTE:")) * 1024
}

/// KiB of a process that are in memory (its share of what it shares), and those of its page tables.
pub fn memory(pid: u32) -> io::Result<(u64, u64)> {
    let field = |file: &str, name: &str| {
        let text = fs::read_to_string(format!("/proc/{pid}/{file}"))?;
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        let number = line.split_whitespace().nth(1).and_then(|n| n.parse().ok());
        number.ok_or_else(|| io::Error::other(format!("no {name} in {file}")))
    };
    Ok((field("smaps_rollup", "Pss:")?, field("status", "VmPTE:")?))
}

/// How many mappings this process has.
pub fn mappings() -> u64 {
    fs::read_to_string("/proc/self/maps").unwrap_or_default().lines().count() as u64
}

/// How many the kernel lets a process have.
pub fn max_mappings() -> u64 {
    let text = fs::read_to_string("/proc/sys/vm/max_map_count").unwrap_or_default();
    text.trim().parse().unwrap_or(65_530)
}

/// Processor time a process has used so far, in nanoseconds: in user mode, and in the kernel.
fn cpu_time(pid: u32) -> io::Result<(f64, f64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in brackets may hold blanks; the fields after it are the third and on.
    let rest = text.rsplit(')').next().unwrap_or_default();
    let field = |n: usize| rest.split_whitespace().nth(n - 3).and_then(|v| v.parse::<f64>().ok()).unwrap_or(0.0);
    // SAFETY: sysconf reads a constant of the system.
    let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) } as f64;
    Ok((field(14) * 1e9 / ticks, field(15) * 1e9 / ticks))
}

/// What a process takes of its processors from some moment on.
pub struct Usage {
    pid: u32,
    before: (f64, f64),
}

impl Usage {
    /// Begins to count.
    pub fn of(pid: u32) -> Result<Usage, String> {
        let before = cpu_time(pid).map_err(|e| format!("the server's processor time: {e}"))?;
        Ok(Usage { pid, before })
    }

    /// Adds to a sample what the process has taken so far for each of `count` operations, in user mode and in the kernel, and how
    /// much of so many `seconds` it was busy, in percent of one processor.
    pub fn add_to(&self, sample: Sample, count: f64, seconds: f64) -> Result<Sample, String> {
        let after = Usage::of(self.pid)?.before;
        let (user, system) = (after.0 - self.before.0, after.1 - self.before.1);
        Ok(sample.mean("user-ns", user / count, count).mean("system-ns", system / count, count).mean(
            "busy",
            (user + system) / 1e9 / seconds * 100.0,
            seconds,
        ))
    }
}

/// Sends a process a signal.
pub fn signal(pid: u32, signal: i32) -> io::Result<()> {
    // SAFETY: the call touches no memory.
    let done = unsafe { libc::kill(pid as libc::pid_t, signal) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Whether every thread of a process is stopped by a signal.
pub fn is_stopped(pid: u32) -> io::Result<bool> {
    for entry in fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = fs::read_to_string(entry?.path().join("stat"))?;
        if !text.rsplit(')').next().unwrap_or_default().trim_start().starts_with('T') {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The voluntary context switches of each OS thread of a process: its id, its name, how many.
pub fn voluntary_switches(pid: u32) -> io::Result<Vec<(u32, String, u64)>> {
    let mut threads = Vec::new();
    for entry in fs::read_dir(format!("/proc/{pid}/task"))? {
        let entry = entry?;
        let id = entry.file_name().to_string_lossy().parse().unwrap_or(0);
        // A thread that ended meanwhile is left out.
        let Ok(text) = fs::read_to_string(entry.path().join("status")) else { continue };
        let field = |name: &str| {
            let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
            line.split_once(':').map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
        };
        threads.push((id, field("Name"), field("voluntary_ctxt_switches").parse().unwrap_or(0)));
    }
    Ok(threads)
}

fn set_affinity(cpu: usize) -> io::Result<()> {
    // SAFETY: an all-zero cpu_set_t is an empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: `cpu` is a small index, far below the set's size.
    unsafe { libc::CPU_SET(cpu, &mut set) };
    // SAFETY: the set lives through the call; 0 means the calling thread.
    let done = unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Keeps the calling OS thread on one processor.
pub fn pin_thread(cpu: usize) {
    if let Err(error) = set_affinity(cpu) {
        eprintln!("cannot pin to processor {cpu}: {error}");
    }
}

/// Lets `command` run on one processor only.
pub fn pin_command(command: &mut Command, cpu: usize) {
    // SAFETY: the closure makes one system call on its own stack: it neither allocates nor locks.
    unsafe { command.pre_exec(move || set_affinity(cpu)) };
}

/// Raises the limit on open files as far as the hard limit lets us, and says what it is then.
pub fn raise_open_files() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid place for both calls.
    unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
    }
    limit.rlim_cur
}

/// Puts this process before others, so that a latency it measures is not its own. Without the right to, it stays.
pub fn raise_priority() {
    // SAFETY: changes a number of this process in the kernel, no memory.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, -15) };
}
