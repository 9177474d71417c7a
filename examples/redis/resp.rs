//! RESP2, in which Redis answers: replies are read as they come, by blocking reads, with limits on what a server can make
//! a client hold. The format is that of <https://redis.io/docs/latest/develop/reference/protocol-spec/>.

use std::io::{self, BufRead, ErrorKind, Read};

/// The longest line: a status, an error, a number.
const MAX_LINE: u64 = 64 * 1024;

/// The bytes of all strings of one reply.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// The values of one reply, those within arrays too.
const MAX_VALUES: u64 = 1024 * 1024;

/// How deep arrays may lie within each other.
const MAX_DEPTH: u32 = 8;

/// A reply, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// A short word of success, such as `OK`.
    Status(String),
    /// The server refuses; the text begins with a word in capitals that says in which way.
    Error(String),
    Integer(i64),
    /// A string of any bytes.
    Bulk(Vec<u8>),
    /// There is no such value.
    Nil,
    Array(Vec<Reply>),
}

/// Reads one reply, and nothing behind it.
///
/// # Errors
/// The stream's; `UnexpectedEof` if the stream ends before the reply does; `InvalidData` for what is no reply, or passes a limit.
/// After an error nobody knows where the next reply begins.
pub(crate) fn read_reply(input: &mut impl BufRead) -> io::Result<Reply> {
    Reader { input, bytes: MAX_BYTES, values: MAX_VALUES }.value(MAX_DEPTH)
}

/// Appends a command: an array of strings.
pub(crate) fn write_command(output: &mut Vec<u8>, command: &[impl AsRef<[u8]>]) {
    output.extend_from_slice(format!("*{}\r\n", command.len()).as_bytes());
    for part in command {
        let part = part.as_ref();
        output.extend_from_slice(format!("${}\r\n", part.len()).as_bytes());
        output.extend_from_slice(part);
        output.extend_from_slice(b"\r\n");
    }
}

fn invalid<T>(what: &str) -> io::Result<T> {
    Err(io::Error::new(ErrorKind::InvalidData, format!("not a reply of Redis: {what}")))
}

struct Reader<'a, R> {
    input: &'a mut R,
    /// How many bytes and values the reply may still have.
    bytes: u64,
    values: u64,
}

impl<R: BufRead> Reader<'_, R> {
    fn value(&mut self, depth: u32) -> io::Result<Reply> {
        if self.values == 0 {
            return invalid("it has too many values");
        }
        self.values -= 1;
        let line = self.line()?;
        let Some((&kind, text)) = line.split_first() else { return invalid("an empty line") };
        let text = || String::from_utf8_lossy(text);
        match kind {
            b'+' => Ok(Reply::Status(text().into_owned())),
            b'-' => Ok(Reply::Error(text().into_owned())),
            b':' => number(&text()).map(Reply::Integer),
            b'$' => match length(&text())? {
                None => Ok(Reply::Nil),
                Some(length) => self.bulk(length).map(Reply::Bulk),
            },
            b'*' => match length(&text())? {
                None => Ok(Reply::Nil),
                Some(_) if depth == 0 => invalid("arrays lie too deep within each other"),
                Some(count) if count > self.values => invalid("it has too many values"),
                // Room is made as the values come, not for what the server says will come.
                Some(count) => (0..count).map(|_| self.value(depth - 1)).collect::<io::Result<_>>().map(Reply::Array),
            },
            _ => invalid("a value of an unknown kind"),
        }
    }

    /// A line, without its end.
    fn line(&mut self) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        let longest = MAX_LINE.min(self.bytes);
        self.input.by_ref().take(longest).read_until(b'\n', &mut line)?;
        self.bytes -= line.len() as u64;
        match line.strip_suffix(b"\r\n") {
            Some(text) if text.contains(&b'\r') => invalid("a line with a carriage return in it"),
            Some(text) => Ok(text.to_vec()),
            None if line.len() as u64 == longest => invalid("a line is too long"),
            None if line.ends_with(b"\n") => invalid("a line without a carriage return"),
            None => Err(ErrorKind::UnexpectedEof.into()),
        }
    }

    fn bulk(&mut self, length: u64) -> io::Result<Vec<u8>> {
        let with_end = length + 2;
        if with_end > self.bytes {
            return invalid("it is too long");
        }
        self.bytes -= with_end;
        let mut bytes = Vec::new();
        self.input.by_ref().take(with_end).read_to_end(&mut bytes)?;
        if (bytes.len() as u64) < with_end {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        if !bytes.ends_with(b"\r\n") {
            return invalid("a string that is longer than it says");
        }
        bytes.truncate(bytes.len() - 2);
        Ok(bytes)
    }
}

fn number(text: &str) -> io::Result<i64> {
    match text.parse() {
        Ok(number) if !text.starts_with('+') => Ok(number),
        _ => invalid("a number that is none"),
    }
}

/// A length from 0, which `i64` keeps far from overflow; none for -1, which stands for no value.
fn length(text: &str) -> io::Result<Option<u64>> {
    match number(text)? {
        -1 => Ok(None),
        number => u64::try_from(number).map(Some).or_else(|_| invalid("a negative length")),
    }
}
