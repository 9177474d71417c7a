//! Sockets for green threads: TCP, UDP and, in [`unix`], Unix sockets, with std's types, names and errors.
//!
//! A call that cannot be done at once suspends the calling thread only, be it a green thread, which then takes no
//! worker's time, or an ordinary OS thread, which blocks as with std. `use sinew::net` replaces `use std::net`: what
//! never blocks (addresses and their parsing) is std's own, re-exported.
//!
//! [`Server`] is an accept loop with what such a loop needs besides `accept`: a limit, an end, patience with errors.
//!
//! Differences that can be seen: the descriptor itself is always in non-blocking mode (a raw `read` on
//! [`AsRawFd`](std::os::fd::AsRawFd) does not wait; `set_nonblocking` is kept beside it and does what std's does), and
//! gets its blocking mode back when it is turned into an [`OwnedFd`](std::os::fd::OwnedFd) or a type of std's, for all
//! its duplicates, as that mode is a property they share.

pub use std::net::{
    AddrParseError, IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, SocketAddrV4, SocketAddrV6, ToSocketAddrs,
};

#[cfg(all(feature = "io-uring", target_os = "linux"))]
mod completed;
mod datagrams;
mod macros;
mod race;
mod resolve;
mod server;
mod socket;
mod stream;
mod tcp_listener;
mod tcp_stream;
mod udp;
pub mod unix;

pub use datagrams::{Datagram, Datagrams, SendManyError};
pub use resolve::lookup_host;
pub use server::{Listener, Served, Server};
pub use tcp_listener::{Incoming, TcpListener};
pub use tcp_stream::TcpStream;
pub use udp::UdpSocket;
