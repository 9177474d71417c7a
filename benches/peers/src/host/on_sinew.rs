//! sinew as a server: one green thread a connection, in blocking style.

use std::io::{Read, Write};

use sinew::net::{TcpListener, TcpStream};

use super::{BUFFER, compute, deepen, listening, ready};
use crate::peers::on_sinew::runtime;

pub fn echo(workers: usize, hog: bool) {
    runtime(workers).run(move || {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        if hog {
            sinew::spawn(|| {
                loop {
                    compute();
                    sinew::yield_now();
                }
            });
        }
        listening(listener.local_addr());
        for stream in listener.incoming() {
            let stream = stream.expect("a connection");
            sinew::spawn(move || serve(stream));
        }
    });
}

fn serve(mut stream: TcpStream) {
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
