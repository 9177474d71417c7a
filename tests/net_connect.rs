//! Names to addresses, connecting to one of several, and listeners that share an address.

mod common;
mod harness;

use std::{
    io::{Read, Write},
    net::{SocketAddr, ToSocketAddrs},
    os::fd::AsRawFd,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use common::{
    each_way, sleep, spawn,
    tcp::{TICK, listener, same},
};
use harness::{assert_cancelled, entries, good_child, is_child};
use sinew::net::{TcpListener, TcpStream, lookup_host};

/// A listener that leaves handshakes without an answer, as its queue is full of the streams beside it.
fn silent() -> (std::net::TcpListener, SocketAddr, Vec<TcpStream>) {
    let full = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    // SAFETY: two integers.
    assert_eq!(unsafe { libc::listen(full.as_raw_fd(), 0) }, 0);
    let addr = full.local_addr().unwrap();
    let mut held = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&addr, Duration::from_millis(200)) {
        held.push(stream);
    }
    (full, addr, held)
}

/// An address where nobody listens.
fn nobody() -> SocketAddr {
    listener().0.local_addr().unwrap()
}

#[test]
fn hosts_are_looked_up_as_std_does() {
    each_way(|| {
        for host in ["localhost:80", "127.0.0.1:80", "[::1]:7"] {
            let theirs: Vec<_> = host.to_socket_addrs().unwrap().collect();
            assert_eq!(lookup_host(host).unwrap().collect::<Vec<_>>(), theirs);
        }
        assert_eq!(lookup_host(("127.0.0.1", 9)).unwrap().count(), 1);
        assert_eq!(lookup_host(&[nobody(), nobody()][..]).unwrap().count(), 2);
        same(lookup_host("localhost"), "localhost".to_socket_addrs());
        same(lookup_host("no.such.host.invalid:1"), "no.such.host.invalid:1".to_socket_addrs());
    });
}

#[test]
fn more_lookups_than_are_made_at_once_all_end() {
    each_way(|| {
        let threads: Vec<_> =
            (0..100u16).map(|port| spawn(move || lookup_host(("localhost", port)).unwrap())).collect();
        for (port, thread) in threads.into_iter().enumerate() {
            assert!(thread.join().unwrap().all(|addr| usize::from(addr.port()) == port));
        }
    });
}

#[test]
fn cancelled_lookups_leave_room_for_others() {
    each_way(|| {
        for _ in 0..3 {
            let threads: Vec<_> = (0..50).map(|_| spawn(|| while lookup_host("localhost:1").is_ok() {})).collect();
            sleep(Duration::from_millis(5));
            for thread in threads {
                thread.thread().cancel();
                assert_cancelled(thread);
            }
        }
        lookup_host("localhost:1").unwrap();
    });
}

#[test]
fn an_address_that_fails_holds_nothing_up() {
    each_way(|| {
        let (_listener, addr) = listener();
        let all: Vec<_> = (0..20).map(|_| nobody()).chain([addr]).collect();
        let start = Instant::now();
        assert_eq!(TcpStream::connect(&all[..]).unwrap().peer_addr().unwrap(), addr);
        // Twenty delays would be five seconds.
        assert!(start.elapsed() < Duration::from_millis(4500));
    });
}

#[test]
fn the_last_addresss_error_is_told_as_by_std() {
    each_way(|| {
        let broadcast: SocketAddr = "255.255.255.255:9".parse().unwrap();
        for all in [[nobody(), broadcast], [broadcast, nobody()]] {
            same(TcpStream::connect(&all[..]), std::net::TcpStream::connect(&all[..]));
        }
        same(TcpStream::connect(&[][..]), std::net::TcpStream::connect(&[][..]));
    });
}

/// In a process of its own, whose descriptors it counts.
#[test]
fn an_address_that_is_silent_is_overtaken_and_closed() {
    if !is_child() {
        good_child("an_address_that_is_silent_is_overtaken_and_closed");
        return;
    }
    each_way(|| {
        let (_full, dead, _held) = silent();
        let (listener, addr) = listener();
        let start = Instant::now();
        let stream = TcpStream::connect(&[dead, dead, addr][..]).unwrap();
        assert_eq!(stream.peer_addr().unwrap(), addr);
        assert!(start.elapsed() >= Duration::from_millis(500));
        let (mut server, _) = listener.accept().unwrap();
        (&stream).write_all(b"alive").unwrap();
        server.read_exact(&mut [0; 5]).unwrap();
        let before = entries("/proc/self/fd");
        let again = TcpStream::connect(&[dead, addr][..]).unwrap();
        assert_eq!(entries("/proc/self/fd"), before + 1);
        drop(again);
        // Cancelled with two attempts under way. The default runtime has descriptors too.
        spawn(|| ()).join().unwrap();
        let before = entries("/proc/self/fd");
        let waiting = spawn(move || TcpStream::connect(&[dead, dead, dead][..]).map(drop));
        sleep(Duration::from_millis(300));
        waiting.thread().cancel();
        assert_cancelled(waiting);
        assert_eq!(entries("/proc/self/fd"), before);
    });
}

#[test]
fn a_connect_to_several_silent_addresses_can_be_cancelled() {
    each_way(|| {
        let (_full, dead, _held) = silent();
        for wait in [20, 300] {
            let waiting = spawn(move || TcpStream::connect(&[dead, dead][..]).map(drop));
            sleep(Duration::from_millis(wait));
            waiting.thread().cancel();
            assert_cancelled(waiting);
        }
    });
}

#[test]
fn listeners_that_share_an_address_take_each_connection_once() {
    each_way(|| {
        let listeners = TcpListener::bind_reuse_port("127.0.0.1:0", 3).unwrap();
        let addr = listeners[0].local_addr().unwrap();
        assert!(listeners.iter().all(|listener| listener.local_addr().unwrap() == addr));
        same(TcpListener::bind(addr), std::net::TcpListener::bind(addr));
        let accepted = Arc::new(Mutex::new(Vec::new()));
        let threads: Vec<_> = listeners
            .into_iter()
            .map(|listener| {
                let accepted = Arc::clone(&accepted);
                spawn(move || {
                    for stream in listener.incoming() {
                        let peer = stream.unwrap().peer_addr().unwrap();
                        accepted.lock().unwrap().push(peer);
                    }
                })
            })
            .collect();
        let streams: Vec<_> = (0..60).map(|_| TcpStream::connect(addr).unwrap()).collect();
        while accepted.lock().unwrap().len() < streams.len() {
            sleep(Duration::from_millis(1));
        }
        sleep(TICK);
        let mut accepted = std::mem::take(&mut *accepted.lock().unwrap());
        let mut made: Vec<_> = streams.iter().map(|stream| stream.local_addr().unwrap()).collect();
        accepted.sort();
        made.sort();
        assert_eq!(accepted, made);
        for thread in threads {
            thread.thread().cancel();
            assert_cancelled(thread);
        }
    });
}
