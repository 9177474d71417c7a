//! Descriptors beside the data of a Unix socket: `sendmsg` and `recvmsg` with control messages (`SCM_RIGHTS`). Each is one
//! system call on a non-blocking descriptor, as those of `socket`.

use std::{
    io, mem,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
    ptr,
};

use libc::{c_int, c_uint};

use super::socket::SEND_FLAGS;

#[cfg(not(target_vendor = "apple"))]
const RECV_FLAGS: c_int = libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC;
#[cfg(target_vendor = "apple")]
const RECV_FLAGS: c_int = libc::MSG_DONTWAIT;

/// More than any system passes at once; below it no length overflows.
const MOST: usize = 1 << 16;

/// What came in.
pub(crate) struct Received {
    pub(crate) len: usize,
    pub(crate) fds: Vec<OwnedFd>,
    /// The kernel had more descriptors than there was room for, and has closed them.
    pub(crate) truncated: bool,
}

/// Room for control messages, as aligned as their headers are.
struct Control(Vec<u64>);

impl Control {
    /// For so many descriptors, and how long that is.
    fn new(fds: usize) -> (Self, c_uint) {
        const { assert!(mem::align_of::<libc::cmsghdr>() <= mem::align_of::<u64>()) };
        let payload = (fds * mem::size_of::<RawFd>()) as c_uint;
        // SAFETY: these compute a length.
        let (space, len) = unsafe { (libc::CMSG_SPACE(payload), libc::CMSG_LEN(payload)) };
        (Self(vec![0; (space as usize).div_ceil(mem::size_of::<u64>())]), len)
    }
}

/// Sends data with copies of descriptors beside them.
pub(crate) fn send(fd: RawFd, data: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
    if fds.len() > MOST {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    let mut part = libc::iovec { iov_base: data.as_ptr().cast_mut().cast(), iov_len: data.len() };
    let (mut control, len) = Control::new(fds.len());
    // SAFETY: all zeroes is a valid msghdr: null pointers and zero lengths.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    (message.msg_iov, message.msg_iovlen) = (&mut part, 1);
    if !fds.is_empty() {
        message.msg_control = control.0.as_mut_ptr().cast();
        message.msg_controllen = mem::size_of_val(&*control.0) as _;
        // SAFETY: the buffer has room for the header and so many descriptors, and is aligned for the header.
        unsafe {
            let header = libc::CMSG_FIRSTHDR(&message);
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
            (*header).cmsg_len = len as _;
            let to = libc::CMSG_DATA(header).cast::<RawFd>();
            for (at, fd) in fds.iter().enumerate() {
                to.add(at).write_unaligned(fd.as_raw_fd());
            }
        }
    }
    // SAFETY: the message names locals, which the kernel only reads.
    let sent = unsafe { libc::sendmsg(fd, &message, SEND_FLAGS) };
    if sent == -1 { Err(io::Error::last_os_error()) } else { Ok(sent as usize) }
}

/// Receives data, and at most so many descriptors beside them, which `exec` closes.
pub(crate) fn recv(fd: RawFd, buf: &mut [u8], most: usize) -> io::Result<Received> {
    let mut part = libc::iovec { iov_base: buf.as_mut_ptr().cast(), iov_len: buf.len() };
    let (mut control, len) = Control::new(most.min(MOST));
    // SAFETY: all zeroes is a valid msghdr: null pointers and zero lengths.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    (message.msg_iov, message.msg_iovlen) = (&mut part, 1);
    if most != 0 {
        message.msg_control = control.0.as_mut_ptr().cast();
        // To the byte: in what the alignment leaves the kernel would put one more.
        message.msg_controllen = len as _;
    }
    // SAFETY: the message names buffers that are ours alone for the call.
    let received = unsafe { libc::recvmsg(fd, &mut message, RECV_FLAGS) };
    if received == -1 {
        return Err(io::Error::last_os_error());
    }
    // Before anything else can fail: from here on they are closed whatever happens.
    // SAFETY: the kernel has filled the message in.
    let fds = unsafe { taken(&message) };
    #[cfg(target_vendor = "apple")]
    for fd in &fds {
        // SAFETY: integers only.
        unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) };
    }
    Ok(Received { len: received as usize, fds, truncated: message.msg_flags & libc::MSG_CTRUNC != 0 })
}

/// The descriptors in a message.
///
/// # Safety
/// The kernel has just filled it in, and nobody has taken them.
unsafe fn taken(message: &libc::msghdr) -> Vec<OwnedFd> {
    let mut fds = Vec::new();
    // SAFETY: these walk over what the kernel has written; each descriptor is new, and nobody else's.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(message);
        while !header.is_null() {
            if (*header).cmsg_level == libc::SOL_SOCKET && (*header).cmsg_type == libc::SCM_RIGHTS {
                let from = libc::CMSG_DATA(header).cast::<RawFd>();
                let bytes = (*header).cmsg_len as usize - libc::CMSG_LEN(0) as usize;
                let count = bytes / mem::size_of::<RawFd>();
                fds.reserve(count);
                fds.extend((0..count).map(|at| OwnedFd::from_raw_fd(ptr::read_unaligned(from.add(at)))));
            }
            header = libc::CMSG_NXTHDR(message, header);
        }
    }
    fds
}
