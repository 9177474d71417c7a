//! The `http` example, a whole connection at a time: the same answers however the requests are split, as many as there
//! are requests, each well formed; and no target names anything outside of the folder.
#![no_main]
#![allow(dead_code)]

#[path = "../../../examples/http/connection.rs"]
mod connection;
#[path = "../../../examples/http/date.rs"]
mod date;
#[path = "../../../examples/http/files.rs"]
mod files;
#[path = "../../../examples/http/input.rs"]
mod input;
#[path = "../../../examples/http/request.rs"]
mod request;
#[path = "../../../examples/http/response.rs"]
mod response;
#[path = "../../../examples/http/target.rs"]
mod target;

use std::sync::LazyLock;

use connection::Limits;
use files::Site;
use libfuzzer_sys::fuzz_target;
use request::{Head, Next};
use sinew::cancel::CancelToken;
use sinew_fuzz::{Pieces, split};

/// This package's own folder, of which some names are likely to be guessed.
static SITE: LazyLock<Site> =
    LazyLock::new(|| Site::folder("tests/fuzz/src".as_ref()).expect("it runs in the repository"));

fn converse(sizes: &[u8], requests: &[u8]) -> Vec<u8> {
    let mut stream = Pieces::new(sizes, requests);
    let _ = connection::converse(&mut stream, &SITE, &Limits::DEFAULT, &CancelToken::new());
    stream.output
}

fuzz_target!(|input: &[u8]| {
    let (sizes, requests) = split(input);
    let whole = undated(&converse(&[], requests));
    assert_eq!(undated(&converse(sizes, requests)), whole, "the answers depend on how the requests come");
    check(requests, &whole);
});

/// The answers without their dates, which may differ.
fn undated(answers: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for line in answers.split_inclusive(|&byte| byte == b'\n') {
        if !line.starts_with(b"Date: ") {
            out.extend_from_slice(line);
        }
    }
    out
}

/// Holds the answers against the requests, one by one.
fn check(mut requests: &[u8], mut answers: &[u8]) {
    loop {
        match Head::parse(requests) {
            Ok(Next::Request(head)) => {
                check_target(&head.target);
                requests = &requests[head.length..];
                if head.expects_continue && head.body > 0 {
                    assert_eq!(take(&mut answers, true), 100);
                }
                take(&mut answers, head.wants_body);
                if requests.len() < head.body || !head.keep_alive {
                    break;
                }
                requests = &requests[head.body..];
            }
            Ok(Next::Incomplete) => break,
            Err(refusal) => {
                assert_eq!(take(&mut answers, true).to_string(), refusal.0[..3]);
                break;
            }
        }
    }
    assert!(answers.is_empty(), "more answers than requests");
}

/// Takes an answer off, and gives its status.
fn take(answers: &mut &[u8], has_body: bool) -> u16 {
    let mut fields = [httparse::EMPTY_HEADER; 16];
    let mut answer = httparse::Response::new(&mut fields);
    let Ok(httparse::Status::Complete(head)) = answer.parse(answers) else { panic!("no answer: {answers:?}") };
    let status = answer.code.expect("an answer has a status");
    let length = answer.headers.iter().find(|field| field.name == "Content-Length").map(|field| field.value);
    let length = length.map(|value| str::from_utf8(value).unwrap().parse::<usize>().unwrap());
    assert_eq!(length.is_some(), status != 100);
    *answers = &answers[head + if has_body { length.unwrap_or(0) } else { 0 }..];
    status
}

fn check_target(text: &str) {
    if let Ok(Some(parsed)) = target::parse(text) {
        assert!(
            parsed.names.iter().all(|name| !matches!(name.as_str(), "" | "." | "..") && !name.contains(['/', '\0']))
        );
        let slashed = target::parse(&parsed.with_slash()).expect("its spelling is ours").expect("it names something");
        assert!(slashed.names == parsed.names && slashed.is_folder);
    }
}
