//! Proxies that do to connections and datagrams what networks do: a TCP one between a client and a server, by a plan for each
//! direction, and a UDP one. Written with green threads of the current runtime, or the default one.

use std::{
    io::{self, Read, Write},
    sync::Arc,
    time::Duration,
};

use sinew::{
    cancel::CancelToken,
    group::group,
    net::{Server, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket},
    thread::{self, JoinHandle},
};

use super::Random;

/// What becomes of the bytes of one direction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Plan {
    Pass,
    /// Each piece is held back so long.
    Delay(Duration),
    /// Bytes go one by one.
    Cut,
    /// After so many bytes nothing goes on, and nobody is told.
    Stall(usize),
    /// After so many bytes both connections are reset.
    Reset(usize),
    /// After so many bytes this direction ends, and the other goes on.
    HalfClose(usize),
}

/// A TCP proxy; it ends, with its connections, when this is dropped.
pub(crate) struct Proxy {
    pub(crate) addr: SocketAddr,
    stop: CancelToken,
    server: Option<JoinHandle<()>>,
}

impl Proxy {
    /// In front of a server: what is done on the way there and on the way back.
    pub(crate) fn new(server: SocketAddr, there: Plan, back: Plan) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (addr, stop) = (listener.local_addr().unwrap(), CancelToken::new());
        let serving = Server::new(listener).until(&stop).drain_timeout(Duration::ZERO);
        let serve = move || {
            let served = serving.serve(|client, _| relay(client, server, there, back)).unwrap();
            assert_eq!(served.panicked, 0);
        };
        Proxy { addr, stop, server: Some(thread::spawn(serve)) }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.cancel();
        self.server.take().unwrap().join().unwrap();
    }
}

/// Why a direction ended before its source did.
enum Broken {
    Reset,
    /// An end's own error: the other end is told in the same way.
    Failed,
}

fn relay(client: TcpStream, server: SocketAddr, there: Plan, back: Plan) -> io::Result<()> {
    let server = TcpStream::connect(server)?;
    for stream in [&client, &server] {
        stream.set_nodelay(true)?;
    }
    let broken = group(|group| {
        group.spawn(|| forward(&client, &server, there));
        group.spawn(|| forward(&server, &client, back));
        Ok::<(), Broken>(())
    });
    if broken.is_err() {
        for stream in [client, server] {
            socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
        }
    }
    Ok(())
}

fn forward(mut from: &TcpStream, mut to: &TcpStream, plan: Plan) -> Result<(), Broken> {
    let mut buf = [0; 4096];
    let mut left = match plan {
        Plan::Stall(bytes) | Plan::Reset(bytes) | Plan::HalfClose(bytes) => bytes,
        Plan::Pass | Plan::Delay(_) | Plan::Cut => usize::MAX,
    };
    while left != 0 {
        let room = buf.len().min(left);
        let len = from.read(&mut buf[..room]).map_err(|_| Broken::Failed)?;
        if len == 0 {
            // An end that has gone too has told the other direction.
            let _ = to.shutdown(Shutdown::Write);
            return Ok(());
        }
        left -= len;
        if let Plan::Delay(time) = plan {
            thread::sleep(time);
        }
        let pieces = if plan == Plan::Cut { buf[..len].chunks(1) } else { buf[..len].chunks(len) };
        for piece in pieces {
            to.write_all(piece).map_err(|_| Broken::Failed)?;
        }
    }
    match plan {
        Plan::Reset(_) => Err(Broken::Reset),
        Plan::HalfClose(_) => {
            let _ = to.shutdown(Shutdown::Write);
            // What still comes is taken, so that it resets nothing.
            while from.read(&mut buf).is_ok_and(|len| len != 0) {}
            Ok(())
        }
        // Until the proxy ends, and with the socket's queue full at last.
        _ => {
            thread::park();
            Ok(())
        }
    }
}

/// A UDP proxy between any number of clients and a server: it drops, doubles and reorders datagrams of both directions, by random
/// numbers that are the same in every run. It ends when this is dropped.
pub(crate) struct UdpProxy {
    pub(crate) addr: SocketAddr,
    threads: Vec<JoinHandle<()>>,
}

impl UdpProxy {
    /// For one client.
    pub(crate) fn new(server: SocketAddr, seed: u64) -> UdpProxy {
        let near = Arc::new(UdpSocket::bind("127.0.0.1:0").unwrap());
        let far = Arc::new(UdpSocket::bind("127.0.0.1:0").unwrap());
        let addr = near.local_addr().unwrap();
        let (tell, client) = sinew::channel::bounded::<SocketAddr>(1);
        let there = {
            let (near, far) = (near.clone(), far.clone());
            thread::spawn(move || {
                let mut faults = Faults { random: Random::new(seed), held: None };
                let mut buf = [0; 2048];
                loop {
                    let (len, from) = near.recv_from(&mut buf).unwrap();
                    let _ = tell.try_send(from);
                    faults.pass(&buf[..len], |data| drop(far.send_to(data, server)));
                }
            })
        };
        let back = thread::spawn(move || {
            let mut faults = Faults { random: Random::new(seed + 1), held: None };
            let client = client.recv().unwrap();
            let mut buf = [0; 2048];
            loop {
                let (len, _) = far.recv_from(&mut buf).unwrap();
                faults.pass(&buf[..len], |data| drop(near.send_to(data, client)));
            }
        });
        UdpProxy { addr, threads: vec![there, back] }
    }
}

impl Drop for UdpProxy {
    fn drop(&mut self) {
        for thread in self.threads.drain(..) {
            thread.cancel();
            let _cancelled = thread.join();
        }
    }
}

struct Faults {
    random: Random,
    /// Goes after the next.
    held: Option<Vec<u8>>,
}

impl Faults {
    fn pass(&mut self, data: &[u8], send: impl Fn(&[u8])) {
        match self.random.below(8) {
            0 => {}
            1 => (0..2).for_each(|_| send(data)),
            2 if self.held.is_none() => self.held = Some(data.to_vec()),
            _ => {
                send(data);
                if let Some(held) = self.held.take() {
                    send(&held);
                }
            }
        }
    }
}
