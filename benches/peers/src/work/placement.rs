//! Connections that come one at a time, a millisecond apart, and stay: does one worker end up with all of them? The
//! thread of each connection is pinned where it first runs, so this is settled as it starts.

use std::io::Read;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::Duration;

use crate::model::{Entry, Row, Sample, Scale, at_least};
use crate::peers::on_sinew;

fn connections(scale: Scale) -> u64 {
    scale.of(1_000, 20)
}

/// Connects from an OS thread, holds all connections until told, then drops them.
fn client(address: SocketAddr, n: u64, done: mpsc::Receiver<()>) {
    let mut streams = Vec::new();
    for _ in 0..n {
        streams.push(std::net::TcpStream::connect(address).expect("the listener is there"));
        std::thread::sleep(Duration::from_millis(1));
    }
    // An error means that the server is gone, which ends the wait as well.
    let _ = done.recv();
}

fn held_by_each_worker(scale: Scale) -> Sample {
    let n = connections(scale);
    let runtime = on_sinew::runtime(2);
    let counts = runtime.run(move || {
        let listener = sinew::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let (finish, done) = mpsc::channel();
        let clients = std::thread::spawn(move || client(address, n, done));
        let (tell, workers) = mpsc::channel();
        let handles: Vec<_> = (0..n)
            .map(|_| {
                let (mut stream, _) = listener.accept().expect("a connection");
                let tell = tell.clone();
                sinew::spawn(move || {
                    // Once a thread runs it stays with its worker.
                    let worker = sinew::thread::current().worker().expect("a worker runs it");
                    tell.send(worker).expect("the receiver waits");
                    let end = stream.read(&mut [0; 64]).expect("an orderly end");
                    assert_eq!(end, 0);
                })
            })
            .collect();
        // Threads that have yet to start do so meanwhile.
        sinew::sleep(Duration::from_millis(200));
        drop(tell);
        let mut counts = [0_u64; 2];
        workers.try_iter().for_each(|worker| counts[worker] += 1);
        drop(finish);
        handles.into_iter().for_each(|handle| handle.join().expect("it does not panic"));
        clients.join().expect("it does not panic");
        counts
    });
    assert_eq!(counts.iter().sum::<u64>(), n, "every connection's thread started");
    let least = counts[0].min(counts[1]) as f64;
    Sample::new(least * 100.0 / n as f64).max("worker0", counts[0] as f64).max("worker1", counts[1] as f64)
}

pub fn row() -> Row {
    Row::new(
        "placement",
        "1,000 connections accepted 1 ms apart and kept, 2 workers: held by the one that holds fewer",
        "% of all",
    )
    .more_is_better()
    .runs(3)
    .entry(Entry::new("sinew/2", |scale| Ok(held_by_each_worker(scale))).isolated())
    .goal(at_least("sinew/2", 45.0))
}
