//! Echo over loopback TCP in blocking style, 64 bytes there and back: sinew on one worker (client and server share it)
//! beside std's OS threads; one connection, and a hundred at once.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

const SIZE: usize = 64;

fn serve(mut stream: impl Read + Write) -> io::Result<()> {
    let mut buffer = [0; SIZE];
    loop {
        let n = stream.read(&mut buffer)?;
        if n == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..n])?;
    }
}

fn load(mut stream: impl Read + Write, messages: u64) -> io::Result<()> {
    let message = [7; SIZE];
    let mut answer = [0; SIZE];
    for _ in 0..messages {
        stream.write_all(&message)?;
        stream.read_exact(&mut answer)?;
        assert_eq!(answer, message);
    }
    Ok(())
}

/// The same text for both libraries: they differ in the path they are used by.
macro_rules! echo {
    ($name:ident, $spawn:path, $listener:path, $stream:path) => {
        fn $name(connections: u64, messages: u64) -> io::Result<Duration> {
            use $listener as Listener;
            use $stream as Stream;
            let listener = Listener::bind("127.0.0.1:0")?;
            let address = listener.local_addr()?;
            let mut pairs = Vec::new();
            for _ in 0..connections {
                let client = Stream::connect(address)?;
                let (server, _) = listener.accept()?;
                client.set_nodelay(true)?;
                server.set_nodelay(true)?;
                pairs.push((client, server));
            }
            let began = Instant::now();
            let mut handles = Vec::new();
            for (client, server) in pairs {
                handles.push($spawn(move || serve(server)));
                handles.push($spawn(move || load(client, messages)));
            }
            for handle in handles {
                handle.join().expect("it does not panic")?;
            }
            Ok(began.elapsed())
        }
    };
}

echo!(on_sinew, sinew::spawn, sinew::net::TcpListener, sinew::net::TcpStream);
echo!(on_std, std::thread::spawn, std::net::TcpListener, std::net::TcpStream);

fn tcp_echo(c: &mut Criterion) {
    let runtime = sinew::Runtime::builder().workers(1).build().expect("the runtime starts");
    let mut group = c.benchmark_group("tcp_echo");
    group.sample_size(20);
    for connections in [1, 100] {
        group.throughput(Throughput::Elements(connections));
        group.bench_function(BenchmarkId::new("sinew", connections), |b| {
            b.iter_custom(|n| runtime.run(move || on_sinew(connections, n)).expect("loopback works"));
        });
        group.bench_function(BenchmarkId::new("std", connections), |b| {
            b.iter_custom(|n| on_std(connections, n).expect("loopback works"));
        });
    }
    group.finish();
}

criterion_group!(benches, tcp_echo);
criterion_main!(benches);
