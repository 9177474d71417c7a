//! A stream that ends when nothing has come for a while, from it or from its partner: while one direction of a
//! connection moves, the other may be silent.

use std::io::{self, Read, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sinew::io::ShutdownWrite;
use sinew::net::TcpStream;
use sinew::time::{Instant, timeout_at};

/// When something moved last between two streams, and how long that may be ago.
pub(crate) struct Life {
    idle: Duration,
    /// Held for a moment only, so std's lock will do.
    moved: Mutex<Instant>,
}

impl Life {
    pub(crate) fn new(idle: Duration) -> Life {
        Life { idle, moved: Mutex::new(Instant::now()) }
    }

    fn end(&self) -> Instant {
        *self.moved.lock().unwrap_or_else(PoisonError::into_inner) + self.idle
    }

    /// Makes a call that waits until it moves something, or until neither partner has moved anything for too long.
    fn wait(&self, mut call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
        let mut tried = None;
        loop {
            let end = self.end();
            match timeout_at(end, &mut call) {
                Ok(result) => {
                    *self.moved.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
                    return result;
                }
                // The partner has moved meanwhile, or something came while this thread was kept from looking: a try in
                // overtime does not wait.
                Err(_) if tried != Some(end) => tried = Some(end),
                Err(elapsed) => return Err(elapsed.into()),
            }
        }
    }
}

/// One of two streams that share a life.
pub(crate) struct Lively<'a> {
    pub(crate) stream: &'a TcpStream,
    pub(crate) life: &'a Life,
}

impl Read for &Lively<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut stream = self.stream;
        self.life.wait(|| stream.read(buf))
    }
}

impl Write for &Lively<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let mut stream = self.stream;
        self.life.wait(|| stream.write(buf))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl ShutdownWrite for Lively<'_> {
    fn shutdown_write(&self) -> io::Result<()> {
        self.stream.shutdown_write()
    }
}
