//! The network's calls, ended at every suspension that occurs: see `harness::driven`. Besides, no descriptor may be left, and
//! what the other side wrote is there to be read, but for what a call says that it took.

mod common;
mod harness;

use common::unix::Place;
use harness::{
    OnDrop,
    driven::{Case, On, count, run_leaving_nothing},
    ledger::{Keeps, Ledger},
    wait_until,
};
use sinew::{
    cancel::CancelToken,
    fs::File,
    io::{Watched, copy, copy_bidirectional},
    net::{
        Server, TcpListener, TcpStream, UdpSocket, lookup_host,
        unix::{UnixDatagram, UnixListener, UnixStream},
    },
    thread,
    time::timeout,
};
use std::{
    io::{self, PipeReader, PipeWriter, Read, Write},
    net::SocketAddr,
    os::fd::{AsFd, AsRawFd, OwnedFd},
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// On one, two and eight workers, and on an OS thread.
fn run<S: Send + Sync>(case: &Case<S>) {
    run_leaving_nothing(case, On::BothKinds, &[1, 2, 8]);
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

/// A pipe as a file.
fn file() -> (File, PipeWriter) {
    let (reader, writer) = io::pipe().unwrap();
    (File::from(OwnedFd::from(reader)), writer)
}

macro_rules! reads {
    ($($name:ident: $reader:ty, $writer:ty, $make:expr, $workers:expr;)+) => {$(
        mod $name {
            use super::*;

            type State = Reads<$reader, $writer>;

            const STEPS: &[fn(&State)] =
                &[|_| (), |_| (), State::put, State::put, State::put, State::put, State::end];

            fn run(case: &Case<State>) {
                run_leaving_nothing(case, On::BothKinds, &$workers);
            }

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
    tcp_stream: TcpStream, std::net::TcpStream, tcp, [1, 2, 8];
    unix_stream: UnixStream, std::os::unix::net::UnixStream, unix, [1];
    watched_pipe: Watched<PipeReader>, PipeWriter, pipe, [2];
    pipe_as_file: File, PipeWriter, file, [1];
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

/// An address that leaves handshakes without an answer: the queue of its listener is full. The system asks again only after a second,
/// so a test does not wait until there is room.
fn silent() -> SocketAddr {
    static SILENT: OnceLock<(std::net::TcpListener, Vec<std::net::TcpStream>)> = OnceLock::new();
    let (listener, _) = SILENT.get_or_init(|| {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        least_queue(&listener);
        let address = listener.local_addr().unwrap();
        let connect = || std::net::TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok();
        let streams = std::iter::from_fn(connect).collect();
        (listener, streams)
    });
    listener.local_addr().unwrap()
}

/// Has a listener queue as few connections as can be.
fn least_queue(listener: &impl AsRawFd) {
    // SAFETY: two integers.
    assert_eq!(unsafe { libc::listen(listener.as_raw_fd(), 0) }, 0);
}

#[test]
fn a_connect_with_a_time_limit_leaves_nothing() {
    silent();
    run_leaving_nothing(
        &Case::<()> {
            name: "connect_timeout",
            new: || (),
            operation: |(), successes, limit| {
                let limit = limit.unwrap_or(Duration::from_millis(4));
                let error = TcpStream::connect_timeout(&silent(), limit).unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::TimedOut);
                count(successes);
            },
            steps: &[|()| (), |()| (), |()| ()],
            check: |(), successes| assert!(successes >= 1),
        },
        On::BothKinds,
        &[1, 2],
    );
}

#[test]
fn a_race_of_connects_leaves_nothing() {
    silent();
    run_leaving_nothing(
        &Case::<TcpListener> {
            name: "connect to several",
            new: || TcpListener::bind("127.0.0.1:0").unwrap(),
            operation: |listener, successes, _| {
                let all = [silent(), listener.local_addr().unwrap()];
                assert_eq!(TcpStream::connect(&all[..]).unwrap().peer_addr().unwrap(), all[1]);
                count(successes);
            },
            steps: &[|_| (), |_| ()],
            check: |listener, successes| {
                assert!(successes >= 1);
                (0..successes).for_each(|_| drop(listener.accept().unwrap()));
                assert!(timeout(Duration::from_millis(1), || listener.accept()).is_err());
            },
        },
        On::Green,
        &[1],
    );
}

/// A listener of std's, whose queue is full of the first stream.
struct Full {
    listener: std::os::unix::net::UnixListener,
    place: Place,
    _first: std::os::unix::net::UnixStream,
    accepted: AtomicUsize,
}

impl Full {
    fn new() -> Self {
        let place = Place::new();
        let listener = std::os::unix::net::UnixListener::bind(&place).unwrap();
        least_queue(&listener);
        listener.set_nonblocking(true).unwrap();
        let _first = std::os::unix::net::UnixStream::connect(&place).unwrap();
        Self { listener, place, _first, accepted: AtomicUsize::new(0) }
    }

    fn accept(&self) {
        while self.listener.accept().is_ok() {
            self.accepted.fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[test]
fn a_connect_to_a_full_queue_was_made_or_was_not() {
    run(&Case::<Full> {
        name: "unix connect",
        new: Full::new,
        operation: |state, successes, _| {
            let _stream = UnixStream::connect(&state.place).unwrap();
            count(successes);
        },
        // Then there is room for both.
        steps: &[|_| (), |_| (), |_| (), Full::accept, |_| thread::sleep(Duration::from_millis(10)), Full::accept],
        check: |state, successes| {
            assert!(successes >= 1);
            state.accept();
            assert_eq!(state.accepted.load(Ordering::SeqCst), 1 + successes);
        },
    });
}

/// Servers, and who connects to them.
#[derive(Default)]
struct Served {
    stop: CancelToken,
    addresses: Mutex<Vec<SocketAddr>>,
    clients: Mutex<Vec<std::net::TcpStream>>,
    handling: AtomicUsize,
    left: AtomicUsize,
}

impl Served {
    fn connect(&self) {
        for address in &*self.addresses.lock().unwrap() {
            // One that was cancelled does not listen any more.
            self.clients.lock().unwrap().extend(std::net::TcpStream::connect(address));
        }
    }

    fn stop(&self) {
        self.clients.lock().unwrap().clear();
        self.stop.cancel();
    }
}

#[test]
fn a_server_ends_after_its_handlers() {
    run(&Case::<Served> {
        name: "serve",
        new: Served::default,
        operation: |state, successes, _| {
            let handling = AtomicUsize::new(0);
            let _left = OnDrop(|| {
                state.left.fetch_add(handling.load(Ordering::SeqCst), Ordering::SeqCst);
            });
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            state.addresses.lock().unwrap().push(listener.local_addr().unwrap());
            let server = Server::new(listener).until(&state.stop);
            let served = server.serve(|stream, _| {
                handling.fetch_add(1, Ordering::SeqCst);
                state.handling.fetch_add(1, Ordering::SeqCst);
                let _ends = OnDrop(|| {
                    handling.fetch_sub(1, Ordering::SeqCst);
                });
                let _ = (&stream).read(&mut [0]);
            });
            assert_eq!(served.unwrap().cancelled, 0);
            count(successes);
        },
        steps: &[|_| (), |_| (), Served::connect, Served::connect, Served::stop],
        check: |state, successes| {
            assert!(successes >= 1);
            assert_eq!(state.left.load(Ordering::SeqCst), 0);
            assert_ne!(state.handling.load(Ordering::SeqCst), 0);
        },
    });
}

/// A stream by which descriptors come, and who sends them.
struct Passed {
    to: UnixStream,
    from: UnixStream,
    ledger: Ledger,
    sent: AtomicUsize,
    came: AtomicUsize,
}

impl Passed {
    fn new() -> Self {
        let (to, from) = UnixStream::pair().unwrap();
        Self { to, from, ledger: Ledger::new(), sent: AtomicUsize::new(0), came: AtomicUsize::new(0) }
    }

    fn put(&self) {
        let fds = [self.to.as_fd(), self.from.as_fd()];
        assert_eq!(self.from.send_with_fds(&self.ledger.fresh::<1>(), &fds).unwrap(), 1);
        self.sent.fetch_add(2, Ordering::SeqCst);
    }

    fn take(&self) {
        let mut buffer = [0; 8];
        let received = self.to.recv_with_fds(&mut buffer, 4).unwrap();
        self.came.fetch_add(received.fds.len(), Ordering::SeqCst);
        self.ledger.got(&buffer[..received.len]);
    }
}

#[test]
fn a_receive_of_descriptors_loses_none() {
    run(&Case::<Passed> {
        name: "recv_with_fds",
        new: Passed::new,
        operation: |state, successes, _| {
            (0..2).for_each(|_| state.take());
            count(successes);
        },
        steps: &[|_| (), |_| (), Passed::put, Passed::put, Passed::put, Passed::put],
        check: |state, successes| {
            assert!(successes >= 1);
            while state.ledger.left() != 0 {
                state.take();
            }
            state.ledger.check(&[]);
            assert_eq!(state.came.load(Ordering::SeqCst), state.sent.load(Ordering::SeqCst));
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
