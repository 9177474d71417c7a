//! The same scripts on std's streams and on ours, TCP and Unix: what every call gives must be the same, to the number of the error.

mod common;
mod harness;

use std::{
    fmt::Debug,
    io::{self, IoSlice, IoSliceMut, Read, Write},
    net::Shutdown,
    time::{Duration, Instant},
};

use common::{
    each_way,
    tcp::{pair, reset, std_pair},
};

/// What a call gave, as far as a program can tell.
fn told<T: Debug>(result: io::Result<T>) -> String {
    match result {
        Ok(value) => format!("{value:?}"),
        Err(error) => format!("{:?} {:?} {error}", error.kind(), error.raw_os_error()),
    }
}

/// Runs a script, which pushes what calls gave, on each pair of streams.
macro_rules! same_on_all {
    (|$one:ident, $two:ident, $all:ident| $script:block) => {
        each_way(|| {
            macro_rules! run {
                                        ($pair:expr) => {{
                                            #[allow(unused_mut, unused_variables, reason = "scripts use them or not")]
                                            let (mut $one, mut $two) = $pair;
                                            let mut $all: Vec<String> = Vec::new();
                                            $script
                                            $all
                                        }};
                                    }
            assert_eq!(run!(pair()), run!(std_pair()));
            let ours = run!(sinew::net::unix::UnixStream::pair().unwrap());
            assert_eq!(ours, run!(std::os::unix::net::UnixStream::pair().unwrap()));
        });
    };
}

/// Waits until a peer's doing has arrived.
fn arrive() {
    sinew::sleep(Duration::from_millis(10));
}

#[test]
fn transfers_of_nothing() {
    same_on_all!(|one, two, all| {
        all.push(told(one.write(&[])));
        all.push(told(one.write_vectored(&[])));
        all.push(told(one.write_vectored(&[IoSlice::new(b""), IoSlice::new(b"")])));
        all.push(told(one.write(b"data")));
        arrive();
        all.push(told(two.read(&mut [])));
        all.push(told(two.read_vectored(&mut [])));
        all.push(told(two.read_vectored(&mut [IoSliceMut::new(&mut []), IoSliceMut::new(&mut [0; 2])])));
        all.push(told(two.read(&mut [0; 8])));
        drop(one);
        arrive();
        all.push(told(two.read(&mut [])));
        all.push(told(two.read(&mut [0; 8])));
        all.push(told(two.read(&mut [0; 8])));
    });
}

#[test]
fn halves_that_are_shut() {
    same_on_all!(|one, two, all| {
        one.write_all(b"last").unwrap();
        all.push(told(one.shutdown(Shutdown::Write)));
        all.push(told(one.write(b"x")));
        all.push(told(one.write_vectored(&[IoSlice::new(b"x")])));
        all.push(told(one.shutdown(Shutdown::Write)));
        arrive();
        let mut text = String::new();
        all.push(told(two.read_to_string(&mut text)));
        all.push(told(two.write(b"answer")));
        arrive();
        all.push(told(one.read(&mut [0; 16])));
        all.push(told(one.shutdown(Shutdown::Read)));
        all.push(told(one.read(&mut [0; 16])));
        drop(two);
        arrive();
        all.push(told(one.shutdown(Shutdown::Both)));
        all.push(text);
    });
}

#[test]
fn a_peer_that_is_gone() {
    same_on_all!(|one, two, all| {
        drop(two);
        arrive();
        all.push(told(one.read(&mut [0; 4])));
        let error = loop {
            match one.write(b"x") {
                Ok(_) => arrive(),
                error => break error,
            }
        };
        all.push(told(error));
        all.push(told(one.write(b"x")));
        all.push(told(one.read(&mut [0; 4])));
        all.push(told(one.take_error().map(|error| error.is_none())));
    });
}

#[test]
fn a_peer_that_resets() {
    each_way(|| {
        macro_rules! run {
            ($pair:expr) => {{
                let (mut one, mut two) = $pair;
                two.write_all(b"lost").unwrap();
                arrive();
                reset(two);
                arrive();
                let first = told(one.read(&mut [0; 2]));
                [first, told(one.read(&mut [0; 4])), told(one.write(b"x")), told(one.peer_addr().map(drop))]
            }};
        }
        assert_eq!(run!(pair()), run!(std_pair()));
    });
}

#[test]
fn timeouts_to_the_grain_of_the_clock() {
    same_on_all!(|one, two, all| {
        for time in [
            Some(Duration::ZERO),
            Some(Duration::from_nanos(1)),
            Some(Duration::from_micros(1_500)),
            Some(Duration::from_millis(7)),
            Some(Duration::from_secs(3_600)),
            Some(Duration::MAX),
            None,
        ] {
            all.push(told(one.set_read_timeout(time)));
            all.push(told(one.read_timeout()));
            all.push(told(one.set_write_timeout(time)));
            all.push(told(one.write_timeout()));
        }
        for millis in [1, 20] {
            let time = Duration::from_millis(millis);
            one.set_read_timeout(Some(time)).unwrap();
            let start = Instant::now();
            all.push(told(one.read(&mut [0; 4])));
            all.push(format!("{}", start.elapsed() >= time));
        }
    });
}

#[test]
fn a_peer_that_stalls() {
    same_on_all!(|one, two, all| {
        one.set_write_timeout(Some(Duration::from_millis(30))).unwrap();
        let chunk = vec![1; 1 << 20];
        let mut sent = 0;
        let error = loop {
            match one.write(&chunk) {
                Ok(len) => sent += len,
                error => break error,
            }
        };
        all.push(told(error));
        all.push(format!("{}", sent > 0));
        drop(one);
        let mut got = 0;
        while let len @ 1.. = two.read(&mut vec![0; 1 << 16]).unwrap() {
            got += len;
        }
        assert_eq!(got, sent);
    });
}

#[test]
fn calls_that_never_wait() {
    same_on_all!(|one, two, all| {
        one.set_nonblocking(true).unwrap();
        all.push(told(one.read(&mut [0; 4])));
        let chunk = vec![1; 1 << 20];
        let error = loop {
            let error = one.write(&chunk);
            if error.is_err() {
                break error;
            }
        };
        all.push(told(error));
        drop(two);
        arrive();
        all.push(told(one.take_error().map(|error| error.is_none())));
    });
}

#[test]
fn addresses_in_use_and_refused() {
    each_way(|| {
        let place = common::unix::Place::new();
        let tcp = sinew::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = tcp.local_addr().unwrap();
        let unix = sinew::net::unix::UnixListener::bind(&place).unwrap();
        assert_eq!(
            told(sinew::net::TcpListener::bind(addr).map(drop)),
            told(std::net::TcpListener::bind(addr).map(drop))
        );
        assert_eq!(
            told(sinew::net::unix::UnixListener::bind(&place).map(drop)),
            told(std::os::unix::net::UnixListener::bind(&place).map(drop))
        );
        drop((tcp, unix));
        assert_eq!(
            told(sinew::net::TcpStream::connect(addr).map(drop)),
            told(std::net::TcpStream::connect(addr).map(drop))
        );
        assert_eq!(
            told(sinew::net::unix::UnixStream::connect(&place).map(drop)),
            told(std::os::unix::net::UnixStream::connect(&place).map(drop))
        );
    });
}
