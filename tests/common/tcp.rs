//! Pairs of connected streams, ours and std's, and the comparison of their errors.
#![allow(dead_code, reason = "each file of tests uses a part")]

use std::{
    io,
    os::fd::{AsRawFd, OwnedFd},
    time::Duration,
};

use sinew::net::{SocketAddr, TcpListener, TcpStream};

pub(crate) const TICK: Duration = Duration::from_millis(30);

pub(crate) fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    (listener, addr)
}

pub(crate) fn pair() -> (TcpStream, TcpStream) {
    let (listener, addr) = listener();
    let client = TcpStream::connect(addr).unwrap();
    let (server, from) = listener.accept().unwrap();
    assert_eq!(from, client.local_addr().unwrap());
    (client, server)
}

pub(crate) fn std_pair() -> (std::net::TcpStream, std::net::TcpStream) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (client, listener.accept().unwrap().0)
}

/// The same error, as far as a program can tell.
#[track_caller]
pub(crate) fn same<T, U>(ours: io::Result<T>, theirs: io::Result<U>) {
    let (ours, theirs) = (ours.err().expect("ours is an error"), theirs.err().expect("theirs is an error"));
    assert_eq!(ours.kind(), theirs.kind());
    assert_eq!(ours.raw_os_error(), theirs.raw_os_error());
    assert_eq!(ours.to_string(), theirs.to_string());
}

pub(crate) fn reset(stream: impl Into<OwnedFd>) {
    let fd: OwnedFd = stream.into();
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    let len = size_of_val(&linger) as libc::socklen_t;
    // SAFETY: the pointer and the length name a local.
    let set =
        unsafe { libc::setsockopt(fd.as_raw_fd(), libc::SOL_SOCKET, libc::SO_LINGER, (&raw const linger).cast(), len) };
    assert_eq!(set, 0);
}
