//! Reading several pipes to their ends, in one thread.

use std::{
    io::{self, Read},
    os::fd::AsFd,
};

use crate::{
    io::Watched,
    runtime::{event::Here, readiness::Direction, source::Source},
};

/// How much is read of one pipe before the others, and other threads, get their turn: what a pipe holds.
const TURN: u64 = 64 << 10;

/// Reads each pipe to its end, whichever has something first, so that no writer waits for another pipe's reader.
pub(super) fn drain(pipes: &mut [Option<(&Watched<io::PipeReader>, &mut Vec<u8>)>]) -> io::Result<()> {
    let here = Here::current();
    loop {
        if let Some(here) = here {
            here.breathe();
        }
        let mut moved = false;
        for place in &mut *pipes {
            let Some((pipe, bytes)) = place else { continue };
            let readiness = pipe.source().readiness();
            let seen = readiness.seen();
            let before = bytes.len();
            // What came before an error stays in the vector.
            match pipe.get_ref().take(TURN).read_to_end(bytes) {
                Ok(len) if (len as u64) < TURN => *place = None,
                Ok(_) => moved = true,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    readiness.blocked(Direction::Read, seen);
                    moved |= bytes.len() != before;
                }
                Err(error) => return Err(error),
            }
        }
        let open: Vec<_> = pipes.iter().flatten().map(|(pipe, _)| (pipe.source(), pipe.as_fd())).collect();
        if open.is_empty() {
            return Ok(());
        }
        if !moved {
            Source::wait_any(here, &open, Direction::Read, None)?;
        }
    }
}
