//! Pipes, copying and split streams, on OS threads and green threads.

mod common;
mod harness;

use std::{
    fs::File,
    io::{ErrorKind, Read, Seek, Write},
    os::fd::AsRawFd,
    sync::LazyLock,
    time::{Duration, Instant},
};

use common::{
    each_way, sleep, spawn,
    tcp::{TICK, pair, reset},
};
use harness::{assert_cancelled, good_child, is_child, on_workers};
use sinew::{
    Runtime,
    cancel::CancelToken,
    io::{PipeReader, PipeWriter, copy, copy_bidirectional, copy_bidirectional_idle, pipe, split},
    net::{Shutdown, TcpListener, TcpStream, unix::UnixStream},
    time,
};

const TOTAL: usize = (3 << 20) + 17;

/// Bytes that are not all alike, made once: that takes a while without optimisation, and minutes in an emulator.
static PATTERN: LazyLock<Vec<u8>> = LazyLock::new(|| (0..TOTAL).map(|at| (at * 7 + at / 251) as u8).collect());

#[test]
fn pipes_carry_bytes_and_their_end_and_tell_that_nobody_reads() {
    each_way(|| {
        let (mut reader, writer) = pipe().unwrap();
        let writing = spawn(move || {
            let clone = writer.try_clone().unwrap();
            (&writer).write_all(&PATTERN).unwrap();
            drop(writer);
            (&clone).write_all(b"!").unwrap();
        });
        let mut got = Vec::new();
        reader.read_to_end(&mut got).unwrap();
        writing.join().unwrap();
        assert_eq!((got.pop(), got), (Some(b'!'), PATTERN.clone()));
        let (reader, mut writer) = pipe().unwrap();
        drop(reader);
        assert_eq!(writer.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn pipes_go_to_std_and_come_from_it() {
    each_way(|| {
        let (reader, writer) = std::io::pipe().unwrap();
        let (reader, writer) = (PipeReader::try_from(reader).unwrap(), PipeWriter::try_from(writer).unwrap());
        // SAFETY: integers only.
        let nonblocking = |fd: i32| unsafe { libc::fcntl(fd, libc::F_GETFL) & libc::O_NONBLOCK != 0 };
        assert!(nonblocking(reader.as_raw_fd()) && nonblocking(writer.as_raw_fd()));
        let reader = std::io::PipeReader::from(reader.try_clone().unwrap());
        assert!(!nonblocking(reader.as_raw_fd()));
        assert_eq!(format!("{writer:?}"), format!("{:?}", std::io::PipeWriter::from(writer)));
    });
}

#[test]
fn a_cancelled_read_of_a_pipe_takes_nothing() {
    each_way(|| {
        let (mut reader, mut writer) = pipe().unwrap();
        let clone = reader.try_clone().unwrap();
        let waiting = spawn(move || (&clone).read(&mut [0; 4]).map(drop));
        sleep(TICK);
        waiting.thread().cancel();
        assert_cancelled(waiting);
        writer.write_all(b"kept").unwrap();
        reader.read_exact(&mut [0; 4]).unwrap();
    });
}

/// Sends the pattern through `input` and compares what comes out of `output`.
fn through<I: Write + Send + 'static, O: Read + Send + 'static>(
    mut input: I,
    mut output: O,
    copying: impl FnOnce() -> std::io::Result<u64> + Send + 'static,
) {
    let writing = spawn(move || {
        for chunk in PATTERN.chunks(100_000) {
            input.write_all(chunk).unwrap();
        }
    });
    let reading = spawn(move || {
        let mut got = Vec::new();
        output.read_to_end(&mut got).unwrap();
        got
    });
    assert_eq!(spawn(copying).join().unwrap().unwrap(), TOTAL as u64);
    writing.join().unwrap();
    assert!(reading.join().unwrap() == *PATTERN);
}

#[test]
fn everything_is_copied_between_pipes_and_streams() {
    each_way(|| {
        let (from_pipe, into_pipe) = pipe().unwrap();
        let (client, server) = pair();
        through(into_pipe, server, move || copy(&mut &from_pipe, &mut &client));

        let (mut from_pipe, into_pipe) = pipe().unwrap();
        let (mut second, mut last) = pipe().unwrap();
        through(into_pipe, second.try_clone().unwrap(), move || copy(&mut from_pipe, &mut last));
        assert_eq!(second.read(&mut [0; 4]).unwrap(), 0);

        let (client, mut server) = pair();
        let (from_pipe, mut into_pipe) = pipe().unwrap();
        through(client, from_pipe, move || copy(&mut server, &mut into_pipe));

        let (one, mut two) = UnixStream::pair().unwrap();
        let (from_pipe, mut into_pipe) = pipe().unwrap();
        through(one, from_pipe, move || copy(&mut two, &mut into_pipe));

        let (one, two) = UnixStream::pair().unwrap();
        let (client, server) = pair();
        through(one, server, move || copy(&mut &two, &mut &client));
    });
}

#[test]
fn a_file_is_sent_from_its_position_on() {
    each_way(|| {
        let path = std::env::temp_dir().join(format!("sinew-copy-{}-{:?}", std::process::id(), sinew::current().id()));
        std::fs::write(&path, &*PATTERN).unwrap();
        let mut file = File::open(&path).unwrap();
        file.seek_relative(5).unwrap();
        let (client, mut server) = pair();
        let reading = spawn(move || {
            let mut got = Vec::new();
            server.read_to_end(&mut got).unwrap();
            got
        });
        assert_eq!(copy(&mut file, &mut &client).unwrap(), TOTAL as u64 - 5);
        // Files without a length are read.
        assert!(copy(&mut File::open("/proc/self/status").unwrap(), &mut &client).unwrap() > 0);
        drop(client);
        assert!(reading.join().unwrap().starts_with(&PATTERN[5..]));
        std::fs::remove_file(&path).unwrap();
    });
}

#[test]
fn timeouts_hold_while_copying() {
    each_way(|| {
        let (client, _server) = pair();
        let (_reader, mut writer) = pipe().unwrap();
        client.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        assert_eq!(copy(&mut &client, &mut writer).unwrap_err().kind(), ErrorKind::WouldBlock);
    });
}

#[test]
fn a_copy_that_waits_can_be_cancelled() {
    each_way(|| {
        let (client, _server) = pair();
        let (_reader, mut writer) = pipe().unwrap();
        let waiting = spawn(move || copy(&mut &client, &mut writer).map(drop));
        sleep(TICK);
        waiting.thread().cancel();
        assert_cancelled(waiting);
    });
}

#[test]
fn both_directions_are_copied_to_their_ends() {
    each_way(|| {
        let ((client, near), (far, server)) = (pair(), UnixStream::pair().unwrap());
        let proxy = spawn(move || copy_bidirectional(&near, &far).unwrap());
        let echo = spawn(move || {
            std::io::copy(&mut &server, &mut &server).unwrap();
            server.shutdown(Shutdown::Write).unwrap();
        });
        let (mut reader, mut writer) = split(client);
        let writing = spawn(move || {
            writer.write_all(&PATTERN).unwrap();
            writer.shutdown().unwrap();
            writer
        });
        let mut got = Vec::new();
        reader.read_to_end(&mut got).unwrap();
        assert!(got == *PATTERN);
        assert_eq!(proxy.join().unwrap(), (TOTAL as u64, TOTAL as u64));
        echo.join().unwrap();
        let stream: TcpStream = reader.reunite(writing.join().unwrap()).unwrap();
        stream.take_error().unwrap();
    });
}

#[test]
fn an_error_in_one_direction_ends_both() {
    each_way(|| {
        let ((client, near), (far, server)) = (pair(), pair());
        let proxy = spawn(move || copy_bidirectional(&near, &far).map_err(|error| error.kind()));
        sleep(TICK);
        reset(client);
        assert_eq!(proxy.join().unwrap(), Err(ErrorKind::ConnectionReset));
        drop(server);
    });
}

#[test]
fn a_cancelled_copy_of_both_directions_leaves_no_thread_behind() {
    on_workers(|| {
        let ((mut client, near), (far, mut server)) = (pair(), pair());
        let proxy = spawn(move || copy_bidirectional(&near, &far).map(drop));
        client.write_all(b"through").unwrap();
        server.read_exact(&mut [0; 7]).unwrap();
        proxy.thread().cancel();
        assert_cancelled(proxy);
        // Its streams are closed.
        assert_eq!(client.read(&mut [0; 4]).unwrap(), 0);
        assert_eq!(server.read(&mut [0; 4]).unwrap(), 0);
    });
}

#[test]
fn a_silence_in_both_directions_ends_a_copy_with_that_limit() {
    each_way(|| {
        let ((client, near), (far, server)) = (pair(), pair());
        let begun = Instant::now();
        let proxy = spawn(move || copy_bidirectional_idle(&near, &far, 2 * TICK).map_err(|error| error.kind()));
        assert_eq!(proxy.join().unwrap(), Err(ErrorKind::TimedOut));
        assert!(begun.elapsed() >= 2 * TICK);
        // Its streams are closed.
        assert_eq!((&client).read(&mut [0; 4]).unwrap(), 0);
        drop((client, server));
        // What comes to its end in time has the same result as without the limit, and there need be none.
        for idle in [Duration::from_secs(60), Duration::MAX] {
            let ((client, near), (far, server)) = (pair(), pair());
            let proxy = spawn(move || copy_bidirectional_idle(&near, &far, idle).unwrap());
            (&client).write_all(&PATTERN[..TOTAL / 100]).unwrap();
            client.shutdown(Shutdown::Write).unwrap();
            (&server).read_to_end(&mut Vec::new()).unwrap();
            (&server).write_all(b"back").unwrap();
            drop(server);
            assert_eq!(proxy.join().unwrap(), (TOTAL as u64 / 100, 4));
        }
    });
}

#[test]
fn one_direction_that_moves_lets_the_other_be_silent() {
    // The clock jumps when all wait, so the hours take no time.
    const HOUR: Duration = Duration::from_secs(3600);
    for workers in [1, 2] {
        Runtime::builder().workers(workers).start_paused(true).build().unwrap().run(|| {
            let pair = || UnixStream::pair().unwrap();
            let ((mut client, near), (far, mut server)) = (pair(), pair());
            let begun = time::Instant::now();
            let proxy = sinew::spawn(move || copy_bidirectional_idle(&near, &far, HOUR).map_err(|error| error.kind()));
            for _ in 0..10 {
                time::sleep(HOUR / 2);
                server.write_all(b"x").unwrap();
                client.read_exact(&mut [0]).unwrap();
            }
            assert_eq!(proxy.join().unwrap(), Err(ErrorKind::TimedOut));
            assert!((6 * HOUR..7 * HOUR).contains(&begun.elapsed()), "{:?}", begun.elapsed());

            // Nor does it move when nobody reads what it has.
            let ((mut client, near), (far, server)) = (pair(), pair());
            let proxy = sinew::spawn(move || copy_bidirectional_idle(&near, &far, HOUR).map_err(|error| error.kind()));
            let writing = sinew::spawn(move || client.write_all(&PATTERN).unwrap_err().kind());
            assert_eq!(proxy.join().unwrap(), Err(ErrorKind::TimedOut));
            assert_eq!(writing.join().unwrap(), ErrorKind::BrokenPipe);
            drop(server);
        });
    }
}

/// In a process of its own, since another test may have started a runtime.
#[test]
fn both_directions_are_copied_on_os_threads_without_a_runtime() {
    if !is_child() {
        good_child("both_directions_are_copied_on_os_threads_without_a_runtime");
        return;
    }
    let ((mut client, near), (far, mut server)) = (pair(), pair());
    let proxy = std::thread::spawn(move || copy_bidirectional(&near, &far).map_err(|error| error.kind()));
    client.write_all(b"there").unwrap();
    server.read_exact(&mut [0; 5]).unwrap();
    server.write_all(b"back").unwrap();
    client.read_exact(&mut [0; 4]).unwrap();
    // One fails while the other waits for what never comes.
    reset(client);
    assert_eq!(proxy.join().unwrap(), Err(ErrorKind::ConnectionReset));
    assert_eq!(server.read(&mut [0; 4]).unwrap(), 0);

    // And a part of an OS thread's run that is cancelled, by its deadline or by a token.
    let ((_client, near), (far, _server)) = (pair(), pair());
    assert!(sinew::time::timeout(TICK, || copy_bidirectional(&near, &far).map(drop)).is_err());
    let token = CancelToken::new();
    let cancel = {
        let token = token.clone();
        std::thread::spawn(move || {
            std::thread::sleep(TICK);
            token.cancel();
        })
    };
    assert!(token.run_until_cancelled(|| copy_bidirectional(&near, &far).map(drop)).is_err());
    cancel.join().unwrap();
    assert!(harness::os_threads().iter().all(|name| !name.starts_with("sinew")), "{:?}", harness::os_threads());
}

#[test]
fn a_token_ends_an_os_threads_wait_for_a_descriptor() {
    each_way(|| {
        let (mut one, two) = pair();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (reader, _writer) = pipe().unwrap();
        let waits: [&dyn Fn(); 3] =
            [&|| drop((&two).read(&mut [0; 4])), &|| drop(listener.accept()), &|| drop((&reader).read(&mut [0; 4]))];
        for wait in waits {
            for _ in 0..3 {
                let token = CancelToken::new();
                std::thread::scope(|scope| {
                    let cancel = token.clone();
                    scope.spawn(move || {
                        std::thread::sleep(Duration::from_millis(3));
                        cancel.cancel();
                    });
                    assert!(token.run_until_cancelled(wait).is_err());
                });
            }
        }
        // Nothing is left over that would disturb the next.
        one.write_all(b"word").unwrap();
        assert_eq!(CancelToken::new().run_until_cancelled(|| (&two).read(&mut [0; 4]).unwrap()).unwrap(), 4);
    });
}

#[test]
fn halves_of_different_streams_do_not_reunite() {
    each_way(|| {
        let ((one, two), (three, four)) = (UnixStream::pair().unwrap(), UnixStream::pair().unwrap());
        let ((reader, _), (_, writer)) = (split(one), split(three));
        assert!(format!("{reader:?}").starts_with("ReadHalf(UnixStream"));
        let (reader, writer) = reader.reunite(writer).unwrap_err();
        assert!(reader.get_ref().peer_addr().is_ok() && writer.get_ref().peer_addr().is_ok());
        drop((two, four));
    });
}
