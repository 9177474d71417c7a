//! `net::Server`: limits, errors of accepting, panics, draining, and where connections run.

mod common;
mod harness;

use std::{
    collections::VecDeque,
    io::{self, ErrorKind, Read, Write},
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread::ThreadId,
    time::Duration,
};

use common::{each_way, sleep, spawn, tcp::listener, tcp::same, unix::Place};
use harness::{LONG, assert_cancelled, good_child, is_child, wait_until};
use sinew::{
    Runtime,
    cancel::CancelToken,
    net::{
        Listener, Served, Server, TcpListener, TcpStream,
        unix::{UnixListener, UnixStream},
    },
    runtime::Handle,
};

fn echo(stream: TcpStream) -> io::Result<u64> {
    io::copy(&mut &stream, &mut &stream)
}

/// Sends a word and awaits it back.
fn ask(stream: &TcpStream) {
    let (mut stream, mut word) = (stream, [0; 5]);
    stream.write_all(b"hello").unwrap();
    stream.read_exact(&mut word).unwrap();
    assert_eq!(&word, b"hello");
}

fn counts(served: Served) -> (u64, u64, u64) {
    (served.connections, served.panicked, served.cancelled)
}

#[test]
fn every_connection_is_served_and_a_stop_waits_for_the_last() {
    each_way(|| {
        let (listener, addr) = listener();
        let stop = CancelToken::new();
        let server = Server::new(listener).until(&stop);
        let server = spawn(move || server.serve(|stream, _| echo(stream)).unwrap());
        let clients: Vec<_> = (0..20)
            .map(|_| {
                spawn(move || {
                    let stream = TcpStream::connect(addr).unwrap();
                    (0..20).for_each(|_| ask(&stream));
                })
            })
            .collect();
        clients.into_iter().for_each(|client| client.join().unwrap());
        let last = TcpStream::connect(addr).unwrap();
        ask(&last);
        stop.cancel();
        // Nobody listens any more, and the last connection goes on.
        wait_until(|| TcpStream::connect(addr).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused));
        ask(&last);
        assert!(!server.is_finished());
        drop(last);
        let served = server.join().unwrap();
        assert!(served.connections >= 21);
        assert_eq!((served.panicked, served.cancelled), (0, 0));
    });
}

#[test]
fn unix_sockets_and_several_listeners_are_served() {
    each_way(|| {
        let places = [Place::new(), Place::new()];
        let stop = CancelToken::new();
        let server = Server::over(places.each_ref().map(|place| UnixListener::bind(place).unwrap())).until(&stop);
        let server = spawn(move || server.serve(|mut stream, _| stream.write_all(b"hi")).unwrap());
        for place in places.iter().chain(&places) {
            let mut text = String::new();
            UnixStream::connect(place).unwrap().read_to_string(&mut text).unwrap();
            assert_eq!(text, "hi");
        }
        stop.cancel();
        assert_eq!(counts(server.join().unwrap()), (4, 0, 0));
    });
}

#[test]
fn handlers_may_borrow_and_the_listener_may_be_lent() {
    each_way(|| {
        let (listener, addr) = listener();
        for _ in 0..2 {
            let (stop, seen) = (CancelToken::new(), AtomicUsize::new(0));
            let client = spawn(move || drop(TcpStream::connect(addr).unwrap()));
            let served = Server::new(&listener).until(&stop).serve(|stream, peer| {
                assert_eq!(stream.peer_addr().unwrap(), peer);
                seen.fetch_add(1, SeqCst);
                stop.cancel();
            });
            assert_eq!((counts(served.unwrap()), seen.into_inner()), ((1, 0, 0), 1));
            client.join().unwrap();
        }
    });
}

#[test]
fn no_more_handlers_run_than_the_limit_allows_and_none_is_dropped() {
    each_way(|| {
        let listeners: Vec<_> = (0..3).map(|_| listener()).collect();
        let addrs: Vec<_> = listeners.iter().map(|&(_, addr)| addr).collect();
        let (stop, running) = (CancelToken::new(), Arc::new(AtomicUsize::new(0)));
        let server = Server::over(listeners.into_iter().map(|(listener, _)| listener)).max_connections(2).until(&stop);
        let server = {
            let running = running.clone();
            spawn(move || {
                server.serve(|stream, _| {
                    assert!(running.fetch_add(1, SeqCst) < 2);
                    sleep(Duration::from_millis(1));
                    let done = echo(stream);
                    running.fetch_sub(1, SeqCst);
                    done
                })
            })
        };
        let clients: Vec<_> = (0..30)
            .map(|number| {
                let addr = addrs[number % 3];
                spawn(move || ask(&TcpStream::connect(addr).unwrap()))
            })
            .collect();
        clients.into_iter().for_each(|client| client.join().unwrap());
        stop.cancel();
        assert_eq!(counts(server.join().unwrap().unwrap()), (30, 0, 0));
    });
}

#[test]
fn a_connection_that_was_taken_at_the_limit_is_served_after_a_stop() {
    each_way(|| {
        let (listener, addr) = listener();
        let stop = CancelToken::new();
        let server = Server::new(listener).max_connections(1).until(&stop);
        let server = spawn(move || server.serve(|stream, _| echo(stream)).unwrap());
        let first = TcpStream::connect(addr).unwrap();
        ask(&first);
        let mut second = TcpStream::connect(addr).unwrap();
        second.write_all(b"hello").unwrap();
        sleep(Duration::from_millis(20));
        stop.cancel();
        ask(&first);
        drop(first);
        // It is served if it was taken before the stop, else it is told.
        let mut word = [0; 5];
        match second.read_exact(&mut word) {
            Ok(()) => assert_eq!(&word, b"hello"),
            Err(error) => assert!(matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof)),
        }
        drop(second);
        assert_eq!(server.join().unwrap().cancelled, 0);
    });
}

#[test]
fn those_that_do_not_end_in_time_are_cancelled_and_counted() {
    each_way(|| {
        let (listener, addr) = listener();
        let stop = CancelToken::new();
        let unwound = Arc::new(AtomicUsize::new(0));
        let server = Server::new(listener).until(&stop).drain_timeout(Duration::from_millis(50));
        let server = {
            let unwound = unwound.clone();
            spawn(move || {
                server.serve(|stream, _| {
                    let _end = harness::OnDrop(|| _ = unwound.fetch_add(1, SeqCst));
                    echo(stream)
                })
            })
        };
        let clients: Vec<_> = (0..5).map(|_| TcpStream::connect(addr).unwrap()).collect();
        clients.iter().for_each(ask);
        let (quick, slow) = clients.split_at(2);
        quick.iter().for_each(|client| client.shutdown(std::net::Shutdown::Write).unwrap());
        wait_until(|| unwound.load(SeqCst) == 2);
        stop.cancel();
        assert_eq!(counts(server.join().unwrap().unwrap()), (5, 0, 3));
        assert_eq!(unwound.load(SeqCst), 5);
        slow.iter().for_each(|mut client| assert_eq!(client.read(&mut [0]).unwrap(), 0));
    });
}

#[test]
fn a_panic_of_a_handler_ends_its_connection_alone() {
    each_way(|| {
        let (listener, addr) = listener();
        let stop = CancelToken::new();
        let server = Server::new(listener).until(&stop).max_connections(1);
        let server = spawn(move || {
            server.serve(|mut stream, _| {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                assert_ne!(byte[0], b'!', "a handler's panic, on purpose");
                stream.write_all(&byte).unwrap();
            })
        });
        for _ in 0..3 {
            for (byte, answer) in [(b'!', 0), (b'a', 1)] {
                let mut client = TcpStream::connect(addr).unwrap();
                client.write_all(&[byte]).unwrap();
                assert_eq!(client.read(&mut [0]).unwrap(), answer);
            }
        }
        stop.cancel();
        assert_eq!(counts(server.join().unwrap().unwrap()), (6, 3, 0));
    });
}

#[test]
fn cancelling_who_serves_cancels_the_handlers_and_waits_for_them() {
    each_way(|| {
        let (listener, addr) = listener();
        let live = Arc::new(AtomicUsize::new(0));
        let server = {
            let live = live.clone();
            spawn(move || {
                Server::new(listener).serve(|stream, _| {
                    live.fetch_add(1, SeqCst);
                    let _end = harness::OnDrop(|| _ = live.fetch_sub(1, SeqCst));
                    echo(stream)
                })
            })
        };
        let clients: Vec<_> = (0..3).map(|_| TcpStream::connect(addr).unwrap()).collect();
        clients.iter().for_each(ask);
        assert_eq!(live.load(SeqCst), 3);
        server.cancel();
        assert_cancelled(server);
        assert_eq!(live.load(SeqCst), 0);
    });
}

#[test]
fn a_stop_ends_connections_that_watch_the_token_between_requests() {
    each_way(|| {
        let (listener, addr) = listener();
        let stop = CancelToken::new();
        let server = {
            let stop = stop.clone();
            spawn(move || {
                Server::new(listener).until(&stop).serve(|mut stream, _| {
                    let mut word = [0; 5];
                    while stop.run_until_cancelled(|| stream.read_exact(&mut word)).is_ok_and(|read| read.is_ok()) {
                        stream.write_all(&word).unwrap();
                    }
                })
            })
        };
        let idle = TcpStream::connect(addr).unwrap();
        ask(&idle);
        stop.cancel();
        assert_eq!(counts(server.join().unwrap().unwrap()), (1, 0, 0));
        assert_eq!((&idle).read(&mut [0]).unwrap(), 0);
    });
}

/// A listener that gives these errors first.
struct Faulty(TcpListener, Mutex<VecDeque<i32>>);

impl Listener for Faulty {
    type Stream = TcpStream;
    type Addr = SocketAddr;

    fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        match self.1.lock().unwrap().pop_front() {
            Some(errno) => Err(io::Error::from_raw_os_error(errno)),
            None => self.0.accept(),
        }
    }
}

#[test]
fn errors_of_accepting_are_survived_and_told_once() {
    each_way(|| {
        let (listener, addr) = listener();
        let errors = [libc::ECONNABORTED, libc::EMFILE, libc::EPROTO, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM];
        let (stop, told) = (CancelToken::new(), Arc::new(Mutex::new(Vec::new())));
        let tell = told.clone();
        let server = Server::new(Faulty(listener, Mutex::new(errors.into()))).until(&stop);
        let server = server.on_error(move |error| tell.lock().unwrap().push(error.raw_os_error()));
        let server = spawn(move || server.serve(|stream, _| echo(stream)).unwrap());
        ask(&TcpStream::connect(addr).unwrap());
        stop.cancel();
        assert_eq!(counts(server.join().unwrap()), (1, 0, 0));
        assert_eq!(*told.lock().unwrap(), [Some(libc::EMFILE)]);
    });
}

/// A listener whose connections are always gone by the time it takes them.
struct Fickle(std::time::Instant);

impl Listener for Fickle {
    type Stream = ();
    type Addr = ();

    fn accept(&self) -> io::Result<((), ())> {
        assert!(self.0.elapsed() < Duration::from_secs(300), "nobody else got a turn");
        Err(ErrorKind::ConnectionReset.into())
    }
}

#[test]
fn an_accept_loop_without_a_connection_leaves_others_their_turn_and_can_be_stopped() {
    sinew::Runtime::builder().workers(1).build().unwrap().run(|| {
        let stop = CancelToken::new();
        let server = Server::new(Fickle(std::time::Instant::now())).until(&stop);
        let server = spawn(move || server.serve(|(), ()| ()).unwrap());
        sleep(Duration::from_millis(5));
        stop.cancel();
        assert_eq!(counts(server.join().unwrap()), (0, 0, 0));
    });
}

#[test]
fn a_listener_of_no_more_use_ends_the_server_after_a_drain() {
    each_way(|| {
        let (useless, _) = listener();
        useless.set_nonblocking(true).unwrap();
        let error = Server::new(useless).serve(|stream, _| echo(stream)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        let (listener, addr) = listener();
        let handle = listener.try_clone().unwrap();
        let server = spawn(move || Server::new(listener).serve(|stream, _| echo(stream)));
        let client = TcpStream::connect(addr).unwrap();
        ask(&client);
        // SAFETY: integers only; the descriptor is open.
        assert_eq!(unsafe { libc::shutdown(std::os::fd::AsRawFd::as_raw_fd(&handle), libc::SHUT_RDWR) }, 0);
        sleep(Duration::from_millis(10));
        ask(&client);
        drop(client);
        same(server.join().unwrap(), Err::<(), _>(io::Error::from_raw_os_error(libc::EINVAL)));
    });
}

/// Lowers the process's soft limit on descriptors so that just so many more can be opened; gives what it was.
fn leave_descriptors(free: usize) -> libc::rlimit {
    let mut old = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer names a local.
    assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut old) }, 0);
    let open = std::fs::read_dir("/proc/self/fd").unwrap();
    let highest = open.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<usize>().ok()).max().unwrap();
    // Gaps below the highest are filled with duplicates that stay.
    let mut filled = 0;
    while filled < highest {
        // SAFETY: integers only.
        filled = usize::try_from(unsafe { libc::dup(2) }).unwrap();
    }
    let new = libc::rlimit { rlim_cur: (filled + 1 + free) as libc::rlim_t, ..old };
    // SAFETY: the pointer names a local.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &new) }, 0);
    old
}

/// In a process of its own, since the limit is the process's.
#[test]
#[cfg_attr(sinew_emulated, ignore = "the emulator has descriptors of its own in the process")]
fn a_server_out_of_descriptors_serves_on_as_they_come_free() {
    if !is_child() {
        good_child("a_server_out_of_descriptors_serves_on_as_they_come_free");
        return;
    }
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let (listener, addr) = listener();
    let (stop, told) = (CancelToken::new(), Arc::new(AtomicUsize::new(0)));
    // The clients' descriptors are there before the limit falls: connecting takes no more.
    let clients: Vec<_> =
        (0..12).map(|_| socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap()).collect();
    let server = {
        let (stop, told) = (stop.clone(), told.clone());
        let server = Server::new(listener).until(&stop).on_error(move |error| {
            assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
            told.fetch_add(1, SeqCst);
        });
        runtime.spawn(move || server.serve(|stream, _| echo(stream)).unwrap())
    };
    let old = leave_descriptors(4);
    for client in &clients {
        client.connect(&addr.into()).unwrap();
        (&*client).write_all(b"hello").unwrap();
    }
    wait_until(|| told.load(SeqCst) != 0);
    // Each that ends makes room for the next.
    for client in clients {
        let mut word = [0; 5];
        (&client).read_exact(&mut word).unwrap();
        assert_eq!(&word, b"hello");
    }
    // SAFETY: the pointer names a local.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &old) }, 0);
    stop.cancel();
    assert_eq!(counts(server.join().unwrap()), (12, 0, 0));
    // One bout of trouble each time that room was made and used up, at most.
    assert!(told.load(SeqCst) <= 12);
}

#[test]
fn connections_wait_while_there_are_no_stacks() {
    let runtime = Runtime::builder().workers(2).max_stacks(6).build().unwrap();
    let (listener, addr) = listener();
    let stop = CancelToken::new();
    let server = Server::new(listener).until(&stop);
    let server = runtime.spawn(move || server.serve(|stream, _| echo(stream)).unwrap());
    let clients: Vec<_> = (0..30)
        .map(|_| {
            std::thread::spawn(move || {
                let (mut client, mut word) = (std::net::TcpStream::connect(addr).unwrap(), [0; 5]);
                client.write_all(b"hello").unwrap();
                client.read_exact(&mut word).unwrap();
                assert_eq!(&word, b"hello");
            })
        })
        .collect();
    clients.into_iter().for_each(|client| client.join().unwrap());
    stop.cancel();
    assert_eq!(counts(server.join().unwrap()), (30, 0, 0));
}

fn here() -> ThreadId {
    std::thread::current().id()
}

#[test]
fn threads_run_on_the_worker_that_was_named_and_so_do_their_local_ones() {
    each_way(|| {
        let runtime = Handle::current();
        for _ in 0..20 {
            let threads: Vec<_> = (0..runtime.workers() * 3)
                .map(|number| {
                    let spawn_local = move || {
                        sinew::yield_now();
                        let local = sinew::thread::spawn_local(here);
                        assert_eq!(local.join().unwrap(), here());
                        here()
                    };
                    runtime.spawn_on(number % runtime.workers(), spawn_local).unwrap()
                })
                .collect();
            let ids: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
            let first = &ids[..runtime.workers()];
            assert!(first.iter().enumerate().all(|(at, id)| !first[..at].contains(id)));
            assert!(ids.chunks(first.len()).all(|ids| ids == first));
        }
    });
}

#[test]
fn spawning_on_a_worker_fails_after_a_shutdown_and_panics_without_one() {
    let runtime = Runtime::builder().workers(2).build().unwrap();
    let handle = runtime.handle();
    let waiting = handle.spawn_on(1, sinew::park).unwrap();
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| handle.spawn_on(2, || ()))).is_err());
    runtime.shutdown(std::time::Instant::now() + LONG).unwrap();
    assert_cancelled(waiting);
    assert!(handle.spawn_on(0, || ()).is_err());
}

#[test]
fn connections_stay_on_the_worker_that_took_them() {
    let runtime = Runtime::builder().workers(3).build().unwrap();
    runtime.run(|| {
        let listeners: Vec<_> = (0..3).map(|_| listener()).collect();
        let addrs: Vec<_> = listeners.iter().map(|&(_, addr)| addr).collect();
        let stop = CancelToken::new();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let server = Server::over(listeners.into_iter().map(|(listener, _)| listener)).per_worker().until(&stop);
        let server = {
            let seen = seen.clone();
            spawn(move || {
                server.serve(|stream, _| {
                    seen.lock().unwrap().push((stream.local_addr().unwrap(), here()));
                    echo(stream)
                })
            })
        };
        let clients: Vec<_> = (0..90).map(|number| TcpStream::connect(addrs[number % 3]).unwrap()).collect();
        clients.iter().for_each(ask);
        drop(clients);
        stop.cancel();
        assert_eq!(counts(server.join().unwrap().unwrap()), (90, 0, 0));
        let seen = seen.lock().unwrap();
        let runtime = Handle::current();
        for (number, addr) in addrs.iter().enumerate() {
            let worker = runtime.spawn_on(number, here).unwrap().join().unwrap();
            let served = || seen.iter().filter(|seen| seen.0 == *addr);
            assert_eq!(served().count(), 30);
            assert!(served().all(|seen| seen.1 == worker));
        }
    });
}

#[test]
fn listeners_that_share_a_port_serve_on_every_worker_together() {
    each_way(|| {
        let listeners = TcpListener::bind_reuse_port("127.0.0.1:0", Handle::current().workers()).unwrap();
        let addr = listeners[0].local_addr().unwrap();
        let stop = CancelToken::new();
        let server = Server::over(listeners).per_worker().max_connections(3).until(&stop);
        let server = spawn(move || {
            server.serve(|stream, _| {
                // Also what the handler spawns for itself alone.
                let (reader, worker) = (stream.try_clone().unwrap(), here());
                let reading = sinew::thread::spawn_local(move || (&reader).read(&mut [0; 5]).map(|len| (len, here())));
                assert_eq!(reading.join().unwrap().unwrap(), (5, worker));
                (&stream).write_all(b"hello").unwrap();
            })
        });
        let clients: Vec<_> = (0..40).map(|_| spawn(move || ask(&TcpStream::connect(addr).unwrap()))).collect();
        clients.into_iter().for_each(|client| client.join().unwrap());
        stop.cancel();
        assert_eq!(counts(server.join().unwrap().unwrap()), (40, 0, 0));
    });
}
