//! Copying between two streams in both directions.

use std::io::{self, Read, Write};

use super::{ShutdownWrite, copy};
use crate::{cancel::CancelToken, runtime::event::Here, thread};

/// Copies what comes from each of two streams to the other, until both have come to their ends: how many bytes went from
/// `one` to `two`, and how many back. The end of one direction ends the writing half of where it goes, while the other
/// direction goes on. To limit how long both may be silent together, there is
/// [`copy_bidirectional_idle`](super::copy_bidirectional_idle); how long each may be, the streams' own
/// [timeouts](crate::net::TcpStream::set_read_timeout) say; a [`Timeout`](super::Timeout) is one thread's alone.
///
/// The calling thread copies one direction and another thread the other: a green one, or, where the calling thread is an OS
/// thread, an OS thread.
///
/// # Errors
/// The first error of a direction; the other direction is then cancelled. Or no thread can be had.
///
/// # Cancellation
/// While it waits; both directions are then cancelled. On an OS thread, streams of other crates are waited for.
///
/// # Examples
/// ```no_run
/// use sinew::net::{TcpListener, TcpStream};
///
/// let listener = TcpListener::bind("127.0.0.1:8080")?;
/// for client in listener.incoming() {
///     let client = client?;
///     sinew::spawn(move || {
///         let server = TcpStream::connect("127.0.0.1:80")?;
///         sinew::io::copy_bidirectional(&client, &server)
///     });
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn copy_bidirectional<A, B>(one: &A, two: &B) -> io::Result<(u64, u64)>
where
    A: ShutdownWrite + Sync,
    B: ShutdownWrite + Sync,
    for<'a> &'a A: Read + Write,
    for<'a> &'a B: Read + Write,
{
    both(|| one_way(one, two, two), || one_way(two, one, one))
}

/// Does both directions' copying, on the calling thread and another one, until both have ended or one has failed.
pub(super) fn both(
    there: impl FnOnce() -> io::Result<u64> + Send,
    back: impl FnOnce() -> io::Result<u64>,
) -> io::Result<(u64, u64)> {
    let (stop, ended) = (CancelToken::new(), CancelToken::new());
    let there = || {
        let _ended = ended.clone().drop_guard();
        until_stopped(&stop, there)
    };
    let back = || {
        // Also if this unwinds.
        let _stop = stop.clone().drop_guard();
        let done = until_stopped(&stop, back);
        // A wait that can be cancelled, as joining an OS thread cannot.
        ended.wait();
        done
    };
    let (there, back) = if Here::current().is_some() {
        thread::scope(|scope| {
            let there = thread::Builder::new().spawn_scoped(scope, there)?;
            let back = back();
            io::Result::Ok((there.join(), back))
        })?
    } else {
        std::thread::scope(|scope| {
            let there = std::thread::Builder::new().spawn_scoped(scope, there)?;
            let back = back();
            io::Result::Ok((there.join(), back))
        })?
    };
    let there = there.unwrap_or_else(|payload| std::panic::resume_unwind(payload));
    match (there, back) {
        (Some(Ok(there)), Some(Ok(back))) => Ok((there, back)),
        // The other was cancelled for the sake of this error.
        (Some(Err(error)), _) | (_, Some(Err(error))) => Err(error),
        (None, _) | (_, None) => unreachable!("only an error or an unwind stops a direction"),
    }
}

/// Copies one direction, none if the other has failed; and if this one fails, or panics, stops the other.
fn until_stopped(stop: &CancelToken, copy: impl FnOnce() -> io::Result<u64>) -> Option<io::Result<u64>> {
    let guard = stop.clone().drop_guard();
    let done = stop.run_until_cancelled(copy).ok();
    if matches!(done, Some(Ok(_))) {
        guard.disarm();
    }
    done
}

/// Copies one direction, and ends the writing half of the stream that the writer writes to.
pub(super) fn one_way(mut reader: impl Read, mut writer: impl Write, to: &impl ShutdownWrite) -> io::Result<u64> {
    let count = copy(&mut reader, &mut writer)?;
    match to.shutdown_write() {
        // It has gone by itself.
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(count),
        done => done.map(|()| count),
    }
}
