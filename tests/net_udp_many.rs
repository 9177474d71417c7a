//! Many datagrams in a call, on OS threads and green threads, against std's sockets on the other side.

mod common;
mod harness;

use std::{
    error::Error,
    io::{self, ErrorKind},
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::net::UnixDatagram,
    },
    panic::{RefUnwindSafe, UnwindSafe},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use common::{
    each_way, sleep, spawn,
    tcp::{TICK, same},
};
use harness::Random;
use sinew::net::{Datagram, Datagrams, SendManyError, SocketAddr, UdpSocket};

type Std = std::net::UdpSocket;

fn ours(at: &str) -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind(at).unwrap();
    let addr = socket.local_addr().unwrap();
    (socket, addr)
}

/// One that fails where the datagrams ought to be, rather than hang.
fn theirs(at: &str) -> (Std, SocketAddr) {
    let socket = Std::bind(at).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let addr = socket.local_addr().unwrap();
    (socket, addr)
}

const FOUR: &str = "127.0.0.1:0";

/// A socket that is bound to the loopback address of IPv6, where there is one.
fn families() -> Vec<&'static str> {
    [FOUR, "[::1]:0"].into_iter().filter(|at| Std::bind(at).is_ok()).collect()
}

/// The address of a socket that is gone.
fn nobody() -> SocketAddr {
    Std::bind(FOUR).unwrap().local_addr().unwrap()
}

fn set(socket: &impl AsRawFd, level: libc::c_int, name: libc::c_int, value: libc::c_int) -> bool {
    let (at, len) = ((&raw const value).cast(), size_of_val(&value) as libc::socklen_t);
    // SAFETY: the pointer and the length name a local integer, which the kernel only reads.
    unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, at, len) == 0 }
}

/// Datagrams of the given lengths, unlike each other.
fn of_lengths(lengths: impl IntoIterator<Item = usize>) -> Vec<Vec<u8>> {
    lengths.into_iter().enumerate().map(|(at, len)| (0..len).map(|i| (at * 31 + i * 7) as u8).collect()).collect()
}

fn expect(socket: &Std, from: SocketAddr, datagrams: &[Vec<u8>]) {
    let mut buf = vec![0; 70_000];
    for datagram in datagrams {
        let (len, sender) = socket.recv_from(&mut buf).unwrap();
        assert_eq!((len, sender), (datagram.len(), from));
        assert!(buf[..len] == datagram[..]);
    }
}

fn slices(datagrams: &[Vec<u8>]) -> impl Iterator<Item = &[u8]> {
    datagrams.iter().map(Vec::as_slice)
}

#[test]
fn the_types_can_be_sent_and_shared() {
    fn check<T: Send + Sync + Unpin + UnwindSafe + RefUnwindSafe + 'static>() {}
    check::<Datagrams>();
    check::<Datagram<'static>>();
    fn is_error<T: Error + Send + Sync + Into<io::Error>>() {}
    is_error::<SendManyError>();
}

#[test]
fn each_datagram_arrives_as_if_sent_alone() {
    each_way(|| {
        for at in families() {
            let ((sender, from), (receiver, to)) = (ours(at), theirs(at));
            for lengths in [
                vec![],
                vec![5],
                vec![0],
                vec![64; 5],
                // More than go down together.
                vec![20; 150],
                // The last of a run shorter, then longer; and none of a length at all between.
                vec![8, 8, 3, 8, 8, 9, 9, 2, 0, 0, 9, 9, 0],
                (0..40).map(|len| len % 7).collect(),
                // More bytes than go down together.
                vec![30_000; 3],
                vec![1_472; 40],
            ] {
                let datagrams = of_lengths(lengths);
                let sent = sender.send_many_to(slices(&datagrams).map(|data| (data, to))).unwrap();
                assert_eq!(sent, datagrams.len());
                expect(&receiver, from, &datagrams);
            }
            sender.connect(to).unwrap();
            let datagrams = of_lengths([7, 7, 7, 1, 0, 7]);
            assert_eq!(sender.send_many(slices(&datagrams)).unwrap(), 6);
            expect(&receiver, from, &datagrams);
        }
    });
}

#[test]
fn each_goes_to_its_own_address_in_order() {
    each_way(|| {
        let (sender, from) = ours(FOUR);
        let ((one, first), (two, second)) = (theirs(FOUR), theirs(FOUR));
        let datagrams = of_lengths([4; 60]);
        // Runs of one, two and three to one address.
        let to = |at: usize| if at % 6 < 3 || at.is_multiple_of(2) { first } else { second };
        assert_eq!(sender.send_many_to(slices(&datagrams).enumerate().map(|(at, data)| (data, to(at)))).unwrap(), 60);
        for (socket, addr) in [(one, first), (two, second)] {
            let its: Vec<_> =
                datagrams.iter().enumerate().filter(|&(at, _)| to(at) == addr).map(|(_, data)| data.clone()).collect();
            expect(&socket, from, &its);
        }
    });
}

#[test]
#[cfg(target_os = "linux")]
#[cfg_attr(sinew_emulated, ignore = "qemu-user does not pass these options on")]
fn datagrams_of_one_length_go_down_to_the_network_together() {
    let ((sender, _), (receiver, to)) = (ours(FOUR), theirs(FOUR));
    // It gets together what went down together.
    assert!(set(&receiver, libc::SOL_UDP, libc::UDP_GRO, 1));
    assert_eq!(sender.send_many_to([(&[1; 100][..], to); 10]).unwrap(), 10);
    assert_eq!(receiver.recv(&mut [0; 2_000]).unwrap(), 1_000);
}

#[test]
#[cfg(target_os = "linux")]
#[cfg_attr(sinew_emulated, ignore = "qemu-user does not pass these options on")]
fn where_they_cannot_go_together_each_goes_alone() {
    each_way(|| {
        let ((sender, from), (receiver, to)) = (ours(FOUR), theirs(FOUR));
        // The kernel does not cut what it may not checksum.
        assert!(set(&sender, libc::SOL_SOCKET, libc::SO_NO_CHECK, 1));
        let datagrams = of_lengths([5, 5, 5, 2, 9, 9]);
        assert_eq!(sender.send_many_to(slices(&datagrams).map(|data| (data, to))).unwrap(), 6);
        expect(&receiver, from, &datagrams);
    });
}

#[test]
#[cfg(target_os = "linux")]
#[cfg_attr(sinew_emulated, ignore = "qemu-user does not pass these options on")]
fn longer_ones_than_the_path_takes_are_fragmented_as_if_sent_alone() {
    each_way(|| {
        for at in families().into_iter().filter(|&at| at != FOUR) {
            let ((sender, from), (receiver, to)) = (ours(at), theirs(at));
            assert!(set(&sender, libc::IPPROTO_IPV6, libc::IPV6_MTU, 1_280));
            let datagrams = of_lengths([3_000, 3_000, 3_000, 5, 100, 100]);
            assert_eq!(sender.send_many_to(slices(&datagrams).map(|data| (data, to))).unwrap(), 6);
            expect(&receiver, from, &datagrams);
        }
    });
}

#[test]
#[cfg(target_os = "linux")]
#[cfg_attr(sinew_emulated, ignore = "qemu-user does not pass these options on")]
fn a_socket_that_cuts_by_itself_cuts_each_as_if_sent_alone() {
    each_way(|| {
        let ((sender, from), (receiver, to)) = (ours(FOUR), theirs(FOUR));
        assert!(set(&sender, libc::SOL_UDP, libc::UDP_SEGMENT, 4));
        assert_eq!(sender.send_many_to([(&b"123456"[..], to); 2]).unwrap(), 2);
        expect(&receiver, from, &[b"1234", &b"56"[..], b"1234", b"56"].map(<[u8]>::to_vec));
    });
}

#[test]
fn those_of_another_protocol_arrive_as_if_sent_alone() {
    each_way(|| {
        // What is known of a socket of UDP is not to be believed of others.
        let ((known, _), (_receiver, to)) = (ours(FOUR), theirs(FOUR));
        assert_eq!(known.send_many_to([(&b"x"[..], to); 2]).unwrap(), 2);
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        let ours = UdpSocket::from(OwnedFd::from(ours));
        let datagrams = of_lengths([5, 5, 5, 2]);
        assert_eq!(ours.send_many(slices(&datagrams)).unwrap(), 4);
        let mut buf = [0; 100];
        for datagram in &datagrams {
            let len = theirs.recv(&mut buf).unwrap();
            assert_eq!(buf[..len], datagram[..]);
        }
    });
}

#[test]
fn a_receive_waits_for_the_first_and_takes_what_is_there() {
    each_way(|| {
        for at in families() {
            let ((receiver, to), (sender, from)) = (ours(at), theirs(at));
            let mut batch = Datagrams::new(8, 100);
            assert!((batch.capacity(), batch.len(), batch.is_empty()) == (8, 0, true) && batch.iter().next().is_none());
            let late = spawn(move || {
                sleep(TICK);
                sender.send_to(b"first", to).unwrap();
                sender
            });
            assert_eq!(receiver.recv_many(&mut batch).unwrap(), 1);
            let first = Datagram { data: b"first", from, truncated: false };
            assert_eq!(batch.iter().collect::<Vec<_>>(), [first]);
            assert_eq!(format!("{batch:?}"), format!("[{first:?}]"));
            let sender = late.join().unwrap();
            let datagrams = of_lengths([3, 0, 100, 7, 7, 7, 7, 7, 7, 7, 0, 50]);
            for data in &datagrams {
                sender.send_to(data, to).unwrap();
            }
            let mut got = Vec::new();
            for count in [8, 4] {
                assert_eq!(receiver.recv_many(&mut batch).unwrap(), count);
                assert_eq!((batch.len(), batch.iter().len()), (count, count));
                got.extend(batch.iter().map(|datagram| {
                    assert_eq!((datagram.from, datagram.truncated), (from, false));
                    datagram.data.to_vec()
                }));
            }
            assert!(got == datagrams);
            // After one that found fewer than it had room for, what comes next is still heard of.
            let late = spawn(move || {
                sleep(TICK);
                sender.send_to(b"next", to).unwrap();
            });
            assert_eq!(receiver.recv_many(&mut batch).unwrap(), 1);
            assert_eq!(batch.iter().next().unwrap().data, b"next");
            late.join().unwrap();
        }
    });
}

#[test]
fn what_does_not_fit_is_cut_off_and_marked() {
    each_way(|| {
        let ((receiver, to), (sender, _)) = (ours(FOUR), theirs(FOUR));
        for data in [&b"1234"[..], b"12345", b"", b"12"] {
            sender.send_to(data, to).unwrap();
        }
        let mut batch = Datagrams::new(9, 4);
        assert_eq!(receiver.recv_many(&mut batch).unwrap(), 4);
        let got: Vec<_> = batch.iter().map(|datagram| (datagram.data, datagram.truncated)).collect();
        assert_eq!(got, [(&b"1234"[..], false), (b"1234", true), (b"", false), (b"12", false)]);
        let mut none = Datagrams::new(2, 0);
        sender.send_to(b"x", to).unwrap();
        sender.send_to(b"", to).unwrap();
        assert_eq!((receiver.recv_many(&mut none).unwrap(), none.capacity()), (2, 2));
        let got: Vec<_> = none.iter().map(|datagram| (datagram.data, datagram.truncated)).collect();
        assert_eq!(got, [(&b""[..], true), (b"", false)]);
    });
}

#[test]
fn room_for_no_datagram_is_refused() {
    assert!(std::panic::catch_unwind(|| Datagrams::new(0, 10)).is_err());
    assert!(std::panic::catch_unwind(|| Datagrams::new(usize::MAX, 10)).is_err());
}

#[test]
fn one_that_cannot_be_sent_ends_the_call_which_tells_how_many_have_gone() {
    each_way(|| {
        let ((sender, from), (receiver, to)) = (ours(FOUR), theirs(FOUR));
        let huge = vec![0; 70_000];
        let datagrams = of_lengths([6, 6, 6, 2, 5]);
        let mut all: Vec<&[u8]> = slices(&datagrams).collect();
        all.insert(4, &huge);
        let failed = sender.send_many_to(all.iter().map(|&data| (data, to))).unwrap_err();
        assert_eq!(failed.sent(), 4);
        assert!(failed.to_string().contains('4') && failed.source().is_some());
        same::<(), _>(Err(failed.into()), Std::bind(FOUR).unwrap().send_to(&huge, to));
        // The rest, without it, is the caller's to send.
        assert_eq!(sender.send_many_to(all[5..].iter().map(|&data| (data, to))).unwrap(), 1);
        expect(&receiver, from, &datagrams);
        let failed = sender.send_many_to([(&huge[..], to)]).unwrap_err();
        assert_eq!(failed.sent(), 0);
        let mixed = [(&b"fits"[..], to), (b"x", "[::1]:9".parse().unwrap()), (b"x", to)];
        let failed = sender.send_many_to(mixed).unwrap_err();
        assert_eq!(failed.sent(), 1);
        same::<(), _>(Err(failed.into_error()), Std::bind(FOUR).unwrap().send_to(b"x", "[::1]:9"));
        same(sender.send_many([&b"x"[..]]).map_err(io::Error::from), Std::bind(FOUR).unwrap().send(b"x"));
    });
}

#[test]
fn a_datagram_to_nobody_is_refused_at_the_next_call() {
    each_way(|| {
        let refused = ErrorKind::ConnectionRefused;
        let (socket, addr) = ours(FOUR);
        socket.connect(nobody()).unwrap();
        assert_eq!(socket.send_many([&b"run"[..]]).unwrap(), 1);
        let failed = socket.send_many([&b"run"[..]; 3]).unwrap_err();
        assert_eq!((failed.sent(), failed.error().kind()), (0, refused));
        assert_eq!(socket.send_many([&b"x"[..]]).unwrap(), 1);
        let mut batch = Datagrams::new(4, 10);
        assert_eq!(socket.recv_many(&mut batch).unwrap_err().kind(), refused);
        assert!(batch.is_empty());
        // The answer to the first is there before the second, which does not go with it.
        let failed = socket.send_many([&b"short"[..], b"longer"]).unwrap_err();
        assert_eq!((failed.sent(), failed.error().kind()), (1, refused));
        // It goes on.
        let (other, to) = theirs(FOUR);
        socket.connect(to).unwrap();
        other.send_to(b"word", addr).unwrap();
        assert_eq!(socket.recv_many(&mut batch).unwrap(), 1);
    });
}

#[test]
fn timeouts_and_nonblocking_mode_hold() {
    each_way(|| {
        let ((socket, addr), (other, _)) = (ours(FOUR), theirs(FOUR));
        let mut batch = Datagrams::new(4, 10);
        let time = Duration::from_millis(60);
        socket.set_read_timeout(Some(time)).unwrap();
        let start = Instant::now();
        assert_eq!(socket.recv_many(&mut batch).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert!(start.elapsed() >= time);
        other.send_to(b"x", addr).unwrap();
        assert_eq!(socket.recv_many(&mut batch).unwrap(), 1);
        socket.set_nonblocking(true).unwrap();
        assert_eq!(socket.recv_many(&mut batch).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert!(batch.is_empty());
        other.send_to(b"y", addr).unwrap();
        assert_eq!(socket.recv_many(&mut batch).unwrap(), 1);
    });
}

#[test]
fn a_cancelled_receive_takes_no_datagram() {
    each_way(|| {
        let ((socket, addr), (other, _)) = (ours(FOUR), theirs(FOUR));
        let socket = Arc::new(socket);
        let got = Arc::new(Mutex::new(0));
        let mut random = Random::new(7);
        let mut batch = Datagrams::new(4, 10);
        for _ in 0..200 {
            let (receiver, taken) = (Arc::clone(&socket), Arc::clone(&got));
            let receiving = spawn(move || {
                let mut batch = Datagrams::new(4, 10);
                loop {
                    let count = receiver.recv_many(&mut batch).unwrap();
                    *taken.lock().unwrap() += count;
                }
            });
            let sent = 6;
            for turn in 0..sent {
                other.send_to(b"data", addr).unwrap();
                if random.below(3) == 0 {
                    sinew::yield_now();
                }
                if turn == sent / 2 && random.below(2) == 0 {
                    receiving.thread().cancel();
                }
            }
            receiving.thread().cancel();
            assert!(receiving.join().is_err());
            let mut all = std::mem::take(&mut *got.lock().unwrap());
            socket.set_nonblocking(true).unwrap();
            while let Ok(count) = socket.recv_many(&mut batch) {
                all += count;
            }
            socket.set_nonblocking(false).unwrap();
            assert_eq!(all, sent);
        }
    });
}

#[test]
fn several_threads_receive_each_what_no_other_does() {
    each_way(|| {
        let ((socket, addr), (sender, _)) = (ours(FOUR), ours(FOUR));
        let (socket, got) = (Arc::new(socket), Arc::new(Mutex::new(Vec::new())));
        let receivers: Vec<_> = (0..4)
            .map(|_| {
                let (socket, got) = (Arc::clone(&socket), Arc::clone(&got));
                spawn(move || {
                    let mut batch = Datagrams::new(3, 10);
                    loop {
                        socket.recv_many(&mut batch).unwrap();
                        got.lock().unwrap().extend(batch.iter().map(|datagram| datagram.data[0]));
                    }
                })
            })
            .collect();
        let numbers: Vec<[u8; 1]> = (0..250_u8).map(|number| [number]).collect();
        for some in numbers.chunks(10) {
            assert_eq!(sender.send_many_to(some.iter().map(|number| (&number[..], addr))).unwrap(), some.len());
            sleep(Duration::from_micros(100));
        }
        harness::wait_until(|| got.lock().unwrap().len() == numbers.len());
        let mut got = std::mem::take(&mut *got.lock().unwrap());
        got.sort_unstable();
        assert_eq!(got, (0..250).collect::<Vec<u8>>());
        for receiver in receivers {
            receiver.thread().cancel();
            assert!(receiver.join().is_err());
        }
    });
}
