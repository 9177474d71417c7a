//! What a runtime takes from the environment.

mod harness;

use harness::{child, is_child, words_of};
use sinew::{Runtime, thread};
use std::{io::ErrorKind, panic::catch_unwind};

#[test]
fn a_bad_sinew_workers_is_an_error_that_says_so() {
    const TEST: &str = "a_bad_sinew_workers_is_an_error_that_says_so";
    if is_child() {
        let error = Runtime::new().map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        // A runtime that says how many it wants does not ask.
        assert_eq!(Runtime::builder().workers(2).build().unwrap().workers(), 2);
        assert_eq!(thread::Builder::new().spawn(|| ()).map(drop).unwrap_err().kind(), ErrorKind::InvalidInput);
        let words = catch_unwind(|| drop(sinew::spawn(|| ()))).unwrap_err();
        let words = words.downcast_ref::<String>().unwrap();
        assert!(words.contains("SINEW_WORKERS is to be a number between 1 and 1,024"), "{words}");
        assert!(words.contains(&std::env::var("SINEW_WORKERS").unwrap()), "{words}");
        return;
    }
    for bad in ["0", "1025", "-1", "two", "", "1.5", "99999999999999999999"] {
        let output = child(TEST).env("SINEW_WORKERS", bad).output().unwrap();
        assert!(output.status.success(), "{bad:?}: {}", words_of(&output));
    }
}

#[test]
#[cfg(all(feature = "io-uring", target_os = "linux"))]
fn a_bad_sinew_io_is_an_error_that_says_so() {
    use sinew::runtime::IoDriver;

    const TEST: &str = "a_bad_sinew_io_is_an_error_that_says_so";
    const WORDS: &str = "SINEW_IO is to be epoll or uring, not \"epol\"";
    if is_child() {
        let error = Runtime::new().map(drop).unwrap_err();
        assert_eq!((error.kind(), &*error.to_string()), (ErrorKind::InvalidInput, WORDS));
        let error = thread::Builder::new().spawn(|| ()).map(drop).unwrap_err();
        assert_eq!(error.to_string(), format!("the default runtime cannot be started: {WORDS}"));
        // A runtime that is told its way does not ask.
        drop(Runtime::builder().workers(1).io_driver(IoDriver::Epoll).build().unwrap());
        assert!(catch_unwind(|| sinew::run(|| ())).is_err());
        return;
    }
    let output = child(TEST).env("SINEW_IO", "epol").output().unwrap();
    let words = words_of(&output);
    assert!(output.status.success(), "{words}");
    // In a line of its own, and once.
    let line = format!("\nsinew: the default runtime cannot be started: {WORDS}\n");
    assert!(words.contains(&line) && words.matches(WORDS).count() == 1, "{words}");
}

#[test]
fn a_good_sinew_workers_is_followed() {
    const TEST: &str = "a_good_sinew_workers_is_followed";
    if is_child() {
        let want: usize = std::env::var("SINEW_WORKERS").unwrap().trim().parse().unwrap();
        assert_eq!(Runtime::new().unwrap().workers(), want);
        return;
    }
    for good in ["1", "5", " 2 "] {
        let output = child(TEST).env("SINEW_WORKERS", good).output().unwrap();
        assert!(output.status.success(), "{good:?}: {}", words_of(&output));
    }
}
