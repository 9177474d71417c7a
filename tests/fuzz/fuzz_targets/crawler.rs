//! The `crawler` example: answers mean the same however they come; links lead to addresses that can be written into a
//! request and keep their spelling.
#![no_main]
#![allow(dead_code)]

#[path = "../../../examples/crawler/links.rs"]
mod links;
#[path = "../../../examples/crawler/response.rs"]
mod response;
#[path = "../../../examples/crawler/url.rs"]
mod url;

use std::io::{BufReader, Read};

use libfuzzer_sys::fuzz_target;
use response::Response;
use sinew_fuzz::{Pieces, split};
use url::Url;

fuzz_target!(|input: &[u8]| {
    let (sizes, bytes) = split(input);
    let read = |sizes, capacity| {
        let mut reader = BufReader::with_capacity(capacity, Pieces::new(sizes, bytes));
        let response = Response::read(&mut reader, 1000).map_err(|error| error.to_string());
        let mut rest = Vec::new();
        reader.read_to_end(&mut rest).expect("memory can be read");
        (response, rest)
    };
    let whole = read(&[], 8192);
    assert_eq!(read(sizes, 8192), whole);
    assert_eq!(read(sizes, 16).0, whole.0);
    if let Ok(response) = &whole.0 {
        assert!(response.body.len() <= 1000);
        follow(&response.body);
        response.location.as_deref().map(join);
    }
    follow(bytes);
    join(&String::from_utf8_lossy(bytes));
});

fn follow(page: &[u8]) {
    for link in links::links(page) {
        join(&link);
    }
}

fn join(link: &str) {
    let base = Url::parse("http://host:81/folder/page?query").expect("it is an address");
    for url in [base.join(link), Url::parse(link)].into_iter().flatten() {
        assert!(url.target.starts_with('/') && url.target.bytes().all(|byte| byte.is_ascii_graphic()), "{url:?}");
        assert!(!url.target.contains('#') && !url.host.bare().is_empty());
        assert!(url.target.split('?').next().unwrap().split('/').all(|name| name != "." && name != ".."), "{url}");
        assert_eq!(Url::parse(&url.to_string()).as_ref(), Some(&url));
        assert_eq!(base.join(&url.to_string()).as_ref(), Some(&url));
    }
}
