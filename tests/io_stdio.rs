//! Standard input and output: each test runs in a process of its own, with pipes for these.

mod common;
mod harness;

use std::{
    io::{BufRead, ErrorKind, Read, Write},
    process::{Child, Stdio},
    time::Duration,
};

use common::{each_way, sleep, spawn};
use harness::{assert_cancelled, child, is_child};
use sinew::io::{Timeout, pipe, stderr, stdin, stdout};

/// Starts a test in a process of its own.
fn start(test: &str) -> Child {
    child(test).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[track_caller]
fn ends_well(child: Child) -> (String, String) {
    let output = child.wait_with_output().unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert!(output.status.success() && out.contains("1 passed"), "{}\n{out}\n{err}", output.status);
    (out, err)
}

#[test]
fn lines_are_read_while_other_threads_run() {
    if !is_child() {
        let mut child = start("lines_are_read_while_other_threads_run");
        let mut input = child.stdin.take().unwrap();
        // Tells by its errors that another thread has run while one waits.
        let mut word = [0; 4];
        child.stderr.as_mut().unwrap().read_exact(&mut word).unwrap();
        assert_eq!(&word, b"now\n");
        for part in ["first\nsec", "ond\n", "some more\nand last"] {
            std::thread::sleep(Duration::from_millis(20));
            input.write_all(part.as_bytes()).unwrap();
        }
        drop(input);
        ends_well(child);
        return;
    }
    sinew::Runtime::builder().workers(1).build().unwrap().run(|| {
        let reading = spawn(|| {
            let mut line = String::new();
            assert_eq!(stdin().read_line(&mut line).unwrap(), 6);
            assert_eq!(line, "first\n");
            let mut bytes = Vec::new();
            stdin().lock().read_until(b'd', &mut bytes).unwrap();
            assert_eq!(bytes, b"second");
            let lines: Vec<_> = stdin().lines().collect::<Result<_, _>>().unwrap();
            assert_eq!(lines, ["", "some more", "and last"]);
            assert_eq!(stdin().read(&mut [0; 4]).unwrap(), 0);
        });
        for _ in 0..3 {
            sleep(Duration::from_millis(1));
            assert!(!reading.is_finished());
        }
        eprintln!("now");
        reading.join().unwrap();
        assert!(!stdin().is_terminal());
    });
}

#[test]
fn a_wait_for_input_can_be_cancelled_and_timed() {
    if !is_child() {
        let mut child = start("a_wait_for_input_can_be_cancelled_and_timed");
        // Tells by its errors that it has given up waiting.
        let mut word = [0; 4];
        child.stderr.as_mut().unwrap().read_exact(&mut word).unwrap();
        assert_eq!(&word, b"now\n");
        child.stdin.as_mut().unwrap().write_all(b"whole").unwrap();
        ends_well(child);
        return;
    }
    let waiting = harness::spawn_started(|| stdin().read(&mut [0; 4]));
    sleep(Duration::from_millis(5));
    waiting.thread().cancel();
    assert_cancelled(waiting);
    for _ in 0..2 {
        let late = sinew::time::timeout(Duration::from_millis(5), || stdin().read(&mut [0; 4]).unwrap());
        assert!(late.is_err(), "on an OS thread");
    }
    sinew::spawn(|| {
        let mut input = Timeout::new(stdin());
        input.set_read_timeout(Some(Duration::from_millis(5)));
        assert_eq!(input.read(&mut [0; 4]).unwrap_err().kind(), ErrorKind::TimedOut);
        stderr().write_all(b"now\n").unwrap();
        let mut word = String::new();
        stdin().read_to_string(&mut word).unwrap();
        assert_eq!(word, "whole");
    })
    .join()
    .unwrap();
}

#[test]
fn a_file_and_nothing_at_all_can_be_standard_input() {
    if !is_child() {
        let file = std::fs::File::open("Cargo.toml").unwrap();
        let test = "a_file_and_nothing_at_all_can_be_standard_input";
        let run = child(test).stdin(file).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        ends_well(run);
        return;
    }
    sinew::run(|| {
        let mut text = String::new();
        stdin().read_to_string(&mut text).unwrap();
        assert_eq!(text, std::fs::read_to_string("Cargo.toml").unwrap());
        // SAFETY: nobody else has the descriptor in this process, which only reads from it as std does: closed or not.
        unsafe { libc::close(0) };
        assert_eq!(stdin().read(&mut [0]).unwrap(), 0);
    });
}

#[test]
fn a_full_output_suspends_the_writer_alone() {
    const LINES: usize = 30_000;
    if !is_child() {
        let mut child = start("a_full_output_suspends_the_writer_alone");
        // The child says that it runs on although nobody reads its output.
        let mut word = [0; 4];
        child.stderr.as_mut().unwrap().read_exact(&mut word).unwrap();
        assert_eq!(&word, b"full");
        let (out, err) = ends_well(child);
        let numbers: Vec<usize> =
            out.lines().filter_map(|line| line.split_once("line ")?.1.trim().parse().ok()).collect();
        assert_eq!(numbers, (0..LINES).collect::<Vec<_>>());
        assert!(out.contains("std's own, in order"), "{err}");
        return;
    }
    sinew::Runtime::builder().workers(1).build().unwrap().run(|| {
        let writing = spawn(|| {
            for number in 0..LINES {
                let mut out = stdout().lock();
                write!(out, "line ").unwrap();
                // The thread that has the lock may take it again.
                writeln!(stdout(), "{number}").unwrap();
            }
            stdout().write_all(&[b' '; 10_000]).unwrap();
            stdout().write_all(b"std's own").unwrap();
            print!(", in order");
            stdout().write_all(b"\n").unwrap();
            stdout().flush().unwrap();
        });
        for _ in 0..50 {
            sleep(Duration::from_millis(1));
        }
        assert!(!writing.is_finished());
        stderr().write_all(b"full").unwrap();
        writing.join().unwrap();
        assert!(!stdout().is_terminal() && !stderr().is_terminal());
    });
}

#[test]
fn a_locked_output_keeps_other_threads_out() {
    if !is_child() {
        let (out, _) = ends_well(start("a_locked_output_keeps_other_threads_out"));
        for number in 0..8 {
            assert_eq!(out.matches(&format!("<{}>", number.to_string().repeat(20))).count(), 3);
        }
        return;
    }
    each_way(|| {
        let threads: Vec<_> = (0..8)
            .map(|number| {
                spawn(move || {
                    let mut out = stdout().lock();
                    out.write_all(b"<").unwrap();
                    for _ in 0..20 {
                        write!(out, "{number}").unwrap();
                        sinew::yield_now();
                    }
                    out.write_all(b">\n").unwrap();
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

#[test]
fn a_timeout_ends_one_read_or_write_of_any_stream() {
    each_way(|| {
        let (reader, writer) = pipe().unwrap();
        let (mut reader, mut writer) = (Timeout::new(reader), Timeout::new(writer));
        reader.set_read_timeout(Some(Duration::from_millis(5)));
        writer.set_write_timeout(Some(Duration::from_millis(5)));
        assert_eq!(reader.read_timeout(), Some(Duration::from_millis(5)));
        assert_eq!(reader.read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::TimedOut);
        writer.write_all(b"abc").unwrap();
        let mut three = [0; 3];
        reader.read_exact(&mut three).unwrap();
        assert_eq!(&three, b"abc");
        let error = loop {
            if let Err(error) = writer.write_all(&[0; 4096]) {
                break error;
            }
        };
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        drop(writer.into_inner());
        reader.set_read_timeout(None);
        assert!(reader.read_to_end(&mut Vec::new()).unwrap() >= 4096);
    });
}
