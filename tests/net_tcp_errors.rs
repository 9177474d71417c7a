//! TCP's errors, timeouts and limits, compared with those of std's own types.

mod common;
mod harness;

use std::{
    io::{ErrorKind, IoSlice, Read, Write},
    os::fd::AsRawFd,
    time::{Duration, Instant},
};

use common::{
    each_way, sleep, spawn,
    tcp::{TICK, listener, pair, reset, same, std_pair},
};
use harness::{good_child, is_child};
use sinew::net::{TcpListener, TcpStream};

#[test]
fn a_refused_connection_is_the_same_error() {
    each_way(|| {
        let (listener, addr) = listener();
        drop(listener);
        same(TcpStream::connect(addr), std::net::TcpStream::connect(addr));
        let time = Duration::from_secs(5);
        same(TcpStream::connect_timeout(&addr, time), std::net::TcpStream::connect_timeout(&addr, time));
        same(
            TcpStream::connect_timeout(&addr, Duration::ZERO),
            std::net::TcpStream::connect_timeout(&addr, Duration::ZERO),
        );
    });
}

#[test]
fn addresses_are_tried_in_turn_and_bad_ones_are_the_same_error() {
    each_way(|| {
        let (closed, nobody) = listener();
        drop(closed);
        let (_listener, addr) = listener();
        assert_eq!(TcpStream::connect(&[nobody, addr][..]).unwrap().peer_addr().unwrap(), addr);
        assert_eq!(TcpStream::connect(("localhost", addr.port())).unwrap().peer_addr().unwrap().port(), addr.port());
        same(TcpStream::connect(&[][..]), std::net::TcpStream::connect(&[][..]));
        same(TcpStream::connect("localhost"), std::net::TcpStream::connect("localhost"));
        same(TcpStream::connect("localhost:99999"), std::net::TcpStream::connect("localhost:99999"));
        same(TcpListener::bind(addr), std::net::TcpListener::bind(addr));
    });
}

#[test]
fn a_connect_that_nobody_answers_times_out() {
    each_way(|| {
        // A listener whose queue is full leaves the next handshakes without an answer.
        let full = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        // SAFETY: two integers.
        assert_eq!(unsafe { libc::listen(full.as_raw_fd(), 0) }, 0);
        let addr = full.local_addr().unwrap();
        let mut held = Vec::new();
        let start = Instant::now();
        let error = loop {
            match TcpStream::connect_timeout(&addr, Duration::from_millis(200)) {
                Ok(stream) => held.push(stream),
                Err(error) => break error,
            }
        };
        assert_eq!((error.kind(), error.to_string()), (ErrorKind::TimedOut, "connection timed out".into()));
        assert!(start.elapsed() >= Duration::from_millis(200));
    });
}

#[test]
fn a_reset_during_a_read_is_the_same_error() {
    each_way(|| {
        let (client, mut server) = pair();
        let reader = spawn(move || {
            let first = server.read(&mut [0; 8]);
            (first, server.read(&mut [0; 8]).unwrap(), server.write(b"x"))
        });
        sleep(TICK);
        reset(client);
        let (first, second, write) = reader.join().unwrap();

        let (client, mut server) = std_pair();
        reset(client);
        same(first, server.read(&mut [0; 8]));
        assert_eq!(second, server.read(&mut [0; 8]).unwrap());
        same(write, server.write(b"x"));
    });
}

#[test]
fn writing_to_a_closed_peer_is_broken_pipe_without_a_signal() {
    // SAFETY: the default disposition of a signal; the tests of this file expect none.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    each_way(|| {
        for vectored in [false, true] {
            let (client, mut server) = pair();
            drop(client);
            let error = loop {
                let done = if vectored { server.write_vectored(&[IoSlice::new(b"xy")]) } else { server.write(b"xy") };
                if let Err(error) = done {
                    break error;
                }
                sleep(Duration::from_millis(1));
            };
            assert!(matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset), "{error:?}");
            assert_eq!(server.write(b"z").unwrap_err().kind(), ErrorKind::BrokenPipe);
        }
    });
}

#[test]
fn read_timeouts_end_as_std_ends_them() {
    each_way(|| {
        let (client, server) = pair();
        let (theirs, _peer) = std_pair();
        let time = Some(Duration::from_millis(60));
        client.set_read_timeout(time).unwrap();
        theirs.set_read_timeout(time).unwrap();
        assert_eq!(client.read_timeout().unwrap(), theirs.read_timeout().unwrap());
        assert_eq!(client.write_timeout().unwrap(), None);
        let clone = client.try_clone().unwrap();
        for stream in [&client, &clone] {
            let start = Instant::now();
            same((&*stream).read(&mut [0; 4]), (&theirs).read(&mut [0; 4]));
            assert!(start.elapsed() >= Duration::from_millis(60));
            same(stream.peek(&mut [0; 4]), theirs.peek(&mut [0; 4]));
        }
        (&server).write_all(b"data").unwrap();
        let mut buf = [0; 4];
        (&client).read_exact(&mut buf).unwrap();
        assert_eq!(&buf, b"data");
        same(client.set_read_timeout(Some(Duration::ZERO)), theirs.set_read_timeout(Some(Duration::ZERO)));
        client.set_read_timeout(None).unwrap();
        assert_eq!(clone.read_timeout().unwrap(), None);
    });
}

#[test]
fn a_write_timeout_tells_what_was_written_first() {
    each_way(|| {
        let (client, server) = pair();
        client.set_write_timeout(Some(Duration::from_millis(60))).unwrap();
        let chunk = vec![1; 1 << 20];
        let mut sent = 0;
        let error = loop {
            match (&client).write(&chunk) {
                Ok(len) => sent += len,
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        drop(client);
        let mut got = Vec::new();
        (&server).read_to_end(&mut got).unwrap();
        assert_eq!(got.len(), sent);
    });
}

#[test]
fn a_streams_timeout_stays_when_it_comes_from_std() {
    each_way(|| {
        let (theirs, _peer) = std_pair();
        theirs.set_read_timeout(Some(Duration::from_millis(40))).unwrap();
        let ours = TcpStream::from(theirs);
        assert_eq!((&ours).read(&mut [0; 4]).unwrap_err().kind(), ErrorKind::WouldBlock);
    });
}

/// Runs in a process of its own, since the limit is the process's.
#[test]
fn too_many_open_files_on_accept_is_told_each_time() {
    if !is_child() {
        good_child("too_many_open_files_on_accept_is_told_each_time");
        return;
    }
    each_way(|| {
        let (listener, addr) = listener();
        let mut client = std::net::TcpStream::connect(addr).unwrap();
        let mut old = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: the pointer names a local.
        assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut old) }, 0);
        let limit = |soft| {
            let new = libc::rlimit { rlim_cur: soft, rlim_max: old.rlim_max };
            // SAFETY: the pointer names a local.
            assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &new) }, 0);
        };
        limit(3);
        let errors: Vec<_> = (0..3).map(|_| listener.accept().map(drop)).collect();
        limit(old.rlim_cur);
        for error in errors {
            assert_eq!(error.unwrap_err().raw_os_error(), Some(libc::EMFILE));
        }
        // The connection is not lost.
        let (mut server, _) = listener.accept().unwrap();
        client.write_all(b"still here").unwrap();
        server.read_exact(&mut [0; 10]).unwrap();
    });
}

#[test]
#[cfg_attr(all(sinew_emulated, target_arch = "x86"), ignore = "qemu-i386 mixes up the TLS of threads after a signal")]
fn signals_do_not_show() {
    extern "C" fn nothing(_: libc::c_int) {}
    // SAFETY: a handler that does nothing, without SA_RESTART, so that system calls are interrupted.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = nothing as extern "C" fn(libc::c_int) as usize;
        assert_eq!(libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut()), 0);
    }
    each_way(|| {
        let (client, server) = pair();
        // SAFETY: asks for the caller's own name.
        let victim = unsafe { libc::pthread_self() };
        let writer = std::thread::spawn(move || {
            for _ in 0..20 {
                std::thread::sleep(Duration::from_millis(2));
                // SAFETY: the thread waits for what we write after this.
                unsafe { libc::pthread_kill(victim, libc::SIGUSR1) };
            }
            (&client).write_all(b"done").unwrap();
            client
        });
        (&server).read_exact(&mut [0; 4]).unwrap();
        writer.join().unwrap();
    });
}
