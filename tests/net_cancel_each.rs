//! The outside world's calls, ended at every suspension that occurs: see `harness::driven`. Besides, no descriptor may be left, and
//! what the other side wrote is there to be read, but for what a call says that it took.

mod common;
mod harness;

use common::unix::Place;
use harness::{
    driven::{Case, On, count, run_on},
    entries, wait_until,
};
use sinew::{
    io::{Watched, copy, copy_bidirectional},
    net::{
        TcpListener, TcpStream, UdpSocket, lookup_host,
        unix::{UnixDatagram, UnixListener, UnixStream},
    },
    time::timeout,
};
use std::{
    io::{self, PipeReader, PipeWriter, Read, Write},
    net::SocketAddr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU8, AtomicUsize, Ordering},
    },
    time::Duration,
};

/// Runs a case while no other test of this file runs, and looks at the process's descriptors before and after.
fn run<S: Send + Sync>(case: &Case<S>) {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    // What is made once and stays: the default runtime, and what the C library keeps for lookups.
    sinew::run(|| sinew::sleep(Duration::from_millis(20)));
    let _ = std::net::ToSocketAddrs::to_socket_addrs("localhost:1");
    let before = entries("/proc/self/fd");
    run_on(case, On::BothKinds);
    wait_until(|| entries("/proc/self/fd") <= before);
}

/// Bytes unlike each other, and what was got of them.
struct Ledger {
    next: AtomicU8,
    got: Mutex<Vec<u8>>,
}

impl Ledger {
    fn new() -> Self {
        Self { next: AtomicU8::new(1), got: Mutex::default() }
    }

    fn fresh<const N: usize>(&self) -> [u8; N] {
        std::array::from_fn(|_| self.next.fetch_add(1, Ordering::SeqCst))
    }

    fn got(&self, bytes: &[u8]) {
        self.got.lock().unwrap().extend_from_slice(bytes);
    }

    /// Everything came once, `rest` included.
    fn check(&self, rest: &[u8]) {
        let mut all = self.got.lock().unwrap();
        all.extend_from_slice(rest);
        all.sort_unstable();
        assert_eq!(*all, (1..self.next.load(Ordering::SeqCst)).collect::<Vec<_>>());
    }
}

/// A buffer to be filled from the front. Dropped, it says what came into it, however that ended.
struct Keeps<'a, const N: usize>(&'a Ledger, [u8; N]);

impl<const N: usize> Drop for Keeps<'_, N> {
    fn drop(&mut self) {
        let length = self.1.iter().position(|&byte| byte == 0).unwrap_or(N);
        self.0.got(&self.1[..length]);
    }
}

/// Somebody to read from, and somebody to write there.
struct Reads<R, W> {
    reader: R,
    writer: Mutex<Option<W>>,
    ledger: Ledger,
}

impl<R, W: Write> Reads<R, W> {
    fn new((reader, writer): (R, W)) -> Self {
        Self { reader, writer: Mutex::new(Some(writer)), ledger: Ledger::new() }
    }

    /// Writes four bytes, so slowly that who reads may see any part of them alone.
    fn put(&self) {
        for byte in self.ledger.fresh::<4>() {
            self.writer.lock().unwrap().as_mut().unwrap().write_all(&[byte]).unwrap();
        }
    }

    fn end(&self) {
        self.writer.lock().unwrap().take();
    }
}

fn tcp() -> (TcpStream, std::net::TcpStream) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let writer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (TcpStream::from(listener.accept().unwrap().0), writer)
}

fn unix() -> (UnixStream, std::os::unix::net::UnixStream) {
    let (one, two) = std::os::unix::net::UnixStream::pair().unwrap();
    (UnixStream::from(one), two)
}

fn pipe() -> (Watched<PipeReader>, PipeWriter) {
    let (reader, writer) = io::pipe().unwrap();
    (Watched::new(reader).unwrap(), writer)
}

macro_rules! reads {
    ($($name:ident: $reader:ty, $writer:ty, $make:expr;)+) => {$(
        mod $name {
            use super::*;

            type State = Reads<$reader, $writer>;

            const STEPS: &[fn(&State)] =
                &[|_| (), |_| (), State::put, State::put, |_| (), State::put, State::put, State::end];

            fn rest(state: &State, _: usize) {
                let mut rest = Vec::new();
                (&state.reader).read_to_end(&mut rest).unwrap();
                state.ledger.check(&rest);
            }

            #[test]
            fn what_a_read_did_not_take_is_there() {
                run(&Case::<State> {
                    name: stringify!($name),
                    new: || Reads::new($make()),
                    operation: |state, successes, _| {
                        for _ in 0..3 {
                            let mut buffer = [0; 3];
                            let length = (&state.reader).read(&mut buffer).unwrap();
                            state.ledger.got(&buffer[..length]);
                        }
                        count(successes);
                    },
                    steps: STEPS,
                    check: rest,
                });
            }

            #[test]
            fn what_an_exact_read_took_is_in_its_buffer() {
                run(&Case::<State> {
                    name: stringify!($name),
                    new: || Reads::new($make()),
                    operation: |state, successes, _| {
                        let mut buffer = Keeps::<6>(&state.ledger, [0; 6]);
                        let _ = (&state.reader).read_exact(&mut buffer.1);
                        count(successes);
                    },
                    steps: STEPS,
                    check: rest,
                });
            }

            #[test]
            fn what_a_copy_has_copied_stays_copied() {
                run(&Case::<State> {
                    name: stringify!($name),
                    new: || Reads::new($make()),
                    operation: |state, successes, _| {
                        struct Takes<'a>(&'a Ledger);
                        impl Write for Takes<'_> {
                            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                                self.0.got(bytes);
                                Ok(bytes.len())
                            }
                            fn flush(&mut self) -> io::Result<()> {
                                Ok(())
                            }
                        }
                        // This writer never waits, so that nothing is lost between a read and a write.
                        copy(&mut &state.reader, &mut Takes(&state.ledger)).unwrap();
                        count(successes);
                    },
                    steps: STEPS,
                    check: rest,
                });
            }
        }
    )+};
}

reads! {
    tcp_stream: TcpStream, std::net::TcpStream, tcp;
    unix_stream: UnixStream, std::os::unix::net::UnixStream, unix;
    watched_pipe: Watched<PipeReader>, PipeWriter, pipe;
}

#[test]
fn a_wait_for_readiness_takes_nothing() {
    type State = Reads<Watched<PipeReader>, PipeWriter>;
    run(&Case::<State> {
        name: "readable",
        new: || Reads::new(pipe()),
        operation: |state, successes, limit| {
            let ready = match limit {
                None => state.reader.readable().map(|()| true),
                Some(limit) => state.reader.readable_timeout(limit),
            };
            if ready.unwrap() {
                count(successes);
            }
        },
        steps: &[|_| (), |_| (), State::put, State::end],
        check: |state, successes| {
            assert!(successes >= 1);
            let mut rest = Vec::new();
            (&state.reader).read_to_end(&mut rest).unwrap();
            state.ledger.check(&rest);
        },
    });
}

/// A stream without room, and what of it was written and read.
struct Writes {
    writer: TcpStream,
    reader: std::net::TcpStream,
    written: AtomicUsize,
    read: AtomicUsize,
}

impl Writes {
    fn new() -> Self {
        let (writer, reader) = tcp();
        reader.set_nonblocking(true).unwrap();
        let state = Self { writer, reader, written: AtomicUsize::new(0), read: AtomicUsize::new(0) };
        let chunk = vec![1; 1 << 16];
        // Until there is no room.
        while let Ok(Ok(length)) = timeout(Duration::from_millis(2), || (&state.writer).write(&chunk)) {
            state.written.fetch_add(length, Ordering::SeqCst);
        }
        state
    }

    fn drain(&self) {
        let mut buffer = vec![0; 1 << 20];
        while let Ok(length @ 1..) = (&self.reader).read(&mut buffer) {
            self.read.fetch_add(length, Ordering::SeqCst);
        }
    }
}

#[test]
fn a_write_that_was_ended_has_written_nothing() {
    run(&Case::<Writes> {
        name: "write",
        new: Writes::new,
        operation: |state, successes, _| {
            for _ in 0..20 {
                let length = (&state.writer).write(&[2; 4 << 10]).unwrap();
                state.written.fetch_add(length, Ordering::SeqCst);
            }
            count(successes);
        },
        steps: &[|_| (), |_| (), Writes::drain, Writes::drain, Writes::drain],
        check: |state, successes| {
            assert!(successes >= 1);
            wait_until(|| {
                state.drain();
                state.read.load(Ordering::SeqCst) == state.written.load(Ordering::SeqCst)
            });
        },
    });
}

/// Listeners of each kind: those that connect are accepted once.
struct Accepts<L> {
    listener: L,
    address: Option<SocketAddr>,
    place: Place,
    connected: Mutex<Vec<Box<dyn Send>>>,
}

impl Accepts<TcpListener> {
    fn tcp() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = Some(listener.local_addr().unwrap());
        Self { listener, address, place: Place::new(), connected: Mutex::default() }
    }

    fn connect(&self) {
        let stream = std::net::TcpStream::connect(self.address.unwrap()).unwrap();
        self.connected.lock().unwrap().push(Box::new(stream));
    }
}

impl Accepts<UnixListener> {
    fn unix() -> Self {
        let place = Place::new();
        Self { listener: UnixListener::bind(&place).unwrap(), address: None, place, connected: Mutex::default() }
    }

    fn connect(&self) {
        let stream = std::os::unix::net::UnixStream::connect(&self.place).unwrap();
        self.connected.lock().unwrap().push(Box::new(stream));
    }
}

macro_rules! accepts {
    ($($name:ident: $listener:ty, $make:expr;)+) => {$(
        #[test]
        fn $name() {
            type State = Accepts<$listener>;
            run(&Case::<State> {
                name: stringify!($name),
                new: $make,
                operation: |state, successes, _| {
                    let _stream = state.listener.accept().unwrap();
                    count(successes);
                },
                steps: &[|_| (), |_| (), State::connect, State::connect],
                check: |state, successes| {
                    // Who was not accepted still waits for it.
                    (successes..2).for_each(|_| drop(state.listener.accept().unwrap()));
                    assert!(timeout(Duration::from_millis(1), || state.listener.accept()).is_err());
                },
            });
        }
    )+};
}

accepts! {
    a_tcp_listener_loses_nobody: TcpListener, Accepts::tcp;
    a_unix_listener_loses_nobody: UnixListener, Accepts::unix;
}

/// Sockets for messages.
struct Messages<S> {
    socket: S,
    other: S,
    ledger: Ledger,
}

macro_rules! messages {
    ($($name:ident: $socket:ty, $make:expr;)+) => {$(
        #[test]
        fn $name() {
            type State = Messages<$socket>;
            fn put(state: &State) {
                state.other.send(&state.ledger.fresh::<1>()).unwrap();
            }
            run(&Case::<State> {
                name: stringify!($name),
                new: || {
                    let (socket, other) = $make();
                    Messages { socket, other, ledger: Ledger::new() }
                },
                operation: |state, successes, _| {
                    for _ in 0..2 {
                        let mut buffer = [0; 8];
                        let length = state.socket.recv(&mut buffer).unwrap();
                        state.ledger.got(&buffer[..length]);
                    }
                    count(successes);
                },
                steps: &[|_| (), |_| (), put, put, put, put],
                check: |state, successes| {
                    assert!(successes >= 1);
                    let mut rest = Vec::new();
                    let mut buffer = [0; 8];
                    while let Ok(Ok(length)) = timeout(Duration::from_millis(2), || state.socket.recv(&mut buffer)) {
                        rest.extend_from_slice(&buffer[..length]);
                    }
                    state.ledger.check(&rest);
                },
            });
        }
    )+};
}

messages! {
    a_udp_socket_loses_no_message: UdpSocket, || {
        let (one, two) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        one.connect(two.local_addr().unwrap()).unwrap();
        two.connect(one.local_addr().unwrap()).unwrap();
        (one, two)
    };
    a_unix_socket_loses_no_message: UnixDatagram, || UnixDatagram::pair().unwrap();
}

#[test]
fn a_lookup_is_left_or_comes_to_its_end() {
    run(&Case::<()> {
        name: "lookup_host",
        new: || (),
        operation: |(), successes, _| {
            for port in 0..5 {
                assert!(lookup_host(("localhost", port)).unwrap().all(|address| address.port() == port));
            }
            count(successes);
        },
        steps: &[|()| (), |()| (), |()| ()],
        check: |(), successes| assert!(successes >= 1),
    });
}

#[test]
fn a_copy_in_both_directions_leaves_nobody_behind() {
    type Outer = std::os::unix::net::UnixStream;
    type Ends = Mutex<(bool, Vec<Outer>)>;
    fn end(stream: &Outer) {
        stream.shutdown(std::net::Shutdown::Write).unwrap();
    }
    run(&Case::<Ends> {
        name: "copy_bidirectional",
        new: Ends::default,
        operation: |ends, successes, _| {
            let ((near, one), (far, other)) = (Outer::pair().unwrap(), Outer::pair().unwrap());
            (&near).write_all(b"there").unwrap();
            (&far).write_all(b"back").unwrap();
            {
                let mut ends = ends.lock().unwrap();
                if ends.0 {
                    [&near, &far].into_iter().for_each(end);
                }
                ends.1.extend([near, far]);
            }
            assert_eq!(copy_bidirectional(&UnixStream::from(one), &UnixStream::from(other)).unwrap(), (5, 4));
            count(successes);
        },
        steps: &[
            |_| (),
            |_| (),
            |_| (),
            |ends| {
                let mut ends = ends.lock().unwrap();
                ends.0 = true;
                ends.1.iter().for_each(end);
            },
        ],
        check: |_, successes| assert!(successes >= 1),
    });
}
