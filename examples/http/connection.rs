//! One connection: requests are read, answered in order, and answers of pipelined requests are written together.

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::time::Duration;

use sinew::net::TcpStream;

use super::files::{Answer, Site};
use super::input::Input;
use super::request::{Head, Next, Refusal};
use super::response;

/// How long a client may be silent, or not take what it asked for.
pub(crate) const IDLE: Duration = Duration::from_secs(30);

/// Answers are held back until this much is gathered, as long as more requests have already come.
pub(crate) const GATHER: usize = 64 * 1024;

/// What of a refused request is read, so that the refusal reaches a client that is still sending.
const LINGER_BYTES: u64 = 1024 * 1024;
const LINGER: Duration = Duration::from_secs(2);

/// Serves the connection until either side ends it. A client that goes away is no one's error.
pub(crate) fn serve(stream: TcpStream, site: &Site) {
    let _ = Connection { stream, input: Input::default(), output: Vec::new() }.run(site);
}

struct Connection {
    stream: TcpStream,
    input: Input,
    /// Answers not yet written.
    output: Vec<u8>,
}

impl Connection {
    fn run(mut self, site: &Site) -> io::Result<()> {
        self.stream.set_nodelay(true)?;
        self.stream.set_read_timeout(Some(IDLE))?;
        self.stream.set_write_timeout(Some(IDLE))?;
        loop {
            match Head::parse(self.input.bytes()) {
                Ok(Next::Request(head)) => {
                    self.input.consume(head.length);
                    let keep_alive = head.keep_alive;
                    self.answer(site, &head)?;
                    self.skip_body(&head)?;
                    if !keep_alive {
                        self.flush()?;
                        return self.linger();
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
                Err(refusal) => return self.refuse(refusal),
            }
        }
    }

    fn answer(&mut self, site: &Site, head: &Head) -> io::Result<()> {
        if head.expects_continue && head.body > 0 {
            self.output.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
            self.flush()?;
        }
        match site.answer(head) {
            Answer::Short(short) => response::short(&mut self.output, head, &short),
            Answer::File(mut file) => {
                response::head_of_file(&mut self.output, head, &file);
                let mut left = if head.wants_body { file.length } else { 0 };
                while left > 0 {
                    // A file that has shrunk since its length was sent ends the connection: nothing else would tell.
                    let chunk = file.read(left)?;
                    left -= chunk.len() as u64;
                    self.output.extend_from_slice(&chunk);
                    if self.output.len() >= GATHER {
                        self.flush()?;
                    }
                }
            }
        }
        Ok(())
    }

    fn refuse(mut self, refusal: Refusal) -> io::Result<()> {
        response::refusal(&mut self.output, refusal);
        self.flush()?;
        self.linger()
    }

    /// Reads past the request's body. No answer here depends on one.
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

    /// Reads some more; `false` at the end of what the client sends.
    fn fill(&mut self) -> io::Result<bool> {
        loop {
            match self.stream.read(self.input.room()) {
                Ok(length) => {
                    self.input.add(length);
                    return Ok(length > 0);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    let is_timeout = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
                    if is_timeout && !self.input.bytes().is_empty() {
                        response::refusal(&mut self.output, Refusal::TIMEOUT);
                        self.flush()?;
                    }
                    return Err(error);
                }
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.output)?;
        self.output.clear();
        self.output.shrink_to(GATHER);
        Ok(())
    }

    /// Ends our side, and reads for a while what the client still sends: a socket that is closed with bytes unread
    /// resets the connection, which can take the answer away from the client before it has read it.
    fn linger(mut self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)?;
        self.stream.set_read_timeout(Some(LINGER))?;
        io::copy(&mut Read::by_ref(&mut self.stream).take(LINGER_BYTES), &mut io::sink())?;
        Ok(())
    }
}
