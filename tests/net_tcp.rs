//! TCP in blocking style, on OS threads and green threads.

mod common;

use std::{
    io::{ErrorKind, IoSlice, IoSliceMut, Read, Write},
    os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd},
    panic::{RefUnwindSafe, UnwindSafe},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use common::{
    each_way, sleep, spawn,
    tcp::{TICK, listener, pair},
};
use sinew::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};

#[test]
fn the_types_are_as_shareable_as_those_of_std() {
    fn check<T: Send + Sync + Unpin + UnwindSafe + RefUnwindSafe + 'static>() {}
    check::<TcpStream>();
    check::<TcpListener>();
    assert!(size_of::<TcpStream>() <= 32);
}

#[test]
fn bytes_come_back_in_order_from_an_echo() {
    each_way(|| {
        let (listener, addr) = listener();
        let server = spawn(move || {
            for stream in listener.incoming().take(8) {
                let mut stream = stream.unwrap();
                stream.set_nodelay(true).unwrap();
                spawn(move || {
                    let mut buf = [0; 1000];
                    loop {
                        let len = stream.read(&mut buf).unwrap();
                        if len == 0 {
                            break;
                        }
                        stream.write_all(&buf[..len]).unwrap();
                    }
                });
            }
        });
        let clients: Vec<_> = (0..8u8)
            .map(|seed| {
                spawn(move || {
                    let mut stream = TcpStream::connect(addr).unwrap();
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
fn both_directions_of_clones_at_once() {
    each_way(|| {
        const TOTAL: usize = 4 << 20;
        let (client, server) = pair();
        let flood = |stream: TcpStream| spawn(move || (&stream).write_all(&vec![7; TOTAL]).unwrap());
        let drain = |mut stream: TcpStream| {
            spawn(move || {
                let mut buf = vec![0; TOTAL];
                stream.read_exact(&mut buf).unwrap();
                assert!(buf.iter().all(|&byte| byte == 7));
            })
        };
        let threads = [
            flood(client.try_clone().unwrap()),
            flood(server.try_clone().unwrap()),
            drain(client.try_clone().unwrap()),
            drain(server.try_clone().unwrap()),
        ];
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

#[test]
fn the_end_that_comes_with_the_data_is_read() {
    each_way(|| {
        for _ in 0..200 {
            let (client, mut server) = pair();
            let reader = spawn(move || {
                let mut buf = [0; 64];
                // Longer than what comes, so that the first read is short.
                assert_eq!(server.read(&mut buf).unwrap(), 3);
                assert_eq!(server.read(&mut buf).unwrap(), 0);
                assert_eq!(server.read(&mut buf).unwrap(), 0);
            });
            (&client).write_all(b"end").unwrap();
            drop(client);
            reader.join().unwrap();
        }
    });
}

#[test]
fn a_short_read_at_urgent_data_does_not_lose_the_rest() {
    each_way(|| {
        let (client, mut server) = pair();
        let reader = spawn(move || {
            let mut all = Vec::new();
            let mut buf = [0; 64];
            while all.len() < 6 {
                let len = server.read(&mut buf).unwrap();
                all.extend_from_slice(&buf[..len]);
            }
            all
        });
        sleep(TICK);
        // One segment after another, the middle one with an urgent byte, which is not in the stream.
        for (data, flags) in [(&b"abc"[..], 0), (b"!", libc::MSG_OOB), (b"def", 0)] {
            // SAFETY: the pointer and the length name the data.
            let sent = unsafe { libc::send(client.as_raw_fd(), data.as_ptr().cast(), data.len(), flags) };
            assert_eq!(sent, data.len() as isize);
        }
        assert_eq!(reader.join().unwrap(), b"abcdef");
    });
}

#[test]
fn half_closed_streams_still_carry_the_other_half() {
    each_way(|| {
        let (mut client, mut server) = pair();
        client.write_all(b"question").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut text = String::new();
        server.read_to_string(&mut text).unwrap();
        assert_eq!(text, "question");
        server.write_all(b"answer").unwrap();
        drop(server);
        text.clear();
        client.read_to_string(&mut text).unwrap();
        assert_eq!(text, "answer");
        assert_eq!(client.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn shutting_the_reading_half_ends_a_read_that_waits() {
    each_way(|| {
        let (client, _server) = pair();
        let clone = client.try_clone().unwrap();
        let reader = spawn(move || (&clone).read(&mut [0; 8]).unwrap());
        sleep(TICK);
        client.shutdown(Shutdown::Read).unwrap();
        assert_eq!(reader.join().unwrap(), 0);
    });
}

#[test]
fn nonblocking_is_the_users_choice_and_the_descriptors_mode_follows_on_the_way_out() {
    each_way(|| {
        let mode = |fd: i32| {
            // SAFETY: integers only.
            unsafe { libc::fcntl(fd, libc::F_GETFL) & libc::O_NONBLOCK != 0 }
        };
        let (client, server) = pair();
        client.set_nonblocking(true).unwrap();
        assert_eq!((&client).read(&mut [0; 4]).unwrap_err().kind(), ErrorKind::WouldBlock);
        (&server).write_all(b"ab").unwrap();
        // No poller has to have told: the call is made each time.
        while (&client).read(&mut [0; 1]).is_err_and(|error| error.kind() == ErrorKind::WouldBlock) {}
        assert_eq!((&client).read(&mut [0; 4]).unwrap(), 1);
        assert_eq!((&client).read(&mut [0; 4]).unwrap_err().kind(), ErrorKind::WouldBlock);

        assert!(mode(client.as_raw_fd()) && mode(server.as_raw_fd()));
        let (client, server): (std::net::TcpStream, OwnedFd) = (client.into(), server.into());
        assert!(mode(client.as_raw_fd()) && !mode(server.as_raw_fd()));

        let (client, server) = (TcpStream::from(client), TcpStream::from(server));
        assert!(mode(client.as_raw_fd()) && mode(server.as_raw_fd()));
        assert_eq!((&client).read(&mut [0; 4]).unwrap_err().kind(), ErrorKind::WouldBlock);
        client.set_nonblocking(false).unwrap();
        let reader = spawn(move || (&client).read(&mut [0; 4]).unwrap());
        sleep(TICK);
        (&server).write_all(b"abc").unwrap();
        assert_eq!(reader.join().unwrap(), 3);

        let (listener, addr) = listener();
        listener.set_nonblocking(true).unwrap();
        assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
        listener.set_nonblocking(false).unwrap();
        let _client = TcpStream::connect(addr).unwrap();
        listener.accept().unwrap();
        let raw = listener.into_raw_fd();
        assert!(!mode(raw));
        // SAFETY: the descriptor has just been given to us.
        let listener = unsafe { TcpListener::from_raw_fd(raw) };
        assert_eq!(listener.local_addr().unwrap(), addr);
    });
}

#[test]
fn a_stream_given_back_to_std_while_a_clone_waits_leaves_the_clone_in_order() {
    each_way(|| {
        let (client, server) = pair();
        let clone = client.try_clone().unwrap();
        let has_read = Arc::new(AtomicBool::new(false));
        let reads = has_read.clone();
        let reader = spawn(move || {
            let mut buf = [0; 64];
            assert_eq!((&clone).read(&mut buf).unwrap(), 1);
            reads.store(true, Ordering::Relaxed);
            // The open file is in blocking mode by now.
            (&clone).read(&mut buf).unwrap()
        });
        sleep(TICK);
        let theirs = std::net::TcpStream::from(client);
        (&server).write_all(b"a").unwrap();
        while !has_read.load(Ordering::Relaxed) {
            sleep(TICK);
        }
        sleep(TICK);
        (&server).write_all(b"bc").unwrap();
        assert_eq!(reader.join().unwrap(), 2);
        drop(theirs);
    });
}

#[test]
fn peek_leaves_the_data() {
    each_way(|| {
        let (mut client, mut server) = pair();
        let reader = spawn(move || {
            let mut buf = [0; 8];
            for _ in 0..3 {
                assert_eq!(server.peek(&mut buf).unwrap(), 2);
            }
            assert_eq!(server.read(&mut buf).unwrap(), 2);
            assert_eq!(&buf[..2], b"hi");
        });
        sleep(TICK);
        client.write_all(b"hi").unwrap();
        reader.join().unwrap();
    });
}

#[test]
fn vectored_and_empty_transfers() {
    each_way(|| {
        let (mut client, mut server) = pair();
        assert_eq!(client.write(&[]).unwrap(), 0);
        assert_eq!(client.write_vectored(&[IoSlice::new(b"ab"), IoSlice::new(b""), IoSlice::new(b"cde")]).unwrap(), 5);
        while server.peek(&mut [0; 8]).unwrap() < 5 {}
        assert_eq!(server.read(&mut []).unwrap(), 0);
        let (mut one, mut two) = ([0; 3], [0; 3]);
        let read = server.read_vectored(&mut [IoSliceMut::new(&mut one), IoSliceMut::new(&mut two)]).unwrap();
        assert_eq!((read, &one, &two[..2]), (5, b"abc", &b"de"[..]));
        let many = vec![IoSlice::new(b"x"); 3000];
        assert_eq!(client.write_vectored(&many).unwrap(), 1024);
    });
}

#[test]
fn several_threads_wait_in_one_direction() {
    each_way(|| {
        let (listener, addr) = listener();
        let listener = std::sync::Arc::new(listener);
        let acceptors: Vec<_> = (0..4)
            .map(|_| {
                let listener = listener.clone();
                spawn(move || drop(listener.accept().unwrap()))
            })
            .collect();
        sleep(TICK);
        for _ in 0..4 {
            TcpStream::connect(addr).unwrap();
        }
        for acceptor in acceptors {
            acceptor.join().unwrap();
        }
    });
}

#[test]
fn a_stream_that_is_served_elsewhere_than_it_was_opened() {
    each_way(|| {
        // Opened, and waited for, here; then used by threads that each start on some worker.
        let (client, server) = pair();
        let (client, server) = (std::sync::Arc::new(client), std::sync::Arc::new(server));
        for _ in 0..6 {
            let threads = [client.clone(), server.clone()].map(|stream| {
                spawn(move || {
                    for _ in 0..20 {
                        (&*stream).write_all(b"ping").unwrap();
                        (&*stream).read_exact(&mut [0; 4]).unwrap();
                    }
                })
            });
            for thread in threads {
                thread.join().unwrap();
            }
        }
    });
}

#[test]
fn options_are_those_of_std() {
    each_way(|| {
        let (client, _server) = pair();
        assert!(!client.nodelay().unwrap());
        client.set_nodelay(true).unwrap();
        assert!(client.nodelay().unwrap());
        client.set_ttl(42).unwrap();
        assert_eq!(client.ttl().unwrap(), 42);
        assert!(client.take_error().unwrap().is_none());
        #[cfg(target_os = "linux")]
        {
            client.set_quickack(false).unwrap();
            assert!(!client.quickack().unwrap());
        }
        let ours = format!("{client:?}");
        let theirs = format!("{:?}", std::net::TcpStream::from(client));
        assert_eq!(ours, theirs);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_ttl(9).unwrap();
        assert_eq!(listener.ttl().unwrap(), 9);
        let ours = format!("{listener:?}");
        assert_eq!(ours, format!("{:?}", std::net::TcpListener::from(listener)));
    });
}

#[test]
fn descriptors_are_closed_by_exec_and_go_when_dropped() {
    each_way(|| {
        let (client, server) = pair();
        for fd in [client.as_raw_fd(), server.as_raw_fd(), client.try_clone().unwrap().as_raw_fd()] {
            // SAFETY: integers only.
            let flags = unsafe { libc::fcntl(fd, libc::F_GETFD) };
            assert!(flags == -1 || flags & libc::FD_CLOEXEC != 0);
        }
        drop(client);
        assert_eq!((&server).read(&mut [0; 4]).unwrap(), 0);
    });
}
