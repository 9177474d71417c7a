//! Copying in both directions under a limit of silence that the directions share.

use std::io::{self, ErrorKind, Read, Write};

use super::{
    ShutdownWrite,
    both_ways::{both, one_way},
};
use crate::{
    primitive::{AtomicU64, Ordering},
    time::{Duration, Instant, timeout_at},
};

/// [`copy_bidirectional`](super::copy_bidirectional) that ends when no byte has moved for so long in either direction: none
/// came from a stream, and none could be written to one. While one direction moves, the other may be silent, as in a long
/// download. It is what proxies need: HAProxy's `timeout tunnel`, for one.
///
/// A limit that the clock cannot add to the present, such as [`Duration::MAX`], is none.
///
/// # Errors
/// As [`copy_bidirectional`](super::copy_bidirectional); `TimedOut` after the silence. How much was copied until then is not
/// told. The streams are still open: their owner closes them.
///
/// # Cancellation
/// As [`copy_bidirectional`](super::copy_bidirectional).
///
/// # Examples
/// ```
/// use sinew::{io::copy_bidirectional_idle, net::unix::UnixStream};
/// use std::{io::{ErrorKind, Read, Write}, time::Duration};
///
/// let ((mut client, near), (far, mut server)) = (UnixStream::pair()?, UnixStream::pair()?);
/// client.write_all(b"hello")?;
/// let proxy = sinew::spawn(move || copy_bidirectional_idle(&near, &far, Duration::from_millis(20)));
/// server.read_exact(&mut [0; 5])?;
/// // Nobody says more.
/// assert_eq!(proxy.join().unwrap().unwrap_err().kind(), ErrorKind::TimedOut);
/// assert_eq!(client.read(&mut [0])?, 0, "the connection is closed");
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn copy_bidirectional_idle<A, B>(one: &A, two: &B, idle: Duration) -> io::Result<(u64, u64)>
where
    A: ShutdownWrite + Sync,
    B: ShutdownWrite + Sync,
    for<'a> &'a A: Read + Write,
    for<'a> &'a B: Read + Write,
{
    let life = Life { idle, begun: Instant::now(), moved: AtomicU64::new(0) };
    both(|| one_way(life.lively(one), life.lively(two), two), || one_way(life.lively(two), life.lively(one), one))
}

/// When a byte moved last in either direction, and how long that may be ago.
struct Life {
    idle: Duration,
    begun: Instant,
    /// Nanoseconds after `begun`. It guards nothing else, so that its accesses are relaxed.
    moved: AtomicU64,
}

impl Life {
    /// When it ends if nothing moves; none if never.
    fn end(&self) -> Option<Instant> {
        let moved = Duration::from_nanos(self.moved.load(Ordering::Relaxed));
        self.begun.checked_add(moved)?.checked_add(self.idle)
    }

    fn lively<S>(&self, stream: S) -> Lively<'_, S> {
        Lively { stream, life: self }
    }

    /// Makes a call that waits until it moves something, or until neither direction has moved anything for too long.
    fn wait(&self, mut call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
        let mut tried = None;
        let result = loop {
            let Some(end) = self.end() else { break call() };
            match timeout_at(end, &mut call) {
                Ok(result) => break result,
                // The other direction has moved meanwhile, or something came while this thread was kept from looking: a try in overtime
                // does not wait.
                Err(_) if tried != Some(end) => tried = Some(end),
                Err(_) => {
                    return Err(io::Error::new(
                        ErrorKind::TimedOut,
                        "no byte has moved in either direction for too long",
                    ));
                }
            }
        };
        // The other direction may have told of a later time already.
        let now = u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.moved.fetch_max(now, Ordering::Relaxed);
        result
    }
}

/// A reader or writer whose waits end with a life.
struct Lively<'l, S> {
    stream: S,
    life: &'l Life,
}

impl<S: Read> Read for Lively<'_, S> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.life.wait(|| self.stream.read(buf))
    }
}

impl<S: Write> Write for Lively<'_, S> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.life.wait(|| self.stream.write(buf))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.life.wait(|| self.stream.flush().map(|()| 0)).map(drop)
    }
}
