//! One connection: requests are read, answered in order, and answers of pipelined requests are written together.

use std::io::{self, ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use sinew::cancel::CancelToken;
use sinew::io::ShutdownWrite;
use sinew::net::TcpStream;
use sinew::time::{timeout, timeout_at};

use super::files::{Answer, Site};
use super::input::Input;
use super::request::{Head, Next, Refusal};
use super::response;

/// How long clients may take.
pub(crate) struct Limits {
    /// How long a client may be silent, or not take what it asked for.
    pub(crate) idle: Duration,
    /// How long a request's head may take to come, from its first byte on, and then its body. A limit on each silence alone
    /// would let a client that sends a byte now and then hold its connection for hours.
    pub(crate) request: Duration,
}

impl Limits {
    pub(crate) const DEFAULT: Limits = Limits { idle: Duration::from_secs(30), request: Duration::from_secs(10) };
}

/// Answers are held back until this much is gathered, as long as more requests have already come.
pub(crate) const GATHER: usize = 64 * 1024;

/// What of a refused request is read, so that the refusal reaches a client that is still sending.
const LINGER_BYTES: u64 = 1024 * 1024;
const LINGER: Duration = Duration::from_secs(2);

/// Serves the connection until either side ends it. A client that goes away is no one's error.
pub(crate) fn serve(stream: TcpStream, site: &Site, limits: &Limits, stop: &CancelToken) {
    let _ = set_up(&stream, limits).and_then(|()| converse(stream, site, limits, stop));
}

fn set_up(stream: &TcpStream, limits: &Limits) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(limits.idle))?;
    stream.set_write_timeout(Some(limits.idle))
}

/// Serves whoever is at the other end of a stream, of whatever kind that is.
pub(crate) fn converse(
    stream: impl Read + Write + ShutdownWrite,
    site: &Site,
    limits: &Limits,
    stop: &CancelToken,
) -> io::Result<()> {
    Connection { stream, limits, stop, input: Input::default(), begun: None, output: Vec::new() }.run(site)
}

struct Connection<'a, S> {
    stream: S,
    limits: &'a Limits,
    /// Cancelled when no more requests are to be awaited.
    stop: &'a CancelToken,
    input: Input,
    /// When the head that is being read began to come.
    begun: Option<Instant>,
    /// Answers not yet written.
    output: Vec<u8>,
}

impl<S: Read + Write + ShutdownWrite> Connection<'_, S> {
    fn run(mut self, site: &Site) -> io::Result<()> {
        loop {
            match Head::parse(self.input.bytes()) {
                Ok(Next::Request(mut head)) => {
                    self.input.consume(head.length);
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
        let mut deadline = None;
        loop {
            let here = left.min(self.input.bytes().len());
            self.input.consume(here);
            left -= here;
            if left == 0 {
                return Ok(());
            }
            self.flush()?;
            let deadline = *deadline.get_or_insert_with(|| Instant::now() + self.limits.request);
            if !timeout_at(deadline, || self.fill())?? {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Reads some more of a head; `false` at the end of what the client sends, or when the server stops before a byte of the
    /// next request has come.
    fn fill_head(&mut self) -> io::Result<bool> {
        if self.input.bytes().is_empty() {
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
        loop {
            match self.stream.read(self.input.room()) {
                Ok(length) => {
                    self.input.add(length);
                    return Ok(length > 0);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
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
    fn linger(self) -> io::Result<()> {
        self.stream.shutdown_write()?;
        timeout(LINGER, || io::copy(&mut self.stream.take(LINGER_BYTES), &mut io::sink()))?.map(drop)
    }
}
