//! The `tls` example against `openssl` and `curl`: certificates, several clients at once, what is refused and given up, and
//! how it ends.

mod example_binary;
mod foreign;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use foreign::{Folder, Process, Server, all, example, run, succeeded};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned};

/// A folder with an authority (`ca`), a certificate for localhost that it vouches for (`this`), and another authority.
fn certificates() -> Folder {
    let folder = Folder::new("tls");
    let make = |name: &str, more: &[&str]| {
        let (key, cert) = (folder.path(&format!("{name}.key")), folder.path(&format!("{name}.pem")));
        let kind = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
        succeeded(&run("openssl", "openssl", &[&kind[..], &["-keyout", &key, "-out", &cert], more].concat()));
    };
    make("ca", &["-subj", "/CN=authority"]);
    make("other", &["-subj", "/CN=other authority"]);
    let (ca, key) = (folder.path("ca.pem"), folder.path("ca.key"));
    let names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
    make(
        "this",
        &[&names[..], &["-addext", "basicConstraints=critical,CA:FALSE", "-CA", &ca, "-CAkey", &key]].concat(),
    );
    folder
}

fn start(folder: &Folder, more: &[&str]) -> Server {
    let (cert, key) = (folder.path("this.pem"), folder.path("this.key"));
    Server::start("tls", &[&["--addr", "127.0.0.1:0", "--cert", &cert, "--key", &key], more].concat())
}

fn curl(args: &[&str]) -> Output {
    run("curl", "curl", &[&["-sS", "--max-time", "60"], args].concat())
}

/// Has `s_client` send something, and gives all it prints.
fn s_client(server: &Server, ca: &str, args: &[&str], text: &str) -> Output {
    let fixed =
        ["s_client", "-connect", &server.address, "-CAfile", ca, "-verify_return_error", "-quiet", "-no_ign_eof"];
    let mut command = Command::new("openssl");
    command.args(fixed).args(["-ign_eof"]).args(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| foreign::missing("openssl", "openssl", &error));
    // A client that refuses the certificate does not read it.
    let _ = child.stdin.take().expect("the input is piped").write_all(text.as_bytes());
    child.wait_with_output().expect("it ends")
}

#[test]
fn s_client_is_answered_in_either_version() {
    let folder = certificates();
    let server = start(&folder, &[]);
    for (option, version) in [("-tls1_2", "TLSv1_2"), ("-tls1_3", "TLSv1_3")] {
        let request = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        let text = succeeded(&s_client(&server, &folder.path("ca.pem"), &[option], request));
        assert!(text.contains(&format!("by Some({version})")), "{text}");
    }
    let refused = s_client(&server, &folder.path("ca.pem"), &[], "nonsense\r\n\r\n");
    assert!(succeeded(&refused).starts_with("HTTP/1.1 400 "), "{}", all(&refused));
}

#[test]
fn curl_is_served_and_gets_back_what_it_posts() {
    let folder = certificates();
    let server = start(&folder, &[]);
    let (ca, url) = (folder.path("ca.pem"), format!("https://localhost:{}/", server.port()));
    assert!(succeeded(&curl(&["--cacert", &ca, &url])).starts_with("Hello from a green thread"));
    // Longer than a record of TLS and than a socket's buffers, and invited by an answer of its own.
    let big: Vec<u8> = (0..1_000_000u32).map(|index| (index % 251) as u8).collect();
    let (sent, got) = (folder.path("sent"), folder.path("got"));
    std::fs::write(&sent, &big).expect("the file can be written");
    let body = format!("@{sent}");
    for invited in ["Expect: 100-continue", "Expect:"] {
        succeeded(&curl(&["--cacert", &ca, "-H", invited, "--data-binary", &body, "-o", &got, &url]));
        assert!(std::fs::read(&got).expect("curl has written the file") == big, "{invited}");
    }
    let format = "%{http_code} %{num_connects}\n";
    let missing = format!("{url}missing");
    let twice = ["--cacert", &ca, "-o", "/dev/null", "-o", "/dev/null", "-w", format, &url, &missing];
    assert_eq!(succeeded(&curl(&twice)), "200 1\n404 0\n", "the second request reuses the connection");
}

#[test]
fn many_clients_are_served_at_once() {
    let folder = certificates();
    let server = start(&folder, &[]);
    let (ca, url) = (folder.path("ca.pem"), format!("https://localhost:{}/", server.port()));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let many = ["--cacert", &ca, "--parallel", "--parallel-immediate", "--fail", &*format!("{url}?[1-20]")];
                let text = succeeded(&curl(&many));
                assert_eq!(text.matches("Hello from a green thread").count(), 20, "{text}");
            });
        }
    });
    server.interrupt();
    let (status, text) = server.ended();
    assert!(status.success(), "{status}");
    assert!(text.starts_with("served ") && text.contains(" 0 of them cut short"), "{text}");
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_refused() {
    let folder = certificates();
    let server = start(&folder, &[]);
    let (wrong, right) = (folder.path("other.pem"), folder.path("ca.pem"));
    let url = format!("https://localhost:{}/", server.port());
    assert_eq!(curl(&["--cacert", &wrong, &url]).status.code(), Some(60), "curl finds no issuer");
    let refused = s_client(&server, &wrong, &[], "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(!refused.status.success() && all(&refused).contains("verif"), "{}", all(&refused));
    let target = format!("localhost:{}/", server.port());
    let refused = example("tls", &["--get", &target, "--ca", &wrong]);
    assert!(!refused.status.success() && all(&refused).contains("invalid peer certificate"), "{}", all(&refused));
    assert!(succeeded(&example("tls", &["--get", &target, "--ca", &right])).contains("Hello from a green thread"));
}

#[test]
fn the_client_gets_a_page_from_openssls_server() {
    let folder = certificates();
    let (cert, key) = (folder.path("this.pem"), folder.path("this.key"));
    let mut command = Command::new("openssl");
    command.args(["s_server", "-accept", "127.0.0.1:0", "-www", "-cert", &cert, "-key", &key]);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut server = Process(child.unwrap_or_else(|error| foreign::missing("openssl", "openssl", &error)));
    let mut lines = BufReader::new(server.0.stdout.take().expect("the output is piped")).lines();
    let address = lines.find_map(|line| line.expect("it is text").strip_prefix("ACCEPT ").map(str::to_owned));
    let address = address.expect("it says where it listens");
    let text = succeeded(&example("tls", &["--get", &format!("{address}/"), "--ca", &folder.path("ca.pem")]));
    assert!(text.starts_with("HTTP/1.0 200 ok") && text.contains("TLSv1.3"), "{text}");
    // One that takes the connection and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let target = format!("{}/", silent.local_addr().expect("it has an address"));
    let late = example("tls", &["--get", &target, "--ca", &folder.path("ca.pem"), "--patience", "100ms"]);
    assert!(!late.status.success() && all(&late).contains("the deadline has passed"), "{}", all(&late));
}

#[test]
fn a_client_that_stalls_is_given_up() {
    let folder = certificates();
    let server = start(&folder, &["--patience", "300ms"]);
    let mut silent = TcpStream::connect(&server.address).expect("the server accepts");
    let mut halfway = TcpStream::connect(&server.address).expect("the server accepts");
    // The head of a record that never comes.
    halfway.write_all(&[22, 3, 1, 2, 0]).expect("the server reads");
    let mut foreign = TcpStream::connect(&server.address).expect("the server accepts");
    foreign.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("the server reads");
    for stream in [&mut silent, &mut halfway, &mut foreign] {
        stream.set_read_timeout(Some(Duration::from_secs(300))).expect("the timeout can be set");
        let mut rest = Vec::new();
        // The end of the connection, or its reset: bytes may lie unread in it.
        match stream.read_to_end(&mut rest) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
        }
    }
    // One that stalls in its request is told so.
    let stalled = s_client(&server, &folder.path("ca.pem"), &[], "GET / HTTP/1.1\r\nHost: local");
    assert!(all(&stalled).contains("HTTP/1.1 408 "), "{}", all(&stalled));
}

#[test]
fn ctrl_c_lets_requests_end_and_idle_clients_go() {
    let folder = certificates();
    let server = start(&folder, &[]);
    let connect = || {
        let (connection, stream) = (client_side(&folder), TcpStream::connect(&server.address));
        let mut tls = StreamOwned::new(connection, stream.expect("the server accepts"));
        tls.sock.set_read_timeout(Some(Duration::from_secs(300))).expect("the timeout can be set");
        tls.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("the server reads");
        let mut line = String::new();
        let mut reader = BufReader::new(&mut tls);
        while !line.ends_with("Hello from a green thread, by Some(TLSv1_3).\n") {
            reader.read_line(&mut line).expect("the answer comes");
        }
        tls
    };
    let (mut idle, mut busy) = (connect(), connect());
    busy.write_all(b"POST / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        .expect("the server reads");
    let mut invitation = [0; 25];
    busy.read_exact(&mut invitation).expect("the server invites the body");
    assert_eq!(invitation, *b"HTTP/1.1 100 Continue\r\n\r\n");
    server.interrupt();
    let mut rest = String::new();
    idle.read_to_string(&mut rest).expect("the server announces the end");
    assert_eq!(rest, "");
    busy.write_all(b"hello").expect("the server still reads");
    busy.read_to_string(&mut rest).expect("the server announces the end");
    assert!(rest.starts_with("HTTP/1.1 200 OK") && rest.ends_with("\r\n\r\nhello"), "{rest}");
    drop((idle, busy));
    let (status, text) = server.ended();
    assert!(status.success(), "{status}");
    assert_eq!(text, "served 2 connections, 0 of them cut short\n");
}

/// A client of `localhost`.
fn client_side(folder: &Folder) -> ClientConnection {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(folder.path("ca.pem")).expect("it is PEM")).expect("it is a certificate");
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from("localhost").expect("it is a name");
    ClientConnection::new(Arc::new(config), name).expect("the settings fit")
}

#[test]
fn a_read_that_a_timeout_has_ended_loses_nothing() {
    let folder = certificates();
    let certificate = CertificateDer::from_pem_file(folder.path("this.pem")).expect("it is PEM");
    let key = PrivateKeyDer::from_pem_file(folder.path("this.key")).expect("it is PEM");
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key);
    let server = ServerConnection::new(Arc::new(config.expect("they fit"))).expect("the settings fit");
    let (one, two) = sinew::net::unix::UnixStream::pair().expect("there are descriptors");
    let message: Vec<u8> = (0..200_000u32).map(|index| (index % 251) as u8).collect();
    let (late, next) = sinew::channel::unbounded();
    let writing = sinew::spawn({
        let message = message.clone();
        move || {
            let mut tls = StreamOwned::new(server, one);
            for part in message.chunks(10_000) {
                // Not before the client has waited in vain.
                next.recv().expect("the client reads");
                tls.write_all(part).expect("the client reads");
            }
            tls.conn.send_close_notify();
            tls.flush().expect("the client reads");
        }
    });
    let client = client_side(&folder);
    let reading = sinew::spawn(move || {
        let mut tls = StreamOwned::new(client, two);
        let mut got = Vec::new();
        loop {
            let mut room = [0; 4096];
            // In the handshake, too.
            match sinew::time::timeout(Duration::from_micros(200), || tls.read(&mut room)) {
                Ok(length) => match length.expect("the server writes") {
                    0 => break got,
                    length => got.extend_from_slice(&room[..length]),
                },
                Err(_) => drop(late.send(())),
            }
        }
    });
    writing.join().expect("the server ends well");
    let got = reading.join().expect("the client ends well");
    assert!(got == message, "{} of {} bytes came", got.len(), message.len());
}
