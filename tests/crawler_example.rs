//! The `crawler` example: against the `http` example with a folder of pages, and against servers that are slow, broken,
//! or speak HTTP in every way there is.

mod example_binary;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use example_binary::Running;

/// What the crawler has printed.
struct Report {
    /// Status and depth by target.
    pages: BTreeMap<String, (String, usize)>,
    text: String,
    success: bool,
}

fn crawl(start: &str, arguments: &[&str]) -> Report {
    report(Command::new(example_binary::path("crawler")).args(arguments).arg(start))
}

fn report(command: &mut Command) -> Report {
    let output = command.output().expect("the crawler starts");
    let text = String::from_utf8(output.stdout).expect("the report is text");
    let mut report = Report { pages: BTreeMap::new(), text: text.clone(), success: output.status.success() };
    let rows = text.lines().skip(1).take_while(|line| !line.is_empty());
    for row in rows {
        let [status, _time, _unit, _bytes, depth, url] = row.split_whitespace().collect::<Vec<_>>()[..] else {
            panic!("{row:?}: {}", String::from_utf8_lossy(&output.stderr));
        };
        let target = url.splitn(4, '/').nth(3).map(|path| format!("/{path}")).expect("a whole address");
        let old = report.pages.insert(target, (status.to_owned(), depth.parse().expect("a number")));
        assert_eq!(old, None, "{url} was fetched twice");
    }
    report
}

impl Report {
    fn status(&self, target: &str) -> &str {
        self.pages.get(target).map_or("absent", |page| &page.0)
    }
}

/// A server of the test: each request's target goes to the handler, with the stream, which says whether it goes on.
fn serve(handler: impl Fn(&str, &mut TcpStream) -> bool + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let address = listener.local_addr().expect("it is bound");
    let handler = Arc::new(handler);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, handler) = (stream.expect("a connection comes"), handler.clone());
            thread::spawn(move || {
                let mut reader = BufReader::new(stream.try_clone().expect("it can be cloned"));
                let mut head = String::new();
                while reader.read_line(&mut head).is_ok_and(|read| read > 0) {
                    if head.ends_with("\r\n\r\n") {
                        let target = head.split(' ').nth(1).expect("a request has a target").to_owned();
                        if !handler(&target, &mut stream) {
                            return;
                        }
                        head.clear();
                    }
                }
            });
        }
    });
    address
}

fn page(links: impl IntoIterator<Item = String>) -> String {
    let body: String = links.into_iter().map(|link| format!("<a href=\"{link}\">x</a>\n")).collect();
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

#[test]
fn a_folder_is_crawled_page_by_page_and_dead_links_are_told() {
    const PAGES: usize = 300;
    let folder = std::env::temp_dir().join(format!("sinew-crawler-{}", std::process::id()));
    fs::create_dir_all(folder.join("sub dir")).expect("the folder can be made");
    let write = |path: &str, text: &str| fs::write(folder.join(path), text).expect("the file can be written");
    // A tree of links with many more across, in many spellings.
    for number in 0..PAGES {
        let mut text = String::from("<!-- <a href=comment.html> --><script>'<a href=script.html>'</script>");
        for link in [number * 2 + 1, number * 2 + 2, number * 7 % PAGES, number / 2].map(|link| link % PAGES) {
            text +=
                &format!("<a class='x' href='p{link}.html#{number}'>x</a> <A HREF=./sub%20dir/../p{link}.html>y</A>");
        }
        write(&format!("p{number}.html"), &text);
    }
    let top = "<a href=p0.html><a href='sub dir/?a=1&amp;b=2'><a href=mailto:a@b><a href='https://example.com/'>\
        <a href=//elsewhere.invalid/><a href=missing.html><a href='sub dir'><a href=/plain.txt><a href=#top><a>";
    write("index.html", top);
    write("sub dir/index.html", "<a href='../p1.html'><a href='..'><a href='../../../index.html'>");
    write("plain.txt", "<a href=from-text.html>");
    let server = Running::start("http", "http", &["--root", folder.to_str().expect("the path is UTF-8")]);
    let start = format!("http://{}/", server.address);
    for arguments in [&[][..], &["--close"], &["--concurrency", "1"], &["--per-host", "100", "--concurrency", "100"]] {
        let report = crawl(&start, arguments);
        assert_eq!(report.pages.len(), PAGES + 7, "{}", report.text);
        assert!((0..PAGES).all(|number| report.status(&format!("/p{number}.html")) == "200"), "{}", report.text);
        for (target, status) in [
            ("/", "200"),
            ("/index.html", "200"),
            ("/sub%20dir/?a=1&b=2", "200"),
            ("/sub%20dir/", "200"),
            ("/sub%20dir", "301"),
            ("/plain.txt", "200"),
            ("/missing.html", "404"),
        ] {
            assert_eq!(report.status(target), status, "{target} with {arguments:?}");
        }
        assert!(!report.success);
        assert!(report.text.contains(&format!("{start}missing.html (on {start}): status 404")), "{}", report.text);
        assert!(report.text.contains("1 of them dead"));
    }
    let near = crawl(&start, &["--depth", "2"]);
    assert!(near.pages.values().all(|page| page.1 <= 2));
    assert_eq!((near.status("/p0.html"), near.status("/p2.html"), near.status("/p6.html")), ("200", "200", "absent"));
    assert_eq!(crawl(&start, &["--pages", "10"]).pages.len(), 10);
    let good = crawl(&format!("{start}p0.html"), &[]);
    assert!(good.success && good.pages.len() == PAGES, "{}", good.text);
    let _ = fs::remove_dir_all(&folder);
}

#[test]
fn no_more_pages_are_fetched_at_once_than_allowed_and_no_fewer() {
    for (arguments, most) in
        [(["--concurrency", "5", "--per-host", "100"], 5), (["--concurrency", "100", "--per-host", "3"], 3)]
    {
        // Answers come when so many have asked: were they fewer, it would be for ever; were they more, it would be seen.
        let state = Arc::new((Mutex::new((0, 0)), Condvar::new()));
        let most_seen = Arc::new(AtomicUsize::new(0));
        let seen = most_seen.clone();
        let address = serve(move |target, stream| {
            if target == "/" {
                return stream.write_all(page((0..30).map(|number| format!("p{number}"))).as_bytes()).is_ok();
            }
            let (lock, changed) = &*state;
            let mut state = lock.lock().unwrap();
            let (now, round) = &mut *state;
            *now += 1;
            seen.fetch_max(*now, Ordering::SeqCst);
            if *now == most {
                // There is time for one more to come, if one more is allowed.
                drop(state);
                thread::sleep(Duration::from_millis(20));
                state = lock.lock().unwrap();
                seen.fetch_max(state.0, Ordering::SeqCst);
                *state = (0, state.1 + 1);
                changed.notify_all();
            } else {
                let round = *round;
                drop(changed.wait_while(state, |state| state.1 == round).unwrap());
            }
            stream.write_all(page([]).as_bytes()).is_ok()
        });
        let report = crawl(&format!("http://{address}/"), &[&arguments[..], &["--timeout", "100s"]].concat());
        assert_eq!(report.pages.len(), 31);
        assert!(report.success, "{}", report.text);
        assert_eq!(most_seen.load(Ordering::SeqCst), most);
    }
}

#[test]
fn pages_that_stall_end_by_their_time_and_hold_up_no_others() {
    let address = serve(|target, stream| match target {
        "/" => stream.write_all(page(["silent", "slow", "half", "a", "b", "c"].map(str::to_owned)).as_bytes()).is_ok(),
        "/silent" => loop {
            thread::park();
        },
        "/half" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf").unwrap();
            loop {
                thread::park();
            }
        }
        // Something comes all the time, but it never ends.
        "/slow" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n").unwrap();
            while stream.write_all(b"A: b\r\n").is_ok() {
                thread::sleep(Duration::from_millis(20));
            }
            false
        }
        _ => stream.write_all(page([]).as_bytes()).is_ok(),
    });
    // What is not stalled has as long as a busy machine may need.
    let report = crawl(&format!("http://{address}/"), &["--per-host", "4", "--timeout", "5s"]);
    for (target, status) in [
        ("/", "200"),
        ("/silent", "none"),
        ("/slow", "none"),
        ("/half", "none"),
        ("/a", "200"),
        ("/b", "200"),
        ("/c", "200"),
    ] {
        assert_eq!(report.status(target), status, "{target}: {}", report.text);
    }
    assert_eq!(report.text.matches("): timed out\n").count(), 3, "{}", report.text);
}

#[test]
fn every_way_to_send_a_body_is_understood_and_broken_ones_are_told() {
    const CASES: [(&str, &str, &str); 18] = [
        ("/chunked", "200", "Transfer-Encoding: chunked\r\n\r\n11\r\n<a href=linked-1>\r\n0\r\nTrailer: x\r\n\r\n"),
        ("/extended", "200", "Transfer-Encoding: Chunked\r\n\r\n5;x=y\r\n<a hr\r\n00C\r\nef=linked-2>\r\n0\r\n\r\n"),
        ("/to-the-end", "200", "\r\n<a href=linked-3>"),
        ("/bare-lines", "200", "Content-Length: 17\n\n<a href=linked-4>"),
        ("/old", "200", "Content-Length: 0\r\nConnection: close\r\n\r\n"),
        ("/empty", "200", "Content-Length: 0\r\n\r\n"),
        ("/more", "200", "Content-Length: 2\r\n\r\nabcdefg"),
        ("/short", "the answer breaks off", "Content-Length: 10\r\n\r\nabc"),
        ("/cut", "the answer breaks off", "Transfer-Encoding: chunked\r\n\r\n10\r\nabc"),
        ("/uncounted", "a chunk's length is no number", "Transfer-Encoding: chunked\r\n\r\n+5\r\nabcde\r\n0\r\n\r\n"),
        ("/wrong", "a chunk is longer than its length", "Transfer-Encoding: chunked\r\n\r\n2\r\nabcde\r\n0\r\n\r\n"),
        (
            "/both",
            "the body has a length and a coding",
            "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        ("/coded", "the body has a coding that nobody asked for", "Transfer-Encoding: gzip\r\n\r\n"),
        ("/two", "two lengths are given", "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
        ("/signed", "the length is no number", "Content-Length: -1\r\n\r\n"),
        ("/long", "the answer is too long", "Content-Length: 2000\r\n\r\n"),
        ("/long-chunks", "the answer is too long", "Transfer-Encoding: chunked\r\n\r\n7d0\r\n"),
        ("/nonsense", "this is no answer by HTTP", ": \r\n\r\n"),
    ];
    let address = serve(|target, stream| {
        if target == "/" {
            let others = ["/interim", "/nothing", "/gone"].into_iter();
            let all = CASES.iter().map(|case| case.0).chain(others).map(str::to_owned);
            return stream.write_all(page(all).as_bytes()).is_ok();
        }
        let answer = match CASES.iter().find(|case| case.0 == target) {
            Some((_, _, answer)) => format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n{answer}"),
            None => match target {
                "/interim" => format!("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n{}", page(["/linked-5".to_owned()])),
                "/gone" => "HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n".to_owned(),
                "/nothing" => return false,
                _ => page([]),
            },
        };
        // In pieces, that come one by one.
        stream.set_nodelay(true).unwrap();
        for piece in answer.as_bytes().chunks(7) {
            if stream.write_all(piece).is_err() {
                break;
            }
        }
        false
    });
    let report = crawl(&format!("http://{address}/"), &["--bytes", "1000", "--timeout", "60s"]);
    for (target, expected, _) in CASES {
        match expected {
            "200" => assert_eq!(report.status(target), "200", "{target}: {}", report.text),
            why => {
                assert_eq!(report.status(target), "none", "{target}: {}", report.text);
                let line = format!("http://{address}{target} (on http://{address}/): {why}\n");
                assert!(report.text.contains(&line), "{target}: {}", report.text);
            }
        }
    }
    for number in 1..=5 {
        assert_eq!(report.status(&format!("/linked-{number}")), "200", "{}", report.text);
    }
    assert_eq!((report.status("/nothing"), report.status("/gone")), ("none", "410"));
    assert!(report.text.contains("/nothing (on http://") && report.text.contains("the server ended the connection"));
}

#[test]
fn connections_are_kept_unless_told_otherwise_and_a_dead_one_costs_no_page() {
    for (arguments, connections) in [(&["--per-host", "1"][..], 1), (&["--per-host", "1", "--close"], 21)] {
        let count = Arc::new(Mutex::new(std::collections::HashSet::new()));
        let peers = count.clone();
        let address = serve(move |target, stream| {
            peers.lock().unwrap().insert(stream.peer_addr().unwrap());
            let links = (0..20).map(|number| number.to_string());
            stream.write_all(if target == "/" { page(links) } else { page([]) }.as_bytes()).is_ok()
        });
        let report = crawl(&format!("http://{address}/"), arguments);
        assert!(report.success && report.pages.len() == 21, "{}", report.text);
        assert_eq!(count.lock().unwrap().len(), connections);
    }
    // It promises to keep the connection, and ends it.
    let address = serve(|target, stream| {
        let links = (0..20).map(|number| number.to_string());
        stream.write_all(if target == "/" { page(links) } else { page([]) }.as_bytes()).unwrap();
        false
    });
    let report = crawl(&format!("http://{address}/"), &[]);
    assert!(report.success && report.pages.len() == 21, "{}", report.text);
}

#[test]
fn other_hosts_are_left_alone_unless_asked_for() {
    let other = serve(|_, stream| stream.write_all(page([]).as_bytes()).is_ok());
    let address = serve(move |_, stream| stream.write_all(page([format!("//{other}/elsewhere")]).as_bytes()).is_ok());
    let start = format!("http://{address}/");
    assert_eq!(crawl(&start, &[]).status("/elsewhere"), "absent");
    assert_eq!(crawl(&start, &["--any-host"]).status("/elsewhere"), "200");
    let closed = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket can be had");
    closed.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("there is a free port");
    let closed = closed.local_addr().ok().and_then(|address| address.as_socket()).expect("it is bound");
    let report = crawl(&format!("http://{closed}"), &[]);
    assert!(report.text.contains("(the start): cannot connect: Connection refused"), "{}", report.text);
    assert!(crawl("http://no-such-host.invalid/", &[]).text.contains("no address: "));
}

#[test]
fn connections_to_many_hosts_are_not_held_once_these_have_been_crawled() {
    let hosts: Vec<_> = (0..100)
        .map(|host| {
            let address = serve(|_, stream| stream.write_all(page([]).as_bytes()).is_ok());
            format!("http://{address}/{host}")
        })
        .collect();
    let address = serve(move |_, stream| stream.write_all(page(hosts.clone()).as_bytes()).is_ok());
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 64 && exec \"$0\" \"$@\""]).arg(example_binary::path("crawler"));
    command.args(["--any-host", "--concurrency", "4"]).arg(format!("http://{address}/")).env("SINEW_WORKERS", "2");
    let report = report(&mut command);
    assert!(report.success && report.pages.len() == 101, "{}", report.text);
}

#[test]
fn the_command_line_is_explained_and_checked() {
    let run = |arguments: &[&str]| Command::new(example_binary::path("crawler")).args(arguments).output().unwrap();
    let help = run(&["--help"]);
    assert!(help.status.success() && String::from_utf8_lossy(&help.stdout).contains("--per-host N"));
    for (arguments, message) in [
        (&[][..], "the page to begin with is missing"),
        (&["https://example.com/"], "is no address by http"),
        (&["http://"], "is no address by http"),
        (&["http://me@example.com/"], "is no address by http"),
        (&["http://a/", "http://b/"], "only one page can be the start"),
        (&["--depth=x"], "--depth needs a number"),
        (&["--nothing"], "is no option"),
    ] {
        let output = run(arguments);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && text.contains(message), "{text}");
    }
}

/// On a terminal there is a bar; `script` makes one.
#[test]
fn progress_is_shown_on_a_terminal_only() {
    let address = serve(|_, stream| stream.write_all(page([]).as_bytes()).is_ok());
    let (program, start) = (example_binary::path("crawler"), format!("http://{address}/"));
    let output = Command::new(&program).arg(&start).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let line = format!("{} {start}", program.to_str().expect("the path is UTF-8"));
    match Command::new("script").args(["-qec", &line, "/dev/null"]).output() {
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(output.status.success() && text.contains("known pages"), "{text}");
        }
        Err(error) if error.kind() == ErrorKind::NotFound => println!("skipped: script is not installed (bsdutils)"),
        Err(error) => panic!("script: {error}"),
    }
}
