//! An echo server on loopback and its clients: every byte that is waited for comes back, whoever else closes, is cancelled or gives up in the middle.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use sinew::net::{TcpListener, TcpStream};
use sinew::thread;

use crate::actor::Actor;
use crate::stage::{End, Part, Setting, Stage};

/// The server closes a connection on which this byte comes, after it has echoed what came before it.
const CLOSE: u8 = 0xff;

struct Echo {
    listener: TcpListener,
    address: SocketAddr,
    /// Threads that serve a connection.
    serving: Arc<AtomicI64>,
}

pub(crate) fn stage(_: &mut Setting) -> Arc<dyn Stage> {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    Arc::new(Echo { listener, address, serving: Arc::default() })
}

impl Stage for Echo {
    fn parts(self: Arc<Self>) -> Vec<Part> {
        let address = self.address;
        vec![
            Part::new(
                "client",
                4,
                move |_| Client { address, open: None },
                &[
                    ("exchange", Client::exchange),
                    ("exchange", Client::exchange),
                    ("exchange", Client::exchange),
                    ("time out", Client::time_out),
                    ("close in the middle", Client::close),
                    ("be closed", Client::be_closed),
                    ("close", |client, _| client.open = None),
                ],
            ),
            Part::new("acceptor", 2, move |_| Arc::clone(&self), &[("accept", accept)]).ends(End::Cancelled),
        ]
    }

    fn check(&self) -> Result<(), String> {
        match self.serving.load(Ordering::SeqCst) {
            0 => Ok(()),
            left => Err(format!("{left} connections are served still")),
        }
    }
}

/// A connection is served, however that ends.
struct Serving(Arc<AtomicI64>);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn accept(stage: &mut Arc<Echo>, actor: &mut Actor) {
    match stage.listener.accept() {
        Ok((stream, _)) => {
            stage.serving.fetch_add(1, Ordering::SeqCst);
            let serving = Serving(Arc::clone(&stage.serving));
            drop(thread::spawn(move || {
                let _serving = serving;
                serve(stream);
            }));
        }
        // The client has gone again.
        Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
        Err(error) => actor.check(false, || format!("accept: {error}")),
    }
}

/// Errors are those of a client that has gone; one that has not tells of what it misses.
fn serve(mut stream: TcpStream) {
    let mut buffer = [0; 512];
    while let Ok(length @ 1..) = stream.read(&mut buffer) {
        let echoed = buffer[..length].iter().position(|&byte| byte == CLOSE);
        if stream.write_all(&buffer[..echoed.unwrap_or(length)]).is_err() || echoed.is_some() {
            return;
        }
    }
}

/// A client's own.
struct Client {
    address: SocketAddr,
    open: Option<TcpStream>,
}

impl Client {
    /// The connection that it has, or a new one.
    fn stream(&mut self, actor: &Actor) -> Option<&mut TcpStream> {
        if self.open.is_none() {
            match TcpStream::connect(self.address).and_then(|stream| stream.set_nodelay(true).map(|()| stream)) {
                Ok(stream) => self.open = Some(stream),
                Err(error) => actor.check(false, || format!("connect: {error}")),
            }
        }
        self.open.as_mut()
    }

    fn message(actor: &mut Actor) -> Vec<u8> {
        let length = 1 + actor.random.below(2_000);
        (0..length).map(|_| actor.random.below(usize::from(CLOSE)) as u8).collect()
    }

    /// Sends one message and waits for all of it. If it is cancelled on the way, the connection goes with it.
    fn exchange(&mut self, actor: &mut Actor) {
        let sent = Self::message(actor);
        let Some(stream) = self.stream(actor) else { return };
        let mut got = vec![0; sent.len()];
        let result = stream.write_all(&sent).and_then(|()| stream.read_exact(&mut got));
        actor.check(result.is_ok(), || format!("an exchange of {} bytes: {result:?}", sent.len()));
        actor.check(got == sent, || format!("of {} bytes some came back wrong", sent.len()));
    }

    /// Waits for what nobody sends.
    fn time_out(&mut self, actor: &mut Actor) {
        let time = Duration::from_micros(1) + actor.random.micros(2_000);
        let Some(stream) = self.stream(actor) else { return };
        let result = stream.set_read_timeout(Some(time)).and_then(|()| stream.read(&mut [0; 8]));
        let expected = |error: &std::io::Error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
        actor.check(result.as_ref().is_err_and(expected), || format!("{result:?} came where nothing was sent"));
        let reset = stream.set_read_timeout(None);
        actor.check(reset.is_ok(), || "a timeout could not be taken back".into());
    }

    /// Goes before all has come back.
    fn close(&mut self, actor: &mut Actor) {
        let sent = Self::message(actor);
        let Some(stream) = self.stream(actor) else { return };
        let written = stream.write_all(&sent);
        actor.check(written.is_ok(), || format!("write: {written:?}"));
        if actor.random.one_in(2) {
            let read = stream.read(&mut [0; 16]);
            actor.check(read.is_ok(), || format!("read: {read:?}"));
        }
        if actor.random.one_in(2) {
            let shut = stream.shutdown(Shutdown::Write);
            actor.check(shut.is_ok(), || format!("shutdown: {shut:?}"));
            let mut rest = Vec::new();
            let read = stream.read_to_end(&mut rest);
            actor.check(read.is_ok() && sent.ends_with(&rest), || format!("after a shutdown: {read:?}"));
        }
        self.open = None;
    }

    /// The server goes.
    fn be_closed(&mut self, actor: &mut Actor) {
        let mut sent = Self::message(actor);
        sent.push(CLOSE);
        let Some(stream) = self.stream(actor) else { return };
        let mut got = Vec::new();
        let result = stream.write_all(&sent).and_then(|()| stream.read_to_end(&mut got));
        actor.check(result.is_ok() && got == sent[..sent.len() - 1], || format!("before a close: {result:?}"));
        self.open = None;
    }
}
