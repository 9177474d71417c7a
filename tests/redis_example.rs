//! The `redis` example against Debian's server: commands, pipelines, subscriptions, many threads on one connection,
//! cancellation; and its reader of replies against all kinds of bytes.

mod example_binary;
mod foreign;

#[path = "../examples/redis/client.rs"]
mod client;
#[path = "../examples/redis/resp.rs"]
mod resp;
#[path = "../examples/common/socket.rs"]
mod socket;

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use client::{Client, Shared};
use foreign::{Folder, Process, all, example, succeeded, until};
use proptest::prelude::*;
use resp::{Reply, read_reply, write_command};
use sinew::io::copy_bidirectional;
use sinew::time::timeout;
use socket::Address;

/// A server with a Unix socket of its own, both of which end with the value.
struct Redis {
    _process: Process,
    _folder: Folder,
    address: Address,
}

impl Redis {
    fn start() -> Redis {
        let folder = Folder::new("redis");
        let path = folder.path("socket");
        let mut command = Command::new("redis-server");
        // No port, and nothing is saved.
        command.args([
            "--port",
            "0",
            "--save",
            "",
            "--appendonly",
            "no",
            "--unixsocket",
            &path,
            "--dir",
            &folder.path(""),
        ]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        let child = child.unwrap_or_else(|error| foreign::missing("redis-server", "redis-server", &error));
        let mut process = Process(child);
        until("redis-server listens", || {
            if let Some(status) = process.0.try_wait().expect("it is a child") {
                panic!("redis-server has ended: {status}");
            }
            std::os::unix::net::UnixStream::connect(&path).is_ok()
        });
        Redis { _process: process, _folder: folder, address: Address(path) }
    }

    fn client(&self) -> Client {
        Client::connect(&self.address).expect("the server accepts")
    }
}

fn integer(reply: Reply) -> i64 {
    match reply {
        Reply::Integer(number) => number,
        other => panic!("{other:?}"),
    }
}

fn bulk(text: &str) -> Reply {
    Reply::Bulk(text.as_bytes().to_vec())
}

#[test]
fn commands_are_answered_with_replies_of_every_kind() {
    let redis = Redis::start();
    let mut client = redis.client();
    let mut call = |command: &str| client.call(&command.split(' ').collect::<Vec<_>>()).expect("the server answers");
    assert_eq!(call("SET greeting hello"), Reply::Status("OK".to_owned()));
    assert_eq!(call("GET greeting"), bulk("hello"));
    assert_eq!(call("GET nothing"), Reply::Nil);
    assert_eq!(call("INCRBY number -5"), Reply::Integer(-5));
    assert_eq!(call("RPUSH list a b c"), Reply::Integer(3));
    assert_eq!(call("LRANGE list 0 -1"), Reply::Array(vec![bulk("a"), bulk("b"), bulk("c")]));
    assert_eq!(call("LRANGE none 0 -1"), Reply::Array(vec![]));
    assert!(matches!(call("LPUSH greeting x"), Reply::Error(text) if text.starts_with("WRONGTYPE ")));
    assert!(matches!(call("NONSENSE"), Reply::Error(text) if text.starts_with("ERR unknown command")));
    let script = ["EVAL", "return {1, {2, {false, 'three'}}, redis.status_reply('FINE')}", "0"];
    let inner = Reply::Array(vec![Reply::Integer(2), Reply::Array(vec![Reply::Nil, bulk("three")])]);
    let expected = Reply::Array(vec![Reply::Integer(1), inner, Reply::Status("FINE".to_owned())]);
    assert_eq!(client.call(&script).expect("the server answers"), expected);
    // Any bytes, and many.
    let big: Vec<u8> = (0..5_000_000u32).map(|index| (index % 251) as u8).collect();
    assert_eq!(client.call(&[&b"SET"[..], b"big", &big]).expect("the server answers"), Reply::Status("OK".to_owned()));
    assert!(client.call(&["GET", "big"]).expect("the server answers") == Reply::Bulk(big));
}

#[test]
fn the_program_prints_as_redis_cli_does() {
    let redis = Redis::start();
    let with = |args: &[&str]| example("redis", &[&["--addr", &*redis.address.0], args].concat());
    assert_eq!(succeeded(&with(&["SET", "a", "--not an option=1"])), "OK\n");
    assert_eq!(succeeded(&with(&["GET", "a"])), "\"--not an option=1\"\n");
    assert_eq!(succeeded(&with(&["RPUSH", "list", "x", "y"])), "(integer) 2\n");
    assert_eq!(succeeded(&with(&["LRANGE", "list", "0", "-1"])), "1) \"x\"\n2) \"y\"\n");
    let refused = with(&["INCR", "a"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(all(&refused).starts_with("(error) ERR value is not an integer"), "{}", all(&refused));
    let many = succeeded(&with(&["--threads", "2000", "INCR", "visits"]));
    assert!(many.starts_with("2000 replies, 0 of them errors"), "{many}");
    assert_eq!(succeeded(&with(&["GET", "visits"])), "\"2000\"\n");
    let nobody = example("redis", &["--addr", "/nowhere/socket", "PING"]);
    assert!(all(&nobody).contains("redis: cannot connect to /nowhere/socket: "), "{}", all(&nobody));
    let late = with(&["--timeout", "1s", "BLPOP", "empty", "0"]);
    assert!(all(&late).contains("the deadline has passed"), "{}", all(&late));
    assert_eq!(example("redis", &["--nonsense"]).status.code(), Some(2));

    let mut process = Command::new(example_binary::path("redis"));
    process.args(["--addr", &redis.address.0]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut process = process.spawn().expect("the example starts");
    let mut input = process.stdin.take().expect("the input is piped");
    let lines: String = (0..5_000).map(|number| format!("INCRBY sum {number}\n\n")).collect();
    input.write_all(lines.as_bytes()).expect("the example reads");
    drop(input);
    let text = succeeded(&process.wait_with_output().expect("it ends"));
    assert_eq!((text.lines().count(), text.lines().last()), (5_000, Some("(integer) 12497500")));

    // Commands that never come are waited for no longer than anything else.
    let mut process = Command::new(example_binary::path("redis"));
    process.args(["--addr", &redis.address.0, "--timeout", "100ms"]).stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut process = process.spawn().expect("the example starts");
    let input = process.stdin.take();
    let late = process.wait_with_output().expect("it ends");
    assert!(all(&late).contains("the deadline has passed"), "{}", all(&late));
    drop(input);
}

#[test]
fn a_thousand_threads_share_a_connection_and_some_give_up() {
    let redis = Redis::start();
    sinew::run(|| {
        let shared = Shared::connect(&redis.address).expect("the server accepts");
        sinew::scope(|scope| {
            let callers: Vec<_> = (0..1_000)
                .map(|number| {
                    let shared = &shared;
                    scope.spawn(move || {
                        let (key, value) = (format!("key {number}"), format!("value {number}"));
                        for round in 0..10 {
                            // Some are cut short at any point; those of others must not be mistaken for theirs.
                            let limit = Duration::from_micros(if number % 3 == 0 { 20 * round } else { 60_000_000 });
                            let _ = timeout(limit, || shared.call(&["SET", "disturbance", "x"]));
                            shared.call(&["SET", &key, &value]).expect("the server answers");
                            let got = shared.call(&["GET", &key]).expect("the server answers");
                            assert_eq!(got, bulk(&value));
                        }
                    })
                })
                .collect();
            callers.into_iter().for_each(|caller| caller.join().expect("no reply goes astray"));
        });
        // The server ends the connection: whoever calls is told.
        let _ = shared.call(&["QUIT"]);
        let error = shared.call(&["PING"]).expect_err("the connection has ended");
        assert_eq!(error.kind(), ErrorKind::ConnectionAborted);
    });
}

#[test]
fn messages_reach_their_subscribers_also_between_timeouts() {
    let redis = Redis::start();
    let received = AtomicUsize::new(0);
    let received = &received;
    sinew::run(|| {
        sinew::scope(|scope| {
            let subscribers: Vec<_> = (0..20)
                .map(|_| {
                    let mut client = redis.client();
                    let confirmation = client.call(&["SUBSCRIBE", "news"]).expect("the server answers");
                    assert_eq!(confirmation, Reply::Array(vec![bulk("subscribe"), bulk("news"), Reply::Integer(1)]));
                    scope.spawn(move || {
                        let (mut next, mut late) = (0, 0);
                        while next < 500 {
                            match timeout(Duration::from_micros(100), || client.message()) {
                                Err(_) => late += 1,
                                Ok(message) => {
                                    let message = message.expect("the server writes").expect("it goes on");
                                    let expected = vec![bulk("message"), bulk("news"), bulk(&next.to_string())];
                                    assert_eq!(message, Reply::Array(expected));
                                    next += 1;
                                    received.fetch_add(1, Ordering::Relaxed);
                                }
                            }
                        }
                        late
                    })
                })
                .collect();
            let mut publisher = redis.client();
            for number in 0..500 {
                let reached = publisher.call(&["PUBLISH", "news", &number.to_string()]).expect("the server answers");
                assert_eq!(integer(reached), 20);
                // As many as a reader's buffer holds whole: a timeout in the midst of one would spoil the connection.
                while number % 50 == 49 && received.load(Ordering::Relaxed) < 20 * (number + 1) {
                    sinew::sleep(Duration::from_millis(1));
                }
            }
            let late: i32 = subscribers.into_iter().map(|thread| thread.join().expect("all came")).sum();
            println!("{late} waits were ended by their timeouts");
        });
    });
}

#[test]
fn a_subscription_is_printed_until_the_server_ends() {
    let redis = Redis::start();
    let mut process = Command::new(example_binary::path("redis"));
    process.args(["--addr", &redis.address.0, "SUBSCRIBE", "news"]).stdout(Stdio::piped());
    let mut process = Process(process.spawn().expect("the example starts"));
    let mut lines = BufReader::new(process.0.stdout.take().expect("the output is piped")).lines();
    let mut three = || [(); 3].map(|()| lines.next().expect("it goes on").expect("it is text"));
    assert_eq!(three(), ["1) \"subscribe\"", "2) \"news\"", "3) (integer) 1"]);
    assert_eq!(integer(redis.client().call(&["PUBLISH", "news", "hot"]).expect("the server answers")), 1);
    assert_eq!(three(), ["1) \"message\"", "2) \"news\"", "3) \"hot\""]);
    drop(redis);
    assert!(process.0.wait().expect("it is a child").success());
}

#[test]
fn a_call_that_is_cut_short_spoils_its_connection_alone() {
    let redis = Redis::start();
    let mut client = redis.client();
    timeout(Duration::from_millis(50), || client.call(&["BLPOP", "empty", "0"])).expect_err("nothing is there");
    let error = client.call(&["PING"]).expect_err("the reply that comes next is not to this");
    assert_eq!(error.to_string(), "an earlier call on this connection was cut short");
    let waiting = sinew::spawn({
        let mut client = redis.client();
        move || client.call(&["BLPOP", "empty", "0"])
    });
    until("the server has the call", || {
        let clients = redis.client().call(&["CLIENT", "LIST"]).expect("the server answers");
        matches!(clients, Reply::Bulk(text) if String::from_utf8_lossy(&text).contains("cmd=blpop"))
    });
    waiting.thread().cancel();
    assert!(waiting.join().expect_err("it was cancelled").is::<sinew::Cancelled>());
    assert_eq!(redis.client().call(&["PING"]).expect("others go on"), Reply::Status("PONG".to_owned()));
}

#[test]
fn it_works_over_tcp_too() {
    let redis = Redis::start();
    sinew::run(|| {
        // The server has no port, which could be taken; this passes bytes on to it.
        let listener = sinew::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = Address(listener.local_addr().expect("it has an address").to_string());
        let path = redis.address.0.clone();
        let passing = sinew::spawn(move || {
            let (near, _) = listener.accept().expect("the client comes");
            let far = sinew::net::unix::UnixStream::connect(path).expect("the server accepts");
            copy_bidirectional(&near, &far).map(drop)
        });
        let commands: Vec<Vec<String>> = (0..1_000).map(|_| vec!["INCR".to_owned(), "number".to_owned()]).collect();
        let replies = Client::connect(&address).expect("it listens").pipeline(&commands).expect("the server answers");
        assert!(replies.into_iter().map(integer).eq(1..=1_000));
        passing.join().expect("no panic").expect("both sides end well");
    });
}

/// A reply as a server writes it.
fn written(reply: &Reply, output: &mut Vec<u8>) {
    match reply {
        Reply::Status(text) => output.extend_from_slice(format!("+{text}\r\n").as_bytes()),
        Reply::Error(text) => output.extend_from_slice(format!("-{text}\r\n").as_bytes()),
        Reply::Integer(number) => output.extend_from_slice(format!(":{number}\r\n").as_bytes()),
        Reply::Bulk(bytes) => {
            output.extend_from_slice(format!("${}\r\n", bytes.len()).as_bytes());
            output.extend_from_slice(bytes);
            output.extend_from_slice(b"\r\n");
        }
        Reply::Nil => output.extend_from_slice(b"$-1\r\n"),
        Reply::Array(values) => {
            output.extend_from_slice(format!("*{}\r\n", values.len()).as_bytes());
            values.iter().for_each(|value| written(value, output));
        }
    }
}

fn any_reply() -> impl Strategy<Value = Reply> {
    let leaf = prop_oneof![
        "[^\r\n]{0,20}".prop_map(Reply::Status),
        "[^\r\n]{0,20}".prop_map(Reply::Error),
        any::<i64>().prop_map(Reply::Integer),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(Reply::Bulk),
        Just(Reply::Nil),
    ];
    leaf.prop_recursive(6, 60, 6, |inner| prop::collection::vec(inner, 0..6).prop_map(Reply::Array))
}

proptest! {
    #[test]
    fn a_reply_is_read_as_it_was_written_and_nothing_behind_it(reply in any_reply(), cut in any::<prop::sample::Index>()) {
        let mut bytes = Vec::new();
        written(&reply, &mut bytes);
        let cut = cut.index(bytes.len());
        let error = read_reply(&mut &bytes[..cut]).expect_err("it is cut short");
        prop_assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        bytes.extend_from_slice(b"+next\r\n");
        let mut input = &bytes[..];
        prop_assert_eq!(read_reply(&mut input).expect("it is a reply"), reply);
        prop_assert_eq!(input, b"+next\r\n");
    }

    #[test]
    fn whatever_bytes_come_are_a_reply_or_an_error(bytes in "[*$+:\\-0-9a\r\n]{0,60}") {
        let _ = read_reply(&mut bytes.as_bytes());
        let mut command = Vec::new();
        write_command(&mut command, &[&bytes, "x"]);
        let expected = Reply::Array(vec![bulk(&bytes), bulk("x")]);
        prop_assert_eq!(read_reply(&mut &command[..]).expect("a command is an array"), expected);
    }
}

#[test]
fn what_passes_a_limit_or_is_no_reply_is_refused_before_it_is_held() {
    let deep = |count: usize| [&b"*1\r\n".repeat(count)[..], b"+x\r\n"].concat();
    assert!(read_reply(&mut &deep(8)[..]).is_ok());
    let refused: [&[u8]; 16] = [
        b"\r\n",
        b"x\r\n",
        b"+x\n",
        b"+a\rb\r\n",
        b":\r\n",
        b":+1\r\n",
        b":9223372036854775808\r\n",
        b"$-2\r\n",
        b"$3\r\nabcd\r\n",
        b"$67108863\r\n",
        b"$9223372036854775807\r\n",
        b"*9223372036854775807\r\n",
        b"*1048576\r\n",
        &deep(9),
        &[b'+'; 70_000],
        &[b"*2\r\n*600000\r\n", &b"$-1\r\n".repeat(600_000)[..], b"*600000\r\n"].concat(),
    ];
    for bytes in refused {
        let error = read_reply(&mut &bytes[..]).expect_err("it is no reply");
        assert_eq!(
            error.kind(),
            ErrorKind::InvalidData,
            "{:?}",
            String::from_utf8_lossy(&bytes[..bytes.len().min(40)])
        );
    }
}
