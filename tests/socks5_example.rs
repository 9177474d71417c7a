//! The `socks5` example: what is relayed, what is refused and how, its limits of time, and its end.

mod example_binary;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use example_binary::Running;

fn start(arguments: &[&str]) -> Running {
    Running::start("socks5", "socks5", arguments)
}

/// A server that sends back what comes, and ends when that ends.
fn echo_on(address: &str) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind(address)?;
    let bound = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.expect("a connection comes");
            thread::spawn(move || std::io::copy(&mut &stream, &mut &stream));
        }
    });
    Ok(bound)
}

fn echo() -> SocketAddr {
    echo_on("127.0.0.1:0").expect("there is a free port")
}

fn connect(proxy: &Running) -> TcpStream {
    let stream = TcpStream::connect(&proxy.address).expect("the proxy accepts");
    stream.set_read_timeout(Some(Duration::from_secs(300))).expect("the timeout can be set");
    stream
}

fn read<const N: usize>(mut stream: &TcpStream) -> [u8; N] {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).expect("the answer comes");
    bytes
}

fn send(mut stream: &TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).expect("the other side reads");
}

/// Reads to the end, which comes without a reset.
fn rest(mut stream: &TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).expect("the connection ends without a reset");
    rest
}

/// A request to connect to an address.
fn request(to: SocketAddr) -> Vec<u8> {
    let mut bytes = vec![5, 1, 0];
    match to {
        SocketAddr::V4(to) => {
            bytes.push(1);
            bytes.extend(to.ip().octets());
        }
        SocketAddr::V6(to) => {
            bytes.push(4);
            bytes.extend(to.ip().octets());
        }
    }
    bytes.extend(to.port().to_be_bytes());
    bytes
}

fn named(name: &[u8], port: u16) -> Vec<u8> {
    let mut bytes = vec![5, 1, 0, 3, u8::try_from(name.len()).expect("the name is short")];
    bytes.extend(name);
    bytes.extend(port.to_be_bytes());
    bytes
}

/// Makes a request without authentication, and gives the code of the reply.
fn ask(stream: &TcpStream, request: &[u8]) -> u8 {
    send(stream, &[5, 1, 0]);
    assert_eq!(read(stream), [5, 0]);
    send(stream, request);
    reply(stream)
}

/// Reads a reply to its end, and gives its code.
fn reply(stream: &TcpStream) -> u8 {
    let [version, code, reserved, kind] = read(stream);
    assert_eq!((version, reserved), (5, 0));
    match kind {
        1 => drop(read::<6>(stream)),
        4 => drop(read::<18>(stream)),
        _ => panic!("an address of kind {kind}"),
    }
    code
}

fn through(proxy: &Running, to: SocketAddr) -> TcpStream {
    let stream = connect(proxy);
    assert_eq!(ask(&stream, &request(to)), 0);
    stream
}

#[test]
fn addresses_of_both_families_and_names_are_connected_to() {
    let (proxy, server) = (start(&[]), echo());
    let mut requests = vec![request(server), named(b"127.0.0.1", server.port()), named(b"localhost", server.port())];
    match echo_on("[::1]:0") {
        Ok(server) => requests.extend([request(server), named(b"::1", server.port())]),
        Err(error) => println!("skipped: IPv6: {error}"),
    }
    for request in requests {
        let stream = connect(&proxy);
        assert_eq!(ask(&stream, &request), 0, "{request:?}");
        send(&stream, b"hello");
        assert_eq!(&read::<5>(&stream), b"hello");
    }
}

#[test]
fn the_end_of_one_direction_leaves_the_other() {
    let proxy = start(&[]);
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let client = through(&proxy, listener.local_addr().expect("it is bound"));
    let (server, _) = listener.accept().expect("the proxy connects");
    send(&client, b"question");
    client.shutdown(Shutdown::Write).expect("the connection stands");
    assert_eq!(rest(&server), b"question");
    let answer: Vec<u8> = (0..2_000_000u32).map(|index| (index % 251) as u8).collect();
    let sent = answer.clone();
    let sender = thread::spawn(move || send(&server, &sent));
    assert!(rest(&client) == answer);
    sender.join().expect("all was taken");
}

#[test]
fn bytes_behind_the_request_reach_the_server_and_byte_by_byte_is_enough() {
    let (proxy, server) = (start(&[]), echo());
    let mut all = vec![5, 2, 7, 0];
    all.extend(request(server));
    all.extend(b"early");
    let stream = connect(&proxy);
    send(&stream, &all);
    assert_eq!(read(&stream), [5, 0]);
    assert_eq!(reply(&stream), 0);
    assert_eq!(&read::<5>(&stream), b"early");
    let stream = connect(&proxy);
    stream.set_nodelay(true).expect("the option can be set");
    all.chunks(1).for_each(|byte| send(&stream, byte));
    assert_eq!(read(&stream), [5, 0]);
    assert_eq!(reply(&stream), 0);
    assert_eq!(&read::<5>(&stream), b"early");
}

#[test]
fn what_cannot_be_done_is_told_by_its_code() {
    let (proxy, server) = (start(&["--connect", "500ms"]), echo());
    // Bound and never listening: nobody else gets this port, and nobody is there.
    let closed = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket can be had");
    closed.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("there is a free port");
    let closed = closed.local_addr().ok().and_then(|address| address.as_socket()).expect("it is bound");
    let with = |place: usize, byte: u8| {
        let mut bytes = request(server);
        bytes[place] = byte;
        bytes
    };
    let cases = [
        (5, "refused", request(closed)),
        (4, "an unknown name", named(b"no-such-host.invalid", 80)),
        (1, "another version", with(0, 4)),
        (7, "BIND", with(1, 2)),
        (7, "UDP", with(1, 3)),
        (7, "nonsense", with(1, 99)),
        (8, "kind of address", with(3, 2)),
        (1, "an empty name", named(b"", 80)),
        (1, "a name that is no text", named(b"\xff\xfe", 80)),
        (1, "a name with a NUL", named(b"local\0host", 80)),
    ];
    for (code, what, request) in cases {
        let stream = connect(&proxy);
        assert_eq!(ask(&stream, &request), code, "{what}");
        assert_eq!(rest(&stream), b"", "{what}");
    }
    // TCP goes to one: Linux has no way to everyone.
    let stream = connect(&proxy);
    assert_eq!(ask(&stream, &request(SocketAddr::from(([255, 255, 255, 255], 9)))), 3, "no network");
    // A listener whose queue is full answers nothing.
    let full = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket can be had");
    full.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("there is a free port");
    full.listen(0).expect("it can listen");
    let address = full.local_addr().ok().and_then(|address| address.as_socket()).expect("it is bound");
    let mut waiting = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(500)) {
        waiting.push(stream);
    }
    assert_eq!(ask(&connect(&proxy), &request(address)), 4, "silence");
    assert_eq!(ask(&connect(&proxy), &request(server)), 0, "the proxy lives on");
}

#[test]
fn malformed_greetings_end_the_connection() {
    let proxy = start(&[]);
    for (greeting, answer) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], &b""[..]),
        (&[4, 1, 0, 80, 127, 0, 0, 1, 0], b""),
        (&[0; 100], b""),
        (&[5, 0], &[5, 0xFF]),
        (&[5, 2, 1, 2], &[5, 0xFF]),
    ] {
        let stream = connect(&proxy);
        send(&stream, greeting);
        assert_eq!(rest(&stream), answer, "{greeting:?}");
    }
    for half in [&[][..], &[5], &[5, 3, 0], &[5, 1, 0, 5, 1, 0, 3, 200, b'x']] {
        let stream = connect(&proxy);
        send(&stream, half);
        stream.shutdown(Shutdown::Write).expect("the connection stands");
        assert!(rest(&stream).len() <= 2, "{half:?}");
    }
}

#[test]
fn only_the_user_is_served_if_there_is_one() {
    let (proxy, server) = (start(&["--user", "me:se:cret"]), echo());
    let stream = connect(&proxy);
    send(&stream, &[5, 1, 0]);
    assert_eq!(rest(&stream), [5, 0xFF]);
    let log_in = |name: &[u8], password: &[u8]| {
        let stream = connect(&proxy);
        send(&stream, &[5, 2, 0, 2]);
        assert_eq!(read(&stream), [5, 2]);
        let mut bytes = vec![1, name.len() as u8];
        bytes.extend(name);
        bytes.push(password.len() as u8);
        bytes.extend(password);
        send(&stream, &bytes);
        (read::<2>(&stream), stream)
    };
    for (name, password) in [(&b"me"[..], &b"wrong!"[..]), (b"", b""), (b"you", b"se:cret"), (b"me", b"se:cret\0")] {
        let (answer, stream) = log_in(name, password);
        assert_eq!((answer, rest(&stream)), ([1, 1], Vec::new()), "{name:?}");
    }
    let (answer, stream) = log_in(b"me", b"se:cret");
    assert_eq!(answer, [1, 0]);
    send(&stream, &request(server));
    assert_eq!(reply(&stream), 0);
    send(&stream, b"hello");
    assert_eq!(&read::<5>(&stream), b"hello");
}

#[test]
fn silence_ends_a_handshake_and_a_connection_but_not_if_one_direction_moves() {
    let proxy = start(&["--handshake", "300ms", "--idle", "1s"]);
    let begun = Instant::now();
    let stream = connect(&proxy);
    send(&stream, &[5, 1]);
    assert_eq!(rest(&stream), b"");
    assert!(begun.elapsed() >= Duration::from_millis(300));

    let begun = Instant::now();
    assert_eq!(rest(&through(&proxy, echo())), b"");
    assert!(begun.elapsed() >= Duration::from_millis(1000));

    // A machine that is too busy can be silent for a while by itself.
    assert!([500, 2_500, 12_500].into_iter().any(one_way_is_enough), "it ended in spite of all that came");
}

/// Whether a connection outlives its limit of silence three times while the server sends and the client does not.
fn one_way_is_enough(idle: u64) -> bool {
    let proxy = start(&["--idle", &format!("{idle}ms")]);
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let client = through(&proxy, listener.local_addr().expect("it is bound"));
    let (mut server, _) = listener.accept().expect("the proxy connects");
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(3 * idle) {
        if server.write_all(b"x").and_then(|()| (&client).read_exact(&mut [0])).is_err() {
            return false;
        }
        thread::sleep(Duration::from_millis(10));
    }
    true
}

#[test]
fn many_clients_are_served_at_once() {
    let (proxy, server) = (start(&[]), echo());
    let clients: Vec<_> = (0..200).map(|_| through(&proxy, server)).collect();
    let rounds: Vec<_> = (0..5u8).map(|round| vec![round; 1000]).collect();
    for round in &rounds {
        clients.iter().for_each(|client| send(client, round));
        clients.iter().for_each(|client| assert_eq!(&read::<1000>(client)[..], round));
    }
}

#[test]
#[cfg_attr(
    sinew_tsan,
    ignore = "the sanitizer holds a signal back until its thread makes a call, and this one only waits"
)]
fn ctrl_c_lets_clients_finish_and_cuts_off_those_who_do_not() {
    let server = echo();
    let proxy = start(&["--drain", "60s"]);
    let client = through(&proxy, server);
    proxy.interrupt();
    // The listener is closed, which the first refusal shows; the client goes on.
    let begun = Instant::now();
    while TcpStream::connect(&proxy.address).is_ok() {
        assert!(begun.elapsed() < Duration::from_secs(300), "the proxy still accepts");
        thread::sleep(Duration::from_millis(5));
    }
    send(&client, b"hello");
    assert_eq!(&read::<5>(&client), b"hello");
    drop(client);
    assert!(proxy.ended().contains("of which 0 were cut off"));

    let proxy = start(&["--drain", "100ms"]);
    let mut client = through(&proxy, server);
    proxy.interrupt();
    let end = client.read(&mut [0]);
    assert!(matches!(&end, Ok(0)) || end.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset));
    assert_eq!(proxy.ended(), "served 1 clients, of which 1 were cut off\n");
}

/// Runs curl; `None` and a line that says so if it is not installed.
fn curl(arguments: &[&str]) -> Option<std::process::Output> {
    match Command::new("curl").args(["-sS", "--max-time", "60"]).args(arguments).output() {
        Ok(output) => Some(output),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            println!("skipped: curl is not installed (apt-get install curl)");
            None
        }
        Err(error) => panic!("curl: {error}"),
    }
}

#[test]
fn curl_is_served() {
    let http = Running::start("http", "http", &[]);
    let (proxy, guarded) = (start(&[]), start(&["--user", "me:secret"]));
    let (open, closed) = (proxy.address.as_str(), guarded.address.as_str());
    let url = format!("http://{}/", http.address);
    let by_name = url.replace("127.0.0.1", "localhost");
    for arguments in [
        vec!["--socks5", open, &url],
        vec!["--socks5", open, &by_name],
        vec!["--socks5-hostname", open, &by_name],
        vec!["--socks5-hostname", closed, "--proxy-user", "me:secret", &url],
    ] {
        let Some(output) = curl(&arguments) else { return };
        let shown = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {shown}");
        assert_eq!(output.stdout, b"Hello from a green thread.\n");
    }
    for arguments in [
        vec!["--socks5", closed, &url],
        vec!["--socks5", closed, "--proxy-user", "me:wrong", &url],
        vec!["--socks5-hostname", open, "http://no-such-host.invalid/"],
    ] {
        let Some(output) = curl(&arguments) else { return };
        assert_eq!(output.status.code(), Some(97), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn the_command_line_is_explained_and_checked() {
    let run = |arguments: &[&str]| Command::new(example_binary::path("socks5")).args(arguments).output().unwrap();
    let help = run(&["--help"]);
    assert!(help.status.success() && String::from_utf8_lossy(&help.stdout).contains("--user NAME:PASSWORD"));
    for (arguments, message) in [
        (&["--user", "nobody"][..], "--user needs NAME:PASSWORD"),
        (&["--idle", "0s"], "--idle needs a time such as 1s"),
        // The clock could not add it to the present.
        (&["--idle", "1e19s"], "--idle needs a time such as 1s"),
        (&["--nothing"], "is no option"),
        (&["--addr"], "--addr needs a value"),
    ] {
        let output = run(arguments);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && text.contains(message), "{text}");
    }
    let taken = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let output = run(&["--addr", &taken.local_addr().unwrap().to_string()]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot listen on 127.0.0.1:"));
}
