//! Where the examples' programs are: `cargo test` builds them, but names them in no variable of the environment.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

/// The program of the example `name`, built with the same profile, flags and target as the test that asks.
pub(crate) fn path(name: &str) -> PathBuf {
    // This test is <target>/<profile>/deps/<test>-<hash>; examples are in <target>/<profile>/examples.
    let test = std::env::current_exe().expect("the test's own path is known");
    let profile = test.ancestors().nth(2).expect("a test stands two folders below its profile's");
    let program = profile.join("examples").join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(
        program.is_file(),
        "{} is missing: `cargo test` builds it, `cargo test --test ...` needs `cargo build --example {name}` first",
        program.display(),
    );
    program
}

/// A server among the examples, running, which is killed when this is dropped.
#[allow(dead_code, reason = "a part of the tests uses it")]
pub(crate) struct Running {
    pub(crate) process: Child,
    /// Where it listens.
    pub(crate) address: String,
    output: BufReader<ChildStdout>,
}

#[allow(dead_code, reason = "a part of the tests uses it")]
impl Running {
    /// Starts the example on a port of the system's choice, and waits until it says `listening on SCHEME://ADDRESS`.
    pub(crate) fn start(name: &str, scheme: &str, arguments: &[&str]) -> Running {
        let mut process = Command::new(path(name))
            .args(["--addr", "127.0.0.1:0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let mut output = BufReader::new(process.stdout.take().expect("standard output is piped"));
        let mut line = String::new();
        output.read_line(&mut line).expect("the server says where it listens");
        let address = line.trim().strip_prefix(&format!("listening on {scheme}://"));
        let address = address.unwrap_or_else(|| panic!("{line:?}")).to_owned();
        Running { process, address, output }
    }

    /// Sends it the signal of Ctrl-C.
    pub(crate) fn interrupt(&self) {
        let id = self.process.id().try_into().expect("process ids are positive");
        // SAFETY: integers only.
        assert_eq!(unsafe { libc::kill(id, libc::SIGINT) }, 0, "the process is there until it is waited for");
    }

    /// Waits until it ends by itself, and gives what it has printed since it listened.
    pub(crate) fn ended(mut self) -> String {
        let mut text = String::new();
        self.output.read_to_string(&mut text).expect("its output is text");
        assert!(self.process.wait().expect("it can be waited for").success(), "{text}");
        text
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
