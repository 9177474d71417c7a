//! The socket calls that could block: making a socket, `bind`, `connect`, `accept`, `recv`, `send`, and `poll` for OS
//! threads. Each is one system call on a non-blocking descriptor; who waits, and how, is decided above.
//!
//! Received and sent data pass `MSG_DONTWAIT`, although the descriptor is non-blocking: that mode belongs to the open
//! file, so a duplicate of the descriptor that was given back to std in blocking mode changes it here too, and no
//! worker may block because of that. Options and addresses, which never block, are asked through std's own types.

use std::{
    io,
    mem::{self, MaybeUninit},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6},
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
    time::Instant,
};

use libc::{c_int, c_void, socklen_t};

/// How many connections may wait to be accepted: the kernel takes at most `net.core.somaxconn`, 4,096 by default. With
/// std's 128 a burst of connects overflows it, and each connection that is dropped tries again after a second.
const BACKLOG: c_int = 4096;

#[cfg(not(target_vendor = "apple"))]
const SEND_FLAGS: c_int = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT;
#[cfg(target_vendor = "apple")]
const SEND_FLAGS: c_int = libc::MSG_DONTWAIT;

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

/// A socket address in the kernel's form.
struct RawAddr {
    storage: libc::sockaddr_storage,
    len: socklen_t,
}

impl RawAddr {
    fn empty() -> Self {
        // SAFETY: all zeroes is a valid sockaddr_storage (family AF_UNSPEC): it holds integers and byte arrays.
        Self { storage: unsafe { mem::zeroed() }, len: mem::size_of::<libc::sockaddr_storage>() as socklen_t }
    }

    fn new(addr: &SocketAddr) -> Self {
        let mut raw = Self::empty();
        let at: *mut libc::sockaddr_storage = &mut raw.storage;
        match addr {
            SocketAddr::V4(addr) => {
                // SAFETY: a sockaddr_storage has room and alignment for every kind of address, and is all zeroes.
                let out = unsafe { &mut *at.cast::<libc::sockaddr_in>() };
                out.sin_family = libc::AF_INET as libc::sa_family_t;
                out.sin_port = addr.port().to_be();
                out.sin_addr = libc::in_addr { s_addr: u32::from_ne_bytes(addr.ip().octets()) };
                raw.len = mem::size_of::<libc::sockaddr_in>() as socklen_t;
            }
            SocketAddr::V6(addr) => {
                // SAFETY: as above.
                let out = unsafe { &mut *at.cast::<libc::sockaddr_in6>() };
                out.sin6_family = libc::AF_INET6 as libc::sa_family_t;
                out.sin6_port = addr.port().to_be();
                out.sin6_flowinfo = addr.flowinfo();
                out.sin6_addr = libc::in6_addr { s6_addr: addr.ip().octets() };
                out.sin6_scope_id = addr.scope_id();
                raw.len = mem::size_of::<libc::sockaddr_in6>() as socklen_t;
            }
        }
        raw
    }

    fn to_std(&self) -> io::Result<SocketAddr> {
        let at: *const libc::sockaddr_storage = &self.storage;
        match c_int::from(self.storage.ss_family) {
            libc::AF_INET if self.len as usize >= mem::size_of::<libc::sockaddr_in>() => {
                // SAFETY: the family says that the kernel wrote a sockaddr_in, and the length that it is whole.
                let raw = unsafe { &*at.cast::<libc::sockaddr_in>() };
                let ip = Ipv4Addr::from(raw.sin_addr.s_addr.to_ne_bytes());
                Ok(SocketAddr::V4(SocketAddrV4::new(ip, u16::from_be(raw.sin_port))))
            }
            libc::AF_INET6 if self.len as usize >= mem::size_of::<libc::sockaddr_in6>() => {
                // SAFETY: as above, a whole sockaddr_in6.
                let raw = unsafe { &*at.cast::<libc::sockaddr_in6>() };
                let (ip, port) = (Ipv6Addr::from(raw.sin6_addr.s6_addr), u16::from_be(raw.sin6_port));
                Ok(SocketAddr::V6(SocketAddrV6::new(ip, port, raw.sin6_flowinfo, raw.sin6_scope_id)))
            }
            _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "invalid argument")),
        }
    }

    fn as_ptr(&self) -> *const libc::sockaddr {
        (&raw const self.storage).cast()
    }
}

/// A new TCP socket of the address's family: non-blocking, and closed by `exec`.
pub(crate) fn tcp(addr: &SocketAddr) -> io::Result<OwnedFd> {
    let family = if addr.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd", target_os = "netbsd"))]
    let kind = libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    #[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd", target_os = "netbsd")))]
    let kind = libc::SOCK_STREAM;
    // SAFETY: three integers; touches no memory of ours.
    let fd = checked(unsafe { libc::socket(family, kind, 0) })?;
    // SAFETY: the kernel has just made this descriptor, and nobody else has it.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    #[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd", target_os = "netbsd")))]
    prepare(fd.as_raw_fd())?;
    Ok(fd)
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

/// Lets the address be used again at once, binds and listens: what std's `TcpListener::bind` does, with a longer backlog.
pub(crate) fn listen(fd: RawFd, addr: &SocketAddr) -> io::Result<()> {
    set_int(fd, libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)?;
    let raw = RawAddr::new(addr);
    // SAFETY: the pointer and the length name a whole address, which the kernel only reads.
    checked(unsafe { libc::bind(fd, raw.as_ptr(), raw.len) })?;
    // SAFETY: two integers.
    checked(unsafe { libc::listen(fd, BACKLOG) }).map(drop)
}

/// Starts to connect: `Ok(true)` is connected, `Ok(false)` under way.
pub(crate) fn connect(fd: RawFd, addr: &SocketAddr) -> io::Result<bool> {
    let raw = RawAddr::new(addr);
    // SAFETY: the pointer and the length name a whole address, which the kernel only reads.
    match checked(unsafe { libc::connect(fd, raw.as_ptr(), raw.len) }) {
        Ok(_) => Ok(true),
        Err(error) => match error.raw_os_error() {
            Some(libc::EISCONN) => Ok(true),
            // An interrupted connect goes on in the kernel, as POSIX has it.
            Some(libc::EINPROGRESS | libc::EALREADY | libc::EINTR) => Ok(false),
            _ => Err(error),
        },
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
    match checked(unsafe { libc::getpeername(fd, (&raw mut raw.storage).cast(), &mut raw.len) }) {
        Ok(_) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::ENOTCONN) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Takes one connection: a non-blocking descriptor that `exec` closes, and the peer's address.
pub(crate) fn accept(fd: RawFd) -> io::Result<(OwnedFd, SocketAddr)> {
    let mut raw = RawAddr::empty();
    let storage = (&raw mut raw.storage).cast();
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd", target_os = "netbsd"))]
    // SAFETY: the pointers name the storage and its length; the kernel writes no more than that.
    let taken = unsafe { libc::accept4(fd, storage, &mut raw.len, libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC) };
    #[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd", target_os = "netbsd")))]
    // SAFETY: as above.
    let taken = unsafe { libc::accept(fd, storage, &mut raw.len) };
    let taken = checked(taken)?;
    // SAFETY: the kernel has just made this descriptor, and nobody else has it.
    let taken = unsafe { OwnedFd::from_raw_fd(taken) };
    #[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd", target_os = "netbsd")))]
    prepare(taken.as_raw_fd())?;
    Ok((taken, raw.to_std()?))
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
    // SAFETY: all zeroes is a valid msghdr: null pointers and zero lengths.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    // An IoSliceMut has the layout of an iovec, as std promises.
    message.msg_iov = bufs.as_mut_ptr().cast();
    message.msg_iovlen = bufs.len().min(MOST_BUFFERS) as _;
    // SAFETY: the message names `msg_iovlen` buffers, which are ours alone for the call.
    checked_len(unsafe { libc::recvmsg(fd, &mut message, libc::MSG_DONTWAIT) })
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

/// Whether the descriptor's open file is in non-blocking mode.
pub(crate) fn is_nonblocking(fd: RawFd) -> io::Result<bool> {
    // SAFETY: integers only.
    Ok(checked(unsafe { libc::fcntl(fd, libc::F_GETFL) })? & libc::O_NONBLOCK != 0)
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
    let events = if write { libc::POLLOUT } else { libc::POLLIN };
    let mut entry = MaybeUninit::new(libc::pollfd { fd: fd.as_raw_fd(), events, revents: 0 });
    loop {
        let timeout = match deadline {
            None => -1,
            Some(at) => {
                // Rounded up: a wait that ends early would turn round for the rest of the millisecond.
                let left = at.saturating_duration_since(Instant::now());
                c_int::try_from(left.as_nanos().div_ceil(1_000_000)).unwrap_or(c_int::MAX)
            }
        };
        // SAFETY: one entry, which the pointer names.
        match checked(unsafe { libc::poll(entry.as_mut_ptr(), 1, timeout) }) {
            Ok(0) if deadline.is_some_and(|at| at <= Instant::now()) => return Ok(false),
            Ok(0) => {}
            Ok(_) => return Ok(true),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
