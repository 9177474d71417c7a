//! io_uring as the kernel has it: making a ring with what this kernel can do, and the entries that ask for an operation.
//!
//! An entry holds bare addresses. Whoever hands one to a ring keeps the memory there until the operation's completion.

use std::{
    ffi::CStr,
    io::{self, IoSlice, IoSliceMut},
    mem::{self, MaybeUninit},
    os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
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
/// OS threads of the kernel's that wait for disks at most.
const MOST_WAITING: u32 = 64;
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
    // Of what no ring can do without waiting, as syncing, the kernel does as many at once as we on the blocking pool; by itself it
    // would take four a processor. Unknown before Linux 5.15.
    let _ = ring.submitter().register_iowq_max_workers(&mut [MOST_WAITING, 0]);
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
        opcode::Readv::CODE,
        opcode::Writev::CODE,
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

/// Reads at an offset into several buffers.
pub(crate) fn read_vectored(fd: RawFd, bufs: &mut [IoSliceMut<'_>], offset: u64) -> Entry {
    let len = bufs.len().min(socket::MOST_BUFFERS) as u32;
    // `IoSliceMut` has the layout of an iovec, as std promises.
    opcode::Readv::new(Fd(fd), bufs.as_mut_ptr().cast_const().cast(), len).offset(offset).build()
}

/// Writes at an offset from several buffers.
pub(crate) fn write_vectored(fd: RawFd, bufs: &[IoSlice<'_>], offset: u64) -> Entry {
    let len = bufs.len().min(socket::MOST_BUFFERS) as u32;
    // `IoSlice` has the layout of an iovec, as std promises.
    opcode::Writev::new(Fd(fd), bufs.as_ptr().cast(), len).offset(offset).build()
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

/// What kind of file an open one is: the bits of its mode that say so. Of what is in memory: no disk or server is asked.
pub(crate) fn kind(fd: RawFd) -> io::Result<libc::mode_t> {
    let mut known = MaybeUninit::<libc::statx>::zeroed();
    let flags = libc::AT_EMPTY_PATH | libc::AT_STATX_DONT_SYNC;
    // SAFETY: a string that ends with a zero, and room for the result.
    match unsafe { libc::statx(fd, c"".as_ptr(), flags, libc::STATX_TYPE, known.as_mut_ptr()) } {
        // SAFETY: a statx is integers, so all zeroes was one before the kernel filled it.
        0 => Ok(libc::mode_t::from(unsafe { known.assume_init() }.stx_mode) & libc::S_IFMT),
        _ => Err(io::Error::last_os_error()),
    }
}

/// What kind of file a path leads to, symbolic links followed, if the kernel has all of the way in memory.
///
/// # Errors
/// `EAGAIN` if it has not; `ENOSYS` or `EINVAL` before Linux 5.12; and those of the path.
pub(crate) fn kind_at(path: &CStr) -> io::Result<libc::mode_t> {
    // SAFETY: an `open_how` is integers, for which zeros are valid.
    let mut how: libc::open_how = unsafe { mem::zeroed() };
    // It is found, and not opened: that would do something to a pipe or device.
    how.flags = (libc::O_PATH | libc::O_CLOEXEC) as u64;
    how.resolve = libc::RESOLVE_CACHED;
    let how = &raw const how;
    // SAFETY: a string that ends with a zero, and the request with its size; both live through the call.
    match unsafe { libc::syscall(libc::SYS_openat2, libc::AT_FDCWD, path.as_ptr(), how, size_of::<libc::open_how>()) } {
        -1 => Err(io::Error::last_os_error()),
        // SAFETY: the kernel has just made this descriptor, and nobody else has it.
        fd => kind(unsafe { OwnedFd::from_raw_fd(fd as RawFd) }.as_raw_fd()),
    }
}
