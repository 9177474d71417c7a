//! Descriptors passed over Unix sockets: how many, what becomes of those that find no room, and that none is left behind.

mod common;
mod harness;

use std::{
    fs::File,
    io::{self, ErrorKind, Read, Write},
    os::fd::{AsFd, AsRawFd, BorrowedFd},
    sync::Arc,
    time::Duration,
};

use common::{each_way, sleep, spawn, tcp::TICK};
use harness::{assert_cancelled, entries, good_child, is_child};
use sinew::net::unix::{ReceivedFds, UnixDatagram, UnixStream};

/// Linux's `SCM_MAX_FD`.
const MOST: usize = 253;

/// Sending and receiving over one kind of socket.
trait Passes: Send + Sync + Sized + 'static {
    fn two() -> (Self, Self);
    fn send(&self, data: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<usize>;
    fn recv(&self, data: &mut [u8], most: usize) -> io::Result<ReceivedFds>;
}

macro_rules! passes {
    ($type:ty) => {
        impl Passes for $type {
            fn two() -> (Self, Self) {
                <$type>::pair().unwrap()
            }

            fn send(&self, data: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
                self.send_with_fds(data, fds)
            }

            fn recv(&self, data: &mut [u8], most: usize) -> io::Result<ReceivedFds> {
                self.recv_with_fds(data, most)
            }
        }
    };
}

passes!(UnixStream);
passes!(UnixDatagram);

/// Runs the body in a process of its own, which must have as many descriptors afterwards as before.
fn counted(test: &str, body: fn()) {
    if !is_child() {
        good_child(test);
        return;
    }
    // What is made once and stays: a runtime's poller, a terminal's duplicate.
    body();
    let before = entries("/proc/self/fd");
    body();
    assert_eq!(entries("/proc/self/fd"), before);
}

fn is_closed_by_exec(fd: impl AsFd) -> bool {
    // SAFETY: integers only.
    unsafe { libc::fcntl(fd.as_fd().as_raw_fd(), libc::F_GETFD) & libc::FD_CLOEXEC != 0 }
}

fn as_many_as_the_system_passes<S: Passes>() {
    let (one, mut two) = S::two();
    let (mut reader, writer) = io::pipe().unwrap();
    for count in [0, 1, 2, MOST] {
        let receiver = spawn(move || {
            let mut buf = [0; 16];
            let received = two.recv(&mut buf, MOST).unwrap();
            assert_eq!((&buf[..received.len], received.truncated), (&b"data"[..], false));
            (two, received.fds)
        });
        sleep(Duration::from_millis(1));
        let fds = vec![writer.as_fd(); count];
        assert_eq!(one.send(b"data", &fds).unwrap(), 4);
        let fds;
        (two, fds) = receiver.join().unwrap();
        assert_eq!(fds.len(), count);
        for fd in fds {
            assert!(is_closed_by_exec(&fd));
            File::from(fd).write_all(b"x").unwrap();
            reader.read_exact(&mut [0]).unwrap();
        }
    }
    let fds = vec![writer.as_fd(); MOST + 1];
    assert_eq!(one.send(b"data", &fds).unwrap_err().kind(), ErrorKind::InvalidInput);
    let fds = vec![writer.as_fd(); 100_000];
    assert_eq!(one.send(b"data", &fds).unwrap_err().kind(), ErrorKind::InvalidInput);
    // Nothing of that was sent.
    one.send(b"end", &[]).unwrap();
    assert_eq!(two.recv(&mut [0; 16], 1).unwrap().len, 3);
    drop(writer);
    assert_eq!(reader.read(&mut [0]).unwrap(), 0);
}

#[test]
fn as_many_descriptors_pass_as_the_system_allows_and_more_are_an_error() {
    counted("as_many_descriptors_pass_as_the_system_allows_and_more_are_an_error", || {
        each_way(|| {
            as_many_as_the_system_passes::<UnixStream>();
            as_many_as_the_system_passes::<UnixDatagram>();
        });
    });
}

fn what_finds_no_room<S: Passes>() {
    let (one, two) = S::two();
    let (mut reader, writer) = io::pipe().unwrap();
    for (sent, most) in [(1, 0), (2, 1), (5, 2), (MOST, 100)] {
        one.send(b"data", &vec![writer.as_fd(); sent]).unwrap();
        let mut buf = [0; 16];
        let received = two.recv(&mut buf, most).unwrap();
        assert_eq!((received.len, received.fds.len(), received.truncated), (4, most, true), "{sent} into {most}");
        assert!(received.fds.iter().all(is_closed_by_exec));
    }
    // And those that nobody asks for.
    one.send(b"data", &[writer.as_fd()]).unwrap();
    drop(one);
    drop(two);
    drop(writer);
    assert_eq!(reader.read(&mut [0]).unwrap(), 0, "a descriptor was left behind");
}

#[test]
#[cfg_attr(
    sinew_emulated,
    ignore = "the emulator keeps descriptors that find no room in the emulated program's message"
)]
fn descriptors_that_find_no_room_are_closed_and_that_is_told() {
    counted("descriptors_that_find_no_room_are_closed_and_that_is_told", || {
        each_way(|| {
            what_finds_no_room::<UnixStream>();
            what_finds_no_room::<UnixDatagram>();
        });
    });
}

fn a_cancelled_receive<S: Passes>() {
    let (one, two) = S::two();
    let two = Arc::new(two);
    let (mut reader, writer) = io::pipe().unwrap();
    for _ in 0..20 {
        let receiver = {
            let two = two.clone();
            spawn(move || two.recv(&mut [0; 16], 4).map(drop))
        };
        sleep(Duration::from_millis(1));
        receiver.thread().cancel();
        assert_cancelled(receiver);
    }
    one.send(b"data", &[writer.as_fd()]).unwrap();
    let received = two.recv(&mut [0; 16], 4).unwrap();
    assert_eq!((received.len, received.fds.len()), (4, 1));
    drop((received, writer));
    assert_eq!(reader.read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_cancelled_receive_loses_no_descriptor() {
    counted("a_cancelled_receive_loses_no_descriptor", || {
        each_way(|| {
            a_cancelled_receive::<UnixStream>();
            a_cancelled_receive::<UnixDatagram>();
        });
    });
}

#[test]
fn errors_and_ends_take_no_descriptors_along() {
    counted("errors_and_ends_take_no_descriptors_along", || {
        each_way(|| {
            let (one, two) = UnixStream::pair().unwrap();
            let (mut reader, writer) = io::pipe().unwrap();
            assert_eq!(one.send_with_fds(b"", &[writer.as_fd()]).unwrap_err().kind(), ErrorKind::InvalidInput);
            assert_eq!(one.send_with_fds(b"", &[]).unwrap(), 0);
            two.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
            assert_eq!(two.recv_with_fds(&mut [0; 4], 1).unwrap_err().kind(), ErrorKind::WouldBlock);
            drop(two);
            assert_eq!(one.send_with_fds(b"data", &[writer.as_fd()]).unwrap_err().kind(), ErrorKind::BrokenPipe);
            let end = one.recv_with_fds(&mut [0; 4], 1).unwrap();
            assert_eq!((end.len, end.fds.len(), end.truncated), (0, 0, false));
            drop(writer);
            assert_eq!(reader.read(&mut [0]).unwrap(), 0);
        });
    });
}

#[test]
fn a_stream_keeps_descriptors_with_the_bytes_that_they_came_with() {
    each_way(|| {
        let (one, two) = UnixStream::pair().unwrap();
        let pipes: Vec<_> = (0..3).map(|_| io::pipe().unwrap()).collect();
        let receiver = spawn(move || {
            let mut all = Vec::new();
            for number in 0.. {
                let mut buf = [0; 64];
                let received = two.recv_with_fds(&mut buf, 8).unwrap();
                if received.len == 0 {
                    break;
                }
                for fd in received.fds {
                    File::from(fd).write_all(&[number]).unwrap();
                }
                all.extend_from_slice(&buf[..received.len]);
            }
            all
        });
        sleep(TICK);
        let mut writers = pipes.iter().map(|pipe| pipe.1.as_fd());
        (&one).write_all(b"plain ").unwrap();
        let (first, second, third) = (writers.next().unwrap(), writers.next().unwrap(), writers.next().unwrap());
        one.send_with_fds(b"first ", &[first]).unwrap();
        one.send_with_fds(b"both", &[second, third]).unwrap();
        drop(one);
        assert_eq!(receiver.join().unwrap(), b"plain first both");
        let told: Vec<u8> = pipes
            .into_iter()
            .map(|(mut reader, _writer)| {
                let mut byte = [0];
                reader.read_exact(&mut byte).unwrap();
                byte[0]
            })
            .collect();
        assert!(told[0] < told[1] && told[1] == told[2], "{told:?}");
    });
}

/// A large message goes in pieces, of which the first has the descriptors.
#[test]
fn descriptors_go_with_the_first_of_many_bytes() {
    each_way(|| {
        let (one, two) = UnixStream::pair().unwrap();
        let sender = spawn(move || {
            let (_reader, writer) = io::pipe().unwrap();
            let data = vec![5; 4 << 20];
            let sent = one.send_with_fds(&data, &[writer.as_fd()]).unwrap();
            assert!(sent > 0);
            (&one).write_all(&data[sent..]).unwrap();
        });
        let mut buf = vec![0; 1 << 20];
        let (mut len, mut fds) = (0, Vec::new());
        while len < 4 << 20 {
            let received = two.recv_with_fds(&mut buf, 4).unwrap();
            if !received.fds.is_empty() {
                assert_eq!(len, 0);
            }
            len += received.len;
            fds.extend(received.fds);
        }
        assert_eq!((len, fds.len()), (4 << 20, 1));
        sender.join().unwrap();
    });
}
