//! Connecting, accepting, serving and looking up, ended at every suspension that occurs: see `harness::driven`. Besides, no descriptor may
//! be left, and who connects is accepted once.

mod common;
mod harness;

use common::unix::Place;
use harness::{
    OnDrop,
    driven::{Case, On, count, run_leaving_nothing},
};
use sinew::{
    cancel::CancelToken,
    net::{
        Server, TcpListener, TcpStream, lookup_host,
        unix::{UnixListener, UnixStream},
    },
    thread,
    time::timeout,
};
use std::{
    io::{self, Read},
    net::SocketAddr,
    os::fd::AsRawFd,
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
    let case = Case::<Full> {
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
    };
    run_leaving_nothing(&case, On::BothKinds, &[1, 2]);
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
