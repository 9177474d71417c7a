//! Requests and answers through proxies that delay, cut, stall, reset and half-close connections, and drop, double and reorder
//! datagrams: nothing is lost or doubled without an error, and nothing is left behind.

mod common;
#[path = "harness/fault_proxy.rs"]
mod fault_proxy;
mod harness;

use std::{
    io::{self, ErrorKind, Read, Write},
    time::Duration,
};

use common::{each_way, spawn, tcp::listener};
use fault_proxy::{Plan, Proxy, UdpProxy};
use harness::{Random, entries, good_child, is_child, wait_until};
use sinew::{
    JoinHandle,
    cancel::CancelToken,
    net::{Server, Shutdown, SocketAddr, TcpStream, UdpSocket},
};

/// FNV-1a, which a changed, lost or moved byte changes.
fn checksum(data: &[u8]) -> u64 {
    data.iter().fold(0xCBF2_9CE4_8422_2325, |sum, &byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3))
}

/// A message: its length, its number, its checksum, and its data.
fn send(mut to: &TcpStream, number: u64, data: &[u8]) -> io::Result<()> {
    let mut message = Vec::with_capacity(data.len() + 20);
    message.extend_from_slice(&u32::try_from(data.len()).unwrap().to_le_bytes());
    message.extend_from_slice(&number.to_le_bytes());
    message.extend_from_slice(&checksum(data).to_le_bytes());
    message.extend_from_slice(data);
    to.write_all(&message)
}

/// None at an end between messages; an end within one is `UnexpectedEof`.
fn receive(mut from: &TcpStream) -> io::Result<Option<(u64, Vec<u8>)>> {
    let mut head = [0; 20];
    let first = from.read(&mut head)?;
    if first == 0 {
        return Ok(None);
    }
    from.read_exact(&mut head[first..])?;
    let mut data = vec![0; u32::from_le_bytes(head[..4].try_into().unwrap()) as usize];
    from.read_exact(&mut data)?;
    assert_eq!(u64::from_le_bytes(head[12..].try_into().unwrap()), checksum(&data), "a message was changed");
    Ok(Some((u64::from_le_bytes(head[4..12].try_into().unwrap()), data)))
}

/// A server that gives each message back, as long as they come in order.
struct Echo {
    addr: SocketAddr,
    stop: CancelToken,
    server: Option<JoinHandle<()>>,
}

impl Echo {
    fn new() -> Echo {
        let (listener, addr) = listener();
        let stop = CancelToken::new();
        let server = Server::new(listener).until(&stop).drain_timeout(Duration::ZERO);
        let handle = |stream: TcpStream, _: SocketAddr| -> io::Result<()> {
            for expected in 0.. {
                let Some((number, data)) = receive(&stream)? else { break };
                assert_eq!(number, expected, "a message was lost or doubled");
                send(&stream, number, &data)?;
            }
            Ok(())
        };
        let serve = move || assert_eq!(server.serve(handle).unwrap().panicked, 0);
        Echo { addr, stop, server: Some(spawn(serve)) }
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.stop.cancel();
        self.server.take().unwrap().join().unwrap();
    }
}

/// How a client fared: the messages that came back whole, in order and once, and the error after them.
fn exchange(addr: SocketAddr, messages: u64, most: usize) -> (u64, Option<ErrorKind>) {
    let mut random = Random::new(messages + 1);
    let stream = TcpStream::connect(addr).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    for number in 0..messages {
        let data: Vec<u8> = (0..random.below(most)).map(|_| random.next() as u8).collect();
        let answer = send(&stream, number, &data).and_then(|()| receive(&stream));
        match answer {
            Ok(Some(answer)) => assert!(answer == (number, data), "message {number} came back wrong"),
            Ok(None) => return (number, Some(ErrorKind::UnexpectedEof)),
            Err(error) => return (number, Some(error.kind())),
        }
    }
    stream.shutdown(Shutdown::Write).unwrap();
    assert!(receive(&stream).unwrap().is_none(), "there is more than was asked for");
    (messages, None)
}

/// Runs the body in a process of its own, each way twice: the second time leaves as many descriptors and threads behind as the
/// first.
fn leaves_nothing(test: &str, body: fn()) {
    if !is_child() {
        good_child(test);
        return;
    }
    let run = move || {
        body();
        sinew::runtime::Handle::current().metrics()
    };
    each_way(move || drop(run()));
    let before = (entries("/proc/self/fd"), entries("/proc/self/task"));
    each_way(move || drop(run()));
    wait_until(|| entries("/proc/self/task") <= before.1);
    assert_eq!(entries("/proc/self/fd"), before.0);
}

#[test]
fn delays_and_cuts_change_nothing() {
    leaves_nothing("delays_and_cuts_change_nothing", || {
        let echo = Echo::new();
        let delay = Plan::Delay(Duration::from_millis(2));
        for (there, back, messages, most) in [
            (Plan::Pass, Plan::Pass, 100, 20_000),
            (delay, Plan::Pass, 10, 6_000),
            (Plan::Pass, delay, 10, 6_000),
            (Plan::Cut, Plan::Pass, 10, 2_000),
            (Plan::Pass, Plan::Cut, 10, 2_000),
            (Plan::Cut, delay, 5, 1_000),
        ] {
            let proxy = Proxy::new(echo.addr, there, back);
            let addr = proxy.addr;
            let clients: Vec<_> = (0..3).map(|_| spawn(move || exchange(addr, messages, most))).collect();
            for client in clients {
                assert_eq!(client.join().unwrap(), (messages, None), "{there:?} {back:?}");
            }
        }
    });
}

#[test]
fn a_stall_is_a_timeout_and_what_came_before_it_is_whole() {
    leaves_nothing("a_stall_is_a_timeout_and_what_came_before_it_is_whole", || {
        let echo = Echo::new();
        for (there, back) in [(Plan::Stall(5_000), Plan::Pass), (Plan::Pass, Plan::Stall(5_000))] {
            let proxy = Proxy::new(echo.addr, there, back);
            let (whole, error) = exchange(proxy.addr, 1_000, 200);
            assert_eq!(error, Some(ErrorKind::WouldBlock), "{there:?} {back:?}");
            assert!((25..1_000).contains(&whole), "{whole}");
        }
    });
}

#[test]
fn a_reset_is_told_and_what_came_before_it_is_whole() {
    leaves_nothing("a_reset_is_told_and_what_came_before_it_is_whole", || {
        let echo = Echo::new();
        for (there, back) in [(Plan::Reset(5_000), Plan::Pass), (Plan::Pass, Plan::Reset(5_000))] {
            let proxy = Proxy::new(echo.addr, there, back);
            let (whole, error) = exchange(proxy.addr, 1_000, 200);
            let told = [Some(ErrorKind::ConnectionReset), Some(ErrorKind::BrokenPipe)];
            assert!(told.contains(&error), "{there:?} {back:?}: {error:?}");
            assert!((25..1_000).contains(&whole), "{whole}");
        }
    });
}

#[test]
fn a_half_that_closes_is_an_end_within_a_message_and_the_other_goes_on() {
    leaves_nothing("a_half_that_closes_is_an_end_within_a_message_and_the_other_goes_on", || {
        let echo = Echo::new();
        // 5,007 bytes end within some message's head or data, whatever their lengths here.
        for (there, back) in [(Plan::HalfClose(5_007), Plan::Pass), (Plan::Pass, Plan::HalfClose(5_007))] {
            let proxy = Proxy::new(echo.addr, there, back);
            let (whole, error) = exchange(proxy.addr, 1_000, 200);
            assert_eq!(error, Some(ErrorKind::UnexpectedEof), "{there:?} {back:?}");
            assert!((25..1_000).contains(&whole), "{whole}");
        }
        // The answer comes although no more can be asked.
        let proxy = Proxy::new(echo.addr, Plan::HalfClose(20 + 9), Plan::Pass);
        let stream = TcpStream::connect(proxy.addr).unwrap();
        send(&stream, 0, b"last word").unwrap();
        assert_eq!(receive(&stream).unwrap(), Some((0, b"last word".to_vec())));
        assert!(receive(&stream).unwrap().is_none());
    });
}

#[test]
fn what_is_stalled_or_delayed_can_be_cancelled() {
    leaves_nothing("what_is_stalled_or_delayed_can_be_cancelled", || {
        let echo = Echo::new();
        for plan in [Plan::Stall(0), Plan::Delay(Duration::from_secs(3_600))] {
            let proxy = Proxy::new(echo.addr, plan, Plan::Pass);
            let addr = proxy.addr;
            let ended = sinew::time::timeout(Duration::from_millis(30), || {
                let stream = TcpStream::connect(addr).unwrap();
                send(&stream, 0, b"unheard").unwrap();
                receive(&stream).map(drop)
            });
            assert!(ended.is_err());
        }
    });
}

/// Each datagram is sent until its answer comes. The server answers each time, and takes each number once.
#[test]
fn datagrams_that_are_dropped_doubled_and_reordered_arrive_once() {
    leaves_nothing("datagrams_that_are_dropped_doubled_and_reordered_arrive_once", || {
        const COUNT: u64 = 100;
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let proxy = UdpProxy::new(server.local_addr().unwrap(), 7);
        let serving = spawn(move || {
            let (mut taken, mut doubled, mut buf) = (Vec::new(), 0, [0; 64]);
            while (taken.len() as u64) < COUNT {
                let (len, from) = server.recv_from(&mut buf).unwrap();
                assert_eq!(len, 16);
                let number = u64::from_le_bytes(buf[..8].try_into().unwrap());
                assert_eq!(buf[8..16], checksum(&buf[..8]).to_le_bytes());
                if taken.contains(&number) {
                    doubled += 1;
                } else {
                    taken.push(number);
                }
                server.send_to(&buf[..8], from).unwrap();
            }
            // The last answer may be lost on its way, so the client asks until it hears that this has ended.
            (taken, doubled)
        });
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.connect(proxy.addr).unwrap();
        client.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
        let mut answered = [false; COUNT as usize];
        let (mut rounds, mut buf) = (0, [0; 64]);
        while !serving.is_finished() {
            for number in (0..COUNT).filter(|&number| !answered[number as usize]) {
                let mut message = number.to_le_bytes().to_vec();
                message.extend_from_slice(&checksum(&message).to_le_bytes());
                client.send(&message).unwrap();
            }
            while let Ok(len) = client.recv(&mut buf) {
                assert_eq!(len, 8);
                let number = u64::from_le_bytes(buf[..8].try_into().unwrap());
                answered[number as usize] = true;
            }
            rounds += 1;
            // What was answered and yet not taken, as the answer was doubled: none.
            assert!(rounds < 1_000);
        }
        let (mut taken, doubled) = serving.join().unwrap();
        assert!(doubled > 0 && !taken.is_sorted(), "the proxy did nothing");
        taken.sort_unstable();
        assert!(taken.into_iter().eq(0..COUNT));
    });
}
