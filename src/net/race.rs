//! Connecting to one of several addresses: the second part of "Happy Eyeballs", RFC 8305.
//!
//! The addresses come in the system's order of preference (RFC 6724). They are put in turns of their families, so that a
//! family that leads nowhere holds nothing up (section 4), and tried one after another, each 250 ms after the one before or
//! as soon as that has failed (section 5). The first that connects wins, and the others are closed. Both families are
//! looked up in one call, so what the RFC says of answers that come one by one does not apply.
//!
//! All attempts are made by the calling thread, which waits for all of them at once.

use std::{
    io,
    net::SocketAddr,
    os::fd::{AsFd, AsRawFd},
    time::Duration,
};

use super::{resolve::no_addresses, socket::Socket};
use crate::{
    runtime::{clock, event::Here, readiness::Direction, source::Source},
    sys::socket,
};

/// The RFC's "Connection Attempt Delay".
const DELAY: Duration = Duration::from_millis(250);

/// A connect that is under way, to the address of this number.
struct Attempt {
    number: usize,
    socket: Socket,
}

/// A TCP socket that is connected to one of the addresses; else the error of the last of them.
pub(super) fn connect(addrs: &[SocketAddr]) -> io::Result<Socket> {
    let mut order = in_turns(addrs).into_iter();
    let mut running: Vec<Attempt> = Vec::new();
    let mut last: Option<(usize, io::Error)> = None;
    let mut failed = |number: usize, error: io::Error| {
        if last.as_ref().is_none_or(|&(other, _)| other < number) {
            last = Some((number, error));
        }
    };
    // When the next attempt begins: at once, first.
    let mut due = None;
    loop {
        if due.is_none_or(|due| due <= clock::now())
            && let Some(number) = order.next()
        {
            match begin(&addrs[number]) {
                Ok((socket, true)) => return Ok(socket),
                Ok((socket, false)) => {
                    running.push(Attempt { number, socket });
                    due = Some(clock::now() + DELAY);
                }
                Err(error) => {
                    failed(number, error);
                    due = None;
                    continue;
                }
            }
        }
        if running.is_empty() && order.len() == 0 {
            return Err(last.map_or_else(no_addresses, |(_, error)| error));
        }
        let mut at = 0;
        while let Some(attempt) = running.get(at) {
            // Cleared only if no event comes between this and the look.
            let readiness = attempt.socket.source().readiness();
            let seen = readiness.seen();
            match socket::connected(attempt.socket.as_fd().as_raw_fd()) {
                Ok(true) => return Ok(running.swap_remove(at).socket),
                Ok(false) => {
                    readiness.blocked(Direction::Write, seen);
                    at += 1;
                }
                Err(error) => {
                    failed(running.swap_remove(at).number, error);
                    due = None;
                }
            }
        }
        if running.is_empty() || (due.is_none() && order.len() != 0) {
            continue;
        }
        let deadline = due.filter(|_| order.len() != 0);
        if let [attempt] = &running[..] {
            attempt.socket.writable(deadline)?;
            continue;
        }
        let sources: Vec<_> = running.iter().map(|attempt| (attempt.socket.source(), attempt.socket.as_fd())).collect();
        Source::wait_any(Here::current(), &sources, Direction::Write, deadline)?;
    }
}

/// Starts to connect; whether it is done.
fn begin(addr: &SocketAddr) -> io::Result<(Socket, bool)> {
    let socket = Socket::new(socket::inet(addr, libc::SOCK_STREAM)?);
    let done = socket::connect(socket.as_fd().as_raw_fd(), &addr.into())?;
    Ok((socket, done))
}

/// The numbers of the addresses, those of the first one's family and of the other in turns, each family in its order.
fn in_turns(addrs: &[SocketAddr]) -> Vec<usize> {
    let is_first = |number: &usize| addrs[*number].is_ipv4() == addrs[0].is_ipv4();
    let (first, second): (Vec<usize>, Vec<usize>) = (0..addrs.len()).partition(is_first);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut order = Vec::with_capacity(addrs.len());
    while order.len() < addrs.len() {
        order.extend(first.next());
        order.extend(second.next());
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns_and_keep_their_order() {
        let of = |families: &str| {
            let addrs: Vec<SocketAddr> = families
                .bytes()
                .map(|family| if family == b'6' { "[::1]:1".parse().unwrap() } else { "127.0.0.1:1".parse().unwrap() })
                .collect();
            in_turns(&addrs)
        };
        assert_eq!(of(""), []);
        assert_eq!(of("6"), [0]);
        assert_eq!(of("666444"), [0, 3, 1, 4, 2, 5]);
        assert_eq!(of("4466"), [0, 2, 1, 3]);
        assert_eq!(of("64444"), [0, 1, 2, 3, 4]);
    }
}
