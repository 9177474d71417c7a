//! The limit on open files: what a run needs, raising the limit to it, and what to say when that fails.

use std::io;
use std::thread::available_parallelism;

use crate::args::Args;

/// Descriptors besides the connections: standard streams, listeners, and each worker's poller and waker.
const SPARE: u64 = 100;

/// The most processes that each side is divided among.
const MOST_PARTS: usize = 16;

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

/// Among how many processes each side is to be divided so that `limit` suffices for each; `None` if they are too many.
pub(crate) fn parts(args: &Args, limit: u64) -> Option<usize> {
    let fits = limit.saturating_sub(spare(args)) as usize;
    (fits > 0).then(|| args.connections.div_ceil(fits)).filter(|&parts| parts <= MOST_PARTS)
}

/// How many workers each of so many processes has: its share of the processors, unless the command line says it.
pub(crate) fn workers(args: &Args, processes: usize) -> usize {
    args.workers.unwrap_or_else(|| (available_parallelism().map_or(1, usize::from) / processes).max(1))
}

/// What to tell the user when `limit` leaves no room even with as many processes as there may be.
pub(crate) fn too_low(args: &Args, limit: u64) -> String {
    let needed = one_side(args);
    let fits = limit.saturating_sub(spare(args)) * MOST_PARTS as u64;
    let fewer = match fits {
        0 => String::new(),
        _ => format!(", or ask for at most {fits}: --connections {fits}"),
    };
    format!(
        "{} connections need {} open files in one process, or {needed} in each of two; this process may have {limit}, and \
         so {} of them can hold {fits}.\n\
         Raise the hard limit (`ulimit -Hn {needed}` as root, `LimitNOFILE=` in a systemd unit, or \
         /etc/security/limits.conf){}{fewer}",
        args.connections,
        both_sides(args),
        2 * MOST_PARTS,
        if most().is_some_and(|most| most < needed) { " and the kernel's own: sysctl fs.nr_open" } else { "" },
    )
}

/// What can be done about an error of connecting or accepting, where it is a limit that many connections meet.
pub(crate) fn advice(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::EMFILE) => " (this process may have no more open files: ulimit -n)",
        Some(libc::ENFILE) => " (the machine may have no more open files: sysctl fs.file-max)",
        Some(libc::EADDRNOTAVAIL) => {
            " (no port is free to this address: serve on more addresses, or widen sysctl net.ipv4.ip_local_port_range)"
        }
        Some(libc::ENOMEM | libc::ENOBUFS) => {
            " (the kernel gives no more memory: sysctl net.ipv4.tcp_mem for sockets; vm.max_map_count for stacks, of which \
             each takes two mappings before Linux 6.13)"
        }
        _ if error.kind() == io::ErrorKind::TimedOut => {
            " (connects get lost: sysctl net.core.somaxconn below 4096, or a firewall's table of connections is full, see \
             net.netfilter.nf_conntrack_count and nf_conntrack_max)"
        }
        _ => "",
    }
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
