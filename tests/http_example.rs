//! The `http` example: keep-alive, pipelining, files, what is refused, its end, and loads by `curl` and `wrk`.

mod example_binary;
mod http_server;

use std::fs;
use std::io::Write;
use std::net::Shutdown;
use std::path::Path;
use std::process::Command;

use http_server::{Server, big};

#[test]
fn the_top_is_answered_and_files_are_served() {
    let server = Server::start();
    assert_eq!(server.get("/").text(), "Hello from a green thread.\n");
    let file = server.get("/hello.txt?query=1");
    assert_eq!((file.status, file.text()), (200, "hello, file\n"));
    assert_eq!(file.field("Content-Type"), Some("text/plain; charset=utf-8"));
    assert!(file.field("Date").is_some_and(|date| date.ends_with(" GMT")), "{}", file.head);
    assert_eq!(server.get("/empty.txt").body, b"");
    assert!(server.get("/big.bin").body == big());
    assert_eq!(server.get("/sub%20dir/").text(), "<p>index</p>");
    assert_eq!(server.get("/sub%20dir/%C3%A9.txt").text(), "accent");
    assert_eq!(server.get("/./sub%20dir//index.html").text(), "<p>index</p>");
    assert_eq!(server.get("http://test/hello.txt").text(), "hello, file\n");
    let folder = server.get("/sub%20dir");
    assert_eq!((folder.status, folder.field("Location")), (301, Some("/sub%20dir/")));
    for missing in ["/nothing", "/hello.txt/", "/hello.txt/x", "/sub%20dir/none", &format!("/{}", "x".repeat(300))] {
        assert_eq!(server.get(missing).status, 404, "{missing}");
    }
}

#[test]
fn no_path_leads_out_of_the_folder() {
    let server = Server::start();
    let attempts = [
        "/../secret.txt",
        "/sub%20dir/../../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/%2e%2e%2fsecret.txt",
        "/sub%20dir/%2e%2e/%2e%2e/secret.txt",
        "//etc/passwd",
        "/%2fetc%2fpasswd",
        "/hello.txt%00.html",
        "http://test/../secret.txt",
    ];
    let links: &[&str] = if cfg!(unix) { &["/out.txt", "/out/secret.txt", "/out/", "/dead"] } else { &[] };
    for attempt in attempts.iter().chain(links) {
        let answer = server.get(attempt);
        assert_eq!(answer.status, 404, "{attempt}: {:?}", String::from_utf8_lossy(&answer.body));
    }
    #[cfg(unix)]
    assert_eq!(server.get("/in.txt").text(), "hello, file\n", "a link that stays inside is followed");
}

#[test]
fn a_connection_serves_many_requests_one_after_the_other() {
    let server = Server::start();
    let mut client = server.connect();
    for _ in 0..50 {
        client.send("GET /hello.txt HTTP/1.1\r\nHost: test\r\n\r\n");
        assert_eq!(client.answer(false).text(), "hello, file\n");
    }
    client.send("GET / HTTP/1.1\r\nHost: test\r\nConnection: foo, Close\r\n\r\n");
    let last = client.answer(false);
    assert_eq!((last.status, last.field("Connection")), (200, Some("close")));
    client.assert_ended();
}

#[test]
fn http_1_0_ends_the_connection_unless_asked_otherwise() {
    let server = Server::start();
    let mut client = server.connect();
    client.send("GET /hello.txt HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n");
    assert_eq!(client.answer(false).field("Connection"), Some("keep-alive"));
    client.send("GET /hello.txt HTTP/1.0\r\n\r\n");
    assert_eq!(client.answer(false).text(), "hello, file\n");
    client.assert_ended();
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = Server::start();
    let mut client = server.connect();
    let mut requests = String::new();
    for _ in 0..40 {
        requests.push_str("GET /hello.txt HTTP/1.1\r\nHost: test\r\n\r\n");
        requests.push_str("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 11\r\n\r\nGET / HTTP/");
        requests.push_str("HEAD /big.bin HTTP/1.1\r\nHost: test\r\n\r\n");
        requests.push_str("GET /nothing HTTP/1.1\r\nHost: test\r\n\r\n");
    }
    client.send(&requests);
    client.0.get_ref().shutdown(Shutdown::Write).expect("the connection stands");
    for _ in 0..40 {
        assert_eq!(client.answer(false).text(), "hello, file\n");
        let refused = client.answer(false);
        assert_eq!((refused.status, refused.field("Allow")), (405, Some("GET, HEAD")));
        let head = client.answer(true);
        assert_eq!((head.status, head.field("Content-Length")), (200, Some("3000000")));
        assert_eq!(client.answer(false).status, 404);
    }
    client.assert_ended();
}

#[test]
fn a_request_that_comes_byte_by_byte_is_answered() {
    let server = Server::start();
    let mut client = server.connect();
    client.0.get_ref().set_nodelay(true).expect("the option can be set");
    for byte in "\r\nGET /hello.txt HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\n\r\nabc".chars() {
        client.send(byte.encode_utf8(&mut [0; 4]));
    }
    assert_eq!(client.answer(false).text(), "hello, file\n");
    client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    assert_eq!(client.answer(false).status, 200);
}

#[test]
fn a_body_is_invited_and_skipped() {
    let server = Server::start();
    let mut client = server.connect();
    client.send("GET /hello.txt HTTP/1.1\r\nHost: test\r\nContent-Length: 100000\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(client.answer(false).status, 100);
    assert_eq!(client.answer(false).text(), "hello, file\n");
    client.send(&"x".repeat(100_000));
    client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    assert_eq!(client.answer(false).status, 200);
}

#[test]
fn malformed_and_oversized_requests_are_refused_and_end_the_connection() {
    let server = Server::start();
    let field = |field: &str| format!("GET / HTTP/1.1\r\nHost: test\r\n{field}\r\n\r\n");
    let cases = [
        (400, "nonsense\r\n\r\n".to_owned()),
        (400, "GET /\r\n\r\n".to_owned()),
        (400, "GET / HTTP/1.1\r\n\r\n".to_owned()),
        (400, "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".to_owned()),
        (400, "GET / HTTP/1.1\r\nHost : test\r\n\r\n".to_owned()),
        (400, field("Content-Length: +5")),
        (400, field("Content-Length: -1")),
        (400, field("Content-Length: 5\r\nContent-Length: 6")),
        (400, field("Content-Length: 5\r\nTransfer-Encoding: chunked")),
        (400, field("Bad\u{1}Name: x")),
        (413, field("Content-Length: 999999999")),
        (413, field("Content-Length: 99999999999999999999999")),
        (414, format!("GET /{} HTTP/1.1\r\nHost: test\r\n\r\n", "x".repeat(5_000))),
        (414, format!("GET /{}", "x".repeat(20_000))),
        (417, field("Expect: miracles")),
        (431, field(&format!("Long: {}", "x".repeat(20_000)))),
        (431, field(&["A: b"; 100].join("\r\n"))),
        (501, field("Transfer-Encoding: chunked")),
        (505, "GET / HTTP/2.0\r\nHost: test\r\n\r\n".to_owned()),
        (505, "\r\nGET / HTTP/2.0\r\n\r\n".to_owned()),
        (400, "GET /two words HTTP/2.0\r\n\r\n".to_owned()),
        (400, "a GET / HTTP/1.1\r\nHost: test\r\n\r\n".to_owned()),
        (400, "GET / HTTP/2\r\n\r\n".to_owned()),
    ];
    // The refusal does not depend on how the request comes; long ones come whole.
    let split = cases.iter().filter(|case| case.1.len() < 100).map(|case| (1, case));
    for (size, (status, request)) in cases.iter().map(|case| (usize::MAX, case)).chain(split) {
        let status = *status;
        let mut client = server.connect();
        client.0.get_ref().set_nodelay(true).expect("the option can be set");
        // A refusal may come, and the connection end, before all is sent.
        let _ = request.as_bytes().chunks(size).try_for_each(|piece| client.0.get_mut().write_all(piece));
        let answer = client.answer(false);
        let shown = &request[..request.len().min(80)];
        assert_eq!((answer.status, answer.field("Connection")), (status, Some("close")), "{shown:?}");
        client.assert_ended();
    }
    for target in ["/%", "/%4", "/%zz", "/%ff", "hello.txt", "*", "?x"] {
        assert_eq!(server.get(target).status, 400, "{target}");
    }
    assert_eq!(server.get("/").status, 200, "the server lives on");
}

#[test]
fn a_client_that_goes_away_in_the_middle_hurts_no_one_else() {
    let server = Server::start();
    for request in ["", "GET /hel", "GET /big.bin HTTP/1.1\r\nHost: test\r\n\r\n"] {
        server.connect().send(request);
    }
    assert_eq!(server.get("/hello.txt").status, 200);
}

#[cfg(unix)]
#[test]
#[cfg_attr(
    sinew_tsan,
    ignore = "the sanitizer holds a signal back until its thread makes a call, and this one only waits"
)]
fn a_signal_ends_idle_connections_at_once_and_lets_a_request_in_progress_finish() {
    for signal in [libc::SIGTERM, libc::SIGINT] {
        let mut server = Server::start_with(&["--drain", "3600s", "--idle", "3600s", "--request", "3600s"]);
        let (mut silent, mut kept, mut begun) = (server.connect(), server.connect(), server.connect());
        kept.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
        assert_eq!(kept.answer(false).status, 200);
        begun.send(
            "GET /hello.txt HTTP/1.1\r\n\
                    Host: test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
        );
        assert_eq!(begun.answer(false).status, 100, "the request has reached the server");
        server.signal(signal);
        silent.assert_ended();
        kept.assert_ended();
        assert_eq!(begun.answer(false).text(), "hello, file\n");
        begun.send("12345");
        begun.assert_ended();
        assert_eq!(server.ended(), "served 3 connections, 0 of them cut off\n");
    }
}

#[cfg(unix)]
#[test]
#[cfg_attr(
    sinew_tsan,
    ignore = "the sanitizer holds a signal back until its thread makes a call, and this one only waits"
)]
fn a_request_that_is_not_finished_in_the_time_to_drain_is_cut_off() {
    let mut server = Server::start_with(&["--drain", "1ms"]);
    let mut begun = server.connect();
    begun.send("GET / HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(begun.answer(false).status, 100);
    server.signal(libc::SIGTERM);
    assert_eq!(server.ended(), "served 1 connections, 1 of them cut off\n");
}

/// Runs a program that may not be installed; `None` and a line that says so if it is not.
fn foreign(program: &str, arguments: &[&str]) -> Option<String> {
    match Command::new(program).args(arguments).output() {
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(output.status.success(), "{program}: {text}{}", String::from_utf8_lossy(&output.stderr));
            Some(text)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            println!("skipped: {program} is not installed (apt-get install {program})");
            None
        }
        Err(error) => panic!("{program}: {error}"),
    }
}

#[test]
fn curl_is_served() {
    let server = Server::start();
    let (top, big_url) = (server.url("/"), server.url("/big.bin"));
    let Some(text) = foreign("curl", &["-sS", "--max-time", "60", &top]) else { return };
    assert_eq!(text, "Hello from a green thread.\n");
    let saved = server.folder.join("saved");
    let target = |path: &Path| path.to_str().expect("the path is UTF-8").to_owned();
    foreign("curl", &["-sS", "--fail", "--max-time", "60", "-o", &target(&saved), &big_url]);
    assert!(fs::read(&saved).expect("curl has written the file") == big());
    let format = "%{http_code} %{num_connects}\n";
    let twice = ["-sS", "--max-time", "60", "-o", "/dev/null", "-o", "/dev/null", "-w", format, &top, &top];
    assert_eq!(foreign("curl", &twice).as_deref(), Some("200 1\n200 0\n"), "the second request reuses the connection");
    let outside = server.url("/../secret.txt");
    let code = ["-sS", "--path-as-is", "--max-time", "60", "-o", "/dev/null", "-w", "%{http_code}", &outside];
    assert_eq!(foreign("curl", &code).as_deref(), Some("404"));
}

#[test]
fn wrk_finds_no_error_under_load() {
    let server = Server::start();
    for path in ["/", "/hello.txt"] {
        let url = server.url(path);
        let Some(report) = foreign("wrk", &["-t2", "-c64", "-d2s", "--timeout", "30s", &url]) else { return };
        print!("{report}");
        let requests = report.lines().find_map(|line| line.trim().split_once(" requests in "));
        let requests: u64 = requests.and_then(|found| found.0.parse().ok()).expect("wrk counts requests");
        assert!(requests > 0, "{report}");
        assert!(!report.contains("Socket errors"), "{report}");
        assert!(!report.contains("Non-2xx"), "{report}");
    }
}
