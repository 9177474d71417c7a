//! Unix datagrams in blocking style, on OS threads and green threads, method by method beside std's own type.

mod common;
mod harness;

use std::{
    io::ErrorKind,
    os::{fd::OwnedFd, unix::net as theirs},
    panic::{RefUnwindSafe, UnwindSafe},
    sync::Arc,
    time::{Duration, Instant},
};

#[cfg(target_os = "linux")]
use std::os::linux::net::SocketAddrExt;

use common::{
    each_way, sleep, spawn,
    tcp::{TICK, same},
    unix::Place,
};
use harness::assert_cancelled;
use sinew::net::{
    Shutdown,
    unix::{SocketAddr, UnixDatagram},
};

#[test]
fn the_type_is_as_shareable_as_stds() {
    fn check<T: Send + Sync + Unpin + UnwindSafe + RefUnwindSafe + 'static>() {}
    check::<UnixDatagram>();
}

#[test]
fn datagrams_carry_their_senders_name() {
    each_way(|| {
        let (here, there) = (Place::new(), Place::new());
        let (one, two) = (UnixDatagram::bind(&here).unwrap(), UnixDatagram::bind(&there).unwrap());
        let server = spawn(move || {
            let mut buf = [0; 64];
            let (len, from) = two.recv_from(&mut buf).unwrap();
            two.send_to_addr(&buf[..len], &from).unwrap();
            assert!(two.recv_from(&mut buf).unwrap().1.is_unnamed());
        });
        sleep(TICK);
        assert_eq!(one.send_to(b"hello", &there).unwrap(), 5);
        let mut buf = [0; 64];
        let (len, from) = one.recv_from(&mut buf).unwrap();
        assert_eq!((&buf[..len], from.as_pathname()), (&b"hello"[..], Some(there.as_ref())));
        UnixDatagram::unbound().unwrap().send_to(b"", &there).unwrap();
        server.join().unwrap();
        assert_eq!(one.local_addr().unwrap().as_pathname(), Some(here.as_ref()));
    });
}

#[test]
#[cfg(target_os = "linux")]
fn abstract_names() {
    each_way(|| {
        let name = Place::new().0.clone().into_os_string().into_encoded_bytes();
        let addr = SocketAddr::from_abstract_name(&name).unwrap();
        let one = UnixDatagram::bind_addr(&addr).unwrap();
        same(UnixDatagram::bind_addr(&addr), theirs::UnixDatagram::bind_addr(&addr));
        let two = UnixDatagram::unbound().unwrap();
        two.connect_addr(&addr).unwrap();
        assert_eq!(two.peer_addr().unwrap().as_abstract_name(), Some(&name[..]));
        two.send(b"abc").unwrap();
        assert_eq!(one.recv(&mut [0; 8]).unwrap(), 3);
        one.send_to_addr(b"self", &addr).unwrap();
        let (len, from) = one.recv_from(&mut [0; 8]).unwrap();
        assert_eq!((len, from.as_abstract_name()), (4, Some(&name[..])));
    });
}

#[test]
fn empty_and_truncated_datagrams_are_as_with_std() {
    each_way(|| {
        let ((one, two), (std_one, std_two)) = (UnixDatagram::pair().unwrap(), theirs::UnixDatagram::pair().unwrap());
        for data in [&b""[..], b"longer than the room for it", b"end"] {
            assert_eq!(one.send(data).unwrap(), std_one.send(data).unwrap());
            let (mut ours, mut theirs) = ([0; 6], [0; 6]);
            assert_eq!(two.recv(&mut ours).unwrap(), std_two.recv(&mut theirs).unwrap());
            assert_eq!(ours, theirs);
        }
        let huge = vec![0; 16 << 20];
        same(one.send(&huge), std_one.send(&huge));
    });
}

#[test]
fn peeks_leave_the_datagram() {
    each_way(|| {
        let (one, two) = UnixDatagram::pair().unwrap();
        let receiver = spawn(move || {
            let mut buf = [0; 8];
            assert_eq!(two.peek(&mut buf).unwrap(), 2);
            let (len, from) = two.peek_from(&mut buf).unwrap();
            assert!(len == 2 && from.is_unnamed());
            assert_eq!(two.recv(&mut buf).unwrap(), 2);
        });
        sleep(TICK);
        one.send(b"hi").unwrap();
        receiver.join().unwrap();
    });
}

#[test]
fn bad_names_and_unconnected_sockets_are_the_same_errors() {
    each_way(|| {
        let place = Place::new();
        let (ours, theirs) = (UnixDatagram::unbound().unwrap(), theirs::UnixDatagram::unbound().unwrap());
        same(ours.send(b"x"), theirs.send(b"x"));
        same(ours.peer_addr(), theirs.peer_addr());
        same(ours.connect(&place), theirs.connect(&place));
        same(ours.send_to(b"x", &place), theirs.send_to(b"x", &place));
        same(ours.send_to(b"x", "a\0b"), theirs.send_to(b"x", "a\0b"));
        let long = "x".repeat(200);
        same(UnixDatagram::bind(&long), theirs::UnixDatagram::bind(&long));
        drop(UnixDatagram::bind(&place).unwrap());
        same(UnixDatagram::bind(&place), theirs::UnixDatagram::bind(&place));
        same(ours.connect(&place), theirs.connect(&place));
        same(ours.send_to(b"x", &place), theirs.send_to(b"x", &place));
    });
}

/// How a flood is sent: to the connected other side, or to an address.
type Way = fn(&UnixDatagram, &SocketAddr, &[u8]);

#[test]
fn a_full_queue_suspends_the_sender_until_there_is_room() {
    let ways: [Way; 2] = [
        |socket, addr, data| {
            socket.connect_addr(addr).unwrap();
            socket.send(data).unwrap();
        },
        |socket, addr, data| {
            socket.send_to_addr(data, addr).unwrap();
        },
    ];
    for send in ways {
        each_way(move || {
            const EACH: u32 = 1000;
            let place = Place::new();
            let receiver = UnixDatagram::bind(&place).unwrap();
            let addr = receiver.local_addr().unwrap();
            // Filled by one that has gone: nothing of ours will be received before there is room.
            let filler = theirs::UnixDatagram::unbound().unwrap();
            filler.set_nonblocking(true).unwrap();
            let mut filled = 0;
            while filler.send_to(b"fill", &place).is_ok() {
                filled += 1;
            }
            let senders: Vec<_> = (0..3)
                .map(|_| {
                    let addr = addr.clone();
                    spawn(move || {
                        let socket = UnixDatagram::unbound().unwrap();
                        for number in 0..EACH {
                            send(&socket, &addr, &number.to_ne_bytes());
                        }
                    })
                })
                .collect();
            sleep(TICK);
            assert!(senders.iter().all(|sender| !sender.is_finished()));
            let mut sum = 0;
            let mut buf = [0; 4];
            for at in 0..filled + 3 * EACH {
                assert_eq!(receiver.recv(&mut buf).unwrap(), 4);
                if at >= filled {
                    sum += u32::from_ne_bytes(buf);
                }
            }
            assert_eq!(sum, 3 * (EACH - 1) * EACH / 2);
            for sender in senders {
                sender.join().unwrap();
            }
        });
    }
}

#[test]
fn timeouts_end_as_std_ends_them() {
    each_way(|| {
        let place = Place::new();
        let _receiver = UnixDatagram::bind(&place).unwrap();
        let (ours, theirs) = (UnixDatagram::unbound().unwrap(), theirs::UnixDatagram::unbound().unwrap());
        let time = Some(Duration::from_millis(60));
        ours.set_read_timeout(time).unwrap();
        ours.set_write_timeout(time).unwrap();
        theirs.set_read_timeout(time).unwrap();
        theirs.set_write_timeout(time).unwrap();
        assert_eq!(ours.read_timeout().unwrap(), theirs.read_timeout().unwrap());
        assert_eq!(ours.write_timeout().unwrap(), theirs.write_timeout().unwrap());
        let start = Instant::now();
        same(ours.recv(&mut [0; 4]), theirs.recv(&mut [0; 4]));
        assert!(start.elapsed() >= Duration::from_millis(60));
        same(ours.recv_from(&mut [0; 4]), theirs.recv_from(&mut [0; 4]));
        let error = loop {
            if let Err(error) = ours.send_to(b"x", &place) {
                break error;
            }
        };
        same::<(), _>(Err(error), theirs.send_to(b"x", &place));
        ours.connect(&place).unwrap();
        theirs.connect(&place).unwrap();
        same(ours.send(b"x"), theirs.send(b"x"));
        same(ours.set_read_timeout(Some(Duration::ZERO)), theirs.set_read_timeout(Some(Duration::ZERO)));
        ours.set_nonblocking(true).unwrap();
        let start = Instant::now();
        assert_eq!(ours.send_to(b"x", &place).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(ours.send(b"x").unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(ours.recv(&mut [0; 4]).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert!(start.elapsed() < Duration::from_secs(300));
    });
}

#[test]
fn cancelled_waits_move_nothing() {
    each_way(|| {
        let place = Place::new();
        let receiver = Arc::new(UnixDatagram::bind(&place).unwrap());
        for _ in 0..10 {
            let clone = Arc::clone(&receiver);
            let waiting = spawn(move || clone.recv(&mut [0; 4]).map(drop));
            sleep(Duration::from_millis(1));
            waiting.thread().cancel();
            assert_cancelled(waiting);
        }
        let filler = UnixDatagram::unbound().unwrap();
        filler.set_nonblocking(true).unwrap();
        let mut filled = 0;
        while filler.send_to(b"x", &place).is_ok() {
            filled += 1;
        }
        let to = place.0.clone();
        let waiting = spawn(move || UnixDatagram::unbound().unwrap().send_to(b"never", to).map(drop));
        sleep(TICK);
        waiting.thread().cancel();
        assert_cancelled(waiting);
        receiver.set_nonblocking(true).unwrap();
        for _ in 0..filled {
            assert_eq!(receiver.recv(&mut [0; 8]).unwrap(), 1);
        }
        assert_eq!(receiver.recv(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
    });
}

#[test]
fn shutting_the_reading_half_ends_a_receive_that_waits() {
    each_way(|| {
        let (one, two) = UnixDatagram::pair().unwrap();
        let (std_one, std_two) = theirs::UnixDatagram::pair().unwrap();
        let clone = one.try_clone().unwrap();
        let receiver = spawn(move || clone.recv(&mut [0; 8]).unwrap());
        sleep(TICK);
        one.shutdown(Shutdown::Both).unwrap();
        std_one.shutdown(Shutdown::Both).unwrap();
        assert_eq!(receiver.join().unwrap(), 0);
        same(one.send(b"x"), std_one.send(b"x"));
        same(two.send(b"x"), std_two.send(b"x"));
    });
}

#[test]
fn it_is_shown_and_converted_as_std_shows_it() {
    each_way(|| {
        let (one, two) = UnixDatagram::pair().unwrap();
        assert!(one.take_error().unwrap().is_none());
        let ours = format!("{one:?}");
        let theirs = theirs::UnixDatagram::from(one);
        assert_eq!(ours, format!("{theirs:?}"));
        let two = UnixDatagram::from(OwnedFd::from(two));
        theirs.send(b"abc").unwrap();
        assert_eq!(two.recv(&mut [0; 8]).unwrap(), 3);
    });
}
