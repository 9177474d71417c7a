//! The driver on real descriptors: operations that are cancelled, or whose time is up, at each point of their life; more of them
//! than the queues hold; and files.
//!
//! Where the kernel refuses io_uring these tests check nothing, unless `SINEW_IO=uring` demands it.

use super::{Near, files};
use crate::{
    Runtime, cancel,
    net::{TcpListener, TcpStream, UdpSocket, unix::UnixStream},
    runtime::{IoDriver, event::Here},
    thread::{self, sleep, spawn_local, yield_now},
    time::timeout,
};
use std::{
    ffi::CString,
    hint::black_box,
    io::{self, IoSlice, IoSliceMut, Read, Write},
    os::{fd::AsFd, unix::ffi::OsStrExt},
    sync::{Arc, atomic::AtomicUsize, atomic::Ordering},
    time::{Duration, Instant},
};

const WAIT: Duration = Duration::from_millis(5);

/// Runs a test on a worker whose ring is on.
fn on_ring(test: impl FnOnce() + Send + 'static) {
    let runtime = Runtime::builder().workers(1).io_driver(IoDriver::Uring).build().unwrap();
    runtime.run(|| {
        if Here::with_ring().is_some() {
            test();
        } else {
            assert_ne!(std::env::var("SINEW_IO").as_deref(), Ok("uring"), "the kernel refuses io_uring");
        }
    });
}

fn in_flight() -> bool {
    Here::with_ring().is_some_and(|(_, ring)| ring.is_busy())
}

/// Reads in a frame of its own; what lies in it comes back with what was read.
#[inline(never)]
fn read_in_a_frame(mut stream: &UnixStream) -> ([u8; 64], thread::Result<io::Result<usize>>) {
    let mut frame = [0xa5; 64];
    let read = cancel::catch(|| stream.read(&mut frame)).map_err(|cancelled| Box::new(cancelled) as _);
    (frame, read)
}

#[test]
fn a_receive_is_completed_on_the_waiting_stack() {
    on_ring(|| {
        let (one, two) = UnixStream::pair().unwrap();
        let reader = spawn_local(move || read_in_a_frame(&one));
        sleep(WAIT);
        assert!(in_flight());
        (&two).write_all(b"word").unwrap();
        let (frame, read) = reader.join().unwrap();
        assert_eq!(read.unwrap().unwrap(), 4);
        assert_eq!(&frame[..4], b"word");
        assert!(frame[4..].iter().all(|&byte| byte == 0xa5));
        assert!(!in_flight());
    });
}

#[test]
fn nothing_is_written_to_a_stack_after_its_receive_was_cancelled() {
    on_ring(|| {
        // Cancelled while its entry is in the queue; in flight; and when data lie there but the kernel was not asked yet.
        for state in 0..3 {
            let (one, two) = UnixStream::pair().unwrap();
            let reader = spawn_local(move || {
                // The place where the frame lay, and what is found there when the data have come.
                let (frame, read) = read_in_a_frame(&one);
                let watched = watch_the_frame(&one);
                (frame, read, watched)
            });
            yield_now();
            let sent_before = state == 2;
            if state != 0 {
                sleep(WAIT);
            }
            let word = b"0123456789";
            if sent_before {
                (&two).write_all(word).unwrap();
            }
            reader.thread().cancel();
            if !sent_before {
                sleep(WAIT);
                (&two).write_all(word).unwrap();
            }
            let (frame, read, watched) = reader.join().unwrap();
            match read {
                Ok(read) => {
                    assert!(sent_before);
                    assert_eq!(read.unwrap(), word.len());
                    assert_eq!(&frame[..word.len()], word);
                    assert_eq!(watched, None);
                }
                Err(_) => {
                    assert!(frame.iter().all(|&byte| byte == 0xa5), "a cancelled receive has written");
                    assert_eq!(watched.as_deref(), Some(&word[..]), "what a cancelled receive did not take is lost");
                }
            }
        }
    });
}

/// Lies where the frame before lay, fills it, lets the kernel do what it has left to do, and looks whether the place was written
/// to. What can be received then.
#[inline(never)]
fn watch_the_frame(mut stream: &UnixStream) -> Option<Vec<u8>> {
    let mut place = [0x5a_u8; 4096];
    black_box(&mut place);
    cancel::shield(|| sleep(3 * WAIT));
    assert!(black_box(&place).iter().all(|&byte| byte == 0x5a), "the kernel has written to a frame that was left");
    let mut rest = vec![0; 64];
    stream.set_nonblocking(true).unwrap();
    let len = stream.read(&mut rest).ok()?;
    rest.truncate(len);
    Some(rest)
}

#[test]
fn timeouts_lose_no_byte_and_double_none() {
    on_ring(|| {
        let (one, two) = UnixStream::pair().unwrap();
        const COUNT: usize = 400;
        let writer = std::thread::spawn(move || {
            let mut two = std::os::unix::net::UnixStream::from(std::os::fd::OwnedFd::from(two));
            for number in 0..COUNT {
                two.write_all(&[number as u8]).unwrap();
                std::thread::sleep(Duration::from_micros((number * 37 % 400) as u64));
            }
        });
        let mut got = Vec::new();
        let mut turn = 0_u64;
        loop {
            let mut buf = [0; 4];
            turn += 1;
            let time = Duration::from_micros(turn * 53 % 300);
            // By turns a part of the thread that ends, and the socket's own timeout.
            let read = if turn.is_multiple_of(2) {
                // The result counts even if the time was up meanwhile.
                let mut read = None;
                let _ = timeout(time, || read = Some((&one).read(&mut buf)));
                read
            } else {
                one.set_read_timeout(Some(time.max(Duration::from_micros(1)))).unwrap();
                let read = (&one).read(&mut buf);
                one.set_read_timeout(None).unwrap();
                Some(read)
            };
            match read {
                None => {}
                Some(Ok(0)) => break,
                Some(Ok(len)) => got.extend_from_slice(&buf[..len]),
                Some(Err(error)) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
        }
        writer.join().unwrap();
        assert_eq!(got, (0..COUNT).map(|number| number as u8).collect::<Vec<_>>());
        assert!(!in_flight());
    });
}

#[test]
fn a_write_that_is_cancelled_says_what_it_has_sent() {
    on_ring(|| {
        let (one, two) = UnixStream::pair().unwrap();
        let sent = Arc::new(AtomicUsize::new(0));
        let told = Arc::clone(&sent);
        let writer = spawn_local(move || {
            let block = vec![7; 1 << 16];
            loop {
                let len = (&one).write(&block).unwrap();
                told.fetch_add(len, Ordering::Relaxed);
            }
        });
        let mut received = 0;
        let mut room = vec![0; 1 << 15];
        for _ in 0..50 {
            sleep(Duration::from_micros(300));
            received += (&two).read(&mut room).unwrap();
        }
        writer.thread().cancel();
        assert!(writer.join().is_err());
        // The end, for the other side is closed.
        loop {
            match (&two).read(&mut room).unwrap() {
                0 => break,
                len => received += len,
            }
        }
        assert_eq!(received, sent.load(Ordering::Relaxed));
    });
}

#[test]
fn no_connection_is_lost_by_accepts_that_are_cancelled() {
    on_ring(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        const COUNT: usize = 100;
        let clients = std::thread::spawn(move || {
            let connect = |number: u64| {
                std::thread::sleep(Duration::from_micros(number * 41 % 500));
                std::net::TcpStream::connect(address).unwrap()
            };
            (0..COUNT as u64).map(connect).collect::<Vec<_>>()
        });
        let mut accepted = Vec::new();
        let (began, mut turn) = (Instant::now(), 0);
        while accepted.len() < COUNT && began.elapsed() < Duration::from_secs(300) {
            turn += 1;
            let mut taken = None;
            let _ = timeout(Duration::from_micros(turn * 59 % 400), || taken = Some(listener.accept().unwrap()));
            accepted.extend(taken);
        }
        let clients = thread::blocking(|| clients.join().unwrap());
        assert_eq!(accepted.len(), COUNT);
        let mut peers: Vec<_> = accepted.iter().map(|(_, peer)| *peer).collect();
        peers.sort();
        let mut names: Vec<_> = clients.iter().map(|client| client.local_addr().unwrap()).collect();
        names.sort();
        assert_eq!(peers, names);
    });
}

#[test]
fn more_operations_than_the_queues_hold_all_end() {
    on_ring(|| {
        const COUNT: u8 = 200;
        let mut writers = Vec::new();
        let mut readers = Vec::new();
        for number in 0..COUNT {
            let (one, two) = UnixStream::pair().unwrap();
            writers.push(two);
            readers.push(spawn_local(move || {
                let mut sum = 0;
                for _ in 0..3 {
                    let mut byte = [0];
                    (&one).read_exact(&mut byte).unwrap();
                    assert_eq!(byte[0], number);
                    sum += 1;
                }
                sum
            }));
        }
        for round in 0..3 {
            if round != 1 {
                sleep(WAIT);
            }
            for (number, writer) in (0..COUNT).zip(&writers) {
                (&mut &*writer).write_all(&[number]).unwrap();
            }
        }
        assert_eq!(readers.into_iter().map(|reader| reader.join().unwrap()).sum::<i32>(), 3 * i32::from(COUNT));
        assert!(!in_flight());
    });
}

#[test]
fn more_cancellations_than_the_queues_hold_all_end() {
    on_ring(|| {
        let pairs: Vec<_> = (0..200).map(|_| UnixStream::pair().unwrap()).collect();
        let (ones, twos): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
        let readers: Vec<_> = ones.into_iter().map(|one| spawn_local(move || (&one).read(&mut [0; 8]))).collect();
        sleep(WAIT);
        readers.iter().for_each(|reader| reader.thread().cancel());
        assert!(readers.into_iter().all(|reader| reader.join().is_err_and(|why| why.is::<crate::Cancelled>())));
        assert!(!in_flight());
        drop(twos);
    });
}

#[test]
fn a_shutdown_ends_operations_in_flight() {
    let runtime = Runtime::builder().workers(2).io_driver(IoDriver::Uring).build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    let mut kept = Vec::new();
    for _ in 0..20 {
        let client = TcpStream::connect(address).unwrap();
        kept.push(listener.accept().unwrap());
        waiting.push(runtime.spawn(move || (&client).read(&mut [0; 8])));
    }
    waiting.push(runtime.spawn(move || listener.accept().map(|_| 0)));
    std::thread::sleep(2 * WAIT);
    runtime.shutdown(Instant::now() + Duration::from_secs(300)).unwrap();
    assert!(waiting.into_iter().all(|thread| thread.join().is_err()));
    for (stream, _) in &kept {
        let _ = (&mut &*stream).write(b"late");
    }
}

#[test]
fn files_are_opened_written_synced_and_read() {
    on_ring(|| {
        let path = std::env::temp_dir().join(format!("sinew-uring-{}", std::process::id()));
        let name = CString::new(path.as_os_str().as_bytes()).unwrap();
        let flags = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL;
        let file = files::open(&name, flags, 0o600).unwrap().unwrap();
        assert_eq!(files::open(&name, flags, 0o600).unwrap().unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        let text = b"some text that is longer than a word";
        let (one, two) = text.split_at(11);
        assert_eq!(
            files::write(file.as_fd(), &[IoSlice::new(one), IoSlice::new(two)], 0).unwrap().unwrap(),
            text.len()
        );
        assert_eq!(files::write(file.as_fd(), &[IoSlice::new(b"end")], 10_000).unwrap().unwrap(), 3);
        files::sync(file.as_fd(), true).unwrap().unwrap();
        files::sync(file.as_fd(), false).unwrap().unwrap();
        let mut buf = [0; 64];
        let read = |buf: &mut [u8], offset| files::read(file.as_fd(), &mut [IoSliceMut::new(buf)], offset);
        assert_eq!(read(&mut buf[..9], 5).unwrap().unwrap(), 9);
        assert_eq!(&buf[..9], &text[5..14]);
        assert_eq!(read(&mut buf, 10_000).unwrap().unwrap(), 3);
        assert_eq!(read(&mut buf, 10_003).unwrap().unwrap(), 0);
        // The kernel would take the last of these for the position.
        assert!([1 << 63, u64::MAX].into_iter().all(|offset| read(&mut buf, offset).is_none()));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(files::open(&name, libc::O_RDONLY, 0).unwrap().unwrap_err().kind(), io::ErrorKind::NotFound);
    });
}

#[test]
fn a_file_is_read_and_written_in_parts_that_let_others_run() {
    on_ring(|| {
        let path = std::env::temp_dir().join(format!("sinew-uring-parts-{}", std::process::id()));
        let long = vec![1; 3 << 20];
        let options = || {
            let mut options = crate::fs::OpenOptions::new();
            // Past the page cache it goes by the ring at once; not on every file system.
            std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_DIRECT);
            options
        };
        std::fs::write(&path, &long).unwrap();
        if let Ok(mut file) = options().read(true).open(&path) {
            let mut room = vec![0; long.len() + 4096];
            let start = room.as_ptr().align_offset(4096);
            assert_eq!(file.read(&mut room[start..][..long.len()]).unwrap(), 1 << 20);
            file.read_exact(&mut room[start + (1 << 20)..][..2 << 20]).unwrap();
            assert!(room[start..][..long.len()] == long);
        }
        std::fs::remove_file(&path).unwrap();
    });
}

#[test]
fn a_poll_that_finds_no_events_leaves_none_behind() {
    on_ring(|| {
        let (here, _) = Here::with_ring().unwrap();
        // These wait by readiness: as many as one poll takes.
        let sockets: Vec<_> = (0..64).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
        let addresses: Vec<_> = sockets.iter().map(|socket| socket.local_addr().unwrap()).collect();
        let waiting: Vec<_> =
            sockets.into_iter().map(|socket| spawn_local(move || socket.recv(&mut [0; 8]).unwrap())).collect();
        sleep(WAIT);
        let sender = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        for address in addresses {
            sender.send_to(b"word", address).unwrap();
        }
        waiting.into_iter().for_each(|thread| assert_eq!(thread.join().unwrap(), 4));
        sleep(WAIT);
        assert!(!here.reactor().has_more());
    });
}

#[test]
fn a_file_operation_that_is_cancelled_gives_its_memory_back_first() {
    on_ring(|| {
        // From a pipe nobody writes to, the kernel waits with an OS thread of its own: a read that can be called off.
        let (reader, _writer) = io::pipe().unwrap();
        let thread = spawn_local(move || {
            let (here, ring) = Here::with_ring().unwrap();
            let mut buf = [0; 16];
            let entry = crate::sys::uring::read(std::os::fd::AsRawFd::as_raw_fd(&reader), &raw mut buf, u64::MAX);
            // SAFETY: the running thread; the buffer lies in this frame.
            unsafe { ring.perform(here, Near::NOTHING, entry, None) }.map(|_| ())
        });
        sleep(WAIT);
        thread.thread().cancel();
        assert!(thread.join().unwrap_err().is::<crate::Cancelled>());
        assert!(!in_flight());
        assert!(files::open(c"/", libc::O_RDONLY, 0).unwrap().is_ok());
    });
}
