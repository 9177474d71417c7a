//! sinew as a server: one green thread a connection, in blocking style.

use std::io::{Read, Write};

use sinew::net::{Datagrams, TcpListener, TcpStream, UdpSocket};

use super::{compute, deepen, listening, ready};
use crate::peers::on_sinew::runtime;

pub fn echo<const BUFFER: usize>(workers: usize, hog: bool) {
    runtime(workers).run(move || {
        if hog {
            sinew::spawn(|| {
                loop {
                    compute();
                    sinew::yield_now();
                }
            });
        }
        serve_all::<BUFFER>();
    });
}

/// The same by io_uring. It ends the process if the kernel does not let us: the figures would be epoll's.
pub fn echo_by_ring<const BUFFER: usize>(workers: usize) {
    let builder = sinew::Runtime::builder().workers(workers).io_driver(sinew::runtime::IoDriver::Uring);
    builder.build().expect("sinew's runtime starts").run(|| {
        let open = std::fs::read_dir("/proc/self/fd").expect("Linux tells of our descriptors").flatten();
        let mut names = open.filter_map(|entry| std::fs::read_link(entry.path()).ok());
        if !names.any(|name| name.as_os_str() == "anon_inode:[io_uring]") {
            eprintln!("the kernel gives no ring of io_uring");
            std::process::exit(1);
        }
        serve_all::<BUFFER>();
    });
}

fn serve_all<const BUFFER: usize>() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listening(listener.local_addr());
    for stream in listener.incoming() {
        let stream = stream.expect("a connection");
        sinew::spawn(move || serve::<BUFFER>(stream));
    }
}

fn serve<const BUFFER: usize>(mut stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let mut buffer = [0; BUFFER];
    // An error ends the connection as its close does.
    while let Ok(n @ 1..) = stream.read(&mut buffer) {
        if stream.write_all(&buffer[..n]).is_err() {
            return;
        }
    }
}

pub fn accept(workers: usize) {
    runtime(workers).run(|| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        deepen(&listener);
        listening(listener.local_addr());
        for stream in listener.incoming() {
            let stream = stream.expect("a connection");
            sinew::spawn(move || drop(stream));
        }
    });
}

pub fn udp(workers: usize) {
    runtime(workers).run(|| {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        listening(socket.local_addr());
        let mut buffer = [0; 2048];
        loop {
            let (n, from) = socket.recv_from(&mut buffer).expect("a datagram");
            let _ = socket.send_to(&buffer[..n], from);
        }
    });
}

/// The same in batches: what is there is taken by one call, and sent back by one, which the kernel cuts into datagrams.
pub fn udp_in_batches(workers: usize) {
    runtime(workers).run(|| {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        listening(socket.local_addr());
        let mut batch = Datagrams::new(64, 2048);
        loop {
            socket.recv_many(&mut batch).expect("a datagram");
            let _ = socket.send_many_to(batch.iter().map(|datagram| (datagram.data, datagram.from)));
        }
    });
}

pub fn idle(workers: usize) {
    runtime(workers).run(|| {
        let handles: Vec<_> = (0..1_000).map(|_| sinew::spawn(|| {})).collect();
        handles.into_iter().for_each(|handle| handle.join().expect("it does not panic"));
        for _ in 0..10 {
            sinew::spawn(|| {
                loop {
                    sinew::park();
                }
            });
        }
        ready("idle");
        loop {
            sinew::park();
        }
    });
}
