//! The one client that loads every echo server: a single thread over edge-triggered epoll that checks every byte. Without
//! a rate each connection sends its next message as the last one comes back, for as long as it is told each time; with one,
//! messages start at that rate, on one connection after another. `--datagrams N` keeps that many under way over UDP instead.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::model::Sample;
use crate::proc::Usage;
use crate::{datagrams, proc};

pub struct Options {
    pub address: SocketAddr,
    server: u32,
    connections: usize,
    /// Of a message.
    bytes: usize,
    /// How many are under way over UDP; 0 is TCP.
    datagrams: usize,
    window: Duration,
    warm_up: Duration,
    /// Messages a second; 0 is a closed loop.
    rate: u64,
}

fn parse(words: &[&str]) -> Result<Options, String> {
    let value = |name: &str| words.iter().position(|w| *w == name).and_then(|at| words.get(at + 1)).copied();
    let number = |name: &str, default: u64| {
        value(name).map_or(Ok(default), |v| v.parse::<u64>().map_err(|e| format!("{name}: {e}")))
    };
    let address = value("--connect").ok_or("--connect ADDRESS is missing")?;
    Ok(Options {
        address: address.parse().map_err(|e| format!("{address:?}: {e}"))?,
        server: number("--server-pid", 0)? as u32,
        connections: number("--connections", 1_000)?.max(1) as usize,
        bytes: number("--bytes", 64)?.max(16) as usize,
        datagrams: number("--datagrams", 0)? as usize,
        window: Duration::from_millis(number("--millis", 5_000)?),
        warm_up: Duration::from_millis(number("--warm-up", 100)?),
        rate: number("--rate", 0)?,
    })
}

struct Connection {
    stream: TcpStream,
    message: Vec<u8>,
    /// How much of the message has been written.
    written: usize,
    answer: Vec<u8>,
    filled: usize,
    /// When the message under way was begun.
    began: Instant,
    /// When the messages to send were due, the one under way first.
    due: VecDeque<Instant>,
}

impl Connection {
    fn open(options: &Options, at: usize) -> Result<Connection, String> {
        let stream = std::net::TcpStream::connect(options.address).map_err(|e| format!("connection {at}: {e}"))?;
        stream.set_nodelay(true).map_err(|e| e.to_string())?;
        stream.set_nonblocking(true).map_err(|e| e.to_string())?;
        let mut message: Vec<u8> = (0..options.bytes).map(|i| (i * 7 + at) as u8).collect();
        message[..8].copy_from_slice(&(at as u64).to_le_bytes());
        Ok(Connection {
            stream: TcpStream::from_std(stream),
            written: message.len(),
            answer: vec![0; message.len()],
            message,
            filled: 0,
            began: Instant::now(),
            due: VecDeque::new(),
        })
    }

    /// Sends the next message: its number is in it, so that an answer cannot be an old one.
    fn send(&mut self, now: Instant) -> Result<(), String> {
        let number = u64::from_le_bytes(self.message[8..16].try_into().expect("eight bytes")) + 1;
        self.message[8..16].copy_from_slice(&number.to_le_bytes());
        self.began = now;
        self.written = 0;
        self.write()
    }

    /// Writes what there is room for. A small message finds room at once, with none before it under way.
    fn write(&mut self) -> Result<(), String> {
        while self.written < self.message.len() {
            match self.stream.write(&self.message[self.written..]) {
                Ok(n) => self.written += n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(format!("write: {error}")),
            }
        }
        Ok(())
    }

    /// Goes on with the message, and takes what has come; true when the answer is whole, and right.
    fn go_on(&mut self) -> Result<bool, String> {
        self.write()?;
        while self.filled < self.answer.len() {
            match self.stream.read(&mut self.answer[self.filled..]) {
                Ok(0) => return Err("the server closed a connection".into()),
                Ok(n) => self.filled += n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(format!("read: {error}")),
            }
        }
        self.filled = 0;
        if self.answer == self.message { Ok(true) } else { Err("an answer has wrong bytes".into()) }
    }
}

/// Latencies are recorded in tenths of a microsecond.
const TENTHS: u64 = 10;

/// What is counted between the warm-up's end and the window's.
pub struct Window {
    pub began: Instant,
    usage: Usage,
    pub messages: u64,
    latencies: Histogram<u64>,
}

impl Window {
    /// Starts to count.
    pub fn open(options: &Options) -> Result<Window, String> {
        let usage = Usage::of(options.server)?;
        let latencies = Histogram::new_with_bounds(1, 60_000_000 * TENTHS, 3).map_err(|e| e.to_string())?;
        Ok(Window { began: Instant::now(), usage, messages: 0, latencies })
    }

    /// An answer has come.
    pub fn count(&mut self, latency: Duration) {
        self.messages += 1;
        self.record(latency);
    }

    fn record(&mut self, latency: Duration) {
        self.latencies.saturating_record((latency.as_nanos() / 100) as u64);
    }

    /// In microseconds.
    fn latency(&self, quantile: f64) -> f64 {
        self.latencies.value_at_quantile(quantile) as f64 / TENTHS as f64
    }

    /// Messages a second in a closed loop, the latency that one in a hundred exceeds, and the server's time.
    pub fn rate(&self) -> Result<Sample, String> {
        let sample = Sample::new(self.messages as f64 / self.began.elapsed().as_secs_f64());
        self.add_usage(sample.median("p99-us", self.latency(0.99)))
    }

    /// The server's time for each message, and how busy it is.
    fn add_usage(&self, sample: Sample) -> Result<Sample, String> {
        self.usage.add_to(sample, self.messages.max(1) as f64, self.began.elapsed().as_secs_f64())
    }
}

/// Loads the server and prints the sample.
pub fn main(words: &[&str]) -> Result<(), String> {
    let options = parse(words)?;
    proc::raise_open_files();
    if options.rate > 0 {
        proc::raise_priority();
    }
    if options.datagrams > 0 {
        return datagrams::slices(&options, options.datagrams);
    }
    let mut poll = Poll::new().map_err(|e| e.to_string())?;
    let mut connections = Vec::with_capacity(options.connections);
    for at in 0..options.connections {
        let mut connection = Connection::open(&options, at)?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        poll.registry().register(&mut connection.stream, Token(at), interest).map_err(|e| e.to_string())?;
        connections.push(connection);
    }
    if options.rate == 0 {
        slices(&options, &mut poll, &mut connections)
    } else {
        paced(&options, &mut poll, &mut connections)
    }
}

fn wait(poll: &mut Poll, events: &mut Events, timeout: Duration) -> Result<(), String> {
    match poll.poll(events, Some(timeout)) {
        Err(error) if error.kind() != ErrorKind::Interrupted => Err(format!("poll: {error}")),
        _ => Ok(()),
    }
}

/// Loads the server for so long as each line of the input says in milliseconds, prints the sample of each such slice, and
/// rests between them. So several servers can be driven in turn, and what slows the machine for a while slows all.
pub fn each_slice(mut load: impl FnMut(Duration) -> Result<Sample, String>) -> Result<(), String> {
    for line in io::stdin().lines() {
        let line = line.map_err(|e| e.to_string())?;
        let slice = Duration::from_millis(line.parse().map_err(|e| format!("{line:?}: {e}"))?);
        println!("{}end", load(slice)?.to_lines());
    }
    Ok(())
}

/// A closed loop on every connection; each ends with its first answer after the slice's end.
fn slices(options: &Options, poll: &mut Poll, connections: &mut [Connection]) -> Result<(), String> {
    let mut events = Events::with_capacity(1024);
    each_slice(|slice| {
        let mut window = Window::open(options)?;
        connections.iter_mut().try_for_each(|connection| connection.send(Instant::now()))?;
        let mut under_way = connections.len();
        while under_way > 0 {
            wait(poll, &mut events, Duration::from_secs(1))?;
            let over = window.began.elapsed() >= slice;
            for event in &events {
                let connection = &mut connections[event.token().0];
                // No edge is lost by not reading on: nothing more is due before the next message is sent.
                if connection.go_on()? {
                    let now = Instant::now();
                    window.count(now - connection.began);
                    if over {
                        under_way -= 1;
                    } else {
                        connection.send(now)?;
                    }
                }
            }
        }
        window.rate()
    })
}

fn paced(options: &Options, poll: &mut Poll, connections: &mut [Connection]) -> Result<(), String> {
    let mut events = Events::with_capacity(1024);
    let began = Instant::now();
    let mut sent = 0_u64;
    let mut window: Option<Window> = None;
    loop {
        let now = Instant::now();
        let due = ((now - began).as_secs_f64() * options.rate as f64) as u64;
        while sent < due {
            let connection = &mut connections[sent as usize % options.connections];
            // A message counts from the moment it is due, also while an earlier one is under way.
            connection.due.push_back(now);
            if connection.due.len() == 1 {
                connection.send(now)?;
            }
            sent += 1;
        }
        wait(poll, &mut events, Duration::from_millis(1))?;
        let now = Instant::now();
        for event in &events {
            let connection = &mut connections[event.token().0];
            if connection.filled == 0 && connection.due.is_empty() {
                continue;
            }
            if connection.go_on()? {
                let due = connection.due.pop_front().ok_or("an answer that nothing asked for")?;
                if let Some(window) = &mut window {
                    window.count(now - due);
                }
                if !connection.due.is_empty() {
                    connection.send(now)?;
                }
            }
        }
        match &mut window {
            None if now - began >= options.warm_up => window = Some(Window::open(options)?),
            Some(window) if now - window.began >= options.window => {
                // What has not been answered has waited so long at least.
                let rate = window.messages as f64 / (now - window.began).as_secs_f64();
                for due in connections.iter().flat_map(|connection| &connection.due) {
                    window.record(now - *due);
                }
                let millis = |quantile: f64| window.latency(quantile) / 1e3;
                let sample = Sample::new(millis(0.999))
                    .mean("p50", millis(0.5), 1.0)
                    .mean("p99", millis(0.99), 1.0)
                    .max("longest", window.latency(1.0) / 1e3)
                    .mean("messages/s", rate, 1.0);
                print!("{}", window.add_usage(sample)?.to_lines());
                return Ok(());
            }
            _ => {}
        }
    }
}
