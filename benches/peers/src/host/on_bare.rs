//! No library: one loop that serves all connections, over epoll by mio, or over a ring of io_uring. What the libraries lose against
//! it is their price; what it loses against nothing is the kernel's.

use std::io::{self, Read, Write};
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

use super::listening;

const LISTENER: Token = Token(usize::MAX);

/// What is done on one connection.
pub trait Serve: Sized {
    fn new(stream: TcpStream) -> Self;

    fn stream(&mut self) -> &mut TcpStream;

    /// Something may have come, or there may be room again. An error ends the connection.
    fn go_on(&mut self) -> io::Result<()>;
}

/// Serves all connections in one loop over epoll.
pub fn serve<C: Serve>() {
    let mut poll = Poll::new().expect("a poller");
    let mut events = Events::with_capacity(64);
    let mut listener = TcpListener::bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE).expect("a listener can be polled");
    listening(listener.local_addr());
    let mut connections: Vec<Option<C>> = Vec::new();
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            result => result.expect("a poller can be asked"),
        }
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    let _ = stream.set_nodelay(true);
                    let interest = Interest::READABLE | Interest::WRITABLE;
                    poll.registry()
                        .register(&mut stream, Token(connections.len()), interest)
                        .expect("it can be polled");
                    connections.push(Some(C::new(stream)));
                }
                continue;
            }
            let place = &mut connections[event.token().0];
            if place.as_mut().is_some_and(|connection| connection.go_on().is_err())
                && let Some(mut ended) = place.take()
            {
                let _ = poll.registry().deregister(ended.stream());
            }
        }
    }
}

/// A connection that echoes.
pub struct Echo<const BUFFER: usize> {
    stream: TcpStream,
    /// What was read and not written yet.
    left: Vec<u8>,
}

impl<const BUFFER: usize> Serve for Echo<BUFFER> {
    fn new(stream: TcpStream) -> Self {
        Echo { stream, left: Vec::new() }
    }

    fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    fn go_on(&mut self) -> io::Result<()> {
        let mut buffer = [0; BUFFER];
        loop {
            while !self.left.is_empty() {
                match self.stream.write(&self.left) {
                    Ok(n) => drop(self.left.drain(..n)),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                    Err(error) => return Err(error),
                }
            }
            let n = match self.stream.read(&mut buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => n,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            let written = match self.stream.write(&buffer[..n]) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                result => result?,
            };
            self.left.extend_from_slice(&buffer[written..n]);
            if n < BUFFER && written == n {
                // The socket is empty: the poller tells when it is not.
                return Ok(());
            }
        }
    }
}

/// Echoes by a ring: receives are its, each into a buffer of the connection, and sends are calls, as is fastest here.
pub fn echo_by_ring<const BUFFER: usize>() {
    use io_uring::{IoUring, cqueue, opcode, types::Fd};
    use std::os::fd::{AsRawFd, FromRawFd};

    const ACCEPT: u64 = u64::MAX;
    /// Completions that are dealt with before receives are handed over.
    const BATCH: usize = 64;

    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let mut builder = IoUring::builder();
    builder.setup_single_issuer().setup_defer_taskrun().setup_submit_all().setup_cqsize(16_384);
    let mut ring: IoUring = builder.build(256).expect("the kernel gives a ring");
    let accept = opcode::AcceptMulti::new(Fd(listener.as_raw_fd())).build().user_data(ACCEPT);
    // SAFETY: the listener stays open.
    unsafe { ring.submission().push(&accept) }.expect("there is room");
    listening(listener.local_addr());
    let mut connections: Vec<Option<(std::net::TcpStream, Box<[u8; BUFFER]>)>> = Vec::new();
    let mut told: Vec<cqueue::Entry> = Vec::with_capacity(BATCH);
    loop {
        ring.submit_and_wait(1).expect("a ring can be entered");
        loop {
            told.clear();
            told.extend(ring.completion().take(BATCH));
            if told.is_empty() {
                break;
            }
            for entry in &told {
                let index = if entry.user_data() == ACCEPT {
                    // SAFETY: the kernel's new descriptor, which nobody else has.
                    let stream = unsafe { std::net::TcpStream::from_raw_fd(entry.result()) };
                    let _ = stream.set_nodelay(true);
                    connections.push(Some((stream, Box::new([0; BUFFER]))));
                    connections.len() - 1
                } else {
                    entry.user_data() as usize
                };
                let Some((stream, buffer)) = &mut connections[index] else { continue };
                let n = if entry.user_data() == ACCEPT { None } else { Some(entry.result()) };
                let ends = n.is_some_and(|n| n <= 0 || stream.write_all(&buffer[..n as usize]).is_err());
                if ends {
                    connections[index] = None;
                    continue;
                }
                let receive = opcode::Recv::new(Fd(stream.as_raw_fd()), buffer.as_mut_ptr(), BUFFER as u32);
                let receive = receive.build().user_data(index as u64);
                // SAFETY: the buffer is boxed, and neither it nor the stream goes before the completion has been read.
                while unsafe { ring.submission().push(&receive) }.is_err() {
                    ring.submit().expect("a ring can be entered");
                }
            }
            ring.submit().expect("a ring can be entered");
        }
    }
}

/// Echoes datagrams, and waits in the poller as the libraries do.
pub fn udp() {
    let mut socket = mio::net::UdpSocket::bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
    let mut poll = Poll::new().expect("a poller");
    let mut events = Events::with_capacity(64);
    poll.registry().register(&mut socket, Token(0), Interest::READABLE).expect("a socket can be polled");
    listening(socket.local_addr());
    let mut buffer = [0; 2048];
    loop {
        let _ = poll.poll(&mut events, Some(Duration::from_secs(1)));
        while let Ok((n, from)) = socket.recv_from(&mut buffer) {
            let _ = socket.send_to(&buffer[..n], from);
        }
    }
}
