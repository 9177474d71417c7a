//! The load: connects in batches, sends one message on each connection to prove that it is held, waits until all are
//! held, then has each of them send its messages and checks what comes back: one after the other's answer, or at fixed
//! times. In the second case ("open loop") a latency counts from the time at which the message was due, so that a server
//! that stalls is charged for all that it kept from being sent too; the connections' times are spread evenly.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use sinew::JoinHandle;
use sinew::net::TcpStream;
use sinew::thread::Thread;

use crate::args::Args;
use crate::limits;
use crate::pattern::{Pattern, differing};
use crate::progress::Progress;
use crate::report::{Failures, Figures, LATE, Latencies, Memory};

/// Connections begun at once on each address: fewer than the 128 that std's listeners let wait for `accept`, since a
/// SYN that finds that queue full is sent again only after a second.
const BATCH: usize = 64;

/// The longest piece that is written before it is read back. The sockets' buffers hold it, so that neither side waits
/// in a write for the other to read.
const PIECE: usize = 32 * 1024;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// How long before the first message that is sent at a fixed time all threads are woken.
const LEAD: Duration = Duration::from_secs(1);

/// What the threads of the load share.
pub(crate) struct Load {
    size: usize,
    messages: u64,
    connections: usize,
    every: Option<Duration>,
    /// The thread that drives the load; it is unparked whenever `settled` grows.
    driver: Thread,
    /// Connections that were held or lost before the messages began.
    pub(crate) settled: AtomicUsize,
    held: AtomicUsize,
    peak: AtomicUsize,
    /// When the messages begin; set once all connections are settled.
    begin: OnceLock<Instant>,
    /// Messages that came back, greetings aside.
    pub(crate) done: AtomicU64,
    /// Pieces that came back and did not end their message: they show that a long message moves.
    pub(crate) pieces: AtomicU64,
    /// Connections that sent all their messages.
    pub(crate) completed: AtomicUsize,
    /// Messages that were sent clearly after they were due.
    late: AtomicU64,
    failures: Failures,
    latencies: Latencies,
}

impl Load {
    /// Runs the whole load from the current thread. `memory` tells what all that is under load takes; `begin` is told how
    /// many connections are held and what they take, before the messages.
    pub(crate) fn run(
        args: &Args,
        addresses: &[SocketAddr],
        memory: impl Fn() -> Memory,
        begin: impl FnOnce(usize, Memory) -> io::Result<()>,
    ) -> io::Result<Figures> {
        let load = Arc::new(Load {
            size: args.size,
            messages: args.messages,
            connections: args.connections,
            every: args.every,
            driver: sinew::current(),
            settled: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
            begin: OnceLock::new(),
            done: AtomicU64::new(0),
            pieces: AtomicU64::new(0),
            completed: AtomicUsize::new(0),
            late: AtomicU64::new(0),
            failures: Failures::default(),
            latencies: Latencies::new(),
        });
        let progress = Progress::start(&load, args);
        let before = memory();
        let clients = load.connect(args.connections, addresses);
        let grown = memory().since(before);

        let held = load.held.load(Ordering::Relaxed);
        begin(held, grown)?;
        progress.begin_messages(held);
        let start = Instant::now() + args.every.map_or(Duration::ZERO, |_| LEAD);
        load.begin.get_or_init(|| start);
        clients.iter().for_each(|client| client.thread().unpark());
        for client in clients {
            if client.join().is_err() {
                load.failures.lost(format_args!("the thread of a connection panicked"));
            }
        }
        let elapsed = start.elapsed();
        progress.finish();
        Ok(Figures {
            held: load.peak.load(Ordering::Relaxed),
            messages: load.done.load(Ordering::Relaxed),
            elapsed,
            latencies: load.latencies.merge(),
            late: args.every.map(|_| load.late.load(Ordering::Relaxed)),
            grown,
            lost: load.failures.lost_count(),
            wrong: load.failures.wrong_count(),
            notes: load.failures.first(),
        })
    }

    /// Starts the threads of all connections and waits until each connection is settled.
    fn connect(self: &Arc<Self>, connections: usize, addresses: &[SocketAddr]) -> Vec<JoinHandle<()>> {
        let mut clients = Vec::with_capacity(connections);
        let mut number = 0;
        while number < connections {
            let end = connections.min(number + BATCH * addresses.len());
            while number < end {
                let (load, address) = (Arc::clone(self), addresses[number % addresses.len()]);
                match sinew::Builder::new().spawn(move || load.client(number, address)) {
                    Ok(client) => clients.push(client),
                    Err(error) => {
                        self.failures.lost(format_args!("spawning the thread of connection {number}: {error}"));
                        self.settled.fetch_add(1, Ordering::Release);
                    }
                }
                number += 1;
            }
            while self.settled.load(Ordering::Acquire) < end {
                sinew::park();
            }
        }
        clients
    }

    /// The thread of one connection.
    fn client(&self, number: usize, address: SocketAddr) {
        let opened = Connection::open(self, number, address);
        if opened.is_ok() {
            let held = self.held.fetch_add(1, Ordering::Relaxed) + 1;
            self.peak.fetch_max(held, Ordering::Relaxed);
        }
        self.settled.fetch_add(1, Ordering::Release);
        self.driver.unpark();
        let result = opened.and_then(|mut connection| {
            let begin = loop {
                match self.begin.get() {
                    Some(begin) => break *begin,
                    None => sinew::park(),
                }
            };
            let result = connection.talk(begin);
            self.held.fetch_sub(1, Ordering::Relaxed);
            result
        });
        match result {
            Ok(()) => _ = self.completed.fetch_add(1, Ordering::Relaxed),
            Err(error) => {
                let advice = limits::advice(&error);
                self.failures.lost(format_args!("connection {number} to {address}: {error}{advice}"));
            }
        }
    }
}

/// One connection that is held.
struct Connection<'a> {
    load: &'a Load,
    number: usize,
    stream: TcpStream,
    pattern: Pattern,
    sent: Box<[u8]>,
    got: Box<[u8]>,
}

impl<'a> Connection<'a> {
    /// Connects, and exchanges one message, which proves that the server has accepted the connection and serves it.
    fn open(load: &'a Load, number: usize, address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, CONNECT_TIMEOUT)?;
        stream.set_nodelay(true)?;
        let buffer = || vec![0; load.size.min(PIECE)].into_boxed_slice();
        let mut opened =
            Connection { load, number, stream, pattern: Pattern::new(number), sent: buffer(), got: buffer() };
        opened.exchange()?;
        Ok(opened)
    }

    /// Sends all messages, and takes the time of each.
    fn talk(&mut self, begin: Instant) -> io::Result<()> {
        let load = self.load;
        // This connection's place between two messages of the first.
        let place = self.number as f64 / load.connections as f64;
        let mut due = load.every.map(|every| (begin + every.mul_f64(place), every));
        for _ in 0..load.messages {
            let start = match &mut due {
                None => Instant::now(),
                Some((next, every)) => {
                    let due = *next;
                    sinew::time::sleep_until(due);
                    if due.elapsed() > LATE {
                        load.late.fetch_add(1, Ordering::Relaxed);
                    }
                    *next += *every;
                    due
                }
            };
            self.exchange()?;
            load.latencies.record(self.number, start.elapsed());
            load.done.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Sends one message and checks each byte of the answer.
    fn exchange(&mut self) -> io::Result<()> {
        let mut rest = self.load.size;
        while rest > 0 {
            let piece = rest.min(PIECE);
            let (sent, got) = (&mut self.sent[..piece], &mut self.got[..piece]);
            self.pattern.fill(sent);
            self.stream.write_all(sent)?;
            self.stream.read_exact(got).map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => io::Error::new(error.kind(), "the server closed it"),
                _ => error,
            })?;
            let wrong = differing(sent, got);
            if wrong > 0 {
                self.load.failures.wrong(wrong, format_args!("connection {}: {wrong} wrong bytes", self.number));
            }
            rest -= piece;
            if rest > 0 {
                self.load.pieces.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(())
    }
}
