//! The one client that loads every echo server: a single thread over edge-triggered epoll that checks every byte. Without
//! a rate each connection sends its next message as the last one comes back, for as long as it is told each time; with one,
//! messages start at that rate, on one connection after another, and their latency is measured.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::model::Sample;
use crate::proc;

const SIZE: usize = 64;

struct Options {
    address: SocketAddr,
    server: u32,
    connections: usize,
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
        window: Duration::from_millis(number("--millis", 5_000)?),
        warm_up: Duration::from_millis(number("--warm-up", 100)?),
        rate: number("--rate", 0)?,
    })
}

struct Connection {
    stream: TcpStream,
    message: [u8; SIZE],
    answer: [u8; SIZE],
    filled: usize,
    /// When the messages to send were due, the one under way first.
    due: VecDeque<Instant>,
}

impl Connection {
    fn open(address: SocketAddr, at: usize) -> Result<Connection, String> {
        let stream = std::net::TcpStream::connect(address).map_err(|e| format!("connection {at}: {e}"))?;
        stream.set_nodelay(true).map_err(|e| e.to_string())?;
        stream.set_nonblocking(true).map_err(|e| e.to_string())?;
        let mut message = [0; SIZE];
        message.iter_mut().enumerate().for_each(|(i, byte)| *byte = (i * 7 + at) as u8);
        message[..8].copy_from_slice(&(at as u64).to_le_bytes());
        let stream = TcpStream::from_std(stream);
        Ok(Connection { stream, message, answer: [0; SIZE], filled: 0, due: VecDeque::new() })
    }

    /// Sends the next message: its number is in it, so that an answer cannot be an old one.
    fn send(&mut self) -> Result<(), String> {
        let number = u64::from_le_bytes(self.message[8..16].try_into().expect("eight bytes")) + 1;
        self.message[8..16].copy_from_slice(&number.to_le_bytes());
        // With one message under way the socket's buffer is empty: it takes 64 bytes at once.
        match self.stream.write(&self.message) {
            Ok(SIZE) => Ok(()),
            Ok(n) => Err(format!("only {n} bytes were written")),
            Err(error) => Err(format!("write: {error}")),
        }
    }

    /// Takes what has come; true when the answer is whole, and right.
    fn receive(&mut self) -> Result<bool, String> {
        while self.filled < SIZE {
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

/// What is counted between the warm-up's end and the window's.
struct Window {
    began: Instant,
    cpu: (f64, f64),
    messages: u64,
}

/// Loads the server and prints the sample.
pub fn main(words: &[&str]) -> Result<(), String> {
    let options = parse(words)?;
    proc::raise_open_files();
    if options.rate > 0 {
        proc::raise_priority();
    }
    let mut poll = Poll::new().map_err(|e| e.to_string())?;
    let mut connections = Vec::with_capacity(options.connections);
    for at in 0..options.connections {
        let mut connection = Connection::open(options.address, at)?;
        poll.registry().register(&mut connection.stream, Token(at), Interest::READABLE).map_err(|e| e.to_string())?;
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

fn open_window(options: &Options) -> Result<Window, String> {
    let cpu = proc::cpu_time(options.server).map_err(|e| format!("the server's processor time: {e}"))?;
    Ok(Window { began: Instant::now(), cpu, messages: 0 })
}

/// The server's time in user mode and in the kernel for each message.
fn add_cpu(sample: Sample, options: &Options, window: &Window) -> Result<Sample, String> {
    let (user, system) = proc::cpu_time(options.server).map_err(|e| e.to_string())?;
    let messages = window.messages.max(1) as f64;
    Ok(sample.mean("user-ns", (user - window.cpu.0) / messages, messages).mean(
        "system-ns",
        (system - window.cpu.1) / messages,
        messages,
    ))
}

/// Loads the server for so many milliseconds as each line of the input says, prints the sample of each such slice, and
/// rests between them. So several servers can be driven in turn, and what slows the machine for a while slows all.
fn slices(options: &Options, poll: &mut Poll, connections: &mut [Connection]) -> Result<(), String> {
    let mut events = Events::with_capacity(1024);
    for line in io::stdin().lines() {
        let line = line.map_err(|e| e.to_string())?;
        let slice = Duration::from_millis(line.parse().map_err(|e| format!("{line:?}: {e}"))?);
        let mut window = open_window(options)?;
        connections.iter_mut().try_for_each(Connection::send)?;
        let mut under_way = connections.len();
        while under_way > 0 {
            wait(poll, &mut events, Duration::from_secs(1))?;
            let over = window.began.elapsed() >= slice;
            for event in &events {
                let connection = &mut connections[event.token().0];
                // No edge is lost by not reading on: nothing more is due before the next message is sent.
                if connection.receive()? {
                    window.messages += 1;
                    if over {
                        under_way -= 1;
                    } else {
                        connection.send()?;
                    }
                }
            }
        }
        let sample = Sample::new(window.messages as f64 / window.began.elapsed().as_secs_f64());
        println!("{}end", add_cpu(sample, options, &window)?.to_lines());
    }
    Ok(())
}

fn paced(options: &Options, poll: &mut Poll, connections: &mut [Connection]) -> Result<(), String> {
    let mut events = Events::with_capacity(1024);
    let mut latencies = Histogram::<u64>::new_with_bounds(1, 60_000_000, 3).map_err(|e| e.to_string())?;
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
                connection.send()?;
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
            if connection.receive()? {
                let due = connection.due.pop_front().ok_or("an answer that nothing asked for")?;
                if let Some(window) = &mut window {
                    window.messages += 1;
                    latencies.saturating_record((now - due).as_micros() as u64);
                }
                if !connection.due.is_empty() {
                    connection.send()?;
                }
            }
        }
        match &window {
            None if now - began >= options.warm_up => window = Some(open_window(options)?),
            Some(window) if now - window.began >= options.window => {
                // What has not been answered has waited so long at least.
                for due in connections.iter().flat_map(|connection| &connection.due) {
                    latencies.saturating_record((now - *due).as_micros() as u64);
                }
                let millis = |quantile: f64| latencies.value_at_quantile(quantile) as f64 / 1e3;
                let rate = window.messages as f64 / (now - window.began).as_secs_f64();
                let sample = Sample::new(millis(0.999))
                    .mean("p50", millis(0.5), 1.0)
                    .mean("p99", millis(0.99), 1.0)
                    .max("longest", latencies.max() as f64 / 1e3)
                    .mean("messages/s", rate, 1.0);
                print!("{}", add_cpu(sample, options, window)?.to_lines());
                return Ok(());
            }
            _ => {}
        }
    }
}
