//! Programs as entries: Go, Python, and this program itself where an entry needs a process of its own. A missing
//! language is a reason in the table, not an error.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::model::{Entry, Outcome, Sample, Scale};

/// Longer than any run takes: a program that hangs must not hang the table.
const DEADLINE: Duration = Duration::from_secs(300);

/// This program.
pub fn this() -> Command {
    Command::new(std::env::current_exe().expect("a running program has a path"))
}

fn source(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)
}

/// The program made of `go/*.go`, built at its first use into the folder this program is in.
pub fn go(work: &str, processors: usize) -> Result<Command, String> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let to = std::env::current_exe().map_err(|e| e.to_string())?.with_file_name("go-peers");
        let mut build = Command::new("go");
        build.args(["build", "-o"]).arg(&to).arg(".").current_dir(source("go"));
        match build.output() {
            Err(_) => Err("go: not installed".into()),
            Ok(done) if done.status.success() => Ok(to),
            Ok(done) => Err(format!("go build: {}", String::from_utf8_lossy(&done.stderr).trim())),
        }
    });
    let mut command = Command::new(built.clone()?);
    command.arg(work).env("GOMAXPROCS", processors.to_string());
    Ok(command)
}

/// A Python script of ours that needs `module`.
pub fn python(script: &str, module: &str) -> Result<Command, String> {
    let import = Command::new("python3").args(["-c", &format!("import {module}")]).output();
    match import {
        Err(_) => return Err("python3: not installed".into()),
        Ok(done) if !done.status.success() => return Err(format!("python3 has no {module}: not installed")),
        Ok(_) => {}
    }
    let mut command = Command::new("python3");
    command.arg("-B").arg(source("python").join(script));
    Ok(command)
}

/// An entry of the Go program: `work` with the count for the scale.
pub fn go_entry(work: &'static str, processors: usize, count: fn(Scale) -> u64) -> Entry {
    Entry::new(&format!("go/{processors}"), move |scale| run(go(work, processors)?.arg(count(scale).to_string())))
        .external()
}

/// An entry of a Python script: `variant` is its first argument, the count its second.
pub fn python_entry(
    label: &'static str,
    script: &'static str,
    module: &'static str,
    variant: &'static str,
    count: fn(Scale) -> u64,
) -> Entry {
    Entry::new(label, move |scale| run(python(script, module)?.arg(variant).arg(count(scale).to_string()))).external()
}

/// Has this program run one entry in a process of its own.
pub fn this_program_runs(row: &str, label: &str, scale: Scale) -> Outcome {
    run(this().args(["--child", row, label, if scale == Scale::Full { "full" } else { "quick" }]))
}

/// Runs a program to its end and reads the sample it prints.
pub fn run(command: &mut Command) -> Outcome {
    Sample::from_lines(&output(command)?)
}

/// Runs a program to its end: what it prints.
pub fn output(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map_err(|e| match e.kind() {
        ErrorKind::NotFound => format!("{name}: not installed"),
        _ => format!("{name}: {e}"),
    })?;
    let began = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().map_err(|e| e.to_string())? {
            break status;
        }
        if began.elapsed() > DEADLINE {
            let _ = child.kill();
            let _ = child.wait();
            return Err(format!("{name}: no end after {} s", DEADLINE.as_secs()));
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let mut text = String::new();
    if let Some(mut out) = child.stdout.take() {
        out.read_to_string(&mut text).map_err(|e| e.to_string())?;
    }
    if status.success() { Ok(text) } else { Err(format!("{name}: {status}")) }
}

/// A program that serves until its standard input ends: an echo server, or an idle runtime.
pub struct Hosted {
    child: Child,
    /// What it said when it was ready.
    pub greeting: String,
}

impl Hosted {
    /// Starts it and waits for its first line.
    pub fn start(mut command: Command) -> Result<Hosted, String> {
        let name = command.get_program().to_string_lossy().into_owned();
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(|e| format!("{name}: {e}"))?;
        let mut greeting = String::new();
        let out = child.stdout.take().ok_or("no output")?;
        let read = BufReader::new(out).read_line(&mut greeting);
        let mut hosted = Hosted { child, greeting: greeting.trim().to_owned() };
        if read.is_err() || hosted.greeting.is_empty() {
            return Err(format!("{name} ended: {}", hosted.child.wait().map_err(|e| e.to_string())?));
        }
        Ok(hosted)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

/// A client that loads a server for a while each time it is asked, and keeps its connections between.
pub struct Client {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Client {
    pub fn start(mut command: Command) -> Result<Client, String> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(|e| e.to_string())?;
        let out = child.stdout.take().ok_or("no output")?;
        Ok(Client { child, out: BufReader::new(out) })
    }

    /// Has it load the server for a number of milliseconds.
    pub fn run(&mut self, millis: u64) -> Outcome {
        let input = self.child.stdin.as_mut().ok_or("no input")?;
        writeln!(input, "{millis}").map_err(|e| format!("the client: {e}"))?;
        let mut text = String::new();
        while !text.ends_with("end\n") {
            if self.out.read_line(&mut text).map_err(|e| e.to_string())? == 0 {
                return Err(format!("the client ended: {}", self.child.wait().map_err(|e| e.to_string())?));
            }
        }
        Sample::from_lines(&text)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Hosted {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
