//! UDP in blocking style, on OS threads and green threads, method by method beside std's own type.

mod common;
mod harness;

use std::{
    io::ErrorKind,
    os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd},
    panic::{RefUnwindSafe, UnwindSafe},
    sync::Arc,
    time::{Duration, Instant},
};

use common::{
    each_way, sleep, spawn,
    tcp::{TICK, same},
};
use harness::assert_cancelled;
use sinew::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

fn bound() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let addr = socket.local_addr().unwrap();
    (socket, addr)
}

fn connected() -> (UdpSocket, UdpSocket) {
    let ((one, first), (two, second)) = (bound(), bound());
    one.connect(second).unwrap();
    two.connect(first).unwrap();
    (one, two)
}

fn std_connected() -> (std::net::UdpSocket, std::net::UdpSocket) {
    let [one, two] = [0; 2].map(|_| std::net::UdpSocket::bind("127.0.0.1:0").unwrap());
    one.connect(two.local_addr().unwrap()).unwrap();
    two.connect(one.local_addr().unwrap()).unwrap();
    (one, two)
}

/// The address of a socket that is gone.
fn nobody() -> SocketAddr {
    std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn the_type_is_as_shareable_as_stds() {
    fn check<T: Send + Sync + Unpin + UnwindSafe + RefUnwindSafe + 'static>() {}
    check::<UdpSocket>();
}

#[test]
fn datagrams_come_back_from_an_echo_to_who_sent_them() {
    each_way(|| {
        let (server, addr) = bound();
        let server = spawn(move || {
            let mut buf = [0; 2000];
            for _ in 0..400 {
                let (len, from) = server.recv_from(&mut buf).unwrap();
                assert_eq!(server.send_to(&buf[..len], from).unwrap(), len);
            }
        });
        let clients: Vec<_> = (0..4u8)
            .map(|seed| {
                spawn(move || {
                    let (client, _) = bound();
                    let mut buf = [0; 2000];
                    for round in 0..100usize {
                        let sent = vec![seed; round * 13];
                        client.send_to(&sent, addr).unwrap();
                        let (len, from) = client.recv_from(&mut buf).unwrap();
                        assert_eq!((&buf[..len], from), (&sent[..], addr));
                    }
                })
            })
            .collect();
        for client in clients {
            client.join().unwrap();
        }
        server.join().unwrap();
    });
}

#[test]
fn a_connected_socket_sends_and_receives_without_addresses() {
    each_way(|| {
        let (one, two) = connected();
        assert_eq!(one.peer_addr().unwrap(), two.local_addr().unwrap());
        // From elsewhere nothing is received.
        bound().0.send_to(b"stranger", two.local_addr().unwrap()).unwrap();
        let receiver = spawn(move || {
            let mut buf = [0; 8];
            assert_eq!(two.recv(&mut buf).unwrap(), 3);
            buf[..3].to_vec()
        });
        sleep(TICK);
        assert_eq!(one.send(b"abc").unwrap(), 3);
        assert_eq!(receiver.join().unwrap(), b"abc");
    });
}

#[test]
fn empty_and_truncated_datagrams_are_as_with_std() {
    each_way(|| {
        let (one, two) = connected();
        let (std_one, std_two) = std_connected();
        for data in [&b""[..], b"longer than the room for it", b""] {
            assert_eq!(one.send(data).unwrap(), std_one.send(data).unwrap());
            let (mut ours, mut theirs) = ([0; 6], [0; 6]);
            assert_eq!(two.recv(&mut ours).unwrap(), std_two.recv(&mut theirs).unwrap());
            assert_eq!(ours, theirs);
        }
        one.send(b"lost").unwrap();
        std_one.send(b"lost").unwrap();
        assert_eq!(two.recv(&mut []).unwrap(), std_two.recv(&mut []).unwrap());
        one.send(b"next").unwrap();
        let mut buf = [0; 8];
        assert_eq!(two.recv_from(&mut buf).unwrap(), (4, one.local_addr().unwrap()));
        let huge = vec![0; 70_000];
        same(one.send(&huge), std_one.send(&huge));
        same(one.send_to(&huge, nobody()), std_one.send_to(&huge, nobody()));
    });
}

#[test]
fn peeks_leave_the_datagram() {
    each_way(|| {
        let (one, two) = connected();
        let from = one.local_addr().unwrap();
        let receiver = spawn(move || {
            let mut buf = [0; 8];
            assert_eq!(two.peek(&mut buf).unwrap(), 2);
            assert_eq!(two.peek_from(&mut buf[..1]).unwrap(), (1, from));
            assert_eq!(two.peek_from(&mut buf).unwrap(), (2, from));
            assert_eq!(two.recv(&mut buf).unwrap(), 2);
            two.set_nonblocking(true).unwrap();
            assert_eq!(two.peek(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);
        });
        sleep(TICK);
        one.send(b"hi").unwrap();
        receiver.join().unwrap();
    });
}

#[test]
fn a_datagram_to_nobody_is_refused_at_the_next_call() {
    each_way(|| {
        let to = nobody();
        let ours = UdpSocket::bind("127.0.0.1:0").unwrap();
        ours.connect(to).unwrap();
        let theirs = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        theirs.connect(to).unwrap();
        // While the receive waits, and before it begins.
        let ours = Arc::new(ours);
        let waits = Arc::clone(&ours);
        let waiting = spawn(move || waits.recv(&mut [0; 4]));
        sleep(TICK);
        ours.send(b"x").unwrap();
        theirs.send(b"x").unwrap();
        same(waiting.join().unwrap(), theirs.recv(&mut [0; 4]));
        ours.send(b"x").unwrap();
        theirs.send(b"x").unwrap();
        same(ours.recv(&mut [0; 4]), theirs.recv(&mut [0; 4]));
        ours.send(b"x").unwrap();
        theirs.send(b"x").unwrap();
        let ours = ours.take_error().unwrap().unwrap();
        assert_eq!(ours.kind(), theirs.take_error().unwrap().unwrap().kind());
    });
}

#[test]
fn bad_addresses_and_unconnected_sockets_are_the_same_errors() {
    each_way(|| {
        let (ours, addr) = bound();
        let theirs = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        same(UdpSocket::bind(addr), std::net::UdpSocket::bind(addr));
        same(UdpSocket::bind(&[][..]), std::net::UdpSocket::bind(&[][..]));
        same(UdpSocket::bind("localhost"), std::net::UdpSocket::bind("localhost"));
        same(UdpSocket::bind("192.0.2.1:9"), std::net::UdpSocket::bind("192.0.2.1:9"));
        same(ours.send(b"x"), theirs.send(b"x"));
        same(ours.peer_addr(), theirs.peer_addr());
        same(ours.send_to(b"x", &[][..]), theirs.send_to(b"x", &[][..]));
        same(ours.send_to(b"x", "[::1]:9"), theirs.send_to(b"x", "[::1]:9"));
        same(ours.connect(&[][..]), theirs.connect(&[][..]));
        same(ours.send_to(b"x", "255.255.255.255:9"), theirs.send_to(b"x", "255.255.255.255:9"));
        assert_eq!(ours.send_to(b"x", ("localhost", theirs.local_addr().unwrap().port())).unwrap(), 1);
        let other = SocketAddr::from(([127, 0, 0, 1], addr.port()));
        UdpSocket::bind(&[other, ([127, 0, 0, 1], 0).into()][..]).unwrap();
    });
}

#[test]
fn timeouts_end_as_std_ends_them() {
    each_way(|| {
        let ((ours, addr), (theirs, _)) = (bound(), std_connected());
        let time = Some(Duration::from_millis(60));
        ours.set_read_timeout(time).unwrap();
        ours.set_write_timeout(time).unwrap();
        theirs.set_read_timeout(time).unwrap();
        theirs.set_write_timeout(time).unwrap();
        assert_eq!(ours.read_timeout().unwrap(), theirs.read_timeout().unwrap());
        assert_eq!(ours.write_timeout().unwrap(), theirs.write_timeout().unwrap());
        let clone = ours.try_clone().unwrap();
        for socket in [&ours, &clone] {
            let start = Instant::now();
            same(socket.recv(&mut [0; 4]), theirs.recv(&mut [0; 4]));
            assert!(start.elapsed() >= Duration::from_millis(60));
            same(socket.recv_from(&mut [0; 4]), theirs.recv_from(&mut [0; 4]));
            same(socket.peek(&mut [0; 4]), theirs.peek(&mut [0; 4]));
            same(socket.peek_from(&mut [0; 4]), theirs.peek_from(&mut [0; 4]));
        }
        bound().0.send_to(b"data", addr).unwrap();
        assert_eq!(ours.recv(&mut [0; 8]).unwrap(), 4);
        same(ours.set_read_timeout(Some(Duration::ZERO)), theirs.set_read_timeout(Some(Duration::ZERO)));
        ours.set_read_timeout(None).unwrap();
        assert_eq!(clone.read_timeout().unwrap(), None);
        let ours = UdpSocket::from(theirs);
        assert_eq!(ours.recv(&mut [0; 4]).unwrap_err().kind(), ErrorKind::WouldBlock);
    });
}

#[test]
fn a_cancelled_receive_takes_no_datagram() {
    each_way(|| {
        let (one, two) = connected();
        let two = Arc::new(two);
        for _ in 0..20 {
            let receiver = Arc::clone(&two);
            let waiting = spawn(move || receiver.recv(&mut [0; 4]).map(drop));
            sleep(Duration::from_millis(1));
            waiting.thread().cancel();
            assert_cancelled(waiting);
        }
        one.send(b"kept").unwrap();
        assert_eq!(two.recv(&mut [0; 8]).unwrap(), 4);
    });
}

#[test]
fn several_threads_receive_each_a_datagram() {
    each_way(|| {
        let (socket, addr) = bound();
        let socket = Arc::new(socket);
        let receivers: Vec<_> = (0..4)
            .map(|_| {
                let socket = Arc::clone(&socket);
                spawn(move || {
                    let mut buf = [0; 4];
                    assert_eq!(socket.recv(&mut buf).unwrap(), 1);
                    buf[0]
                })
            })
            .collect();
        sleep(TICK);
        for number in 0..4 {
            socket.send_to(&[number], addr).unwrap();
        }
        let mut got: Vec<_> = receivers.into_iter().map(|receiver| receiver.join().unwrap()).collect();
        got.sort_unstable();
        assert_eq!(got, [0, 1, 2, 3]);
    });
}

#[test]
fn nonblocking_is_the_users_choice_and_the_descriptors_mode_follows_on_the_way_out() {
    each_way(|| {
        let mode = |fd: i32| {
            // SAFETY: integers only.
            unsafe { libc::fcntl(fd, libc::F_GETFL) & libc::O_NONBLOCK != 0 }
        };
        let (one, two) = connected();
        one.set_nonblocking(true).unwrap();
        assert_eq!(one.recv(&mut [0; 4]).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert!(mode(two.as_raw_fd()));
        let (one, two): (std::net::UdpSocket, OwnedFd) = (one.into(), two.into());
        assert!(mode(one.as_raw_fd()) && !mode(two.as_raw_fd()));
        let (one, two) = (UdpSocket::from(one), UdpSocket::from(two));
        assert_eq!(one.recv(&mut [0; 4]).unwrap_err().kind(), ErrorKind::WouldBlock);
        one.set_nonblocking(false).unwrap();
        let receiver = spawn(move || one.recv(&mut [0; 4]).unwrap());
        sleep(TICK);
        two.send(b"abc").unwrap();
        assert_eq!(receiver.join().unwrap(), 3);
        // SAFETY: the descriptor is given away in the same expression.
        let two = unsafe { UdpSocket::from_raw_fd(two.into_raw_fd()) };
        two.local_addr().unwrap();
    });
}

#[test]
fn options_are_those_of_std() {
    each_way(|| {
        let (ours, _) = bound();
        let theirs = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        assert_eq!(ours.broadcast().unwrap(), theirs.broadcast().unwrap());
        ours.set_broadcast(true).unwrap();
        assert!(ours.broadcast().unwrap());
        assert_eq!(ours.multicast_loop_v4().unwrap(), theirs.multicast_loop_v4().unwrap());
        ours.set_multicast_loop_v4(false).unwrap();
        assert!(!ours.multicast_loop_v4().unwrap());
        assert_eq!(ours.multicast_ttl_v4().unwrap(), theirs.multicast_ttl_v4().unwrap());
        ours.set_multicast_ttl_v4(7).unwrap();
        assert_eq!(ours.multicast_ttl_v4().unwrap(), 7);
        assert_eq!(ours.ttl().unwrap(), theirs.ttl().unwrap());
        ours.set_ttl(42).unwrap();
        assert_eq!(ours.ttl().unwrap(), 42);
        same(ours.multicast_loop_v6(), theirs.multicast_loop_v6());
        same(ours.set_multicast_loop_v6(true), theirs.set_multicast_loop_v6(true));
        let six = Ipv6Addr::LOCALHOST;
        same(ours.join_multicast_v6(&six, 0), theirs.join_multicast_v6(&six, 0));
        same(ours.leave_multicast_v6(&six, 0), theirs.leave_multicast_v6(&six, 0));
        let four = Ipv4Addr::LOCALHOST;
        same(ours.join_multicast_v4(&four, &four), theirs.join_multicast_v4(&four, &four));
        same(ours.leave_multicast_v4(&four, &four), theirs.leave_multicast_v4(&four, &four));
        assert!(ours.take_error().unwrap().is_none());
        let shown = format!("{ours:?}");
        assert_eq!(shown, format!("{:?}", std::net::UdpSocket::from(ours)));
    });
}

#[test]
#[cfg_attr(sinew_emulated, ignore = "qemu-user takes no IP_MULTICAST_IF of an address alone")]
fn a_multicast_group_receives_what_is_sent_to_it() {
    each_way(|| {
        let group = Ipv4Addr::new(239, 255, 77, 1);
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        socket.join_multicast_v4(&group, &Ipv4Addr::LOCALHOST).unwrap();
        let sender = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        // The sender goes out by the loopback interface, where multicast may have no route.
        let interface = libc::in_addr { s_addr: u32::from_ne_bytes([127, 0, 0, 1]) };
        let (at, len) = ((&raw const interface).cast(), size_of_val(&interface) as libc::socklen_t);
        // SAFETY: the pointer and the length name a local.
        let set = unsafe { libc::setsockopt(sender.as_raw_fd(), libc::IPPROTO_IP, libc::IP_MULTICAST_IF, at, len) };
        assert_eq!(set, 0);
        let receiver = spawn(move || {
            let mut buf = [0; 16];
            let len = socket.recv(&mut buf).unwrap();
            socket.leave_multicast_v4(&group, &Ipv4Addr::LOCALHOST).unwrap();
            buf[..len].to_vec()
        });
        sender.send_to(b"to all", (group, port)).unwrap();
        assert_eq!(receiver.join().unwrap(), b"to all");
    });
}
