//! std as a server: one OS thread a connection.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};

use super::listening;

pub fn echo<const BUFFER: usize>() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listening(listener.local_addr());
    for stream in listener.incoming() {
        let stream = stream.expect("a connection");
        std::thread::spawn(move || serve::<BUFFER>(stream));
    }
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

pub fn udp() {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    listening(socket.local_addr());
    let mut buffer = [0; 2048];
    loop {
        let (n, from) = socket.recv_from(&mut buffer).expect("a datagram");
        let _ = socket.send_to(&buffer[..n], from);
    }
}
