//! The client of the row `accept`: `--burst ADDRESS SERVER-PID CONNECTIONS`. For each line of its input, a number of bursts,
//! it stops the server, opens that many connections, lets it go on, and waits until it has closed them all.

use std::io::{self, Read};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use crate::model::Sample;
use crate::proc::{self, Usage};

/// Serves the runner until its input ends.
pub fn main(words: &[&str]) -> Result<(), String> {
    let [address, server, connections] = words else { return Err("--burst ADDRESS SERVER-PID CONNECTIONS".into()) };
    let address: SocketAddr = address.parse().map_err(|e| format!("{address:?}: {e}"))?;
    let server: u32 = server.parse().map_err(|e| format!("{server:?}: {e}"))?;
    let connections: usize = connections.parse().map_err(|e| format!("{connections:?}: {e}"))?;
    proc::raise_open_files();
    for line in io::stdin().lines() {
        let line = line.map_err(|e| e.to_string())?;
        let bursts: u32 = line.parse().map_err(|e| format!("{line:?}: {e}"))?;
        let usage = Usage::of(server)?;
        let mut elapsed = Duration::ZERO;
        for _ in 0..bursts {
            elapsed += burst(address, server, connections).map_err(|e| e.to_string())?;
        }
        let (count, seconds) = (f64::from(bursts) * connections as f64, elapsed.as_secs_f64());
        println!("{}end", usage.add_to(Sample::new(count / seconds), count, seconds)?.to_lines());
    }
    Ok(())
}

fn burst(address: SocketAddr, server: u32, connections: usize) -> io::Result<Duration> {
    let stopped = Stopped::new(server)?;
    let mut streams = Vec::with_capacity(connections);
    for _ in 0..connections {
        let stream = TcpStream::connect(address)?;
        reset_on_close(&stream)?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        streams.push(stream);
    }
    let began = Instant::now();
    drop(stopped);
    // The last first: who waits for each in turn is woken for each, and every wake-up costs the server time.
    for stream in streams.iter_mut().rev().take(1) {
        closed(stream)?;
    }
    streams.iter_mut().try_for_each(closed)?;
    Ok(began.elapsed())
}

/// Waits until the server has closed the connection.
fn closed(stream: &mut TcpStream) -> io::Result<()> {
    match stream.read(&mut [0])? {
        0 => Ok(()),
        _ => Err(io::Error::other("the server has sent something")),
    }
}

/// Closing resets: neither side keeps the connection in TIME_WAIT.
fn reset_on_close(stream: &TcpStream) -> io::Result<()> {
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    // SAFETY: the option's value lives through the call, and the length is its size.
    let done = unsafe {
        libc::setsockopt(
            stream.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            (&raw const linger).cast(),
            size_of_val(&linger) as libc::socklen_t,
        )
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// A stopped process, which goes on when the value is dropped.
struct Stopped(u32);

impl Stopped {
    fn new(server: u32) -> io::Result<Stopped> {
        proc::signal(server, libc::SIGSTOP)?;
        let stopped = Stopped(server);
        // The signal is on its way: a thread in user mode stops at its next entry into the kernel.
        while !proc::is_stopped(server)? {
            std::thread::yield_now();
        }
        Ok(stopped)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = proc::signal(self.0, libc::SIGCONT);
    }
}
