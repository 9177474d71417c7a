//! Two clients: [`Client`] has its connection to itself; a [`Shared`] one is used by any number of threads at once, whose
//! commands it pipelines. Both are called in blocking style.

use std::io::{self, BufRead, BufReader, ErrorKind, Write};

use sinew::channel::{self, Receiver, Sender};
use sinew::io::{ReadHalf, WriteHalf, split};

use crate::resp::{Reply, read_reply, write_command};
use crate::socket::{Address, Socket};

/// A connection for one thread.
///
/// # Cancellation
/// A call that is cancelled may leave half a command, or a reply, in the connection: all later calls are refused.
pub(crate) struct Client {
    input: BufReader<ReadHalf<Socket>>,
    output: WriteHalf<Socket>,
    /// Whether a call has begun and not come to its end.
    in_midst: bool,
}

impl Client {
    pub(crate) fn connect(address: &Address) -> io::Result<Client> {
        let (input, output) = split(address.connect()?);
        Ok(Client { input: BufReader::new(input), output, in_midst: false })
    }

    /// Sends a command, and waits for its reply. That the server refuses it is a [`Reply::Error`].
    pub(crate) fn call(&mut self, command: &[impl AsRef<[u8]>]) -> io::Result<Reply> {
        let mut bytes = Vec::new();
        write_command(&mut bytes, command);
        self.whole(|client| {
            client.output.write_all(&bytes)?;
            read_reply(&mut client.input)
        })
    }

    /// Sends all commands together, and waits for their replies. Redis keeps those that are not yet read, so that it
    /// goes on reading commands meanwhile.
    pub(crate) fn pipeline(&mut self, commands: &[Vec<String>]) -> io::Result<Vec<Reply>> {
        let mut bytes = Vec::new();
        for command in commands {
            write_command(&mut bytes, command);
        }
        self.whole(|client| {
            client.output.write_all(&bytes)?;
            commands.iter().map(|_| read_reply(&mut client.input)).collect()
        })
    }

    /// Waits for what a server sends unasked, after `SUBSCRIBE`; none when it ends the connection.
    ///
    /// # Cancellation
    /// While nothing has come yet, without loss: the next call goes on.
    pub(crate) fn message(&mut self) -> io::Result<Option<Reply>> {
        if !self.in_midst && self.input.fill_buf()?.is_empty() {
            return Ok(None);
        }
        self.whole(|client| read_reply(&mut client.input)).map(Some)
    }

    fn whole<T>(&mut self, call: impl FnOnce(&mut Client) -> io::Result<T>) -> io::Result<T> {
        if self.in_midst {
            return Err(io::Error::other("an earlier call on this connection was cut short"));
        }
        self.in_midst = true;
        let result = call(self)?;
        self.in_midst = false;
        Ok(result)
    }
}

/// A connection for many threads. One thread writes: all commands that have come meanwhile together. Another reads, and
/// hands each reply to who waits for it, in the order of the commands. Both end with the value, once all is answered.
///
/// # Cancellation
/// A call that is cancelled is forgotten: its command is sent or not, and its reply goes nowhere. Other calls do not notice.
pub(crate) struct Shared {
    requests: Sender<Request>,
}

struct Request {
    command: Vec<u8>,
    reply: Sender<Reply>,
}

impl Shared {
    /// How many commands wait to be written, at most; further calls wait for room.
    const QUEUE: usize = 1024;

    /// The writer gathers about so many bytes.
    const GATHER: usize = 64 * 1024;

    pub(crate) fn connect(address: &Address) -> io::Result<Shared> {
        let (input, output) = split(address.connect()?);
        let (requests, to_write) = channel::bounded(Self::QUEUE);
        let (written, to_answer) = channel::unbounded();
        sinew::spawn(move || write_all(output, &to_write, &written));
        sinew::spawn(move || read_all(input, &to_answer));
        Ok(Shared { requests })
    }

    /// Sends a command, and waits for its reply. That the server refuses it is a [`Reply::Error`].
    pub(crate) fn call(&self, command: &[impl AsRef<[u8]>]) -> io::Result<Reply> {
        let mut bytes = Vec::new();
        write_command(&mut bytes, command);
        let ended = || io::Error::new(ErrorKind::ConnectionAborted, "the connection has ended");
        let (sender, reply) = channel::bounded(1);
        self.requests.send(Request { command: bytes, reply: sender }).map_err(|_| ended())?;
        reply.recv().map_err(|_| ended())
    }
}

/// Ends when nobody can ask any more, or the connection or its reader has ended.
fn write_all(mut output: WriteHalf<Socket>, requests: &Receiver<Request>, written: &Sender<Sender<Reply>>) {
    let mut bytes = Vec::new();
    while let Ok(first) = requests.recv() {
        let mut next = Some(first);
        while let Some(request) = next {
            bytes.extend_from_slice(&request.command);
            if written.send(request.reply).is_err() {
                return;
            }
            next = if bytes.len() < Shared::GATHER { requests.try_recv().ok() } else { None };
        }
        if output.write_all(&bytes).is_err() {
            break;
        }
        bytes.clear();
    }
    // The server answers what it has, and then ends the connection: so the reader ends, too.
    let _ = output.shutdown();
}

fn read_all(input: ReadHalf<Socket>, written: &Receiver<Sender<Reply>>) {
    let mut input = BufReader::new(input);
    while let Ok(waiting) = written.recv() {
        let Ok(reply) = read_reply(&mut input) else { return };
        // Who was cancelled waits no more.
        let _ = waiting.send(reply);
    }
}
