//! Unix streams and listeners in blocking style, on OS threads and green threads, method by method beside std's own types.

mod common;
mod harness;

use std::{
    io::{ErrorKind, IoSlice, IoSliceMut, Read, Write},
    os::{
        fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd},
        unix::net as theirs,
    },
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
    unix::{SocketAddr, UnixListener, UnixStream},
};

#[test]
fn the_types_are_as_shareable_as_those_of_std() {
    fn check<T: Send + Sync + Unpin + UnwindSafe + RefUnwindSafe + 'static>() {}
    check::<UnixStream>();
    check::<UnixListener>();
    assert!(size_of::<UnixStream>() <= 32);
}

#[test]
fn bytes_come_back_in_order_from_an_echo() {
    each_way(|| {
        let place = Place::new();
        let listener = UnixListener::bind(&place).unwrap();
        assert_eq!(listener.local_addr().unwrap().as_pathname(), Some(place.as_ref()));
        let server = spawn(move || {
            for stream in listener.into_iter().take(4) {
                let stream = stream.unwrap();
                spawn(move || std::io::copy(&mut &stream, &mut &stream).unwrap());
            }
        });
        let clients: Vec<_> = (0..4u8)
            .map(|seed| {
                let path = place.0.clone();
                spawn(move || {
                    let mut stream = UnixStream::connect(&path).unwrap();
                    assert_eq!(stream.peer_addr().unwrap().as_pathname(), Some(&*path));
                    for round in 0..200usize {
                        let sent: Vec<u8> = (0..round * 7 + 1).map(|at| seed.wrapping_add(at as u8)).collect();
                        stream.write_all(&sent).unwrap();
                        let mut got = vec![0; sent.len()];
                        stream.read_exact(&mut got).unwrap();
                        assert_eq!(sent, got);
                    }
                    stream.shutdown(Shutdown::Write).unwrap();
                    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
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
fn both_directions_of_a_pair_at_once() {
    each_way(|| {
        const TOTAL: usize = 4 << 20;
        let (one, two) = UnixStream::pair().unwrap();
        let flood = |stream: UnixStream| spawn(move || (&stream).write_all(&vec![7; TOTAL]).unwrap());
        let drain = |mut stream: UnixStream| {
            spawn(move || {
                let mut buf = vec![0; TOTAL];
                stream.read_exact(&mut buf).unwrap();
                assert!(buf.iter().all(|&byte| byte == 7));
            })
        };
        let threads = [
            flood(one.try_clone().unwrap()),
            flood(two.try_clone().unwrap()),
            drain(one.try_clone().unwrap()),
            drain(two.try_clone().unwrap()),
        ];
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

#[test]
#[cfg(target_os = "linux")]
fn abstract_names_and_no_name() {
    each_way(|| {
        let name = Place::new().0.clone().into_os_string().into_encoded_bytes();
        let addr = SocketAddr::from_abstract_name(&name).unwrap();
        let listener = UnixListener::bind_addr(&addr).unwrap();
        assert_eq!(listener.local_addr().unwrap().as_abstract_name(), Some(&name[..]));
        same(UnixListener::bind_addr(&addr), theirs::UnixListener::bind_addr(&addr));
        let client = UnixStream::connect_addr(&addr).unwrap();
        let (server, from) = listener.accept().unwrap();
        assert!(from.is_unnamed() && client.local_addr().unwrap().is_unnamed());
        assert_eq!(client.peer_addr().unwrap().as_abstract_name(), Some(&name[..]));
        drop(server);
        drop(listener);
        same(UnixStream::connect_addr(&addr), theirs::UnixStream::connect_addr(&addr));
        // A name that the kernel chooses.
        let listener = UnixListener::bind_addr(&SocketAddr::from_pathname("").unwrap()).unwrap();
        assert!(listener.local_addr().unwrap().as_abstract_name().is_some());
    });
}

#[test]
fn bad_names_are_the_same_errors() {
    each_way(|| {
        let place = Place::new();
        same(UnixStream::connect(&place), theirs::UnixStream::connect(&place));
        same(UnixStream::connect("a\0b"), theirs::UnixStream::connect("a\0b"));
        let long = "x".repeat(200);
        same(UnixListener::bind(&long), theirs::UnixListener::bind(&long));
        same(UnixStream::connect(&long), theirs::UnixStream::connect(&long));
        same(UnixListener::bind("/nowhere/at/all"), theirs::UnixListener::bind("/nowhere/at/all"));
        drop(UnixListener::bind(&place).unwrap());
        // The file is still there, and nobody listens.
        same(UnixListener::bind(&place), theirs::UnixListener::bind(&place));
        same(UnixStream::connect(&place), theirs::UnixStream::connect(&place));
    });
}

#[test]
fn a_connect_waits_while_the_listeners_queue_is_full() {
    each_way(|| {
        let place = Place::new();
        let listener = UnixListener::bind(&place).unwrap();
        // SAFETY: two integers.
        assert_eq!(unsafe { libc::listen(listener.as_raw_fd(), 0) }, 0);
        let first = UnixStream::connect(&place).unwrap();
        let path = place.0.clone();
        let second = spawn(move || UnixStream::connect(path).unwrap());
        sleep(TICK);
        assert!(!second.is_finished());
        drop(listener.accept().unwrap());
        drop(second.join().unwrap());
        drop(first);
    });
}

#[test]
fn half_closed_streams_still_carry_the_other_half() {
    each_way(|| {
        let (mut one, mut two) = UnixStream::pair().unwrap();
        one.write_all(b"question").unwrap();
        one.shutdown(Shutdown::Write).unwrap();
        let mut text = String::new();
        two.read_to_string(&mut text).unwrap();
        assert_eq!(text, "question");
        two.write_all(b"answer").unwrap();
        drop(two);
        text.clear();
        one.read_to_string(&mut text).unwrap();
        assert_eq!(text, "answer");
    });
}

#[test]
fn shutting_the_reading_half_ends_a_read_that_waits() {
    each_way(|| {
        let (one, _two) = UnixStream::pair().unwrap();
        let clone = one.try_clone().unwrap();
        let reader = spawn(move || (&clone).read(&mut [0; 8]).unwrap());
        sleep(TICK);
        one.shutdown(Shutdown::Read).unwrap();
        assert_eq!(reader.join().unwrap(), 0);
    });
}

#[test]
fn writing_to_a_closed_peer_is_broken_pipe_without_a_signal() {
    // SAFETY: the default disposition of a signal; the tests of this file expect none.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    each_way(|| {
        let (mut one, two) = UnixStream::pair().unwrap();
        drop(two);
        // std's own write may end in the signal.
        let broken = || Err::<(), _>(std::io::Error::from_raw_os_error(libc::EPIPE));
        same(one.write(b"x"), broken());
        same(one.write_vectored(&[IoSlice::new(b"xy")]), broken());
        assert_eq!(one.read(&mut [0; 4]).unwrap(), 0);
    });
}

#[test]
fn data_left_unread_at_a_close_is_the_same_error() {
    each_way(|| {
        let (mut one, mut two) = UnixStream::pair().unwrap();
        let (mut std_one, mut std_two) = theirs::UnixStream::pair().unwrap();
        one.write_all(b"unread").unwrap();
        std_one.write_all(b"unread").unwrap();
        let reader = {
            let mut clone = one.try_clone().unwrap();
            spawn(move || clone.read(&mut [0; 4]))
        };
        sleep(TICK);
        two.read_exact(&mut [0; 2]).unwrap();
        std_two.read_exact(&mut [0; 2]).unwrap();
        drop((two, std_two));
        same(reader.join().unwrap(), std_one.read(&mut [0; 4]));
    });
}

#[test]
fn peek_leaves_the_data() {
    each_way(|| {
        let (mut one, mut two) = UnixStream::pair().unwrap();
        let reader = spawn(move || {
            let mut buf = [0; 8];
            for _ in 0..3 {
                assert_eq!(two.peek(&mut buf).unwrap(), 2);
            }
            assert_eq!(two.read(&mut buf).unwrap(), 2);
        });
        sleep(TICK);
        one.write_all(b"hi").unwrap();
        reader.join().unwrap();
    });
}

#[test]
fn vectored_and_empty_transfers() {
    each_way(|| {
        let (mut one, mut two) = UnixStream::pair().unwrap();
        assert_eq!(one.write(&[]).unwrap(), 0);
        assert_eq!(one.write_vectored(&[IoSlice::new(b"ab"), IoSlice::new(b""), IoSlice::new(b"cde")]).unwrap(), 5);
        assert_eq!(two.read(&mut []).unwrap(), 0);
        let (mut first, mut second) = ([0; 3], [0; 3]);
        let read = two.read_vectored(&mut [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)]).unwrap();
        assert_eq!((read, &first, &second[..2]), (5, b"abc", &b"de"[..]));
    });
}

/// Sends data with a descriptor beside them.
fn send_with_descriptor(stream: &UnixStream, data: &[u8]) {
    #[repr(align(8))]
    struct Control([u8; 64]);
    let mut control = Control([0; 64]);
    let mut part = libc::iovec { iov_base: data.as_ptr().cast_mut().cast(), iov_len: data.len() };
    // SAFETY: all zeroes is a valid msghdr; it then names locals that live through the call, and the control message is
    // written where `CMSG_FIRSTHDR` says, within the buffer.
    let sent = unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        (message.msg_iov, message.msg_iovlen) = (&mut part, 1);
        message.msg_control = control.0.as_mut_ptr().cast();
        message.msg_controllen = libc::CMSG_SPACE(4) as _;
        let header = libc::CMSG_FIRSTHDR(&message);
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_RIGHTS;
        (*header).cmsg_len = libc::CMSG_LEN(4) as _;
        libc::CMSG_DATA(header).cast::<i32>().write_unaligned(stream.as_raw_fd());
        libc::sendmsg(stream.as_raw_fd(), &message, 0)
    };
    assert_eq!(sent, data.len() as isize);
}

#[test]
fn a_short_read_at_a_passed_descriptor_does_not_lose_the_rest() {
    each_way(|| {
        let (one, two) = UnixStream::pair().unwrap();
        let (go, begin) = std::sync::mpsc::channel();
        let (tell, told) = std::sync::mpsc::channel();
        let reader = spawn(move || {
            let mut buf = [0; 64];
            // Once waited for, so that it is registered and no event is left over.
            assert_eq!((&two).read(&mut buf).unwrap(), 1);
            tell.send(()).unwrap();
            while begin.try_recv().is_err() {
                sleep(Duration::from_millis(1));
            }
            let mut all = Vec::new();
            while all.len() < 6 {
                let len = (&two).read(&mut buf).unwrap();
                all.extend_from_slice(&buf[..len]);
            }
            all
        });
        sleep(TICK);
        (&one).write_all(b"!").unwrap();
        while told.try_recv().is_err() {
            sleep(Duration::from_millis(1));
        }
        send_with_descriptor(&one, b"abc");
        (&one).write_all(b"def").unwrap();
        sleep(TICK);
        go.send(()).unwrap();
        assert_eq!(reader.join().unwrap(), b"abcdef");
    });
}

#[test]
fn timeouts_end_as_std_ends_them() {
    each_way(|| {
        let ((ours, peer), (theirs, _peer)) = (UnixStream::pair().unwrap(), theirs::UnixStream::pair().unwrap());
        let time = Some(Duration::from_millis(60));
        ours.set_read_timeout(time).unwrap();
        theirs.set_read_timeout(time).unwrap();
        assert_eq!(ours.read_timeout().unwrap(), theirs.read_timeout().unwrap());
        assert_eq!(ours.write_timeout().unwrap(), None);
        let start = Instant::now();
        same((&ours).read(&mut [0; 4]), (&theirs).read(&mut [0; 4]));
        assert!(start.elapsed() >= Duration::from_millis(60));
        (&peer).write_all(b"data").unwrap();
        (&ours).read_exact(&mut [0; 4]).unwrap();
        same(ours.set_write_timeout(Some(Duration::ZERO)), theirs.set_write_timeout(Some(Duration::ZERO)));
        ours.set_write_timeout(time).unwrap();
        theirs.set_write_timeout(time).unwrap();
        let chunk = vec![1; 1 << 20];
        let mut sent = 0;
        let error = loop {
            match (&ours).write(&chunk) {
                Ok(len) => sent += len,
                Err(error) => break error,
            }
        };
        let std_error = loop {
            if let Err(error) = (&theirs).write(&chunk) {
                break error;
            }
        };
        same::<(), ()>(Err(error), Err(std_error));
        drop(ours);
        let mut got = Vec::new();
        (&peer).read_to_end(&mut got).unwrap();
        assert_eq!(got.len(), sent);
    });
}

#[test]
fn cancelled_waits_move_nothing() {
    each_way(|| {
        let place = Place::new();
        let listener = Arc::new(UnixListener::bind(&place).unwrap());
        let (one, two) = UnixStream::pair().unwrap();
        let two = Arc::new(two);
        for _ in 0..10 {
            let (reader, acceptor) = (Arc::clone(&two), Arc::clone(&listener));
            let waiting =
                [spawn(move || (&*reader).read(&mut [0; 4]).map(drop)), spawn(move || acceptor.accept().map(drop))];
            sleep(Duration::from_millis(1));
            for thread in waiting {
                thread.thread().cancel();
                assert_cancelled(thread);
            }
        }
        (&one).write_all(b"kept").unwrap();
        (&*two).read_exact(&mut [0; 4]).unwrap();
        let _client = UnixStream::connect(&place).unwrap();
        listener.accept().unwrap();
    });
}

#[test]
fn nonblocking_is_the_users_choice_and_the_descriptors_mode_follows_on_the_way_out() {
    each_way(|| {
        let mode = |fd: i32| {
            // SAFETY: integers only.
            unsafe { libc::fcntl(fd, libc::F_GETFL) & libc::O_NONBLOCK != 0 }
        };
        let (one, two) = UnixStream::pair().unwrap();
        one.set_nonblocking(true).unwrap();
        assert_eq!((&one).read(&mut [0; 4]).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert!(mode(two.as_raw_fd()));
        let (one, two): (theirs::UnixStream, OwnedFd) = (one.into(), two.into());
        assert!(mode(one.as_raw_fd()) && !mode(two.as_raw_fd()));
        let (one, two) = (UnixStream::from(one), UnixStream::from(two));
        one.set_nonblocking(false).unwrap();
        let reader = spawn(move || (&one).read(&mut [0; 4]).unwrap());
        sleep(TICK);
        (&two).write_all(b"abc").unwrap();
        assert_eq!(reader.join().unwrap(), 3);

        let place = Place::new();
        let listener = UnixListener::bind(&place).unwrap();
        listener.set_nonblocking(true).unwrap();
        assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
        listener.set_nonblocking(false).unwrap();
        let raw = listener.try_clone().unwrap().into_raw_fd();
        // SAFETY: the descriptor has just been given to us.
        let clone = unsafe { UnixListener::from_raw_fd(raw) };
        let _client = UnixStream::connect(&place).unwrap();
        clone.accept().unwrap();
        assert!(listener.take_error().unwrap().is_none());
    });
}

#[test]
fn who_is_there_and_how_it_is_shown() {
    each_way(|| {
        let (one, _two) = UnixStream::pair().unwrap();
        assert!(one.local_addr().unwrap().is_unnamed() && one.peer_addr().unwrap().is_unnamed());
        assert!(one.take_error().unwrap().is_none());
        #[cfg(target_os = "linux")]
        {
            let peer = one.peer_cred().unwrap();
            // SAFETY: asks for numbers of this process.
            let own = unsafe { (libc::geteuid(), libc::getegid(), libc::getpid()) };
            assert_eq!((peer.uid, peer.gid, peer.pid), (own.0, own.1, Some(own.2)));
        }
        let ours = format!("{one:?}");
        assert_eq!(ours, format!("{:?}", theirs::UnixStream::from(one)));
        let place = Place::new();
        let listener = UnixListener::bind(&place).unwrap();
        let ours = format!("{listener:?}");
        assert_eq!(ours, format!("{:?}", theirs::UnixListener::from(listener)));
    });
}
