//! This program as a server that the runner starts and kills: `--host WORK LIBRARY WORKERS [hog]`. It prints one line when it
//! is ready, the address or a word, and serves until its standard input ends.

pub mod on_bare;
mod on_may;
mod on_sinew;
mod on_std;
mod on_tokio;

use std::hint::spin_loop;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use crate::peers::on_tokio::Flavour;
use crate::{http, proc};

type Serve = Box<dyn FnOnce() + Send>;

/// An echo server over TCP whose connections read so many bytes at once.
fn echo<const BUFFER: usize>(library: &str, workers: usize, hog: bool) -> Result<Serve, String> {
    Ok(match library {
        "sinew" => Box::new(move || on_sinew::echo::<BUFFER>(workers, hog)),
        "sinew-uring" => Box::new(move || on_sinew::echo_by_ring::<BUFFER>(workers)),
        "tokio-current" => Box::new(move || on_tokio::echo::<BUFFER>(0, hog)),
        "tokio-multi" => Box::new(move || on_tokio::echo::<BUFFER>(workers, hog)),
        "may" => Box::new(move || on_may::echo::<BUFFER>(workers, hog)),
        "std" => Box::new(on_std::echo::<BUFFER>),
        "bare" => Box::new(on_bare::serve::<on_bare::Echo<BUFFER>>),
        "bare-uring" => Box::new(on_bare::echo_by_ring::<BUFFER>),
        _ => return Err(format!("no echo server on {library}")),
    })
}

/// Runs the server; returns when the runner is gone.
pub fn main(words: &[&str]) -> Result<(), String> {
    proc::raise_open_files();
    let (&[work, library, workers], rest) = words.split_first_chunk().ok_or("--host WORK LIBRARY WORKERS")?;
    let workers: usize = workers.parse().map_err(|e| format!("workers: {e}"))?;
    let hog = rest == ["hog"];
    // It serves from a thread of its own, so that this one can wait for the end of the input.
    let serve: Serve = match (work, library) {
        ("echo", _) => echo::<4096>(library, workers, hog)?,
        ("echo-large", _) => echo::<65_536>(library, workers, hog)?,
        ("echo-small", _) => echo::<1024>(library, workers, hog)?,
        ("udp", "sinew") => Box::new(move || on_sinew::udp(workers)),
        ("udp", "sinew-batches") => Box::new(move || on_sinew::udp_in_batches(workers)),
        ("udp", "tokio-current") => Box::new(move || on_tokio::udp(0)),
        ("udp", "tokio-multi") => Box::new(move || on_tokio::udp(workers)),
        ("udp", "std") => Box::new(on_std::udp),
        ("udp", "bare") => Box::new(on_bare::udp),
        ("http", "sinew") => Box::new(move || http::on_sinew(workers)),
        ("http", "tokio-current") => Box::new(|| http::on_tokio(Flavour::Current)),
        ("http", "tokio-multi") => Box::new(move || http::on_tokio(Flavour::Multi(workers))),
        ("http", "bare") => Box::new(http::on_bare),
        ("http", "may") => Box::new(move || http::on_may(workers)),
        ("accept", "sinew") => Box::new(move || on_sinew::accept(workers)),
        ("accept", "tokio-current") => Box::new(|| on_tokio::accept(Flavour::Current)),
        ("accept", "tokio-multi") => Box::new(move || on_tokio::accept(Flavour::Multi(workers))),
        ("accept", "may") => Box::new(move || on_may::accept(workers)),
        ("idle", "sinew") => Box::new(move || on_sinew::idle(workers)),
        ("idle", "tokio-multi") => Box::new(move || on_tokio::idle(workers)),
        ("idle", "may") => Box::new(move || on_may::idle(workers)),
        _ => return Err(format!("no host {work} {library}")),
    };
    std::thread::spawn(serve);
    // The runner never writes: this returns at the end of the input.
    let _ = std::io::stdin().read(&mut [0; 1]);
    // Not through main's end: no destructor may wait for the server's threads.
    std::process::exit(0);
}

/// Tells the runner that the server is ready.
fn ready(what: impl std::fmt::Display) {
    println!("{what}");
    let _ = std::io::stdout().flush();
}

/// Tells it where the server listens.
pub fn listening(address: std::io::Result<SocketAddr>) {
    ready(address.expect("a bound listener has an address"));
}

/// Gives a listener's queue room for as many connections as the row `accept` opens at once; std's and so most libraries' is 128.
fn deepen(listener: &impl AsRawFd) {
    // SAFETY: the call touches no memory; on a socket that listens it changes the length of its queue.
    let done = unsafe { libc::listen(listener.as_raw_fd(), 4096) };
    assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
}

/// What the hog does between two yields.
fn compute() {
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(5) {
        spin_loop();
    }
}
