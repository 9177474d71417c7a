//! What is said of an exception that nobody catches: one line, with its type and its message; and nothing of those that are caught.
//!
//! It is about what leaves `main`, which is why this has one of its own. Each case is a process.

use sinew::generator::{Exception, Generator, raise, try_};
use std::{
    env,
    os::unix::process::ExitStatusExt,
    panic::{catch_unwind, resume_unwind},
    process::{Command, exit},
};

#[derive(Debug, PartialEq)]
struct ValueError(&'static str);

const WORDS: &str =
    "sinew: an exception that nobody caught: uncaught_exception::ValueError: ValueError(\"no such thing\")\n";

const ABORTS: &str = "panic = \"abort\": uncaught_exception::ValueError: ValueError(\"no such thing\")\n";

fn fails() {
    raise(ValueError("no such thing"))
}

/// What happens, the exit code, and whether something is said.
type Case = (&'static str, fn(), i32, bool);

const CASES: &[Case] = &[
    ("raised by main", fails, 101, true),
    ("out of a generator", || _ = Generator::<u32>::new(|_| fails()).next(), 101, true),
    ("thrown", || _ = Generator::<u32>::from_iter(0..).throw(ValueError("no such thing")), 101, true),
    ("raised again, by a handler of others", || try_(fails).unwrap_or_else(|e: Exception| e.raise()), 101, true),
    ("caught as another type", || assert_eq!(try_(fails), Err(0_u8)), 101, true),
    ("passed on as a payload", || resume_unwind(catch_unwind(fails).unwrap_err()), 101, true),
    ("of an OS thread that is detached", detached_os_thread, 0, true),
    ("of an OS thread that is joined for the time only", || drop(std::thread::spawn(fails).join()), 0, true),
    ("of a green thread that is joined for the time only", || drop(sinew::spawn(fails).join()), 0, true),
    ("of a green thread that is detached", detached, 0, true),
    ("caught", || assert_eq!(try_(fails), Err(ValueError("no such thing"))), 0, false),
    ("caught as any", || drop(try_::<_, Exception>(fails)), 0, false),
    ("caught from a generator", caught_from_a_generator, 0, false),
    ("taken from join", taken_from_join, 0, false),
    ("closed", closed, 0, false),
    ("made and never raised", || drop(Exception::new(ValueError("no such thing"))), 0, false),
];

fn detached_os_thread() {
    // The handle keeps the payload; std drops it with the last of both.
    let thread = std::thread::spawn(fails);
    while !thread.is_finished() {
        std::thread::yield_now();
    }
}

fn detached() {
    sinew::run(|| {
        drop(sinew::spawn(fails));
        // On one worker it has ended by then; its result goes with it.
        (0..10).for_each(|_| sinew::yield_now());
    });
}

fn caught_from_a_generator() {
    let g = Generator::<u32>::new(|y| {
        y.yield_(1);
        fails();
    });
    g.next();
    assert_eq!(g.try_next(), Err(ValueError("no such thing")));
}

fn taken_from_join() {
    let payload = sinew::spawn(fails).join().unwrap_err().downcast::<Exception>().unwrap();
    assert!(payload.is::<ValueError>());
}

fn closed() {
    let g = Generator::<u32>::from_iter(0..);
    g.next();
    g.close();
    let g = Generator::<u32>::from_iter(0..);
    g.next();
}

fn main() {
    if let Some(case) = env::args().nth(1).and_then(|case| CASES.iter().find(|(name, ..)| *name == case)) {
        return case.1();
    }
    // Nothing can be caught, so the first says all.
    let cases = if cfg!(panic = "abort") { &CASES[..1] } else { CASES };
    // For another processor's tests, the emulator's command.
    let runner = env::var("SINEW_TEST_RUNNER").unwrap_or_default();
    let program = env::current_exe().unwrap().into_os_string().into_string().unwrap();
    let mut failed = 0;
    for &(name, _, code, said) in cases {
        let mut words = runner.split_whitespace().chain([&*program, name]);
        let output = Command::new(words.next().unwrap()).args(words).env("SINEW_WORKERS", "1").output().unwrap();
        let words = String::from_utf8_lossy(&output.stderr);
        let as_expected = if cfg!(panic = "abort") {
            output.status.signal() == Some(libc::SIGABRT) && words.matches(ABORTS).count() == 1
        } else {
            output.status.code() == Some(code) && words == if said { WORDS } else { "" }
        };
        if !as_expected {
            eprintln!("{name}: {}, {words:?}", output.status);
            failed += 1;
        }
    }
    println!("{} cases, {failed} failed", cases.len());
    exit(failed);
}
