//! Unix sockets for green threads: the types, names and errors of [`std::os::unix::net`].
//!
//! A socket's name is a path, a name in Linux's abstract name space, or none:
//! [`SocketAddr`] is std's own, and the functions that end in `_addr` take it.

pub use std::os::unix::net::SocketAddr;

mod datagram;
mod listener;
mod passing;
mod stream;

pub use datagram::UnixDatagram;
pub use listener::{Incoming, UnixListener};
pub use passing::ReceivedFds;
#[cfg(any(target_os = "linux", target_os = "android"))]
pub use stream::UCred;
pub use stream::UnixStream;
