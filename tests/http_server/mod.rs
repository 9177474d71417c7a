//! The `http` example as a process, and a client that checks what it answers.
#![allow(dead_code, reason = "no test file uses all of it")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::example_binary;

/// A server with a folder of its own, both of which end with the value.
pub(crate) struct Server {
    pub(crate) process: Child,
    output: BufReader<ChildStdout>,
    pub(crate) address: String,
    pub(crate) folder: PathBuf,
}

impl Server {
    /// A server of the folder.
    pub(crate) fn start() -> Server {
        Server::start_with(&[])
    }

    /// The same with further options.
    pub(crate) fn start_with(options: &[&str]) -> Server {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("sinew-http-{}-{number}", std::process::id()));
        let root = folder.join("root");
        fs::create_dir_all(root.join("sub dir")).expect("the folder can be made");
        let write = |path: &str, text: &[u8]| fs::write(folder.join(path), text).expect("the file can be written");
        write("secret.txt", b"secret");
        write("root/hello.txt", b"hello, file\n");
        write("root/empty.txt", b"");
        write("root/big.bin", &big());
        write("root/sub dir/index.html", b"<p>index</p>");
        write("root/sub dir/\u{e9}.txt", b"accent");
        #[cfg(unix)]
        for (link, target) in [("out.txt", "../secret.txt"), ("out", ".."), ("in.txt", "hello.txt"), ("dead", "none")] {
            std::os::unix::fs::symlink(target, root.join(link)).expect("the link can be made");
        }
        let root = root.to_str().expect("the path is UTF-8");
        Server::spawn(&[&["--root", root], options].concat(), folder)
    }

    /// A server that answers `/` alone, and so needs no thread besides its workers.
    pub(crate) fn without_folder(options: &[&str]) -> Server {
        Server::spawn(options, PathBuf::new())
    }

    fn spawn(options: &[&str], folder: PathBuf) -> Server {
        let mut process = Command::new(example_binary::path("http"))
            .args(["--addr", "127.0.0.1:0"])
            .args(options)
            .stdout(Stdio::piped())
            .spawn()
            .expect("http starts");
        let mut line = String::new();
        let mut output = BufReader::new(process.stdout.take().expect("standard output is piped"));
        output.read_line(&mut line).expect("the server says where it listens");
        let address = line.trim().strip_prefix("listening on http://").unwrap_or_else(|| panic!("{line:?}")).to_owned();
        Server { process, output, address, folder }
    }

    pub(crate) fn connect(&self) -> Client {
        let stream = TcpStream::connect(&self.address).expect("the server accepts");
        stream.set_read_timeout(Some(Duration::from_secs(300))).expect("the timeout can be set");
        Client(BufReader::new(stream))
    }

    /// Sends a request on a connection of its own, for one answer.
    pub(crate) fn ask(&self, request: &str) -> Answer {
        let mut client = self.connect();
        client.send(request);
        client.answer(request.starts_with("HEAD"))
    }

    pub(crate) fn get(&self, target: &str) -> Answer {
        self.ask(&format!("GET {target} HTTP/1.1\r\nHost: test\r\n\r\n"))
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

#[cfg(unix)]
impl Server {
    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: i32) {
        // SAFETY: the process is a child that was not waited for, so its id is its own.
        assert_eq!(unsafe { libc::kill(self.process.id() as i32, signal) }, 0);
    }

    /// Waits until it has ended, and gives what it has printed since it began to listen.
    pub(crate) fn ended(&mut self) -> String {
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).expect("the output is UTF-8");
        assert!(self.process.wait().expect("the server ends").success());
        rest
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if !self.folder.as_os_str().is_empty() {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// A file longer than a socket's buffers.
pub(crate) fn big() -> Vec<u8> {
    (0..3_000_000u32).map(|index| (index % 251) as u8).collect()
}

pub(crate) struct Client(pub(crate) BufReader<TcpStream>);

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Client {
    pub(crate) fn send(&mut self, bytes: &str) {
        self.0.get_mut().write_all(bytes.as_bytes()).expect("the server reads");
    }

    pub(crate) fn answer(&mut self, is_head: bool) -> Answer {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(self.0.read_line(&mut head).expect("an answer comes"), 0, "the connection ended in {head:?}");
        }
        let mut answer = Answer { status: 0, head, body: Vec::new() };
        answer.status = answer.head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("there is a status");
        if !is_head && answer.status != 100 {
            answer.body = vec![0; answer.field("Content-Length").expect("a length is given").parse().unwrap()];
            self.0.read_exact(&mut answer.body).expect("the whole body comes");
        }
        answer
    }

    /// Waits until the server ends the connection, with nothing left in it.
    pub(crate) fn assert_ended(&mut self) {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).expect("the connection ends without a reset");
        assert_eq!(String::from_utf8_lossy(&rest), "");
    }
}

impl Answer {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.find(|field| field.0.eq_ignore_ascii_case(name)).map(|field| field.1)
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is text")
    }
}
