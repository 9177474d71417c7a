//! What the tests of the examples over foreign protocols have alike: programs of others, which fail a test where they are
//! missing with what to install; the examples' own servers; folders that end with their tests.

#![allow(dead_code, reason = "no test uses all of it")]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::example_binary;

/// A folder for one test.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Folder {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        // The path of a Unix socket may have about a hundred characters.
        let folder = std::env::temp_dir().join(format!("sinew-{name}-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).expect("the folder can be made");
        Folder(folder)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("the path is UTF-8").to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A process that is killed when the value goes, if it has not ended by then.
pub(crate) struct Process(pub(crate) Child);

impl Process {
    pub(crate) fn signal(&self, signal: i32) {
        // SAFETY: plain libc; the child has not been waited for, so the number is still its own.
        unsafe { libc::kill(self.0.id() as i32, signal) };
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a program of others to its end. It fails the test if it is not there, with the Debian package to install.
#[track_caller]
pub(crate) fn run(program: &str, package: &str, args: &[&str]) -> Output {
    let command = Command::new(program).args(args).stdin(Stdio::null()).output();
    command.unwrap_or_else(|error| missing(program, package, &error))
}

#[track_caller]
pub(crate) fn missing(program: &str, package: &str, error: &std::io::Error) -> ! {
    panic!("{program} cannot be run ({error}), which this test needs: apt-get install {package}, or .ci/install")
}

/// What a program that has succeeded has printed.
#[track_caller]
pub(crate) fn succeeded(output: &Output) -> String {
    assert!(output.status.success(), "{}: {}", output.status, all(output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Both outputs.
pub(crate) fn all(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Runs an example to its end.
pub(crate) fn example(name: &str, args: &[&str]) -> Output {
    Command::new(example_binary::path(name)).args(args).stdin(Stdio::null()).output().expect("the example runs")
}

/// Waits until something is so.
#[track_caller]
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(300), "in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// An example that listens, and has said where.
pub(crate) struct Server {
    process: Process,
    output: BufReader<ChildStdout>,
    /// `HOST:PORT`.
    pub(crate) address: String,
}

impl Server {
    pub(crate) fn start(name: &str, args: &[&str]) -> Server {
        let mut command = Command::new(example_binary::path(name));
        let mut process = command.args(args).stdout(Stdio::piped()).spawn().expect("the example starts");
        let mut output = BufReader::new(process.stdout.take().expect("standard output is piped"));
        let process = Process(process);
        let mut line = String::new();
        output.read_line(&mut line).expect("the example can be heard");
        let address = line.trim().rsplit_once("://").unwrap_or_else(|| panic!("it says where it listens: {line:?}")).1;
        Server { process, output, address: address.to_owned() }
    }

    pub(crate) fn port(&self) -> &str {
        self.address.rsplit_once(':').expect("there is a port").1
    }

    /// Presses Ctrl-C, for which the server listens before it says where it does.
    pub(crate) fn interrupt(&self) {
        self.process.signal(libc::SIGINT);
    }

    /// Waits for its end, after [`interrupt`](Self::interrupt), and gives what it printed last.
    pub(crate) fn ended(mut self) -> (ExitStatus, String) {
        let mut status = None;
        until("the server ends", || {
            status = self.process.0.try_wait().expect("it is a child");
            status.is_some()
        });
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).expect("the output is text");
        (status.expect("it has ended"), rest)
    }
}
