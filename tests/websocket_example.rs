//! The `websocket` example against Python's `websockets`, and against frames made here where that client would not
//! misbehave.

mod example_binary;
mod foreign;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use foreign::Server;

/// Runs lines of Python within `async def main(uri)`, by a Python that has the client.
#[track_caller]
fn python(server: &Server, lines: &str) {
    // The Python of PATH may be another one than Debian's, which has Debian's packages.
    let pythons = ["python3", "/usr/bin/python3"];
    let has = |python: &&&str| {
        let result = Command::new(python).args(["-c", "import websockets"]).output();
        result.is_ok_and(|output| output.status.success())
    };
    let Some(python) = pythons.iter().find(has) else {
        panic!("this test needs Python with websockets: apt-get install python3-websockets, or .ci/install")
    };
    let head = "import asyncio, sys, websockets\nfrom websockets.exceptions import ConnectionClosed\n\
                async def main(uri):\n";
    let body: String = lines.lines().map(|line| format!("    {line}\n")).collect();
    let script = format!("{head}{body}asyncio.run(asyncio.wait_for(main(sys.argv[1]), 60))\n");
    let uri = format!("ws://{}/", server.address);
    foreign::succeeded(&foreign::run(python, "python3-websockets", &["-c", &script, &uri]));
}

fn start(more: &[&str]) -> Server {
    Server::start("websocket", &[&["--addr", "127.0.0.1:0"], more].concat())
}

#[test]
fn messages_of_every_kind_come_back() {
    python(
        &start(&[]),
        r#"
async with websockets.connect(uri, max_size=None) as ws:
    for message in ["", "hello", "h\u00e9 \U0001f9f5", b"", bytes(range(256)), "x" * 125, "x" * 126, b"y" * 65535, b"z" * 65536]:
        await ws.send(message)
        assert await ws.recv() == message, message[:20]
    big = bytes(i % 251 for i in range(5_000_000))
    await ws.send(big)
    assert await ws.recv() == big
    # Fragments, of which each is a frame.
    await ws.send(["frag", "", "men", "ted"])
    assert await ws.recv() == "fragmented"
    await ws.send(big[i:i + 10_000] for i in range(0, 1_000_000, 10_000))
    assert await ws.recv() == big[:1_000_000]
    # Many before the first is read.
    for i in range(1000):
        await ws.send(str(i))
    for i in range(1000):
        assert await ws.recv() == str(i)
    await (await ws.ping(b"are you there"))
    await ws.send("last")
    assert await ws.recv() == "last"
    await ws.close(4001, "enough")
assert (ws.close_code, ws.close_reason) == (4001, "enough"), (ws.close_code, ws.close_reason)
"#,
    );
}

#[test]
fn a_ping_amid_fragments_is_answered() {
    let server = start(&[]);
    let mut stream = handshake(&server);
    // "ab" in two fragments with a ping between, each masked with zeroes.
    let frames: [&[u8]; 3] =
        [&[0x01, 0x81, 0, 0, 0, 0, b'a'], &[0x89, 0x81, 0, 0, 0, 0, b'p'], &[0x80, 0x81, 0, 0, 0, 0, b'b']];
    // Byte by byte.
    for byte in frames.concat() {
        stream.write_all(&[byte]).expect("the server reads");
    }
    let mut answer = [0; 7];
    stream.read_exact(&mut answer).expect("the server answers");
    assert_eq!(answer, [0x8a, 1, b'p', 0x81, 2, b'a', b'b']);
}

#[test]
fn many_clients_talk_at_once() {
    let server = start(&[]);
    python(
        &server,
        r#"
async def client(number):
    async with websockets.connect(uri) as ws:
        for i in range(20):
            message = f"{number}: {i}"
            await ws.send(message)
            assert await ws.recv() == message
await asyncio.gather(*(client(number) for number in range(200)))
"#,
    );
    server.interrupt();
    let (status, text) = server.ended();
    assert!(status.success(), "{status}");
    assert_eq!(text, "served 200 connections, 0 of them cut short\n");
}

#[test]
fn a_message_that_is_too_long_is_refused() {
    python(
        &start(&["--longest", "1000"]),
        r#"
for message in ["x" * 1001, ["x" * 600] * 2]:
    async with websockets.connect(uri) as ws:
        await ws.send("x" * 1000)
        assert len(await ws.recv()) == 1000
        try:
            await ws.send(message)
            await ws.recv()
            assert False
        except ConnectionClosed:
            assert ws.close_code == 1009, (ws.close_code, ws.close_reason)
"#,
    );
}

#[test]
fn a_breach_of_protocol_ends_the_connection() {
    let server = start(&[]);
    let unmasked: &[u8] = &[0x81, 1, b'a'];
    let not_utf8: &[u8] = &[0x81, 0x81, 0, 0, 0, 0, 0xff];
    let reserved: &[u8] = &[0xf1, 0x80, 0, 0, 0, 0];
    for (frame, code) in [(unmasked, 1002u16), (not_utf8, 1007), (reserved, 1002)] {
        let mut stream = handshake(&server);
        stream.write_all(frame).expect("the server reads");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("the connection ends without a reset");
        assert_eq!((answer[0], &answer[2..4]), (0x88, &code.to_be_bytes()[..]), "{frame:x?}: {answer:x?}");
    }
    // What is no WebSocket at all.
    let mut stream = connect(&server);
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("the server reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("the connection ends without a reset");
    assert!(!answer.starts_with(b"HTTP/1.1 101"));
}

#[test]
fn a_silent_client_is_pinged_and_then_given_up() {
    let server = start(&["--patience", "300ms"]);
    // In the handshake.
    let mut stalled = connect(&server);
    stalled.write_all(b"GET / HTTP/1.1\r\nHost: local").expect("the server reads");
    let mut silent = handshake(&server);
    let mut answer = Vec::new();
    silent.read_to_end(&mut answer).expect("the connection ends without a reset");
    assert_eq!(answer[..2], [0x89, 0], "a ping");
    assert_eq!((answer[2], &answer[4..6]), (0x88, &1008u16.to_be_bytes()[..]), "a close");
    assert!(stalled.read(&mut [0; 16]).is_ok_and(|length| length == 0), "and no more of the handshake");
    // One that answers pings is kept.
    python(
        &server,
        "async with websockets.connect(uri, ping_interval=None) as ws:\n    await asyncio.sleep(2)\n    \
         await ws.send('still here')\n    assert await ws.recv() == 'still here'\n",
    );
}

#[test]
fn ctrl_c_tells_clients_that_the_server_goes() {
    let server = start(&[]);
    let mut stream = handshake(&server);
    // Half a frame has come.
    stream.write_all(&[0x81, 0x85, 0, 0, 0, 0, b'h', b'e']).expect("the server reads");
    server.interrupt();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("the connection ends without a reset");
    assert_eq!((answer[0], &answer[2..4]), (0x88, &1001u16.to_be_bytes()[..]), "{answer:x?}");
    drop(stream);
    let (status, text) = server.ended();
    assert!(status.success(), "{status}");
    assert_eq!(text, "served 1 connections, 0 of them cut short\n");
}

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(&server.address).expect("the server accepts");
    stream.set_read_timeout(Some(Duration::from_secs(300))).expect("the timeout can be set");
    stream.set_nodelay(true).expect("the option can be set");
    stream
}

/// A connection behind its handshake, with the key and the answer that RFC 6455 gives as an example in 1.3.
fn handshake(server: &Server) -> TcpStream {
    let mut stream = connect(server);
    let fields = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13";
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    write!(stream, "GET /chat HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n{key}\r\n\r\n").expect("the server reads");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("the server answers");
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head);
    assert!(head.starts_with("HTTP/1.1 101 ") && head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
    stream
}
