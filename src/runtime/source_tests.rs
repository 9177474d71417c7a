//! Where a source is registered, as it is used, moved and left behind.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    os::fd::{AsFd, AsRawFd, OwnedFd},
    sync::mpsc,
    thread,
    time::Duration,
};

use super::*;
use crate::Runtime;

/// Runs `f` as a green thread of a runtime that is gone afterwards.
fn on_workers<T: Send>(workers: usize, f: impl FnOnce() -> T + Send) -> T {
    Runtime::builder().workers(workers).build().unwrap().run(f)
}

fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    client.set_nonblocking(true).unwrap();
    (client, listener.accept().unwrap().0)
}

/// Waits until there is something to read, and reads it.
fn receive(source: &Arc<Source>, mut stream: &TcpStream) -> u8 {
    let mut buf = [0];
    loop {
        let seen = source.readiness.seen();
        if seen.is_ready(Direction::Read) {
            match stream.read_exact(&mut buf) {
                Ok(()) => return buf[0],
                Err(_) => source.readiness.blocked(Direction::Read, seen),
            }
        }
        source.wait(Here::current(), stream.as_fd(), Direction::Read, None).unwrap();
    }
}

#[test]
fn a_token_of_a_source_that_is_out_reaches_nobody() {
    let reactor = Reactor::new().unwrap();
    assert!(!reactor.has_sources());
    let (one, mut peer) = pair();
    let fd = one.as_raw_fd();
    let (first, second) = (Source::new(fd), Source::new(fd));
    let token = reactor.shared().register(fd, &first).unwrap();
    assert!(reactor.has_sources());
    assert_eq!(reactor.poll(None).unwrap(), 1);
    reactor.shared().deregister(fd, token);
    assert!(!reactor.has_sources());
    // The same place, with another name.
    let again = reactor.shared().register(fd, &second).unwrap();
    assert_ne!(token, again);
    // A name of the past takes nothing out.
    reactor.shared().deregister(fd, token);
    assert!(reactor.has_sources());
    first.readiness.blocked(Direction::Read, first.readiness.seen());
    second.readiness.blocked(Direction::Read, second.readiness.seen());
    peer.write_all(b"x").unwrap();
    assert_eq!(reactor.poll(None).unwrap(), 1);
    assert!(!first.readiness.seen().is_ready(Direction::Read));
    assert!(second.readiness.seen().is_ready(Direction::Read));
    reactor.shared().deregister(fd, again);
    assert_eq!(Arc::strong_count(&second), 1);
}

#[test]
fn a_source_out_of_the_poller_makes_no_event_although_a_duplicate_is_open() {
    let reactor = Reactor::new().unwrap();
    let (one, mut peer) = pair();
    let duplicate = OwnedFd::from(one.try_clone().unwrap());
    let source = Source::new(one.as_raw_fd());
    let token = reactor.shared().register(one.as_raw_fd(), &source).unwrap();
    reactor.poll(Some(Duration::ZERO)).unwrap();
    reactor.shared().deregister(one.as_raw_fd(), token);
    drop(one);
    peer.write_all(b"x").unwrap();
    assert_eq!(reactor.poll(Some(Duration::from_millis(20))).unwrap(), 0);
    drop(duplicate);
}

#[test]
fn the_waker_ends_a_poll_and_counts_as_no_source() {
    let reactor = Reactor::new().unwrap();
    reactor.waker().wake().unwrap();
    assert_eq!(reactor.poll(None).unwrap(), 0);
}

#[test]
fn a_registration_moves_to_whom_it_serves() {
    let (stream, mut peer) = pair();
    let (source, stream) = (Source::new(stream.as_raw_fd()), Arc::new(stream));
    let first = thread::spawn({
        let (source, stream) = (source.clone(), stream.clone());
        move || {
            on_workers(1, move || {
                let byte = receive(&source, &stream);
                (byte, source.home.load(Ordering::Acquire))
            })
        }
    });
    // It has found nothing, then, and waits.
    while source.home.load(Ordering::Acquire) == 0 {
        thread::sleep(Duration::from_millis(1));
    }
    peer.write_all(b"a").unwrap();
    let (byte, first_home) = first.join().unwrap();
    assert_eq!(byte, b'a');
    assert_ne!(first_home, 0);
    // Its runtime is gone, and so is the registration.
    assert_eq!(source.home.load(Ordering::Acquire), 0);

    let elsewhere = Reactor::new().unwrap();
    let token = elsewhere.shared().register(stream.as_raw_fd(), &source).unwrap();
    *lock(&source.registration) = Some((elsewhere.shared().clone(), token));
    source.home.store(elsewhere.id(), Ordering::Release);
    // The other reactor polls for the guest, a byte at a time, until the registration has moved.
    let (to, from) = mpsc::channel();
    let guest = thread::spawn({
        let (source, stream) = (source.clone(), stream.clone());
        move || on_workers(1, move || (0..2 * AWAY).for_each(|_| to.send(receive(&source, &stream)).unwrap()))
    });
    for _ in 0..2 * AWAY {
        // The guest waits by now, or soon: the byte is not there before it has looked.
        thread::sleep(Duration::from_millis(10));
        peer.write_all(b"b").unwrap();
        loop {
            elsewhere.poll(Some(Duration::from_millis(1))).unwrap();
            match from.try_recv() {
                Ok(byte) => break assert_eq!(byte, b'b'),
                Err(error) => assert_eq!(error, mpsc::TryRecvError::Empty),
            }
        }
    }
    guest.join().unwrap();
    assert!(!elsewhere.has_sources(), "the registration has left");
}

#[test]
fn a_reactor_that_goes_leaves_no_waiter_of_another_worker_behind() {
    for _ in 0..50 {
        let (stream, mut peer) = pair();
        let (source, stream) = (Source::new(stream.as_raw_fd()), Arc::new(stream));
        let reactor = Reactor::new().unwrap();
        let token = reactor.shared().register(stream.as_raw_fd(), &source).unwrap();
        *lock(&source.registration) = Some((reactor.shared().clone(), token));
        source.home.store(reactor.id(), Ordering::Release);
        let guest = thread::spawn({
            let (source, stream) = (source.clone(), stream.clone());
            move || on_workers(1, move || receive(&source, &stream))
        });
        drop(reactor);
        peer.write_all(b"c").unwrap();
        assert_eq!(guest.join().unwrap(), b'c');
    }
}
