//! The limit on open files: what a run needs, raising the limit to it, and what to say when that fails.

use std::io;

use crate::args::Args;

/// Descriptors besides the connections: standard streams, listeners, and each worker's poller and waker.
const SPARE: u64 = 100;

/// What one side of the connections needs in its process.
pub(crate) fn one_side(args: &Args) -> u64 {
    args.connections as u64 + spare(args)
}

/// What both sides need in one process.
pub(crate) fn both_sides(args: &Args) -> u64 {
    2 * args.connections as u64 + spare(args)
}

fn spare(args: &Args) -> u64 {
    SPARE + 8 * args.workers.unwrap_or(0) as u64
}

/// Raises the soft limit to the hard one; where that is less than `wanted`, tries to raise the hard limit too, which
/// only a privileged process may. Returns the soft limit that holds now.
pub(crate) fn raise(wanted: u64) -> io::Result<u64> {
    let mut now = get()?;
    if now.rlim_cur < now.rlim_max {
        // The kernel may refuse a hard limit of "infinity" as a soft one (macOS does): then what is wanted will do.
        let targets = [now.rlim_max, now.rlim_max.min(wanted.max(now.rlim_cur))];
        if targets.iter().any(|&cur| set(libc::rlimit { rlim_cur: cur, ..now }).is_ok()) {
            now = get()?;
        }
    }
    if now.rlim_cur < wanted && set(libc::rlimit { rlim_cur: wanted, rlim_max: wanted.max(now.rlim_max) }).is_ok() {
        now = get()?;
    }
    Ok(now.rlim_cur)
}

/// What to tell the user when `limit` leaves no room for even one side of the connections.
pub(crate) fn too_low(args: &Args, limit: u64) -> String {
    let needed = one_side(args);
    let fits = limit.saturating_sub(spare(args));
    format!(
        "{} connections need {} open files in one process, or {needed} in each of two; this process may have {limit}.\n\
         Raise the hard limit (`ulimit -Hn {needed}` as root, `LimitNOFILE=` in a systemd unit, or \
         /etc/security/limits.conf){}, or ask for at most {fits}: --connections {fits}",
        args.connections,
        both_sides(args),
        if most().is_some_and(|most| most < needed) { " and the kernel's own: sysctl fs.nr_open" } else { "" },
    )
}

/// The most that the kernel lets any process have, where it says.
fn most() -> Option<u64> {
    std::fs::read_to_string("/proc/sys/fs/nr_open").ok()?.trim().parse().ok()
}

fn get() -> io::Result<libc::rlimit> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a live `rlimit`, which the call fills in and does not keep.
    match unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) } {
        0 => Ok(limit),
        _ => Err(io::Error::last_os_error()),
    }
}

fn set(limit: libc::rlimit) -> io::Result<()> {
    // SAFETY: the pointer is to a live `rlimit`, which the call only reads.
    match unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
