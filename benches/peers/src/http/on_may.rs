//! may as an HTTP server: one coroutine a connection. Reads and writes have a timeout of 30 s.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;

use may::net::{TcpListener, TcpStream};

use super::connection::{GATHER, Limits};
use super::files::{Answer, Site};
use super::input::Input;
use super::request::{Head, Next};
use super::response;
use crate::host::listening;
use crate::peers::on_may::{configure, spawn};

pub fn serve(workers: usize) {
    // In words: parsing takes more than the 4 KiB that are may's default.
    may::config().set_stack_size(0x2000);
    configure(workers);
    let accept = spawn(|| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listening(listener.local_addr());
        let site = Arc::new(Site::greeting());
        for stream in listener.incoming() {
            let stream = stream.expect("a connection");
            let site = site.clone();
            spawn(move || {
                let _ = Connection { stream, input: Input::default(), output: Vec::new() }.run(&site);
            });
        }
    });
    let _ = accept.join();
}

struct Connection {
    stream: TcpStream,
    input: Input,
    output: Vec<u8>,
}

impl Connection {
    fn run(mut self, site: &Site) -> io::Result<()> {
        self.stream.set_nodelay(true)?;
        self.stream.set_read_timeout(Some(Limits::DEFAULT.idle))?;
        self.stream.set_write_timeout(Some(Limits::DEFAULT.idle))?;
        loop {
            match Head::parse(self.input.bytes()) {
                Ok(Next::Request(head)) => {
                    self.input.consume(head.length);
                    let keep_alive = head.keep_alive;
                    match site.answer(&head) {
                        Answer::Short(short) => response::short(&mut self.output, &head, &short),
                        Answer::File(_) => unreachable!("no folder is served"),
                    }
                    self.skip_body(&head)?;
                    if !keep_alive {
                        return self.flush();
                    }
                    if self.output.len() >= GATHER {
                        self.flush()?;
                    }
                }
                Ok(Next::Incomplete) => {
                    self.flush()?;
                    if !self.fill()? {
                        return Ok(());
                    }
                }
                Err(refusal) => {
                    response::refusal(&mut self.output, refusal);
                    return self.flush();
                }
            }
        }
    }

    fn skip_body(&mut self, head: &Head) -> io::Result<()> {
        let mut left = head.body;
        loop {
            let here = left.min(self.input.bytes().len());
            self.input.consume(here);
            left -= here;
            if left == 0 {
                return Ok(());
            }
            self.flush()?;
            if !self.fill()? {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
    }

    fn fill(&mut self) -> io::Result<bool> {
        let length = self.stream.read(self.input.room())?;
        self.input.add(length);
        Ok(length > 0)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.output)?;
        self.output.clear();
        self.output.shrink_to(GATHER);
        Ok(())
    }
}
