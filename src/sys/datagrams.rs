//! Many datagrams in few calls: `recvmmsg`, and `sendmsg` with segmentation by the kernel (`UDP_SEGMENT`, Linux 4.18). Both on
//! a non-blocking descriptor, as those of `socket`. Where there is neither, one call a datagram.

use std::{io, mem, os::fd::RawFd};

use libc::socklen_t;

use super::{
    address::RawAddr,
    socket::{MOST_BUFFERS, SEND_FLAGS},
};

/// The most datagrams that one segmented send makes: what Linux took at first (`UDP_MAX_SEGMENTS`; 128 since 6.9).
pub(crate) const MOST_SEGMENTS: usize = 64;

/// The most bytes of one segmented send. They travel as one packet of IP until they are cut, so they must fit into 64 KiB with
/// its headers.
pub(crate) const MOST_SEGMENTED: usize = 64_000;

/// What `recvmmsg` is told, and what it tells, of as many datagrams as there is room for.
pub(crate) struct Headers {
    /// Their pointers name `parts`, `names` and a buffer of the caller's, and are set anew before each call.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    messages: Box<[libc::mmsghdr]>,
    #[cfg(any(target_os = "linux", target_os = "android"))]
    parts: Box<[libc::iovec]>,
    names: Box<[RawAddr]>,
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    found: Box<[(usize, bool)]>,
}

// SAFETY: the pointers in the headers are used by nobody between two calls of `recv`, which has the value to itself and sets
// them first; the rest is integers.
unsafe impl Send for Headers {}
// SAFETY: the same; what a shared reference gives access to is integers and addresses.
unsafe impl Sync for Headers {}

/// One of the datagrams that were received.
pub(crate) struct Found<'a> {
    pub(crate) len: usize,
    pub(crate) truncated: bool,
    pub(crate) from: &'a RawAddr,
}

impl Headers {
    pub(crate) fn new(count: usize) -> Self {
        Self {
            #[cfg(any(target_os = "linux", target_os = "android"))]
            // SAFETY: all zeroes is a valid mmsghdr: null pointers and zero lengths.
            messages: (0..count).map(|_| unsafe { mem::zeroed() }).collect(),
            #[cfg(any(target_os = "linux", target_os = "android"))]
            parts: (0..count).map(|_| libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }).collect(),
            names: (0..count).map(|_| RawAddr::empty()).collect(),
            #[cfg(not(any(target_os = "linux", target_os = "android")))]
            found: vec![(0, false); count].into(),
        }
    }

    /// For how many datagrams it was made.
    pub(crate) fn count(&self) -> usize {
        self.names.len()
    }

    /// How many are received at once.
    pub(crate) fn most(&self) -> usize {
        self.count().min(MOST_BUFFERS)
    }

    /// Receives what is there, each into `size` bytes of the buffer: how many, of which fewer than there is room for prove
    /// that no more was there. An error that comes after the first datagram is the kernel's to keep for the next call.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(crate) fn recv(&mut self, fd: RawFd, buf: &mut [u8], size: usize) -> io::Result<usize> {
        let count = self.most();
        assert!(count.checked_mul(size).is_some_and(|bytes| bytes <= buf.len()), "a place for each datagram");
        let at = buf.as_mut_ptr();
        for (index, ((message, part), name)) in
            self.messages.iter_mut().zip(&mut *self.parts).zip(&mut *self.names).take(count).enumerate()
        {
            // SAFETY: the buffer has `count` places of `size` bytes, as was asserted.
            *part = libc::iovec { iov_base: unsafe { at.add(index * size) }.cast(), iov_len: size };
            let header = &mut message.msg_hdr;
            (header.msg_iov, header.msg_iovlen) = (part, 1);
            header.msg_name = name.as_mut_ptr().cast();
            header.msg_namelen = mem::size_of::<libc::sockaddr_storage>() as socklen_t;
        }
        let (messages, none) = (self.messages.as_mut_ptr(), std::ptr::null_mut());
        // SAFETY: `count` headers, each of which names one part, one address and no control data; a part names its own place in
        // the buffer. All are ours alone for the call, and the kernel writes no more than the given lengths.
        let received = unsafe { libc::recvmmsg(fd, messages, count as _, libc::MSG_DONTWAIT as _, none) };
        if received == -1 {
            return Err(io::Error::last_os_error());
        }
        let received = received as usize;
        for (name, message) in self.names.iter_mut().zip(&self.messages).take(received) {
            name.len = message.msg_hdr.msg_namelen;
        }
        Ok(received)
    }

    /// The same by one call a datagram. An error that comes after the first datagram is lost.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub(crate) fn recv(&mut self, fd: RawFd, buf: &mut [u8], size: usize) -> io::Result<usize> {
        let count = self.most();
        for index in 0..count {
            let place = &mut buf[index * size..][..size];
            let mut part = libc::iovec { iov_base: place.as_mut_ptr().cast(), iov_len: size };
            let name = &mut self.names[index];
            // SAFETY: all zeroes is a valid msghdr: null pointers and zero lengths.
            let mut message: libc::msghdr = unsafe { mem::zeroed() };
            (message.msg_iov, message.msg_iovlen) = (&mut part, 1);
            message.msg_name = name.as_mut_ptr().cast();
            message.msg_namelen = mem::size_of::<libc::sockaddr_storage>() as socklen_t;
            // SAFETY: the header names a part, which names a place in the buffer, and an address, all ours alone for the call.
            let received = unsafe { libc::recvmsg(fd, &mut message, libc::MSG_DONTWAIT) };
            if received == -1 {
                let error = io::Error::last_os_error();
                return if index == 0 { Err(error) } else { Ok(index) };
            }
            name.len = message.msg_namelen;
            self.found[index] = (received as usize, message.msg_flags & libc::MSG_TRUNC != 0);
        }
        Ok(count)
    }

    /// What the last call of [`recv`](Self::recv) says of one of the datagrams that it received.
    pub(crate) fn found(&self, index: usize) -> Found<'_> {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let (len, truncated) = {
            let message = &self.messages[index];
            (message.msg_len as usize, message.msg_hdr.msg_flags & libc::MSG_TRUNC != 0)
        };
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        let (len, truncated) = self.found[index];
        Found { len, truncated, from: &self.names[index] }
    }
}

/// Whether the kernel cuts what is sent by this socket where it is told to. Asked before, since one that does not, or a socket of
/// another protocol, would overlook the request and send all as one datagram. Nor is it to be told otherwise if the socket has a
/// length of its own.
pub(crate) fn can_segment(fd: RawFd) -> bool {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    return matches!(super::socket::get_int(fd, libc::SOL_UDP, libc::UDP_SEGMENT), Ok(0));
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        let _ = fd;
        false
    }
}

/// Whether an error of a segmented send may be due to the segmentation: the datagrams are longer than the path's packets
/// (`EINVAL`; `EMSGSIZE` since Linux 6.14), or the device cannot checksum. Nothing was sent then, and each alone may go.
pub(crate) fn is_unsegmentable(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EMSGSIZE | libc::EIO))
}

/// Sends datagrams of `segment` bytes each but for the last, which may be shorter, or a single one if that is none; to an
/// address, or the other side of a connected socket. All go, or none.
pub(crate) fn send(
    fd: RawFd,
    datagrams: &[io::IoSlice<'_>],
    to: Option<&RawAddr>,
    segment: Option<u16>,
) -> io::Result<()> {
    // SAFETY: all zeroes is a valid msghdr: null pointers and zero lengths.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    // An IoSlice has the layout of an iovec, as std promises; sendmsg only reads through it.
    message.msg_iov = datagrams.as_ptr().cast_mut().cast();
    message.msg_iovlen = datagrams.len() as _;
    if let Some(to) = to {
        (message.msg_name, message.msg_namelen) = (to.as_ptr().cast_mut().cast(), to.len);
    }
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let mut control = [0_u64; 4];
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Some(segment) = segment {
        const { assert!(mem::align_of::<libc::cmsghdr>() <= mem::align_of::<u64>()) };
        message.msg_control = control.as_mut_ptr().cast();
        // SAFETY: this computes a length, which is less than the room there is (a header of 16 bytes at most, and 8).
        message.msg_controllen = unsafe { libc::CMSG_SPACE(mem::size_of::<u16>() as _) } as _;
        // SAFETY: the buffer has room for the header and the number, and is aligned for the header.
        unsafe {
            let header = libc::CMSG_FIRSTHDR(&message);
            (*header).cmsg_level = libc::SOL_UDP;
            (*header).cmsg_type = libc::UDP_SEGMENT;
            (*header).cmsg_len = libc::CMSG_LEN(mem::size_of::<u16>() as _) as _;
            libc::CMSG_DATA(header).cast::<u16>().write_unaligned(segment);
        }
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    debug_assert!(segment.is_none(), "nobody was told that it can be done");
    // SAFETY: the header names the slices, the address and the control data, all of which live through the call.
    let sent = unsafe { libc::sendmsg(fd, &message, SEND_FLAGS) };
    if sent == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
