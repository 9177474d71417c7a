//! Socket addresses in the kernel's form, and from and to std's.

use std::{
    ffi::OsStr,
    io,
    mem::{self, offset_of},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6},
    os::unix::{ffi::OsStrExt, net::SocketAddr as UnixAddr},
};

#[cfg(target_os = "android")]
use std::os::android::net::SocketAddrExt;
#[cfg(target_os = "linux")]
use std::os::linux::net::SocketAddrExt;

use libc::{c_char, c_int, socklen_t};

/// Where the path begins in the address of a Unix socket: its length is the rest.
const PATH: usize = offset_of!(libc::sockaddr_un, sun_path);

/// A socket address in the kernel's form.
pub(crate) struct RawAddr {
    pub(super) storage: libc::sockaddr_storage,
    pub(super) len: socklen_t,
}

impl RawAddr {
    /// Room for an address that the kernel writes.
    pub(crate) fn empty() -> Self {
        // SAFETY: all zeroes is a valid sockaddr_storage (family AF_UNSPEC): it holds integers and byte arrays.
        Self { storage: unsafe { mem::zeroed() }, len: mem::size_of::<libc::sockaddr_storage>() as socklen_t }
    }

    /// No address.
    pub(crate) fn none() -> Self {
        Self { len: 0, ..Self::empty() }
    }

    pub(super) fn as_ptr(&self) -> *const libc::sockaddr {
        (&raw const self.storage).cast()
    }

    pub(super) fn as_mut_ptr(&mut self) -> *mut libc::sockaddr {
        (&raw mut self.storage).cast()
    }

    pub(super) fn family(&self) -> c_int {
        c_int::from(self.storage.ss_family)
    }

    /// The address as one of the internet.
    pub(crate) fn inet(&self) -> io::Result<SocketAddr> {
        let at: *const libc::sockaddr_storage = &self.storage;
        match self.family() {
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

    /// The address as one of a Unix socket. No address at all is one without a name.
    pub(crate) fn unix(&self) -> io::Result<UnixAddr> {
        let len = (self.len as usize).min(mem::size_of::<libc::sockaddr_un>());
        if len != 0 && self.family() != libc::AF_UNIX {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "file descriptor did not correspond to a Unix socket",
            ));
        }
        // SAFETY: a sockaddr_storage has room and alignment for every kind of address, and its bytes are all initialised.
        let raw = unsafe { &*(&raw const self.storage).cast::<libc::sockaddr_un>() };
        let path = raw.sun_path.map(|byte| byte as u8);
        match &path[..len.saturating_sub(PATH)] {
            [] => UnixAddr::from_pathname(""),
            #[cfg(any(target_os = "linux", target_os = "android"))]
            [0, name @ ..] => UnixAddr::from_abstract_name(name),
            #[cfg(not(any(target_os = "linux", target_os = "android")))]
            [0, ..] => UnixAddr::from_pathname(""),
            path => {
                let path = path.strip_suffix(&[0]).unwrap_or(path);
                UnixAddr::from_pathname(OsStr::from_bytes(path))
            }
        }
    }
}

impl From<&SocketAddr> for RawAddr {
    fn from(addr: &SocketAddr) -> Self {
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
}

impl From<&UnixAddr> for RawAddr {
    fn from(addr: &UnixAddr) -> Self {
        let mut raw = Self::empty();
        let at: *mut libc::sockaddr_storage = &mut raw.storage;
        // SAFETY: a sockaddr_storage has room and alignment for every kind of address, and is all zeroes.
        let out = unsafe { &mut *at.cast::<libc::sockaddr_un>() };
        out.sun_family = libc::AF_UNIX as libc::sa_family_t;
        // std's addresses are no longer than fit, a path with the zero that ends it.
        let mut put = |start: usize, bytes: &[u8]| {
            for (out, &byte) in out.sun_path[start..].iter_mut().zip(bytes) {
                *out = byte as c_char;
            }
            start + bytes.len()
        };
        let mut used = 0;
        if let Some(path) = addr.as_pathname() {
            used = put(0, path.as_os_str().as_bytes()) + 1;
        }
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if let Some(name) = addr.as_abstract_name() {
            used = put(1, name);
        }
        raw.len = (PATH + used) as socklen_t;
        raw
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unix_addresses_come_back_as_they_went() {
        let long = "p".repeat(mem::size_of::<libc::sockaddr_un>() - PATH - 1);
        for addr in [
            UnixAddr::from_pathname("").unwrap(),
            UnixAddr::from_pathname("/tmp/name").unwrap(),
            UnixAddr::from_pathname(long).unwrap(),
            #[cfg(target_os = "linux")]
            UnixAddr::from_abstract_name(b"a\0b").unwrap(),
            #[cfg(target_os = "linux")]
            UnixAddr::from_abstract_name(b"").unwrap(),
        ] {
            let back = RawAddr::from(&addr).unix().unwrap();
            assert_eq!(format!("{addr:?}"), format!("{back:?}"));
            assert_eq!(addr.is_unnamed(), back.is_unnamed());
        }
    }

    #[test]
    fn internet_addresses_come_back_as_they_went() {
        for addr in ["127.0.0.1:80", "[fe80::1%3]:443", "[::]:0"] {
            let addr: SocketAddr = addr.parse().unwrap();
            assert_eq!(RawAddr::from(&addr).inet().unwrap(), addr);
            assert!(RawAddr::from(&addr).unix().is_err());
        }
    }
}
