//! tokio as an HTTP server: one task a connection, which does what the example's connection does. A read that must wait has a
//! deadline of 30 s by `tokio::time::timeout`, which tries the read first, as sinew does, and so has a write.

use std::future::Future;
use std::io::{self, ErrorKind};
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::connection::{GATHER, Limits};
use super::files::{Answer, Site};
use super::input::Input;
use super::request::{Head, Next};
use super::response;
use crate::host::listening;
use crate::peers::on_tokio::Flavour;

pub fn serve(flavour: Flavour) {
    let accept = async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        listening(listener.local_addr());
        let site = Arc::new(Site::greeting());
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            let site = site.clone();
            tokio::spawn(async move {
                let _ = Connection { stream, input: Input::default(), output: Vec::new() }.run(&site).await;
            });
        }
    };
    let _: Result<(), _> = flavour.build().block_on(async move { tokio::spawn(accept).await });
}

struct Connection {
    stream: TcpStream,
    input: Input,
    output: Vec<u8>,
}

impl Connection {
    async fn run(mut self, site: &Site) -> io::Result<()> {
        self.stream.set_nodelay(true)?;
        loop {
            match Head::parse(self.input.bytes()) {
                Ok(Next::Request(head)) => {
                    self.input.consume(head.length);
                    let keep_alive = head.keep_alive;
                    match site.answer(&head) {
                        Answer::Short(short) => response::short(&mut self.output, &head, &short),
                        Answer::File(_) => unreachable!("no folder is served"),
                    }
                    self.skip_body(&head).await?;
                    if !keep_alive {
                        return self.flush().await;
                    }
                    if self.output.len() >= GATHER {
                        self.flush().await?;
                    }
                }
                Ok(Next::Incomplete) => {
                    self.flush().await?;
                    if !self.fill().await? {
                        return Ok(());
                    }
                }
                Err(refusal) => {
                    response::refusal(&mut self.output, refusal);
                    return self.flush().await;
                }
            }
        }
    }

    async fn skip_body(&mut self, head: &Head) -> io::Result<()> {
        let mut left = head.body;
        loop {
            let here = left.min(self.input.bytes().len());
            self.input.consume(here);
            left -= here;
            if left == 0 {
                return Ok(());
            }
            self.flush().await?;
            if !self.fill().await? {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
    }

    async fn fill(&mut self) -> io::Result<bool> {
        let length = within(self.stream.read(self.input.room())).await?;
        self.input.add(length);
        Ok(length > 0)
    }

    async fn flush(&mut self) -> io::Result<()> {
        if !self.output.is_empty() {
            within(self.stream.write_all(&self.output)).await?;
            self.output.clear();
            self.output.shrink_to(GATHER);
        }
        Ok(())
    }
}

async fn within<T>(call: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(Limits::DEFAULT.idle, call).await.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))
}
