//! The `http` example under attack: hundreds of clients that send a head byte by byte or nothing at all, and bursts of
//! connects that end in a reset. Well-behaved clients are served meanwhile, the slow ones are cut off at the example's
//! limits, and descriptors and threads return to where they began.
//!
//! How long the well-behaved clients wait is no matter of right and wrong, and depends on the machine:
//!
//! ```text
//! cargo test --release --test http_loads -- --ignored --nocapture
//! ```
#![cfg(target_os = "linux")]

mod example_binary;
mod http_server;

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use http_server::{Client, Server};
use socket2::SockRef;

/// What a slow client sends, a byte at a time: a head that has no end.
const HEAD: &[u8] = b"GET / HTTP/1.1\r\nHost: test\r\nX-Long: ";

/// Sends a request, and checks its answer.
fn ask(client: &mut Client) {
    client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    let answer = client.answer(false);
    assert_eq!((answer.status, answer.text()), (200, "Hello from a green thread.\n"));
}

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(&server.address).expect("the server accepts");
    stream.set_read_timeout(Some(Duration::from_secs(300))).expect("the timeout can be set");
    stream
}

/// Connects, sends part of a request, and resets the connection.
fn connect_and_reset(server: &Server, sent: usize) {
    let mut stream = connect(server);
    stream.write_all(&HEAD[..sent % HEAD.len()]).expect("a socket's buffer takes a few bytes");
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("the option can be set");
}

/// How many descriptors and threads the server has.
fn holdings(server: &Server) -> (usize, usize) {
    let count = |what| fs::read_dir(format!("/proc/{}/{what}", server.process.id())).expect("it lives").count();
    (count("fd"), count("task"))
}

/// Waits until the server has what it had, for five minutes at most.
fn assert_returns_to(server: &Server, before: (usize, usize)) {
    let start = Instant::now();
    while holdings(server) != before {
        assert!(start.elapsed() < Duration::from_secs(300), "{:?} became {:?}", before, holdings(server));
        thread::sleep(Duration::from_millis(10));
    }
}

/// A server whose threads are all there.
fn warm(options: &[&str]) -> (Server, (usize, usize)) {
    let server = Server::without_folder(options);
    ask(&mut server.connect());
    let mut before = holdings(&server);
    // The connection above may not be gone yet.
    loop {
        thread::sleep(Duration::from_millis(50));
        let now = holdings(&server);
        if now == before {
            return (server, before);
        }
        before = now;
    }
}

#[test]
fn slow_clients_are_cut_off_at_the_limits_and_others_are_answered() {
    const SLOW: usize = 300;
    let limit = Duration::from_millis(700);
    let (server, before) = warm(&["--request", "700ms", "--idle", "700ms"]);
    let start = Instant::now();
    let mut slow: Vec<_> = (0..SLOW).map(|_| connect(&server)).collect();
    let all_cut_off = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut kept = server.connect();
            while !all_cut_off.load(Ordering::Relaxed) {
                ask(&mut server.connect());
                // The server may end this one when it was silent for too long, as a busy machine can make it.
                if start.elapsed() < limit / 4 {
                    ask(&mut kept);
                }
                thread::sleep(Duration::from_millis(1));
            }
        });
        // Every third says nothing. The others go on for less than the limit, and then say no more.
        for &byte in HEAD {
            for (_, stream) in slow.iter_mut().enumerate().filter(|(number, _)| number % 3 != 0) {
                if stream.write_all(&[byte]).is_err() {
                    assert!(start.elapsed() >= limit, "cut off early");
                }
            }
            thread::sleep(Duration::from_millis(5));
        }
        for (number, mut stream) in slow.into_iter().enumerate() {
            let mut answer = Vec::new();
            match stream.read_to_end(&mut answer) {
                Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "it must be ended"),
                Ok(_) if number % 3 == 0 => assert!(answer.is_empty(), "nothing was asked"),
                Ok(_) => assert!(answer.starts_with(b"HTTP/1.1 408 "), "{:?}", String::from_utf8_lossy(&answer)),
            }
            assert!(start.elapsed() >= limit, "cut off early");
        }
        all_cut_off.store(true, Ordering::Relaxed);
    });
    assert_returns_to(&server, before);
}

#[test]
fn a_head_that_never_ends_is_cut_off_although_its_bytes_keep_coming() {
    let (server, before) = warm(&["--request", "300ms", "--idle", "3600s"]);
    let start = Instant::now();
    let mut stream = connect(&server);
    stream.write_all(HEAD).expect("the server reads");
    while stream.write_all(b"x").is_ok() {
        assert!(start.elapsed() < Duration::from_secs(300), "nothing ends it");
        thread::sleep(Duration::from_millis(20));
    }
    assert!(start.elapsed() >= Duration::from_millis(300), "cut off early");
    assert_returns_to(&server, before);
}

#[test]
fn connections_beyond_the_limit_wait_until_slow_ones_are_cut_off() {
    let (server, before) = warm(&["--connections", "8", "--request", "300ms", "--idle", "300ms"]);
    let slow: Vec<_> = (0..20).map(|_| connect(&server)).collect();
    // It comes after all of them.
    ask(&mut server.connect());
    drop(slow);
    assert_returns_to(&server, before);
}

#[test]
fn bursts_of_resets_leave_nothing_behind_and_others_are_answered() {
    let (server, before) = warm(&[]);
    let mut kept = server.connect();
    for burst in 0..10 {
        (0..100).for_each(|sent| connect_and_reset(&server, sent + burst));
        ask(&mut kept);
        ask(&mut server.connect());
    }
    drop(kept);
    assert_returns_to(&server, before);
}

/// Asks for some seconds on a connection that is kept and on new ones in turn, and prints how long the answers took.
fn measure(server: &Server, what: &str) {
    let mut times = Histogram::<u64>::new(3).expect("three digits are a precision");
    let mut kept = server.connect();
    let end = Instant::now() + Duration::from_secs(4);
    while Instant::now() < end {
        let start = Instant::now();
        ask(&mut kept);
        times.saturating_record(start.elapsed().as_micros() as u64);
        let start = Instant::now();
        ask(&mut server.connect());
        times.saturating_record(start.elapsed().as_micros() as u64);
        thread::sleep(Duration::from_millis(2));
    }
    let at = |quantile| times.value_at_quantile(quantile) as f64 / 1e3;
    println!(
        "{what:<46} {:>6} answers: p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms",
        times.len(),
        at(0.5),
        at(0.99),
        at(1.0),
    );
}

#[test]
#[ignore = "prints figures: run it alone, in release mode"]
fn figures_of_well_behaved_clients_under_attack() {
    const SLOW: usize = 500;
    let (server, before) = warm(&["--request", "2s", "--idle", "2s"]);
    let (server, done) = (&server, &AtomicBool::new(false));
    let (cut_off, resets) = (&AtomicU64::new(0), &AtomicU64::new(0));
    measure(server, "at peace");
    let slowly = || {
        let mut slow: Vec<_> = (0..SLOW).map(|_| (connect(server), 0)).collect();
        while !done.load(Ordering::Relaxed) {
            for (number, (stream, sent)) in slow.iter_mut().enumerate() {
                let byte = HEAD.get(*sent).unwrap_or(&b'x');
                // Every other one is silent.
                if number % 2 == 0 && stream.write_all(&[*byte]).is_err() || is_ended(stream) {
                    cut_off.fetch_add(1, Ordering::Relaxed);
                    (*stream, *sent) = (connect(server), 0);
                } else {
                    *sent += 1;
                }
            }
            thread::sleep(Duration::from_millis(50));
        }
    };
    let resetting = || {
        while !done.load(Ordering::Relaxed) {
            (0..100).for_each(|sent| connect_and_reset(server, sent));
            resets.fetch_add(100, Ordering::Relaxed);
            thread::sleep(Duration::from_millis(20));
        }
    };
    let under = |what: &str, attacks: &[&(dyn Fn() + Sync)]| {
        done.store(false, Ordering::Relaxed);
        thread::scope(|scope| {
            attacks.iter().for_each(|attack| _ = scope.spawn(attack));
            measure(server, what);
            done.store(true, Ordering::Relaxed);
        });
    };
    under("500 slow clients, one byte each 50 ms or none", &[&slowly]);
    under("bursts of 100 connects and resets each 20 ms", &[&resetting]);
    under("both", &[&slowly, &resetting]);
    println!(
        "{} slow clients were cut off, {} connections reset",
        cut_off.load(Ordering::Relaxed),
        resets.load(Ordering::Relaxed),
    );
    assert_returns_to(server, before);
}

/// Whether the server has ended the connection.
fn is_ended(stream: &mut TcpStream) -> bool {
    stream.set_nonblocking(true).expect("the mode can be set");
    let result = stream.read(&mut [0; 1024]);
    stream.set_nonblocking(false).expect("the mode can be set");
    !matches!(result, Err(error) if error.kind() == ErrorKind::WouldBlock)
}
