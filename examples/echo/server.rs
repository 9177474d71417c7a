//! The server's side: each connection has a thread that writes back what it reads.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sinew::net::{self, TcpListener, TcpStream};

use crate::report::Failures;

/// How many connections one address is given, well below the ports that a client machine has for it.
const CONNECTIONS_AN_ADDRESS: usize = 20_000;

/// The connections of all acceptors.
#[derive(Debug, Default)]
pub(crate) struct Server {
    live: AtomicUsize,
    peak: AtomicUsize,
    pub(crate) failures: Failures,
}

/// The loopback addresses that together take `connections`: at least four, with a port that the system chooses.
pub(crate) fn loopback(connections: usize) -> Vec<SocketAddr> {
    let hosts = if cfg!(target_os = "linux") { connections.div_ceil(CONNECTIONS_AN_ADDRESS).clamp(4, 250) } else { 1 };
    (1..=hosts as u8).map(|host| (Ipv4Addr::new(127, 0, 0, host), 0).into()).collect()
}

impl Server {
    /// Serves the addresses from now on; returns them with their ports filled in.
    pub(crate) fn start(self: &Arc<Self>, addresses: &[SocketAddr], size: usize) -> io::Result<Vec<SocketAddr>> {
        let mut listeners = Vec::new();
        for &address in addresses {
            let explain =
                |error: io::Error| io::Error::new(error.kind(), format!("cannot listen on {address}: {error}"));
            listeners.push(TcpListener::bind(address).map_err(explain)?);
        }
        let bound = listeners.iter().map(TcpListener::local_addr).collect();
        let (server, told) = (Arc::clone(self), Arc::clone(self));
        sinew::spawn(move || {
            let accepting = net::Server::over(listeners)
                .on_error(move |error| told.failures.lost(format_args!("accepting: {error}")));
            if let Err(error) = accepting.serve(|stream, peer| server.serve(stream, peer, size)) {
                server.failures.lost(format_args!("accepting: {error}"));
            }
        });
        bound
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
