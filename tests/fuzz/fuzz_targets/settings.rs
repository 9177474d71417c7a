//! What the environment says of workers and of the way of I/O, and the examples' command lines: understood or refused,
//! and never more.
#![no_main]
#![allow(dead_code)]

#[path = "../../../examples/common/options.rs"]
mod options;

use std::{env, ffi::OsStr, os::unix::ffi::OsStrExt};

use libfuzzer_sys::fuzz_target;
use options::Options;
use sinew::Runtime;

fuzz_target!(|input: (Vec<&[u8]>, &[u8], &[u8])| {
    let (arguments, workers, driver) = input;
    let mut options = Options::new(arguments.iter().map(|argument| OsStr::from_bytes(argument).to_owned()));
    for number in 0.. {
        assert!(number <= arguments.len(), "each argument is read once");
        match options.next() {
            Ok(Some(name)) if name.starts_with("--n") => {
                assert!(options.number(1, 1000).is_ok_and(|number| (1..=1000).contains(&number)) || number < 1000);
            }
            Ok(Some(name)) if name.starts_with("--v") => drop(options.value()),
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => break,
        }
    }

    if workers.contains(&0) || driver.contains(&0) {
        return;
    }
    let count = str::from_utf8(workers).ok().and_then(|text| text.trim().parse::<usize>().ok());
    let is_fit = count.is_some_and(|count| (1..=1024).contains(&count));
    let is_known = [&b"epoll"[..], b"uring"].contains(&driver);
    if is_fit && is_known && count > Some(2) {
        return;
    }
    // SAFETY: no other thread is there.
    unsafe {
        env::set_var("SINEW_WORKERS", OsStr::from_bytes(workers));
        env::set_var("SINEW_IO", OsStr::from_bytes(driver));
    }
    assert_eq!(Runtime::builder().build().is_ok(), is_fit && is_known);
});
