//! No library as an HTTP server: one loop over epoll, without limits of time.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::LazyLock;

use mio::net::TcpStream;

use super::connection::GATHER;
use super::files::{Answer, Site};
use super::input::Input;
use super::request::{Head, Next};
use super::response;
use crate::host::on_bare::{self, Serve};

static SITE: LazyLock<Site> = LazyLock::new(Site::greeting);

pub fn serve() {
    on_bare::serve::<Connection>();
}

struct Connection {
    stream: TcpStream,
    input: Input,
    output: Vec<u8>,
    /// How much of the output was written.
    written: usize,
}

impl Serve for Connection {
    fn new(stream: TcpStream) -> Connection {
        Connection { stream, input: Input::default(), output: Vec::new(), written: 0 }
    }

    fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    fn go_on(&mut self) -> io::Result<()> {
        match self.converse() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            result => result,
        }
    }
}

impl Connection {
    fn converse(&mut self) -> io::Result<()> {
        self.flush()?;
        // A read that does not fill its room has emptied the socket: the poller tells of more.
        let mut is_empty = false;
        loop {
            match Head::parse(self.input.bytes()) {
                Ok(Next::Request(head)) => {
                    self.input.consume(head.length);
                    match SITE.answer(&head) {
                        Answer::Short(short) => response::short(&mut self.output, &head, &short),
                        Answer::File(_) => unreachable!("no folder is served"),
                    }
                    if head.body > 0 || !head.keep_alive {
                        self.flush()?;
                        return Err(ErrorKind::Unsupported.into());
                    }
                    if self.output.len() >= GATHER {
                        self.flush()?;
                    }
                }
                Ok(Next::Incomplete) => {
                    self.flush()?;
                    if is_empty {
                        return Ok(());
                    }
                    let room = self.input.room();
                    let size = room.len();
                    let length = self.stream.read(room)?;
                    self.input.add(length);
                    if length == 0 {
                        return Err(ErrorKind::UnexpectedEof.into());
                    }
                    is_empty = length < size;
                }
                Err(refusal) => {
                    response::refusal(&mut self.output, refusal);
                    self.flush()?;
                    return Err(ErrorKind::InvalidData.into());
                }
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.written < self.output.len() {
            self.written += self.stream.write(&self.output[self.written..])?;
        }
        self.output.clear();
        self.written = 0;
        Ok(())
    }
}
