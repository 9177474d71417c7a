//! Copying between two streams in both directions.

use std::io::{self, Read, Write};

use super::{ShutdownWrite, copy};
use crate::{channel, thread};

/// Copies what comes from each of two streams to the other, until both have come to their ends: how many bytes went from
/// `one` to `two`, and how many back. The end of one direction ends the writing half of where it goes, while the other
/// direction goes on.
///
/// The directions are copied by two green threads, while the calling thread waits.
///
/// # Errors
/// The first error of a direction; the other direction is then cancelled.
///
/// # Cancellation
/// While it waits; both directions are then cancelled too.
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
    thread::scope(|scope| {
        let (tell, told) = channel::bounded(2);
        let tell_too = tell.clone();
        let there = scope.spawn(move || {
            let done = one_way::<A, B>(one, two);
            let _ = tell.send(done.is_err());
            done
        });
        let stop_there = CancelOnDrop(there.thread().clone());
        let back = scope.spawn(move || {
            let done = one_way::<B, A>(two, one);
            let _ = tell_too.send(done.is_err());
            done
        });
        let stop_back = CancelOnDrop(back.thread().clone());
        // Until both are through, one has failed, or one has panicked and the other is through.
        let failed = told.iter().any(|failed| failed);
        if failed {
            drop((stop_there, stop_back));
        }
        let (there, back) = (there.join(), back.join());
        match (there, back) {
            (Ok(there), Ok(back)) => Ok((there?, back?)),
            // The other was cancelled for the sake of this error.
            (Ok(Err(error)), _) | (_, Ok(Err(error))) => Err(error),
            (Err(payload), _) | (_, Err(payload)) => std::panic::resume_unwind(payload),
        }
    })
}

/// Cancels a thread, also when its owner unwinds. One that has ended does not notice.
struct CancelOnDrop(thread::Thread);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

fn one_way<A, B>(mut from: &A, to: &B) -> io::Result<u64>
where
    B: ShutdownWrite,
    for<'a> &'a A: Read,
    for<'a> &'a B: Write,
{
    let mut sink = to;
    let count = copy(&mut from, &mut sink)?;
    match to.shutdown_write() {
        // It has gone by itself.
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(count),
        done => done.map(|()| count),
    }
}
