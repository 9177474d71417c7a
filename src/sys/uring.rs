//! io_uring as the kernel has it: making a ring with what this kernel can do, and the entries that ask for an operation.
//!
//! An entry holds bare addresses. Whoever hands one to a ring keeps the memory there until the operation's completion.

use std::{
    ffi::CStr,
    io::{self, IoSlice, IoSliceMut},
    mem,
    os::fd::RawFd,
    ptr,
    time::Duration,
};

use io_uring::{
    EnterFlags, IoUring, Probe, opcode,
    squeue::Entry,
    types::{Fd, FsyncFlags, SubmitArgs, Timespec},
};

use super::{address::RawAddr, socket};

/// Entries that lie ready for the kernel at most; when there are more, they are handed over at once. Few in tests, so that these
/// get there.
const SUBMISSIONS: u32 = if cfg!(test) { 16 } else { 256 };
/// Completions that the kernel has room for. It keeps those for which there is none, but that costs it memory and time.
const COMPLETIONS: u32 = if cfg!(test) { 32 } else { 4096 };
/// The most bytes that one operation moves, as the kernel's `MAX_RW_COUNT` has it, less than a 32-bit length.
const MOST_BYTES: usize = 0x7fff_f000;

/// A ring, by the best of the kernel's ways that it has; each is older than the one before. In the first (Linux 6.1) the kernel
/// completes operations when the owner asks, and never interrupts it.
///
/// # Errors
/// The kernel's: `ENOSYS` if it has no io_uring, `EPERM` where that is forbidden, `ENOMEM`. `Unsupported` if it lacks something
/// needed (all is there since Linux 5.11).
pub(crate) fn open() -> io::Result<IoUring> {
    let mut ways = (0..3).map(|way| {
        let mut builder = IoUring::builder();
        builder.setup_clamp().setup_cqsize(COMPLETIONS).dontfork();
        match way {
            0 => builder.setup_single_issuer().setup_defer_taskrun().setup_taskrun_flag().setup_submit_all(),
            1 => builder.setup_coop_taskrun().setup_taskrun_flag().setup_submit_all(),
            _ => &mut builder,
        };
        builder.build(SUBMISSIONS)
    });
    let made = ways.find(|made| !made.as_ref().is_err_and(|error| error.raw_os_error() == Some(libc::EINVAL)));
    let ring = made.unwrap_or_else(|| Err(io::Error::from_raw_os_error(libc::EINVAL)))?;
    check(&ring)?;
    Ok(ring)
}

/// Whether the ring can do what is asked of it; tries its three system calls, of which a sandbox may forbid any.
fn check(ring: &IoUring) -> io::Result<()> {
    let unsupported = |what| Err(io::Error::new(io::ErrorKind::Unsupported, what));
    let has = ring.params();
    if !(has.is_feature_ext_arg() && has.is_feature_nodrop() && has.is_feature_fast_poll()) {
        return unsupported("this kernel's io_uring is too old");
    }
    let mut probe = Probe::new();
    ring.submitter().register_probe(&mut probe)?;
    let needed = [
        opcode::PollAdd::CODE,
        opcode::AsyncCancel::CODE,
        opcode::Recv::CODE,
        opcode::Send::CODE,
        opcode::RecvMsg::CODE,
        opcode::SendMsg::CODE,
        opcode::Accept::CODE,
        opcode::Read::CODE,
        opcode::Write::CODE,
        opcode::Fsync::CODE,
        opcode::OpenAt::CODE,
        opcode::Statx::CODE,
    ];
    if !needed.into_iter().all(|code| probe.is_supported(code)) {
        return unsupported("this kernel's io_uring lacks operations");
    }
    enter(ring, 0, 0, Some(Duration::ZERO))
}

/// Hands over so many entries, and waits until so many completions are there, or for `timeout` at most. Also runs what the
/// kernel has left to the owner. A time that is up is no error.
///
/// # Errors
/// `EINTR`; `EBUSY` or `EAGAIN`, and no entry or some were taken: completions must be read first, or memory is short.
pub(crate) fn enter(ring: &IoUring, submit: u32, want: u32, timeout: Option<Duration>) -> io::Result<()> {
    let time;
    let mut args = SubmitArgs::new();
    if let Some(timeout) = timeout {
        time = Timespec::from(timeout);
        args = args.timespec(&time);
    }
    let flags = EnterFlags::GETEVENTS | EnterFlags::EXT_ARG;
    // SAFETY: the flags say that the argument is a `SubmitArgs`, which lives through the call with what it names.
    match unsafe { ring.submitter().enter(submit, want, flags.bits(), Some(&args)) } {
        Err(error) if error.raw_os_error() != Some(libc::ETIME) => Err(error),
        _ => Ok(()),
    }
}

fn length(len: usize) -> u32 {
    len.min(MOST_BYTES) as u32
}

/// Completes when a descriptor is ready for one of these `poll(2)` events, or has an error.
pub(crate) fn poll(fd: RawFd, events: libc::c_short) -> Entry {
    opcode::PollAdd::new(Fd(fd), u32::from(events.cast_unsigned())).build()
}

/// Ends the operation that has this mark, if it can.
pub(crate) fn cancel(mark: u64) -> Entry {
    opcode::AsyncCancel::new(mark).build()
}

/// Receives into a buffer.
pub(crate) fn recv(fd: RawFd, buf: *mut [u8]) -> Entry {
    opcode::Recv::new(Fd(fd), buf.cast(), length(buf.len())).build()
}

/// Sends from a buffer.
pub(crate) fn send(fd: RawFd, buf: *const [u8]) -> Entry {
    opcode::Send::new(Fd(fd), buf.cast(), length(buf.len())).flags(libc::MSG_NOSIGNAL).build()
}

/// Receives into the buffers that a message names.
pub(crate) fn recv_message(fd: RawFd, message: *mut libc::msghdr) -> Entry {
    opcode::RecvMsg::new(Fd(fd), message).build()
}

/// Sends from the buffers that a message names.
pub(crate) fn send_message(fd: RawFd, message: *const libc::msghdr) -> Entry {
    opcode::SendMsg::new(Fd(fd), message).flags(libc::MSG_NOSIGNAL as u32).build()
}

/// A message of nothing but buffers to receive into.
pub(crate) fn message_into(bufs: &mut [IoSliceMut<'_>]) -> libc::msghdr {
    message(bufs.as_mut_ptr().cast(), bufs.len())
}

/// A message of nothing but buffers to send from.
pub(crate) fn message_of(bufs: &[IoSlice<'_>]) -> libc::msghdr {
    message(bufs.as_ptr().cast_mut().cast(), bufs.len())
}

/// `IoSlice` and `IoSliceMut` have the layout of an iovec, as std promises.
fn message(iov: *mut libc::iovec, len: usize) -> libc::msghdr {
    // SAFETY: all zeroes is a valid msghdr: null pointers and zero lengths.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_iov = iov;
    message.msg_iovlen = len.min(socket::MOST_BUFFERS) as _;
    message
}

/// Takes a connection as [`socket::accept`] does; the result is its descriptor.
pub(crate) fn accept(fd: RawFd, peer: *mut RawAddr) -> Entry {
    // SAFETY: only addresses of the fields are computed; the caller's pointer names a whole value.
    let (storage, len) = unsafe { (&raw mut (*peer).storage, &raw mut (*peer).len) };
    opcode::Accept::new(Fd(fd), storage.cast(), len).flags(socket::NEW).build()
}

/// Reads at an offset.
pub(crate) fn read(fd: RawFd, buf: *mut [u8], offset: u64) -> Entry {
    opcode::Read::new(Fd(fd), buf.cast(), length(buf.len())).offset(offset).build()
}

/// Writes at an offset.
pub(crate) fn write(fd: RawFd, buf: *const [u8], offset: u64) -> Entry {
    opcode::Write::new(Fd(fd), buf.cast(), length(buf.len())).offset(offset).build()
}

/// Has a file's data, and what is needed to find them, written to its device; and the rest of what is known of it, unless
/// `data_only`.
pub(crate) fn sync(fd: RawFd, data_only: bool) -> Entry {
    let flags = if data_only { FsyncFlags::DATASYNC } else { FsyncFlags::empty() };
    opcode::Fsync::new(Fd(fd)).flags(flags).build()
}

/// Opens a file; the result is its descriptor.
pub(crate) fn open_at(path: *const CStr, flags: libc::c_int, mode: libc::mode_t) -> Entry {
    opcode::OpenAt::new(Fd(libc::AT_FDCWD), path.cast()).flags(flags | libc::O_CLOEXEC).mode(mode).build()
}

/// Asks what is known of a path, or, with none, of an open file.
pub(crate) fn stat(file: Result<*const CStr, RawFd>, flags: libc::c_int, into: *mut libc::statx) -> Entry {
    let (fd, path, flags) = match file {
        Ok(path) => (libc::AT_FDCWD, path.cast(), flags),
        Err(fd) => (fd, c"".as_ptr(), flags | libc::AT_EMPTY_PATH),
    };
    let mask = libc::STATX_BASIC_STATS | libc::STATX_BTIME;
    opcode::Statx::new(Fd(fd), path, into.cast()).flags(flags).mask(mask).build()
}

/// Reads what lies in the page cache, without waiting for the device: `WouldBlock` if that is nothing.
pub(crate) fn read_cached(fd: RawFd, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    let part = libc::iovec { iov_base: buf.as_mut_ptr().cast(), iov_len: buf.len() };
    let Ok(offset) = libc::off64_t::try_from(offset) else { return Err(io::ErrorKind::InvalidInput.into()) };
    // SAFETY: one buffer, which is ours alone for the call, and of which the kernel writes at most the length.
    let read = unsafe { libc::preadv2(fd, ptr::from_ref(&part), 1, offset, libc::RWF_NOWAIT) };
    usize::try_from(read).map_err(|_| io::Error::last_os_error())
}
