//! Waiting for descriptors of any kind, on OS threads and green threads.

mod common;
mod harness;

use std::{
    fs::File,
    io::{ErrorKind, Read, Write},
    os::{
        fd::{AsFd, AsRawFd, FromRawFd, OwnedFd},
        unix::net::{UnixDatagram, UnixStream},
    },
    sync::Arc,
    time::{Duration, Instant},
};

use common::{each_way, sleep, spawn, tcp::TICK};
use harness::assert_cancelled;
use sinew::io::Watched;

/// The mode of the descriptor's open file.
fn is_nonblocking(fd: impl AsFd) -> bool {
    // SAFETY: integers only.
    unsafe { libc::fcntl(fd.as_fd().as_raw_fd(), libc::F_GETFL) & libc::O_NONBLOCK != 0 }
}

#[test]
fn it_is_as_shareable_as_its_value() {
    fn check<T: Send + Sync + Unpin>() {}
    check::<Watched<File>>();
}

#[test]
fn a_read_waits_for_a_pipes_data_and_for_its_end() {
    each_way(|| {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let reader = Watched::new(reader).unwrap();
        let waiting = spawn(move || {
            let mut text = String::new();
            (&reader).read_to_string(&mut text).unwrap();
            text
        });
        for word in ["one ", "two ", "three"] {
            sleep(Duration::from_millis(5));
            writer.write_all(word.as_bytes()).unwrap();
        }
        drop(writer);
        assert_eq!(waiting.join().unwrap(), "one two three");
    });
}

#[test]
fn a_write_waits_for_room_in_a_pipe_and_learns_that_nobody_reads() {
    each_way(|| {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let mut writer = Watched::new(writer).unwrap();
        let waiting = spawn(move || {
            writer.write_all(&vec![3; 1 << 20]).unwrap();
            writer.flush().unwrap();
            writer
        });
        sleep(TICK);
        assert!(!waiting.is_finished());
        let reading = std::thread::spawn(move || {
            let mut all = vec![0; 1 << 20];
            reader.read_exact(&mut all).unwrap();
            assert!(all.iter().all(|&byte| byte == 3));
        });
        let writer = waiting.join().unwrap();
        reading.join().unwrap();
        writer.writable().unwrap();
        assert_eq!((&writer).write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn both_directions_at_once_from_several_threads() {
    each_way(|| {
        const TOTAL: usize = 1 << 20;
        let (one, two) = UnixStream::pair().unwrap();
        let [one, two] = [one, two].map(|end| Arc::new(Watched::new(end).unwrap()));
        let threads: Vec<_> = [&one, &two]
            .into_iter()
            .flat_map(|end| {
                let (writer, reader) = (Arc::clone(end), Arc::clone(end));
                [
                    spawn(move || (&*writer).write_all(&vec![9; TOTAL]).unwrap()),
                    spawn(move || (&*reader).read_exact(&mut vec![0; TOTAL]).unwrap()),
                ]
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        let readers: Vec<_> = (0..4)
            .map(|_| {
                let one = Arc::clone(&one);
                spawn(move || (&*one).read_exact(&mut [0]).unwrap())
            })
            .collect();
        sleep(TICK);
        (&*two).write_all(b"four").unwrap();
        for reader in readers {
            reader.join().unwrap();
        }
    });
}

#[test]
fn readable_and_writable_say_what_is_there_to_any_way_of_reading() {
    each_way(|| {
        let (one, two) = UnixDatagram::pair().unwrap();
        let one = Watched::new(one).unwrap();
        one.writable().unwrap();
        for round in 0..50u8 {
            assert!(!one.readable_timeout(Duration::from_millis(1)).unwrap());
            assert!(!one.readable_until(Instant::now()).unwrap());
            two.send(&[round]).unwrap();
            one.readable().unwrap();
            // It is still there.
            assert!(one.readable_until(Instant::now()).unwrap());
            let mut buf = [0; 4];
            assert_eq!(one.get_ref().recv(&mut buf).unwrap(), 1);
            assert_eq!(buf[0], round);
        }
        while one.get_ref().send(&[0; 1000]).is_ok() {}
        let start = Instant::now();
        assert!(!one.writable_timeout(Duration::from_millis(20)).unwrap());
        assert!(start.elapsed() >= Duration::from_millis(20));
        let waiting = spawn(move || one.writable().unwrap());
        sleep(TICK);
        assert!(!waiting.is_finished());
        two.set_nonblocking(true).unwrap();
        while two.recv(&mut [0; 1000]).is_ok() {}
        waiting.join().unwrap();
    });
}

#[test]
fn a_call_that_is_handed_over_is_made_until_it_does_not_block() {
    each_way(|| {
        let (one, two) = UnixDatagram::pair().unwrap();
        let one = Watched::new(one).unwrap();
        let waiting = spawn(move || {
            let mut interrupted = false;
            let mut calls = 0;
            let len = one.read_with(|socket| {
                calls += 1;
                if !std::mem::replace(&mut interrupted, true) {
                    return Err(ErrorKind::Interrupted.into());
                }
                socket.recv(&mut [0; 8])
            });
            (len.unwrap(), calls, one)
        });
        sleep(TICK);
        two.send(b"abc").unwrap();
        let (len, calls, one) = waiting.join().unwrap();
        assert_eq!(len, 3);
        assert!(calls >= 2, "{calls} calls");
        let error = one.write_with(|_| Err::<(), _>(ErrorKind::Other.into())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Other);
    });
}

#[test]
#[cfg(target_os = "linux")]
fn counters_of_the_kernel_are_waited_for() {
    each_way(|| {
        // SAFETY: integers only.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) };
        assert!(fd >= 0);
        // SAFETY: the kernel has just made this descriptor.
        let counter = File::from(unsafe { OwnedFd::from_raw_fd(fd) });
        let other = counter.try_clone().unwrap();
        let counter = Watched::new(counter).unwrap();
        let waiting = spawn(move || {
            let mut sum = 0;
            while sum < 20 {
                let mut value = [0; 8];
                (&counter).read_exact(&mut value).unwrap();
                sum += u64::from_ne_bytes(value);
            }
            sum
        });
        for _ in 0..20 {
            (&other).write_all(&1_u64.to_ne_bytes()).unwrap();
            sleep(Duration::from_millis(1));
        }
        assert_eq!(waiting.join().unwrap(), 20);
    });
}

#[test]
fn the_mode_comes_back_with_the_value() {
    each_way(|| {
        let (one, two) = UnixStream::pair().unwrap();
        two.set_nonblocking(true).unwrap();
        let [one, two] = [one, two].map(|end| Watched::new(end).unwrap());
        assert!(is_nonblocking(&one) && is_nonblocking(&two));
        let (one, two) = (one.into_inner(), two.into_inner());
        assert!(!is_nonblocking(&one) && is_nonblocking(&two));
        let one = Watched::new_as_is(one);
        assert!(!is_nonblocking(&one));
        let waiting = spawn(move || {
            one.readable().unwrap();
            let mut buf = [0; 2];
            one.get_ref().read_exact(&mut buf).unwrap();
            buf
        });
        sleep(TICK);
        (&two).write_all(b"ok").unwrap();
        assert_eq!(&waiting.join().unwrap(), b"ok");
    });
}

#[test]
fn a_regular_file_is_ready_and_a_borrowed_value_can_be_watched() {
    each_way(|| {
        let file = File::open(std::env::current_exe().unwrap()).unwrap();
        let watched = Watched::new(&file).unwrap();
        watched.readable().unwrap();
        let mut start = [0; 4];
        watched.read_with(|file| (&**file).read_exact(&mut start)).unwrap();
        assert_eq!(&start, b"\x7fELF");
        assert!(format!("{watched:?}").starts_with("Watched(File"));
    });
}

#[test]
fn a_second_one_over_the_same_descriptor_is_told_so() {
    sinew::Runtime::builder().workers(1).build().unwrap().run(|| {
        let (reader, _writer) = std::io::pipe().unwrap();
        let first = Watched::new(&reader).unwrap();
        assert!(!first.readable_timeout(Duration::from_millis(1)).unwrap());
        let second = Watched::new(&reader).unwrap();
        assert_eq!(second.readable_timeout(Duration::from_millis(1)).unwrap_err().kind(), ErrorKind::AlreadyExists);
        drop((second, first));
        assert!(!Watched::new(&reader).unwrap().readable_timeout(Duration::from_millis(1)).unwrap());
    });
}

#[test]
fn a_cancelled_wait_leaves_it_in_order() {
    each_way(|| {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let reader = Arc::new(Watched::new(reader).unwrap());
        for round in 0..20 {
            let clone = Arc::clone(&reader);
            let waiting = spawn(move || match round % 2 {
                0 => clone.readable(),
                _ => (&*clone).read(&mut [0; 4]).map(drop),
            });
            sleep(Duration::from_millis(1));
            waiting.thread().cancel();
            assert_cancelled(waiting);
        }
        writer.write_all(b"kept").unwrap();
        (&*reader).read_exact(&mut [0; 4]).unwrap();
    });
}
