//! std as a server: one OS thread a connection.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use super::{BUFFER, listening};

pub fn echo() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listening(listener.local_addr());
    for stream in listener.incoming() {
        let stream = stream.expect("a connection");
        std::thread::spawn(move || serve(stream));
    }
}

fn serve(mut stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let mut buffer = [0; BUFFER];
    while let Ok(n @ 1..) = stream.read(&mut buffer) {
        if stream.write_all(&buffer[..n]).is_err() {
            return;
        }
    }
}
