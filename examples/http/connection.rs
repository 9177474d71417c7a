//! One connection: requests are read, answered in order, and answers of pipelined requests are written together.

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use sinew::cancel::CancelToken;
use sinew::net::TcpStream;
use sinew::time::timeout_at;

use crate::files::{Answer, Site};
use crate::request::{Head, Next, Refusal};
use crate::response;

/// How long clients may take.
pub(crate) struct Limits {
    /// How long a client may be silent, or not take what it asked for.
    pub(crate) idle: Duration,
    /// How long a request's head may take to come, from its first byte on, and then its body. A limit on each silence alone
    /// would let a client that sends a byte now and then hold its connection for hours.
    pub(crate) request: Duration,
}

/// Answers are held back until this much is gathered, as long as more requests have already come.
const GATHER: usize = 64 * 1024;

/// The least room that a read is given.
const ROOM: usize = 8 * 1024;

/// What of a refused request is read, so that the refusal reaches a client that is still sending.
const LINGER_BYTES: u64 = 1024 * 1024;
const LINGER: Duration = Duration::from_secs(2);

/// Serves the connection until either side ends it. A client that goes away is no one's error.
pub(crate) fn serve(stream: TcpStream, site: &Site, limits: &Limits, stop: &CancelToken) {
    let connection = Connection { stream, limits, stop, input: Vec::new(), read: 0, begun: None, output: Vec::new() };
    let _ = connection.run(site);
}

struct Connection<'a> {
    stream: TcpStream,
    limits: &'a Limits,
    /// Cancelled when no more requests are to be awaited.
    stop: &'a CancelToken,
    /// What has come; before `read` it has been dealt with.
    input: Vec<u8>,
    read: usize,
    /// When the head that is being read began to come.
    begun: Option<Instant>,
    /// Answers not yet written.
    output: Vec<u8>,
}

impl Connection<'_> {
    fn run(mut self, site: &Site) -> io::Result<()> {
        self.stream.set_nodelay(true)?;
        self.stream.set_read_timeout(Some(self.limits.idle))?;
        self.stream.set_write_timeout(Some(self.limits.idle))?;
        loop {
            match Head::parse(&self.input[self.read..]) {
                Ok(Next::Request(mut head)) => {
                    self.read += head.length;
                    self.begun = None;
                    head.keep_alive &= !self.stop.is_cancelled();
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
                    if !self.fill_head()? {
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
        let deadline = Instant::now() + self.limits.request;
        loop {
            let here = left.min(self.input.len() - self.read);
            self.read += here;
            left -= here;
            if left == 0 {
                return Ok(());
            }
            self.flush()?;
            if !timeout_at(deadline, || self.fill())?? {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Reads some more of a head; `false` at the end of what the client sends, or when the server stops before a byte of the
    /// next request has come.
    fn fill_head(&mut self) -> io::Result<bool> {
        if self.read == self.input.len() {
            let stop = self.stop;
            return stop.run_until_cancelled(|| self.fill()).unwrap_or(Ok(false));
        }
        let begun = *self.begun.get_or_insert_with(Instant::now);
        let filled = timeout_at(begun + self.limits.request, || self.fill());
        let result = filled.unwrap_or_else(|elapsed| Err(elapsed.into()));
        if let Err(error) = &result
            && matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
        {
            response::refusal(&mut self.output, Refusal::TIMEOUT);
            self.flush()?;
        }
        result
    }

    /// Reads some more; `false` at the end of what the client sends.
    fn fill(&mut self) -> io::Result<bool> {
        self.input.drain(..self.read);
        self.read = 0;
        if self.input.is_empty() {
            // A connection that waits for its next request holds no buffer larger than it needs.
            self.input.shrink_to(ROOM);
        }
        let old = self.input.len();
        self.input.resize(old + ROOM, 0);
        let result = loop {
            match self.stream.read(&mut self.input[old..]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => break result,
            }
        };
        self.input.truncate(old + *result.as_ref().unwrap_or(&0));
        result.map(|length| length > 0)
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
