//! may as a server: one coroutine a connection.

use std::io::{Read, Write};

use may::net::{TcpListener, TcpStream};

use super::{compute, deepen, listening, ready};
use crate::peers::on_may::{configure, spawn};

pub fn echo<const BUFFER: usize>(workers: usize, hog: bool) {
    may::config().set_stack_size(0x2000);
    configure(workers);
    let accept = spawn(move || {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        if hog {
            spawn(|| {
                loop {
                    compute();
                    may::coroutine::yield_now();
                }
            });
        }
        listening(listener.local_addr());
        for stream in listener.incoming() {
            let stream = stream.expect("a connection");
            spawn(move || serve::<BUFFER>(stream));
        }
    });
    let _ = accept.join();
}

fn serve<const BUFFER: usize>(mut stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let mut buffer = [0; BUFFER];
    while let Ok(n @ 1..) = stream.read(&mut buffer) {
        if stream.write_all(&buffer[..n]).is_err() {
            return;
        }
    }
}

pub fn accept(workers: usize) {
    configure(workers);
    let accept = spawn(|| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        deepen(&listener);
        listening(listener.local_addr());
        for stream in listener.incoming() {
            let stream = stream.expect("a connection");
            spawn(move || drop(stream));
        }
    });
    let _ = accept.join();
}

pub fn idle(workers: usize) {
    configure(workers);
    let held = spawn(|| {
        for _ in 0..1_000 {
            spawn(|| {}).join().expect("it does not panic");
        }
        for _ in 0..10 {
            spawn(|| {
                loop {
                    may::coroutine::park();
                }
            });
        }
        ready("idle");
        loop {
            may::coroutine::park();
        }
    });
    let _: Result<(), _> = held.join();
}
