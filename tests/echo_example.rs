//! The `echo` example: its run end to end, what it says of a server that answers wrong, and its command line.

mod example_binary;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

fn echo(arguments: &[&str]) -> Output {
    Command::new(example_binary::path("echo")).args(arguments).stdin(Stdio::null()).output().expect("echo starts")
}

/// A server, the rest of its output, and where it listens.
fn serve(arguments: &[&str]) -> (Child, BufReader<ChildStdout>, String) {
    let mut server = Command::new(example_binary::path("echo"))
        .arg("--server-only")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("echo starts");
    let mut output = BufReader::new(server.stdout.take().expect("standard output is piped"));
    let mut line = String::new();
    output.read_line(&mut line).expect("the server says where it listens");
    let address = line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("{line:?}"));
    (server, output, address.to_owned())
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("the output is UTF-8")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The value that stands in the table's row `name`.
fn row(table: &str, name: &str) -> String {
    let row = table.lines().find_map(|line| line.trim_start().strip_prefix(name));
    let value = row.and_then(|rest| rest.strip_prefix("  ")?.split_whitespace().next());
    value.unwrap_or_else(|| panic!("no row {name:?} in:\n{table}")).to_owned()
}

#[test]
fn a_small_run_holds_all_connections_and_prints_the_table() {
    let output = echo(&["--connections", "200", "--messages", "20"]);
    let table = stdout(&output);
    assert!(output.status.success(), "{}\n{table}\n{}", output.status, stderr(&output));
    assert_eq!(row(&table, "connections held at once"), "200");
    assert_eq!(row(&table, "messages"), "4,000");
    assert_eq!(row(&table, "wrong bytes"), "0");
    assert_eq!(row(&table, "lost connections"), "0");
    let measured = ["messages a second", "latency p50", "latency p99", "latency p99.9", "switches", "steals"];
    for name in measured.iter().chain(&["latency max", "memory a connection", "kernel memory a connection"]) {
        row(&table, name);
    }
    assert!(stderr(&output).contains("200 of 200 connections are held"), "{}", stderr(&output));
}

#[test]
fn messages_at_fixed_times_take_the_time_that_was_asked_for() {
    let start = Instant::now();
    let output = echo(&["--connections", "20", "--every", "100ms", "--seconds", "1"]);
    assert!(output.status.success(), "{}\n{}", output.status, stderr(&output));
    assert_eq!(row(&stdout(&output), "messages"), "200");
    assert!(start.elapsed() >= Duration::from_millis(900), "the last is due after 900 ms");
}

#[test]
#[cfg_attr(
    sinew_tsan,
    ignore = "the sanitizer holds a signal back until its thread makes a call, and this one only waits"
)]
fn a_signal_ends_the_server() {
    for signal in [libc::SIGTERM, libc::SIGINT] {
        let (mut server, mut output, address) = serve(&["127.0.0.1:0"]);
        let client = echo(&["--client-only", &address, "--connections", "5", "--messages", "2"]);
        assert!(client.status.success(), "{}", stderr(&client));
        // SAFETY: the process is a child that was not waited for, so its id is its own.
        assert_eq!(unsafe { libc::kill(server.id() as i32, signal) }, 0);
        let mut rest = String::new();
        output.read_to_string(&mut rest).expect("the output is UTF-8");
        assert_eq!(rest, "served 5 connections, 0 of them cut off\n");
        assert!(server.wait().expect("the server ends").success());
    }
}

#[test]
fn one_worker_and_messages_longer_than_any_buffer_work() {
    let output = echo(&["--connections=3", "--messages=2", "--size=200_001", "--workers=1"]);
    assert!(output.status.success(), "{}\n{}", output.status, stderr(&output));
    assert_eq!(row(&stdout(&output), "messages"), "6");
}

#[test]
fn a_server_and_a_client_of_their_own_work_together() {
    let (mut server, mut output, addresses) = serve(&["127.0.0.1:0,127.0.0.1:0", "--until-eof"]);
    let client = echo(&["--client-only", &addresses, "--connections", "50", "--messages", "5"]);
    assert!(client.status.success(), "{}\n{}", client.status, stderr(&client));
    assert_eq!(row(&stdout(&client), "messages"), "250");
    drop(server.stdin.take());
    let mut figures = String::new();
    output.read_to_string(&mut figures).expect("the server prints its figures");
    assert!(figures.contains("held=50 errors=0 switches="), "{figures:?}");
    assert!(server.wait().expect("the server ends").success());
}

/// Serves each connection with `answer`, which is told what came and how many bytes came before it.
fn wrong_server(answer: fn(&mut [u8], usize) -> bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("the listener is bound").to_string();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let (mut buffer, mut before) = ([0; 1024], 0);
                while let Ok(length @ 1..) = stream.read(&mut buffer) {
                    if !answer(&mut buffer[..length], before) || stream.write_all(&buffer[..length]).is_err() {
                        return;
                    }
                    before += length;
                }
            });
        }
    });
    address
}

#[test]
fn a_corrupted_byte_fails_the_run_and_is_counted() {
    let address = wrong_server(|bytes, before| {
        // The one byte at offset 100 of each connection.
        if let Some(byte) = 100usize.checked_sub(before).and_then(|at| bytes.get_mut(at)) {
            *byte ^= 1;
        }
        true
    });
    let output = echo(&["--client-only", &address, "--connections", "7", "--messages", "10"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert_eq!(row(&stdout(&output), "wrong bytes"), "7");
    assert_eq!(row(&stdout(&output), "lost connections"), "0");
    assert!(stderr(&output).contains("FAILED: 7 wrong bytes, 0 lost connections"), "{}", stderr(&output));
}

#[test]
fn connections_that_the_server_drops_fail_the_run_and_are_counted() {
    let address = wrong_server(|_, before| before < 256);
    let output = echo(&["--client-only", &address, "--connections", "9", "--messages", "10"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert_eq!(row(&stdout(&output), "connections held at once"), "9");
    assert_eq!(row(&stdout(&output), "lost connections"), "9");
    assert!(stderr(&output).contains("and 4 more"), "only the first few are told: {}", stderr(&output));
}

#[test]
fn connections_that_are_refused_are_lost() {
    let address = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        listener.local_addr().expect("the listener is bound").to_string()
    };
    let output = echo(&["--client-only", &address, "--connections", "3"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert_eq!(row(&stdout(&output), "lost connections"), "3");
}

#[test]
fn a_wrong_command_line_is_explained_with_code_2() {
    let cases: [(&[&str], &str); 9] = [
        (&["--seconds", "5"], "goes with --every"),
        (&["--every", "soon"], "--every needs a time"),
        (&["--driven"], "goes with --client-only"),
        (&["--conections", "5"], "--conections"),
        (&["--connections", "0"], "--connections needs a number from 1"),
        (&["--messages"], "--messages needs a value"),
        (&["--until-eof"], "goes with --server-only"),
        (&["--until-eof=yes"], "takes no value"),
        (&["--server-only", "127.0.0.1:0", "--client-only", "127.0.0.1:1"], "exclude each other"),
    ];
    for (arguments, words) in cases {
        let output = echo(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&output).contains(words), "{arguments:?}: {}", stderr(&output));
    }
}

#[test]
fn help_names_every_option() {
    let output = echo(&["--help"]);
    assert!(output.status.success());
    let help = stdout(&output);
    let options =
        ["connections", "messages", "every", "seconds", "size", "workers", "server-only", "client-only", "until-eof"];
    for option in options {
        assert!(help.contains(&format!("--{option}")), "{help}");
    }
}

#[cfg(target_os = "linux")]
mod limits {
    use super::*;

    /// Runs `echo` with a hard limit on open files that it cannot raise, which takes a process without privileges.
    fn limited(limit: u64, arguments: &[&str]) -> Output {
        let mut script = format!("ulimit -n {limit} && exec \"$0\" \"$@\"");
        // SAFETY: geteuid takes nothing and cannot fail.
        if unsafe { libc::geteuid() } == 0 {
            // As root, the one capability that would let it raise the limit is given up.
            script = format!("ulimit -n {limit} && exec setpriv --bounding-set -sys_resource \"$0\" \"$@\"");
        }
        let mut command = Command::new("sh");
        command.arg("-c").arg(script).arg(example_binary::path("echo")).args(arguments);
        command.stdin(Stdio::null()).output().expect("sh starts")
    }

    #[test]
    fn a_limit_with_room_for_one_side_puts_the_server_in_a_second_process() {
        let output = limited(320, &["--connections", "150", "--messages", "3"]);
        assert!(output.status.success(), "{}\n{}", output.status, stderr(&output));
        assert_eq!(row(&stdout(&output), "connections held at once"), "150");
        assert!(stderr(&output).contains("each side runs in a process of its own"), "{}", stderr(&output));
    }

    #[test]
    fn a_limit_with_room_for_a_part_of_a_side_divides_each_side_among_processes() {
        let output = limited(320, &["--connections", "500", "--every", "50ms", "--seconds", "1"]);
        assert!(output.status.success(), "{}\n{}", output.status, stderr(&output));
        assert!(stderr(&output).contains("each side runs in 3 processes"), "{}", stderr(&output));
        let table = stdout(&output);
        for (name, value) in [("connections held at once", "500"), ("messages", "10,000"), ("lost connections", "0")] {
            assert_eq!(row(&table, name), value);
        }
        row(&table, "messages sent late");
    }

    #[test]
    fn a_limit_that_is_too_low_is_explained_with_code_2() {
        let output = limited(300, &["--connections", "5000"]);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        let words = ["need 10100 open files", "5100 in each of two", "may have 300", "--connections 3200"];
        for word in words {
            assert!(stderr(&output).contains(word), "{word:?} not in: {}", stderr(&output));
        }
        let none = stderr(&limited(50, &["--connections", "10"]));
        assert!(none.contains("Raise the hard limit") && !none.contains("--connections 0"), "{none}");
    }
}
