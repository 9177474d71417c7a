//! Streams and messages, ended at every suspension that occurs: see `harness::driven`. Besides, no descriptor may be left, and what the
//! other side wrote is there to be read, but for what a call says that it took.

mod harness;

use harness::{
    driven::{Case, On, count, run_leaving_nothing},
    ledger::{Keeps, KeepsAll, Ledger},
    wait_until,
};
use sinew::{
    fs::File,
    io::{Watched, copy, copy_bidirectional},
    net::{
        TcpStream, UdpSocket,
        unix::{UnixDatagram, UnixStream},
    },
    time::timeout,
};
use std::{
    io::{self, PipeReader, PipeWriter, Read, Write},
    os::fd::{AsFd, OwnedFd},
    sync::{
        Mutex,
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
            fn what_was_read_to_no_end_is_in_its_vector() {
                let case = Case::<State> {
                    name: stringify!($name),
                    new: || Reads::new($make()),
                    operation: |state, successes, _| {
                        let mut all = KeepsAll(&state.ledger, Vec::new());
                        (&state.reader).read_to_end(&mut all.1).unwrap();
                        count(successes);
                    },
                    steps: STEPS,
                    check: rest,
                };
                run_leaving_nothing(&case, On::BothKinds, &[1]);
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
fn a_string_that_was_not_read_to_the_end_is_as_it_was() {
    sinew::run(|| {
        let (mut reader, mut writer) = pipe();
        writer.write_all(b"lost").unwrap();
        let mut text = String::from("old");
        let late = timeout(Duration::from_millis(5), || reader.read_to_string(&mut text));
        assert!(late.is_err());
        assert_eq!(text, "old");
        writer.write_all(b"new").unwrap();
        drop(writer);
        reader.read_to_string(&mut text).unwrap();
        // The time may have been up before the read.
        assert!(["oldnew", "oldlostnew"].contains(&&*text));
    });
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

/// Sockets for messages.
struct Messages<S> {
    socket: S,
    other: S,
    ledger: Ledger,
}

macro_rules! messages {
    ($($name:ident: $socket:ty, $make:expr, $workers:expr;)+) => {$(
        #[test]
        fn $name() {
            type State = Messages<$socket>;
            fn put(state: &State) {
                state.other.send(&state.ledger.fresh::<1>()).unwrap();
            }
            let case = Case::<State> {
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
            };
            run_leaving_nothing(&case, On::BothKinds, &$workers);
        }
    )+};
}

messages! {
    a_udp_socket_loses_no_message: UdpSocket, || {
        let (one, two) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        one.connect(two.local_addr().unwrap()).unwrap();
        two.connect(one.local_addr().unwrap()).unwrap();
        (one, two)
    }, [1, 2, 8];
    a_unix_socket_loses_no_message: UnixDatagram, || UnixDatagram::pair().unwrap(), [1];
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
