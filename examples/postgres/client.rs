//! One connection to PostgreSQL in blocking style. The crate `postgres-protocol` knows how messages look; their order is
//! that of <https://www.postgresql.org/docs/current/protocol-flow.html>.

use std::io::{self, ErrorKind, Read, Write};
use std::time::Duration;

use bytes::BytesMut;
use fallible_iterator::FallibleIterator;
use postgres_protocol::IsNull;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::backend::{Header, Message};
use postgres_protocol::message::frontend;
use sinew::cancel::shield;
use sinew::time::timeout;

use crate::answer::{Error, Rows, refusal, unexpected, values};
use crate::socket::{Address, Socket};

/// The longest message that is taken from a server, in bytes, and the most bytes of rows in one answer.
const MAX_MESSAGE: usize = 64 * 1024 * 1024;
const MAX_ROWS: usize = 256 * 1024 * 1024;

/// How long a server may take to end a query that was cancelled.
const GRACE: Duration = Duration::from_secs(10);

/// After how long it is asked again.
const AGAIN: Duration = Duration::from_millis(250);

/// A connection.
///
/// # Cancellation
/// A call that is cancelled from outside leaves its answer in the connection: later calls are refused. [`within`](Self::within)
/// ends a query and keeps the connection.
pub(crate) struct Client {
    socket: Socket,
    address: Address,
    input: BytesMut,
    /// What a request to cancel shows to the server.
    key: (i32, i32),
    /// Whether a question was begun, and its answer has not come to its end.
    in_midst: bool,
}

impl Client {
    /// Opens a connection, and says who asks. The password is sent by SCRAM-SHA-256 alone, which does not show it.
    pub(crate) fn connect(address: &Address, user: &str, password: &str, database: &str) -> Result<Client, Error> {
        let (socket, input) = (address.connect()?, BytesMut::new());
        let mut client = Client { socket, address: address.clone(), input, key: (0, 0), in_midst: false };
        client.send(|output| {
            let parameters = [("user", user), ("database", database), ("client_encoding", "UTF8")];
            frontend::startup_message(parameters, output)
        })?;
        let mut scram = ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported());
        // A server that asks for the password has to prove that it knows it, too.
        let mut proved = None;
        loop {
            match client.receive()? {
                Message::AuthenticationSasl(body) => {
                    if !body.mechanisms().any(|name| Ok(name == SCRAM_SHA_256))? {
                        return Err(unexpected("it asks for no way to authenticate that is known here"));
                    }
                    proved = Some(false);
                    client.send(|output| frontend::sasl_initial_response(SCRAM_SHA_256, scram.message(), output))?;
                }
                Message::AuthenticationSaslContinue(body) if proved == Some(false) => {
                    scram.update(body.data())?;
                    client.send(|output| frontend::sasl_response(scram.message(), output))?;
                }
                Message::AuthenticationSaslFinal(body) if proved == Some(false) => {
                    scram.finish(body.data())?;
                    proved = Some(true);
                }
                Message::AuthenticationOk if proved != Some(false) => {}
                Message::BackendKeyData(body) => client.key = (body.process_id(), body.secret_key()),
                Message::ReadyForQuery(_) => break,
                Message::ErrorResponse(body) => return Err(refusal(body.fields())?),
                _ => return Err(unexpected("it asks for a way to authenticate that is not known here")),
            }
        }
        client.in_midst = false;
        Ok(client)
    }

    /// Has the server run statements, between semicolons, by the simple protocol.
    pub(crate) fn simple(&mut self, statements: &str) -> Result<Vec<Rows>, Error> {
        self.ask(|output| frontend::query(statements, output))
    }

    /// Has the server run one statement with parameters, `$1` and so on, by the extended protocol. None is NULL.
    pub(crate) fn query(&mut self, statement: &str, parameters: &[Option<&str>]) -> Result<Rows, Error> {
        let answer = self.ask(|output| {
            frontend::parse("", statement, [], output)?;
            let text = |value: &Option<&str>, output: &mut BytesMut| match value {
                None => Ok(IsNull::Yes),
                Some(value) => {
                    output.extend_from_slice(value.as_bytes());
                    Ok(IsNull::No)
                }
            };
            frontend::bind("", "", [], parameters, text, [], output).map_err(|error| match error {
                frontend::BindError::Serialization(error) => error,
                frontend::BindError::Conversion(error) => io::Error::other(error),
            })?;
            frontend::describe(b'P', "", output)?;
            frontend::execute("", 0, output)?;
            frontend::sync(output);
            Ok(())
        })?;
        Ok(answer.into_iter().next().unwrap_or_default())
    }

    /// Runs queries, and when they take longer has the server end the one that runs; then the connection can be used again.
    pub(crate) fn within<T>(
        &mut self,
        time: Duration,
        queries: impl FnOnce(&mut Client) -> Result<T, Error>,
    ) -> Result<T, Error> {
        timeout(time, || queries(self)).unwrap_or_else(|_| {
            timeout(GRACE, || self.end_query()).map_err(io::Error::from)??;
            Err(Error::TimedOut)
        })
    }

    /// Asks by a connection of its own that the query ends, and reads the rest of its answer.
    fn end_query(&mut self) -> Result<(), Error> {
        // A request that comes before the server has begun with the query does nothing.
        while self.in_midst {
            let mut request = BytesMut::new();
            frontend::cancel_request(self.key.0, self.key.1, &mut request);
            let other = self.address.connect()?;
            (&other).write_all(&request)?;
            // It ends when the request has been dealt with, which so cannot hit a later query.
            io::copy(&mut &other, &mut io::sink())?;
            let rest = || -> Result<(), Error> {
                while !matches!(self.receive()?, Message::ReadyForQuery(_)) {}
                self.in_midst = false;
                Ok(())
            };
            timeout(AGAIN, rest).unwrap_or(Ok(()))?;
        }
        Ok(())
    }

    fn ask(&mut self, question: impl FnOnce(&mut BytesMut) -> io::Result<()>) -> Result<Vec<Rows>, Error> {
        if self.in_midst {
            return Err(Error::Io(io::Error::other("an earlier query on this connection was cut short")));
        }
        self.send(question)?;
        let (mut answer, mut rows, mut room, mut failure) = (Vec::new(), Rows::default(), MAX_ROWS, None);
        loop {
            match self.receive()? {
                Message::RowDescription(body) => {
                    rows.columns = body.fields().map(|field| Ok(field.name().to_owned())).collect()?;
                }
                Message::DataRow(body) => {
                    room = room.checked_sub(body.buffer().len()).ok_or_else(|| unexpected("its answer is too long"))?;
                    rows.rows.push(values(&body)?);
                }
                Message::CommandComplete(body) => {
                    rows.tag = body.tag()?.to_owned();
                    answer.push(std::mem::take(&mut rows));
                }
                Message::CopyInResponse(_) => {
                    self.send(|output| frontend::copy_fail("this client has nothing to copy", output))?;
                }
                // Only then is the server ready for another question.
                Message::ErrorResponse(body) => failure = Some(refusal(body.fields())?),
                Message::ReadyForQuery(_) => break,
                _ => {}
            }
        }
        self.in_midst = false;
        failure.map_or(Ok(answer), Err)
    }

    fn send(&mut self, write: impl FnOnce(&mut BytesMut) -> io::Result<()>) -> io::Result<()> {
        let mut output = BytesMut::new();
        write(&mut output)?;
        self.in_midst = true;
        // Of half a message the server would await the rest, and so not come to its end when it is asked to.
        shield(|| timeout(GRACE, || (&self.socket).write_all(&output)))?
    }

    /// The next message that is an answer.
    fn receive(&mut self) -> Result<Message, Error> {
        loop {
            if Header::parse(&self.input)?.is_some_and(|header| header.len() as usize > MAX_MESSAGE) {
                return Err(unexpected("a message is too long"));
            }
            match Message::parse(&mut self.input)? {
                Some(Message::NoticeResponse(_) | Message::ParameterStatus(_) | Message::NotificationResponse(_)) => {}
                Some(message) => return Ok(message),
                None => {
                    // A server that is faster than this thread never has it wait: others get their turn, and a timeout too.
                    sinew::yield_now();
                    let mut room = [0; 8 * 1024];
                    match (&self.socket).read(&mut room)? {
                        0 => return Err(Error::Io(ErrorKind::UnexpectedEof.into())),
                        length => self.input.extend_from_slice(&room[..length]),
                    }
                }
            }
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if self.in_midst {
            // The server may not read what it has, and this would wait for it. It notices the end of the connection.
            return;
        }
        let mut output = BytesMut::new();
        frontend::terminate(&mut output);
        let _ = (&self.socket).write(&output);
    }
}
