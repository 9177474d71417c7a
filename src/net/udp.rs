//! `UdpSocket`.

use std::{
    fmt, io,
    mem::ManuallyDrop,
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd},
    time::Duration,
};

use super::{
    Datagrams, Ipv4Addr, Ipv6Addr, SendManyError, SocketAddr, ToSocketAddrs, datagrams,
    macros::{common_methods, descriptor_traits, timeout_methods},
    resolve::{each_addr, first_addr},
    socket::Socket,
};
use crate::{runtime::readiness::Direction, sys::socket};

/// A UDP socket: [`std::net::UdpSocket`] whose calls suspend the calling thread only.
///
/// Several threads may send and receive at once; each datagram goes to one of them. What of a datagram does not fit into
/// the buffer is lost.
///
/// # Cancellation
/// Each call that waits can be cancelled while it waits, and has then neither sent nor received.
///
/// # Examples
/// ```
/// use sinew::net::UdpSocket;
///
/// let server = UdpSocket::bind("127.0.0.1:0")?;
/// let address = server.local_addr()?;
/// let serving = sinew::spawn(move || {
///     let mut buf = [0; 1500];
///     let (len, from) = server.recv_from(&mut buf)?;
///     server.send_to(&buf[..len], from)
/// });
/// let client = UdpSocket::bind("127.0.0.1:0")?;
/// client.connect(address)?;
/// client.send(b"hello")?;
/// let mut answer = [0; 1500];
/// assert_eq!(client.recv(&mut answer)?, 5);
/// serving.join().unwrap()?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct UdpSocket(Socket);

impl UdpSocket {
    /// Binds to an address. Of several addresses the first that can be bound is taken. A host name is looked up on the
    /// blocking pool.
    ///
    /// # Errors
    /// std's: that of the last address tried, or `InvalidInput` if there is none.
    pub fn bind<A: ToSocketAddrs>(addr: A) -> io::Result<UdpSocket> {
        each_addr(addr, |addr| {
            let fd = socket::inet(addr, libc::SOCK_DGRAM)?;
            socket::bind(fd.as_raw_fd(), &addr.into())?;
            Ok(UdpSocket(Socket::new(fd)))
        })
    }

    /// Receives a datagram, and waits for one: its length and its sender's address.
    ///
    /// # Errors
    /// The operating system's; `WouldBlock` at the end of the timeout.
    pub fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let (len, from) = self.0.perform(Direction::Read, |_| false, |fd| socket::recv_from(fd, buf, false))?;
        Ok((len, from.inet()?))
    }

    /// The same, and the datagram stays to be received again.
    ///
    /// # Errors
    /// As [`recv_from`](Self::recv_from).
    pub fn peek_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let (len, from) = self.0.perform(Direction::Read, |_| false, |fd| socket::recv_from(fd, buf, true))?;
        Ok((len, from.inet()?))
    }

    /// Sends a datagram to an address: of several, the first. A host name is looked up on the blocking pool.
    ///
    /// # Errors
    /// The operating system's; `InvalidInput` if there is no address; `WouldBlock` at the end of the timeout.
    pub fn send_to<A: ToSocketAddrs>(&self, buf: &[u8], addr: A) -> io::Result<usize> {
        let Some(addr) = first_addr(addr)? else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "no addresses to send data to"));
        };
        let to = (&addr).into();
        self.0.perform(Direction::Write, |_| false, |fd| socket::send_to(fd, buf, &to))
    }

    /// Sets the other side: [`send`](Self::send) sends there, and only from there is received. Of several addresses the
    /// first that can be set is taken. A host name is looked up on the blocking pool.
    ///
    /// # Errors
    /// std's: that of the last address tried, or `InvalidInput` if there is none.
    pub fn connect<A: ToSocketAddrs>(&self, addr: A) -> io::Result<()> {
        each_addr(addr, |addr| socket::connect_datagram(self.as_raw_fd(), &addr.into()))
    }

    /// Sends a datagram to the other side that [`connect`](Self::connect) has set.
    ///
    /// # Errors
    /// The operating system's: `ConnectionRefused` if an earlier datagram found nobody there; `WouldBlock` at the end of the
    /// timeout.
    pub fn send(&self, buf: &[u8]) -> io::Result<usize> {
        self.0.perform(Direction::Write, |_| false, |fd| socket::send(fd, buf))
    }

    /// Receives a datagram, and waits for one: its length. From the other side alone, if [`connect`](Self::connect) has set
    /// one.
    ///
    /// # Errors
    /// The operating system's: `ConnectionRefused` if an earlier datagram found nobody there; `WouldBlock` at the end of the
    /// timeout.
    pub fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.perform(Direction::Read, |_| false, |fd| socket::recv(fd, buf, false))
    }

    /// The same, and the datagram stays to be received again.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.perform(Direction::Read, |_| false, |fd| socket::recv(fd, buf, true))
    }

    /// Receives datagrams, as many as are there and there is room for, and waits for one if there is none: how many. They
    /// replace what `datagrams` held.
    ///
    /// With [`send_many_to`](Self::send_many_to) it is how to move many datagrams a second.
    ///
    /// # Errors
    /// As [`recv_from`](Self::recv_from); `datagrams` is empty then. An error that comes after the first datagram is given by the
    /// next call (on Linux; elsewhere it is lost).
    ///
    /// # Cancellation
    /// While it waits: no datagram is taken then.
    ///
    /// # Examples
    /// ```
    /// use sinew::net::{Datagrams, UdpSocket};
    ///
    /// let server = UdpSocket::bind("127.0.0.1:0")?;
    /// let client = UdpSocket::bind("127.0.0.1:0")?;
    /// client.connect(server.local_addr()?)?;
    /// let echo = sinew::spawn(move || {
    ///     let mut batch = Datagrams::new(32, 1500);
    ///     let mut echoed = 0;
    ///     while echoed < 3 {
    ///         server.recv_many(&mut batch)?;
    ///         echoed += server.send_many_to(batch.iter().map(|datagram| (datagram.data, datagram.from)))?;
    ///     }
    ///     Ok::<(), std::io::Error>(())
    /// });
    /// client.send_many([&b"one"[..], b"two", b"three"])?;
    /// let mut answers = Datagrams::new(3, 1500);
    /// let mut lengths = Vec::new();
    /// while lengths.len() < 3 {
    ///     client.recv_many(&mut answers)?;
    ///     lengths.extend(answers.iter().map(|answer| answer.data.len()));
    /// }
    /// assert_eq!(lengths, [3, 3, 5]);
    /// echo.join().unwrap()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn recv_many(&self, datagrams: &mut Datagrams) -> io::Result<usize> {
        datagrams::recv_many(&self.0, datagrams)
    }

    /// Sends datagrams in order, each to its address: how many they were.
    ///
    /// On Linux, datagrams of one length that follow each other to one address (the last of them may be shorter) go down to
    /// the network together, up to 64, and are cut there: what `UDP_SEGMENT` is, as described in `udp(7)`. Each arrives
    /// as if it had been sent alone; but those of one run are lost together if the socket's or the device's queue is full. Where that
    /// cannot be, and elsewhere, each is sent by a call of its own. But a socket that is corked (`UDP_CORK`), which is to join what
    /// it is given, must not be given it by this.
    ///
    /// Up to 64 are taken from the iterator, and one more to see where a run ends, before the first of them goes. So an iterator that
    /// waits holds back what it gave before, and one that unwinds keeps it from being sent.
    ///
    /// # Errors
    /// The error of the first that cannot be sent, as of [`send_to`](Self::send_to), and how many have gone before it. Those
    /// after it are not tried. The timeout holds for each wait.
    ///
    /// # Cancellation
    /// While it waits for room and none has gone. If some have, it gives an error of kind `Interrupted` that says how many, and the
    /// cancellation is raised where the thread waits next. A [`timeout`](crate::time::timeout) in which that is the last call
    /// therefore returns this error, and no `Elapsed`.
    ///
    /// # Examples
    /// ```
    /// use sinew::net::UdpSocket;
    ///
    /// let (one, two) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
    /// let to = two.local_addr()?;
    /// let error = one.send_many_to([(&b"fits"[..], to), (&[0; 70_000], to), (b"not tried", to)]).unwrap_err();
    /// assert_eq!(error.sent(), 1);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn send_many_to<'a, I>(&self, datagrams: I) -> Result<usize, SendManyError>
    where
        I: IntoIterator<Item = (&'a [u8], SocketAddr)>,
    {
        let datagrams = datagrams.into_iter().map(|(data, to)| (data, Some(to)));
        datagrams::send_many(&self.0, datagrams)
    }

    /// Sends datagrams in order to the other side that [`connect`](Self::connect) has set: how many they were. Otherwise
    /// as [`send_many_to`](Self::send_many_to).
    ///
    /// # Errors
    /// The error of the first that cannot be sent, as of [`send`](Self::send), and how many have gone before it.
    ///
    /// # Cancellation
    /// As [`send_many_to`](Self::send_many_to).
    pub fn send_many<'a, I>(&self, datagrams: I) -> Result<usize, SendManyError>
    where
        I: IntoIterator<Item = &'a [u8]>,
    {
        let datagrams = datagrams.into_iter().map(|data| (data, None));
        datagrams::send_many(&self.0, datagrams)
    }
}

/// Methods that never wait: std's, on the same descriptor.
macro_rules! options {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $type:ty),*) -> $result:ty;)*) => {
        impl UdpSocket {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// The operating system's.
                pub fn $name(&self $(, $argument: $type)*) -> io::Result<$result> {
                    self.std().$name($($argument),*)
                }
            )*
        }
    };
}

options! {
    /// The address of this side.
    local_addr() -> SocketAddr;
    /// The address of the other side, if [`connect`](Self::connect) has set one.
    peer_addr() -> SocketAddr;
    /// Whether datagrams may be sent to broadcast addresses (`SO_BROADCAST`).
    set_broadcast(on: bool) -> ();
    /// Whether datagrams may be sent to broadcast addresses (`SO_BROADCAST`).
    broadcast() -> bool;
    /// Whether multicast datagrams come back to this machine (`IP_MULTICAST_LOOP`).
    set_multicast_loop_v4(on: bool) -> ();
    /// Whether multicast datagrams come back to this machine (`IP_MULTICAST_LOOP`).
    multicast_loop_v4() -> bool;
    /// Sets the time to live of multicast datagrams (`IP_MULTICAST_TTL`).
    set_multicast_ttl_v4(ttl: u32) -> ();
    /// The time to live of multicast datagrams (`IP_MULTICAST_TTL`).
    multicast_ttl_v4() -> u32;
    /// Whether multicast datagrams of IPv6 come back to this machine (`IPV6_MULTICAST_LOOP`).
    set_multicast_loop_v6(on: bool) -> ();
    /// Whether multicast datagrams of IPv6 come back to this machine (`IPV6_MULTICAST_LOOP`).
    multicast_loop_v6() -> bool;
    /// Sets the time to live (`IP_TTL`).
    set_ttl(ttl: u32) -> ();
    /// The time to live (`IP_TTL`).
    ttl() -> u32;
    /// Joins a multicast group on the interface with this address, or on any if it is unspecified (`IP_ADD_MEMBERSHIP`).
    join_multicast_v4(group: &Ipv4Addr, interface: &Ipv4Addr) -> ();
    /// Joins a multicast group of IPv6 on the interface of this index, or on any if it is 0 (`IPV6_ADD_MEMBERSHIP`).
    join_multicast_v6(group: &Ipv6Addr, interface: u32) -> ();
    /// Leaves a multicast group (`IP_DROP_MEMBERSHIP`).
    leave_multicast_v4(group: &Ipv4Addr, interface: &Ipv4Addr) -> ();
    /// Leaves a multicast group of IPv6 (`IPV6_DROP_MEMBERSHIP`).
    leave_multicast_v6(group: &Ipv6Addr, interface: u32) -> ();
}

common_methods!(UdpSocket, "each call");
timeout_methods!(UdpSocket, "receive", "send");
descriptor_traits!(UdpSocket, std::net::UdpSocket);
