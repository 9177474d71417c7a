//! tokio as a server: one task a connection. No workers stands for its current-thread flavour.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

use super::{compute, deepen, listening, ready};
use crate::peers::on_tokio::Flavour;

fn flavour(workers: usize) -> Flavour {
    if workers == 0 { Flavour::Current } else { Flavour::Multi(workers) }
}

pub fn echo<const BUFFER: usize>(workers: usize, hog: bool) {
    let runtime = flavour(workers).build();
    let accept = async move {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        if hog {
            tokio::spawn(async {
                loop {
                    compute();
                    tokio::task::yield_now().await;
                }
            });
        }
        listening(listener.local_addr());
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            tokio::spawn(serve::<BUFFER>(stream));
        }
    };
    let _: Result<(), _> = runtime.block_on(async move { tokio::spawn(accept).await });
}

async fn serve<const BUFFER: usize>(mut stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let mut buffer = [0; BUFFER];
    while let Ok(n @ 1..) = stream.read(&mut buffer).await {
        if stream.write_all(&buffer[..n]).await.is_err() {
            return;
        }
    }
}

pub fn accept(flavour: Flavour) {
    let accept = async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        deepen(&listener);
        listening(listener.local_addr());
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            tokio::spawn(async move { drop(stream) });
        }
    };
    let _: Result<(), _> = flavour.build().block_on(async move { tokio::spawn(accept).await });
}

pub fn udp(workers: usize) {
    let echo = async {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
        listening(socket.local_addr());
        let mut buffer = [0; 2048];
        loop {
            let (n, from) = socket.recv_from(&mut buffer).await.expect("a datagram");
            let _ = socket.send_to(&buffer[..n], from).await;
        }
    };
    let _: Result<(), _> = flavour(workers).build().block_on(async move { tokio::spawn(echo).await });
}

pub fn idle(workers: usize) {
    Flavour::Multi(workers).build().block_on(async {
        for _ in 0..1_000 {
            tokio::spawn(async {}).await.expect("it does not panic");
        }
        for _ in 0..10 {
            tokio::spawn(std::future::pending::<()>());
        }
        ready("idle");
        std::future::pending::<()>().await;
    });
}
