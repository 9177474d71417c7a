//! The loop that sends, over a Unix socket, whose queue can be filled by a test; that of UDP over loopback is never full.

use std::{os::unix::net::UnixDatagram, thread, time::Duration};

use super::*;
use crate::Runtime;

fn pair() -> (Socket, UnixDatagram) {
    let (one, two) = UnixDatagram::pair().unwrap();
    two.set_nonblocking(true).unwrap();
    (Socket::adopt(one.into()), two)
}

/// More than the queue takes.
fn many() -> Vec<[u8; 2]> {
    (0..2_000_u16).map(u16::to_le_bytes).collect()
}

fn send_all(socket: &Socket, data: &[[u8; 2]]) -> Result<usize, SendManyError> {
    send_many(socket, data.iter().map(|data| (&data[..], None)))
}

/// What has come: the first ones, without a gap.
fn arrived(from: &UnixDatagram) -> usize {
    arrived_after(0, from)
}

/// The same where so many of them were taken before.
fn arrived_after(taken: usize, from: &UnixDatagram) -> usize {
    let mut buf = [0; 4];
    let mut count = taken;
    while let Ok(len) = from.recv(&mut buf) {
        assert_eq!(buf[..len], (count as u16).to_le_bytes());
        count += 1;
    }
    count
}

#[test]
fn a_full_queue_is_waited_for() {
    Runtime::builder().workers(1).build().unwrap().run(|| {
        let (socket, other) = pair();
        let sending = crate::spawn(move || send_all(&socket, &many()).unwrap());
        let mut got = 0;
        let mut buf = [0; 4];
        while got < many().len() {
            match other.recv(&mut buf) {
                Ok(len) => {
                    assert_eq!(buf[..len], (got as u16).to_le_bytes());
                    got += 1;
                }
                Err(_) => crate::yield_now(),
            }
        }
        assert_eq!(sending.join().unwrap(), got);
    });
}

#[test]
fn what_ends_a_wait_after_some_have_gone_tells_how_many() {
    let (socket, other) = pair();
    socket.set_nonblocking(true);
    let failed = send_all(&socket, &many()).unwrap_err();
    assert_eq!(failed.error.kind(), io::ErrorKind::WouldBlock);
    assert_eq!(failed.sent, arrived(&other));
    assert!(failed.sent > 0);
    socket.set_nonblocking(false);
    socket.keep_timeout(Direction::Write, Some(Duration::from_millis(5)));
    let failed = send_all(&socket, &many()).unwrap_err();
    assert_eq!(failed.error.kind(), io::ErrorKind::WouldBlock);
    assert_eq!(failed.sent, arrived(&other));
    socket.keep_timeout(Direction::Write, None);
    let timed = Runtime::builder().workers(1).build().unwrap().run(|| {
        // On a slow machine a short time may be up before the first has gone.
        [5, 50, 500, 5_000, 50_000].into_iter().find_map(|millis| {
            let mut told = None;
            let ended = crate::time::timeout(Duration::from_millis(millis), || {
                told = Some(send_all(&socket, &many()).unwrap_err());
                // Here it is raised again.
                crate::park();
            });
            assert!(ended.is_err());
            told
        })
    });
    let timed = timed.unwrap();
    assert_eq!(timed.error.kind(), io::ErrorKind::Interrupted);
    assert_eq!(timed.sent, arrived(&other));
}

#[test]
fn a_thread_that_is_cancelled_before_the_first_has_gone_sends_nothing() {
    Runtime::builder().workers(1).build().unwrap().run(|| {
        let (socket, other) = pair();
        socket.set_nonblocking(true);
        let filled = send_all(&socket, &many()).unwrap_err().sent;
        socket.set_nonblocking(false);
        let sending = crate::spawn(move || drop(send_all(&socket, &many())));
        crate::sleep(Duration::from_millis(2));
        sending.thread().cancel();
        assert!(sending.join().unwrap_err().is::<crate::Cancelled>());
        assert_eq!(arrived(&other), filled);
    });
}

#[test]
fn a_thread_that_is_cancelled_after_some_have_gone_learns_how_many_and_ends_at_its_next_wait() {
    Runtime::builder().workers(1).build().unwrap().run(|| {
        let (socket, other) = pair();
        let (tell, told) = crate::channel::bounded(1);
        let sending = crate::spawn(move || {
            tell.send(send_all(&socket, &many()).unwrap_err()).unwrap();
            crate::park();
        });
        while other.recv(&mut [0; 2]).is_err() {
            crate::yield_now();
        }
        sending.thread().cancel();
        assert!(sending.join().unwrap_err().is::<crate::Cancelled>());
        let failed = told.recv().unwrap();
        assert_eq!(failed.error.kind(), io::ErrorKind::Interrupted);
        assert_eq!(failed.sent, arrived_after(1, &other));
    });
}

#[test]
fn on_an_os_thread_a_full_queue_is_waited_for_too() {
    let (socket, other) = pair();
    other.set_nonblocking(false).unwrap();
    let sending = thread::spawn(move || send_all(&socket, &many()).unwrap());
    let mut buf = [0; 4];
    for number in 0..2_000_u16 {
        assert_eq!(other.recv(&mut buf).unwrap(), 2);
        assert_eq!(buf[..2], number.to_le_bytes());
    }
    assert_eq!(sending.join().unwrap(), 2_000);
}
