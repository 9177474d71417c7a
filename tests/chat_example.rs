//! The `chat` example: what the members read and in which order, names, long lines, slow readers, and the end.

mod example_binary;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::Command;
use std::thread;
use std::time::Duration;

use example_binary::Running;

fn start(arguments: &[&str]) -> Running {
    Running::start("chat", "chat", arguments)
}

struct Client(BufReader<TcpStream>);

impl Client {
    /// Connects; the server asks for a name.
    fn connect(server: &Running) -> Client {
        Client::over(TcpStream::connect(&server.address).expect("the server accepts"))
    }

    fn over(stream: TcpStream) -> Client {
        stream.set_read_timeout(Some(Duration::from_secs(300))).expect("the timeout can be set");
        let mut client = Client(BufReader::new(stream));
        assert_eq!(client.line(), "* your name?");
        client
    }

    /// Joins under a name, and gives the line about who is there.
    fn join(server: &Running, name: &str) -> (Client, String) {
        let mut client = Client::connect(server);
        client.say(name);
        let here = client.line();
        (client, here)
    }

    fn say(&mut self, line: &str) {
        self.0.get_mut().write_all(format!("{line}\n").as_bytes()).expect("the server reads");
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("a line comes");
        assert_eq!(line.pop(), Some('\n'), "the connection ended in {line:?}");
        line
    }

    /// Everything until the server ends the connection.
    fn rest(&mut self) -> Vec<String> {
        self.0.by_ref().lines().map(|line| line.expect("the connection ends without a reset")).collect()
    }
}

#[test]
fn others_read_what_one_says_and_who_comes_and_goes() {
    let server = start(&[]);
    let (mut anna, here) = Client::join(&server, "anna");
    assert_eq!(here, "* nobody else is here");
    let (mut bert, here) = Client::join(&server, "bert");
    assert_eq!(here, "* here: anna");
    assert_eq!(anna.line(), "* bert has joined");
    anna.say("hello\r");
    anna.say("");
    anna.say("\u{1b}[2Jsecond \u{fc}");
    assert_eq!(bert.line(), "<anna> hello");
    assert_eq!(bert.line(), "<anna>  [2Jsecond \u{fc}");
    bert.say("/who");
    assert_eq!(bert.line(), "* here: anna bert");
    bert.say("/dance");
    assert_eq!(bert.line(), "* there are /who and /quit");
    bert.say("/quit");
    assert_eq!(bert.rest(), [""; 0]);
    assert_eq!(anna.line(), "* bert has left", "nothing of one's own is read");
    let (mut bert, _) = Client::join(&server, "bert");
    assert_eq!(anna.line(), "* bert has joined", "the name is free again");
    anna.0.get_mut().write_all(b"last, without an end").expect("the server reads");
    anna.0.get_mut().shutdown(Shutdown::Write).expect("the connection stands");
    assert_eq!(bert.line(), "<anna> last, without an end");
    assert_eq!(bert.line(), "* anna has left");
}

#[test]
fn names_are_checked_and_no_two_alike() {
    let server = start(&[]);
    let (_anna, _) = Client::join(&server, "anna");
    let mut client = Client::connect(&server);
    for bad in ["", "two words", "/who", &"x".repeat(21), &"x".repeat(5000), "\u{1b}[31m"] {
        client.say(bad);
        assert_eq!(client.line(), "* a name is 1 to 20 letters, digits, - and _; your name?", "{bad:?}");
    }
    client.say("anna");
    assert_eq!(client.line(), "* anna is there already; your name?");
    client.say("\u{e4}nne");
    assert_eq!(client.line(), "* here: anna");
}

#[test]
fn lines_that_are_too_long_are_told_and_skipped() {
    let server = start(&["--line", "10"]);
    let (mut anna, _) = Client::join(&server, "anna");
    let (mut bert, _) = Client::join(&server, "bert");
    assert_eq!(anna.line(), "* bert has joined");
    anna.say("0123456789");
    anna.say("0123456789\r");
    anna.say("0123456789x");
    anna.say(&"x".repeat(100_000));
    anna.say("short");
    for expected in ["<anna> 0123456789", "<anna> 0123456789", "<anna> short"] {
        assert_eq!(bert.line(), expected);
    }
    assert_eq!(anna.line(), "* that line was too long");
    assert_eq!(anna.line(), "* that line was too long");
}

#[test]
fn everyone_reads_every_line_of_the_others_in_one_order() {
    const CLIENTS: usize = 24;
    const LINES: usize = 100;
    // Room for all lines there are: nobody is dropped, however busy the machine.
    let server = start(&["--queue", &(CLIENTS * (LINES + 2)).to_string()]);
    let mut clients: Vec<_> = (0..CLIENTS).map(|number| Client::join(&server, &format!("c{number}")).0).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        for later in number + 1..CLIENTS {
            assert_eq!(client.line(), format!("* c{later} has joined"));
        }
    }
    let threads = clients.into_iter().enumerate().map(|(number, client)| {
        thread::spawn(move || {
            let mut sender = Client(BufReader::new(client.0.get_ref().try_clone().expect("it can be cloned")));
            let mut reader = client;
            let saying = thread::spawn(move || (0..LINES).for_each(|line| sender.say(&format!("line {line}"))));
            let read: Vec<_> = (0..(CLIENTS - 1) * LINES).map(|_| reader.line()).collect();
            saying.join().expect("all was sent");
            (number, read, reader)
        })
    });
    let threads: Vec<_> = threads.collect();
    let all: Vec<_> = threads.into_iter().map(|thread| thread.join().expect("all was read")).collect();
    // What two have both read they have read in the same order.
    let by = |line: &str, number: usize| line.starts_with(&format!("<c{number}> "));
    for (number, read, _) in &all {
        for other in (0..CLIENTS).filter(|other| other != number) {
            let lines: Vec<_> = read.iter().filter(|line| by(line, other)).collect();
            let expected: Vec<_> = (0..LINES).map(|line| format!("<c{other}> line {line}")).collect();
            assert!(lines.into_iter().eq(&expected), "what c{number} reads of c{other}");
        }
        let (first, first_read, _) = &all[0];
        let shared = |read: &'_ [String]| -> Vec<String> {
            read.iter().filter(|line| !by(line, *first) && !by(line, *number)).cloned().collect()
        };
        assert!(shared(read) == shared(first_read), "c{number} and c{first} read in different orders");
    }
}

#[test]
fn a_stalled_reader_is_dropped_and_holds_up_nobody() {
    let server = start(&["--queue", "64", "--patience", "60s"]);
    // Small buffers fill soon.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket can be had");
    socket.set_recv_buffer_size(4096).expect("the size can be set");
    socket.connect(&server.address.parse::<SocketAddr>().unwrap().into()).expect("the server accepts");
    let mut stalled = Client::over(socket.into());
    stalled.say("stalled");
    assert_eq!(stalled.line(), "* nobody else is here");
    let (mut anna, _) = Client::join(&server, "anna");
    let (mut bert, _) = Client::join(&server, "bert");
    assert_eq!(anna.line(), "* bert has joined");
    // Each batch is less than a queue, and bert has read it before the next one is sent.
    let line = "x".repeat(1000);
    let mut batches = 0;
    'dropped: loop {
        batches += 1;
        assert!(batches < 10_000, "300 megabytes are more than the buffers of a socket");
        (0..32).for_each(|_| anna.say(&line));
        let mut lines = 0;
        while lines < 32 {
            match bert.line().as_str() {
                "* stalled reads too slowly and was dropped" => break 'dropped,
                got => assert_eq!(got.strip_prefix("<anna> "), Some(line.as_str())),
            }
            lines += 1;
        }
    }
    println!("dropped in batch {batches} of 32 lines of 1,000 bytes");
    assert_eq!(anna.line(), "* stalled reads too slowly and was dropped");
    anna.say("/who");
    assert_eq!(anna.line(), "* here: anna bert");
    // It reads what was in its queue, and why it is over.
    let rest = stalled.rest();
    assert_eq!(rest.last().map(String::as_str), Some("* you read too slowly"));
    assert!(rest.len() >= 64 + 2, "{} lines", rest.len());
}

#[test]
#[cfg_attr(
    sinew_tsan,
    ignore = "the sanitizer holds a signal back until its thread makes a call, and this one only waits"
)]
fn ctrl_c_says_goodbye_to_everyone() {
    let server = start(&[]);
    let (mut anna, _) = Client::join(&server, "anna");
    let (mut bert, _) = Client::join(&server, "bert");
    let mut nameless = Client::connect(&server);
    assert_eq!(anna.line(), "* bert has joined");
    server.interrupt();
    for client in [&mut anna, &mut bert] {
        let rest = client.rest();
        assert_eq!(rest.last().map(String::as_str), Some("* the server is closing"), "{rest:?}");
    }
    assert_eq!(nameless.rest(), ["* the server is closing"]);
    assert_eq!(server.ended(), "served 3 clients\n");
}

#[test]
fn the_command_line_is_explained_and_checked() {
    let run = |arguments: &[&str]| Command::new(example_binary::path("chat")).args(arguments).output().unwrap();
    let help = run(&["--help"]);
    assert!(help.status.success() && String::from_utf8_lossy(&help.stdout).contains("--queue N"));
    let output = run(&["--queue", "0"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && text.contains("--queue needs a number from 1"), "{text}");
}
