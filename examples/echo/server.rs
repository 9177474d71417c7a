//! The server's side: each connection has a thread that writes back what it reads.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sinew::JoinHandle;
use sinew::cancel::CancelToken;
use sinew::net::{self, Served, TcpListener, TcpStream};

use crate::limits;
use crate::report::Failures;

/// How many connections one address is given, well below the ports that a client machine has for it.
const CONNECTIONS_AN_ADDRESS: usize = 20_000;

/// How long clients have to close their connections when the server stops.
const DRAIN: Duration = Duration::from_secs(1);

/// The connections of all acceptors.
#[derive(Debug, Default)]
pub(crate) struct Server {
    live: AtomicUsize,
    peak: AtomicUsize,
    stop: CancelToken,
    pub(crate) failures: Failures,
}

/// The loopback addresses that together take `connections`: at least four, with a port that the system chooses.
pub(crate) fn loopback(connections: usize) -> Vec<SocketAddr> {
    let hosts = if cfg!(target_os = "linux") { connections.div_ceil(CONNECTIONS_AN_ADDRESS).clamp(4, 250) } else { 1 };
    (1..=hosts as u8).map(|host| (Ipv4Addr::new(127, 0, 0, host), 0).into()).collect()
}

/// A server that serves.
pub(crate) struct Started {
    pub(crate) addresses: Vec<SocketAddr>,
    serving: JoinHandle<Served>,
}

impl Server {
    /// Serves the addresses from now on; returns them with their ports filled in, and the thread that serves.
    pub(crate) fn start(self: &Arc<Self>, addresses: &[SocketAddr], size: usize) -> io::Result<Started> {
        let mut listeners = Vec::new();
        for &address in addresses {
            let explain =
                |error: io::Error| io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"));
            listeners.push(TcpListener::bind(address).map_err(explain)?);
        }
        let bound = listeners.iter().map(TcpListener::local_addr).collect::<io::Result<_>>()?;
        let (server, told) = (Arc::clone(self), Arc::clone(self));
        let serving = sinew::spawn(move || {
            let accepting = net::Server::over(listeners)
                .until(&server.stop)
                .drain_timeout(DRAIN)
                .on_error(move |error| told.failures.lost(format_args!("accepting: {error}{}", limits::advice(error))));
            let served = accepting.serve(|stream, peer| server.serve(stream, peer, size));
            served.unwrap_or_else(|error| {
                server.failures.lost(format_args!("accepting: {error}"));
                Served::default()
            })
        });
        Ok(Started { addresses: bound, serving })
    }

    /// Stops, and waits until no connection is left: for a second, then what is left is cut off.
    pub(crate) fn finish(&self, started: Started) -> Served {
        self.stop.cancel();
        started.serving.join().unwrap_or_default()
    }

    /// The most connections that were served at once.
    pub(crate) fn most_held(&self) -> usize {
        self.peak.load(Ordering::Relaxed)
    }

    fn serve(&self, mut stream: TcpStream, peer: SocketAddr, size: usize) {
        let live = self.live.fetch_add(1, Ordering::Relaxed) + 1;
        self.peak.fetch_max(live, Ordering::Relaxed);
        if let Err(error) = echo(&mut stream, size) {
            self.failures.lost(format_args!("serving {peer}: {error}"));
        }
        self.live.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Writes back what it reads, until the other side ends.
fn echo(stream: &mut TcpStream, size: usize) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; size.clamp(1024, 16 * 1024)];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => stream.write_all(&buffer[..length])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
