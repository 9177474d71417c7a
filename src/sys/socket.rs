//! The socket calls that could block: making a socket, `bind`, `connect`, `accept`, `recv`, `send`, and `poll` for OS
//! threads; also of datagrams and of Unix sockets. Each is one system call on a non-blocking descriptor; who waits, and how, is decided above.
//!
//! Received and sent data pass `MSG_DONTWAIT`, although the descriptor is non-blocking: that mode belongs to the open
//! file, so a duplicate of the descriptor that was given back to std in blocking mode changes it here too, and no
//! worker may block because of that. Options and addresses, which never block, are asked through std's own types.

use std::{
    io, mem,
    net::SocketAddr,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
    time::{Duration, Instant},
};

use libc::{c_int, c_void, socklen_t};

use super::address::RawAddr;

/// How many connections may wait to be accepted: the kernel takes at most `net.core.somaxconn`, 4,096 by default. With
/// std's 128 a burst of connects overflows it, and each connection that is dropped tries again after a second.
pub(crate) const BACKLOG: c_int = 4096;

#[cfg(not(target_vendor = "apple"))]
pub(super) const SEND_FLAGS: c_int = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT;
#[cfg(target_vendor = "apple")]
pub(super) const SEND_FLAGS: c_int = libc::MSG_DONTWAIT;

/// The most buffers that one vectored call may name: Linux's and the BSDs' `IOV_MAX`.
pub(crate) const MOST_BUFFERS: usize = 1024;

/// The result of a call that tells failure by -1.
fn checked(result: c_int) -> io::Result<c_int> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// The same for the calls that return a length.
#[inline]
fn checked_len(result: isize) -> io::Result<usize> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result as usize) }
}

/// Flags of a socket's kind that the kernel sets as it makes the descriptor: non-blocking, and closed by `exec`.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd", target_os = "netbsd"))]
pub(crate) const NEW: c_int = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd", target_os = "netbsd")))]
pub(crate) const NEW: c_int = 0;

/// A new TCP or UDP socket of the address's family.
pub(crate) fn inet(addr: &SocketAddr, kind: c_int) -> io::Result<OwnedFd> {
    new(if addr.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 }, kind)
}

/// A new socket: non-blocking, and closed by `exec`.
pub(crate) fn new(family: c_int, kind: c_int) -> io::Result<OwnedFd> {
    // SAFETY: three integers; touches no memory of ours.
    let fd = checked(unsafe { libc::socket(family, kind | NEW, 0) })?;
    // SAFETY: the kernel has just made this descriptor, and nobody else has it.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    #[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd", target_os = "netbsd")))]
    prepare(fd.as_raw_fd())?;
    Ok(fd)
}

/// Two new Unix sockets that are connected to each other.
pub(crate) fn pair(kind: c_int) -> io::Result<(OwnedFd, OwnedFd)> {
    let mut pair = [-1; 2];
    // SAFETY: the kernel writes two integers, for which there is room.
    checked(unsafe { libc::socketpair(libc::AF_UNIX, kind | NEW, 0, pair.as_mut_ptr()) })?;
    // SAFETY: the kernel has just made these descriptors, and nobody else has them.
    let [one, two] = pair.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
    #[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd", target_os = "netbsd")))]
    {
        prepare(one.as_raw_fd())?;
        prepare(two.as_raw_fd())?;
    }
    Ok((one, two))
}

/// Sets on a descriptor what the kernel could not set when it made it.
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd", target_os = "netbsd")))]
fn prepare(fd: RawFd) -> io::Result<()> {
    // SAFETY: integers only.
    checked(unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) })?;
    #[cfg(target_vendor = "apple")]
    no_sigpipe(fd)?;
    set_nonblocking(fd, true)
}

/// A write to a closed peer gives an error and no signal. Elsewhere a flag of each `send` says so.
#[cfg(target_vendor = "apple")]
pub(crate) fn no_sigpipe(fd: RawFd) -> io::Result<()> {
    set_int(fd, libc::SOL_SOCKET, libc::SO_NOSIGPIPE, 1)
}

/// Sets an option that is an integer.
pub(crate) fn set_int(fd: RawFd, level: c_int, name: c_int, value: c_int) -> io::Result<()> {
    let at: *const c_int = &value;
    // SAFETY: the pointer and the length name the local value, which the kernel only reads.
    checked(unsafe { libc::setsockopt(fd, level, name, at.cast(), mem::size_of::<c_int>() as socklen_t) }).map(drop)
}

/// Reads an option that is an integer.
pub(crate) fn get_int(fd: RawFd, level: c_int, name: c_int) -> io::Result<c_int> {
    let mut value: c_int = 0;
    let mut len = mem::size_of::<c_int>() as socklen_t;
    // SAFETY: the pointers name two locals; the kernel writes at most `len` bytes into the first.
    checked(unsafe { libc::getsockopt(fd, level, name, (&raw mut value).cast(), &mut len) })?;
    Ok(value)
}

/// Gives the socket its own address.
pub(crate) fn bind(fd: RawFd, addr: &RawAddr) -> io::Result<()> {
    // SAFETY: the pointer and the length name a whole address, which the kernel only reads.
    checked(unsafe { libc::bind(fd, addr.as_ptr(), addr.len) }).map(drop)
}

/// Lets the address be used again at once, binds and listens: what std's `TcpListener::bind` does, with a longer backlog.
pub(crate) fn listen_tcp(fd: RawFd, addr: &SocketAddr) -> io::Result<()> {
    set_int(fd, libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)?;
    bind(fd, &addr.into())?;
    listen(fd)
}

/// Takes connections from now on.
pub(crate) fn listen(fd: RawFd) -> io::Result<()> {
    // SAFETY: two integers.
    checked(unsafe { libc::listen(fd, BACKLOG) }).map(drop)
}

/// Starts to connect: `Ok(true)` is connected, `Ok(false)` under way. `WouldBlock` is a Unix socket's full queue.
pub(crate) fn connect(fd: RawFd, addr: &RawAddr) -> io::Result<bool> {
    // SAFETY: the pointer and the length name a whole address, which the kernel only reads.
    match checked(unsafe { libc::connect(fd, addr.as_ptr(), addr.len) }) {
        Ok(_) => Ok(true),
        Err(error) => match error.raw_os_error() {
            Some(libc::EISCONN) => Ok(true),
            // An interrupted connect goes on in the kernel, as POSIX has it.
            Some(libc::EINPROGRESS | libc::EALREADY | libc::EINTR) => Ok(false),
            _ => Err(error),
        },
    }
}

/// Sets or, for a datagram socket, replaces the address of the other side, which never waits.
pub(crate) fn connect_datagram(fd: RawFd, addr: &RawAddr) -> io::Result<()> {
    loop {
        // SAFETY: the pointer and the length name a whole address, which the kernel only reads.
        match checked(unsafe { libc::connect(fd, addr.as_ptr(), addr.len) }) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done.map(drop),
        }
    }
}

/// Whether a connect that was under way has come to its end, and which.
pub(crate) fn connected(fd: RawFd) -> io::Result<bool> {
    let error = get_int(fd, libc::SOL_SOCKET, libc::SO_ERROR)?;
    if error != 0 {
        return Err(io::Error::from_raw_os_error(error));
    }
    let mut raw = RawAddr::empty();
    // SAFETY: the pointers name the storage and its length.
    match checked(unsafe { libc::getpeername(fd, raw.as_mut_ptr(), &mut raw.len) }) {
        Ok(_) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::ENOTCONN) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Takes one connection: a non-blocking descriptor that `exec` closes, and the peer's address.
pub(crate) fn accept(fd: RawFd) -> io::Result<(OwnedFd, RawAddr)> {
    let mut raw = RawAddr::empty();
    let storage = raw.as_mut_ptr();
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd", target_os = "netbsd"))]
    // SAFETY: the pointers name the storage and its length; the kernel writes no more than that.
    let taken = unsafe { libc::accept4(fd, storage, &mut raw.len, NEW) };
    #[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd", target_os = "netbsd")))]
    // SAFETY: as above.
    let taken = unsafe { libc::accept(fd, storage, &mut raw.len) };
    let taken = checked(taken)?;
    // SAFETY: the kernel has just made this descriptor, and nobody else has it.
    let taken = unsafe { OwnedFd::from_raw_fd(taken) };
    #[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd", target_os = "netbsd")))]
    prepare(taken.as_raw_fd())?;
    Ok((taken, raw))
}

/// Receives one datagram, and whose it is; with `peek` it stays in the socket.
pub(crate) fn recv_from(fd: RawFd, buf: &mut [u8], peek: bool) -> io::Result<(usize, RawAddr)> {
    let flags = libc::MSG_DONTWAIT | if peek { libc::MSG_PEEK } else { 0 };
    let mut raw = RawAddr::empty();
    let (data, from) = (buf.as_mut_ptr().cast::<c_void>(), raw.as_mut_ptr());
    // SAFETY: the kernel writes at most `len` bytes into the buffer, which is ours alone for the call, and no more than the
    // given length into the storage.
    let len = checked_len(unsafe { libc::recvfrom(fd, data, buf.len(), flags, from, &mut raw.len) })?;
    Ok((len, raw))
}

/// Sends one datagram to an address.
pub(crate) fn send_to(fd: RawFd, buf: &[u8], to: &RawAddr) -> io::Result<usize> {
    // SAFETY: the kernel reads at most `len` bytes of the buffer, and the address, which is whole.
    checked_len(unsafe { libc::sendto(fd, buf.as_ptr().cast::<c_void>(), buf.len(), SEND_FLAGS, to.as_ptr(), to.len) })
}

/// Receives; with `peek` the data stay in the socket.
#[inline]
pub(crate) fn recv(fd: RawFd, buf: &mut [u8], peek: bool) -> io::Result<usize> {
    let flags = libc::MSG_DONTWAIT | if peek { libc::MSG_PEEK } else { 0 };
    // SAFETY: the kernel writes at most `len` bytes into the buffer, which is ours alone for the call.
    #[cfg(all(target_os = "linux", target_pointer_width = "64"))]
    // SAFETY: the same.
    return checked_len(unsafe {
        // The bare system call: libc's function is a point of thread cancellation, which costs, and hooks may stand there (rule 6).
        let (no_address, no_length) = (std::ptr::null_mut::<c_void>(), std::ptr::null_mut::<c_void>());
        libc::syscall(libc::SYS_recvfrom, fd, buf.as_mut_ptr(), buf.len(), flags, no_address, no_length) as isize
    });
    #[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
    // SAFETY: the kernel writes at most `len` bytes into the buffer, which is ours alone for the call.
    return checked_len(unsafe { libc::recv(fd, buf.as_mut_ptr().cast::<c_void>(), buf.len(), flags) });
}

/// Receives into several buffers, in order.
pub(crate) fn recv_vectored(fd: RawFd, bufs: &mut [io::IoSliceMut<'_>]) -> io::Result<usize> {
    recv_message(fd, bufs).map(|(len, _)| len)
}

/// Receives into several buffers, in order, and tells whether something came beside the data: descriptors, or the
/// sender's credentials. It is dropped; but it ends a receive, so that what was received proves nothing about the rest.
pub(crate) fn recv_message(fd: RawFd, bufs: &mut [io::IoSliceMut<'_>]) -> io::Result<(usize, bool)> {
    // SAFETY: all zeroes is a valid msghdr: null pointers and zero lengths.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    // An IoSliceMut has the layout of an iovec, as std promises.
    message.msg_iov = bufs.as_mut_ptr().cast();
    message.msg_iovlen = bufs.len().min(MOST_BUFFERS) as _;
    // SAFETY: the message names `msg_iovlen` buffers, which are ours alone for the call.
    let len = checked_len(unsafe { libc::recvmsg(fd, &mut message, libc::MSG_DONTWAIT) })?;
    Ok((len, message.msg_flags & libc::MSG_CTRUNC != 0))
}

/// Sends. A closed connection is an error and never a signal.
#[inline]
pub(crate) fn send(fd: RawFd, buf: &[u8]) -> io::Result<usize> {
    // SAFETY: the kernel reads at most `len` bytes of the buffer.
    #[cfg(all(target_os = "linux", target_pointer_width = "64"))]
    // SAFETY: the same. For the bare call see `recv`.
    return checked_len(unsafe {
        let no_address = std::ptr::null::<c_void>();
        libc::syscall(libc::SYS_sendto, fd, buf.as_ptr(), buf.len(), SEND_FLAGS, no_address, 0_usize) as isize
    });
    #[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
    // SAFETY: the kernel reads at most `len` bytes of the buffer.
    return checked_len(unsafe { libc::send(fd, buf.as_ptr().cast::<c_void>(), buf.len(), SEND_FLAGS) });
}

/// Sends from several buffers, in order.
pub(crate) fn send_vectored(fd: RawFd, bufs: &[io::IoSlice<'_>]) -> io::Result<usize> {
    // SAFETY: all zeroes is a valid msghdr: null pointers and zero lengths.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    // An IoSlice has the layout of an iovec, as std promises; sendmsg only reads through it.
    message.msg_iov = bufs.as_ptr().cast_mut().cast();
    message.msg_iovlen = bufs.len().min(MOST_BUFFERS) as _;
    // SAFETY: the message names `msg_iovlen` buffers that live through the call.
    checked_len(unsafe { libc::sendmsg(fd, &message, SEND_FLAGS) })
}

/// The mode of the descriptor's open file: the flags of `open(2)` that stay.
pub(crate) fn mode(fd: RawFd) -> io::Result<c_int> {
    // SAFETY: integers only.
    checked(unsafe { libc::fcntl(fd, libc::F_GETFL) })
}

/// Whether the descriptor's open file is in non-blocking mode.
pub(crate) fn is_nonblocking(fd: RawFd) -> io::Result<bool> {
    Ok(mode(fd)? & libc::O_NONBLOCK != 0)
}

/// Sets the mode of the descriptor's open file.
pub(crate) fn set_nonblocking(fd: RawFd, nonblocking: bool) -> io::Result<()> {
    let mut value = c_int::from(nonblocking);
    // SAFETY: FIONBIO reads one integer through the pointer.
    checked(unsafe { libc::ioctl(fd, libc::FIONBIO, &mut value) }).map(drop)
}

/// Blocks the OS thread until the descriptor can perhaps be read (or written), or the deadline passes, which is
/// `false`. An error or a hang-up counts as readiness: the call that follows will report it.
pub(crate) fn wait(fd: BorrowedFd<'_>, write: bool, deadline: Option<Instant>) -> io::Result<bool> {
    wait_any(&mut [poll_entry(fd, write)], deadline)
}

/// What [`wait_any`] is to wait for.
pub(crate) fn poll_entry(fd: BorrowedFd<'_>, write: bool) -> libc::pollfd {
    let events = if write { libc::POLLOUT } else { libc::POLLIN };
    libc::pollfd { fd: fd.as_raw_fd(), events, revents: 0 }
}

/// The same for the first of several descriptors.
pub(crate) fn wait_any(entries: &mut [libc::pollfd], deadline: Option<Instant>) -> io::Result<bool> {
    loop {
        let timeout = match deadline {
            None => -1,
            Some(at) => {
                // Rounded up: a wait that ends early would turn round for the rest of the millisecond.
                let left = at.saturating_duration_since(Instant::now());
                c_int::try_from(left.as_nanos().div_ceil(1_000_000)).unwrap_or(c_int::MAX)
            }
        };
        // SAFETY: the pointer and the count name the entries.
        match checked(unsafe { libc::poll(entries.as_mut_ptr(), entries.len() as libc::nfds_t, timeout) }) {
            Ok(0) if deadline.is_some_and(|at| at <= Instant::now()) => return Ok(false),
            Ok(0) => {}
            Ok(_) => return Ok(true),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Waits until one of the kernel's pollers has something to tell, for so many milliseconds at most; whether it has. It is not told yet. A
/// negative number stands for none. A signal ends the wait early.
pub(crate) fn have_news(pollers: [RawFd; 2], timeout: Option<Duration>) -> bool {
    let timeout = timeout.map_or(-1, |time| c_int::try_from(time.as_millis()).unwrap_or(c_int::MAX));
    let mut entries = pollers.map(|fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 });
    // SAFETY: the pointer and the count name the entries.
    unsafe { libc::poll(entries.as_mut_ptr(), entries.len() as libc::nfds_t, timeout) > 0 }
}

/// Whether the reading half is shut. Where the operating system does not tell, it is not.
pub(crate) fn is_read_shut(fd: RawFd) -> bool {
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
    {
        let mut entry = libc::pollfd { fd, events: libc::POLLRDHUP, revents: 0 };
        // SAFETY: one entry, which the pointer names.
        let found = unsafe { libc::poll(&mut entry, 1, 0) };
        found == 1 && entry.revents & libc::POLLRDHUP != 0
    }
    #[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
    {
        let _ = fd;
        false
    }
}

/// Who the other side of a Unix stream is.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn peer_credentials(fd: RawFd) -> io::Result<libc::ucred> {
    let mut peer = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut len = mem::size_of::<libc::ucred>() as socklen_t;
    let at = (&raw mut peer).cast();
    // SAFETY: the pointers name two locals; the kernel writes at most `len` bytes into the first.
    checked(unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_PEERCRED, at, &mut len) })?;
    Ok(peer)
}
