//! Reading an answer: its head by `httparse`, its body by RFC 9112, section 6.3: by its length, in chunks, or to the end
//! of the connection.

use std::fmt;
use std::io::{self, BufRead, ErrorKind, Read};

/// The longest head, and the most fields in it; also what may follow the last chunk.
const MAX_HEAD: usize = 32 * 1024;
const MAX_FIELDS: usize = 100;

/// The longest line before a chunk.
const MAX_LINE: usize = 1024;

/// How many answers may announce the one that counts, as `100 Continue` does.
const MAX_INTERIM: usize = 10;

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) location: Option<String>,
    pub(crate) is_html: bool,
    pub(crate) body: Vec<u8>,
    /// Whether another request may follow on the same connection.
    pub(crate) reusable: bool,
}

/// Why there is none.
#[derive(Debug)]
pub(crate) enum Error {
    Io(io::Error),
    /// The connection ended before anything came.
    Nothing,
    Malformed(&'static str),
    TooLong,
}

const BROKEN_OFF: Error = Error::Malformed("the answer breaks off");

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Error {
        match error.kind() {
            ErrorKind::UnexpectedEof => BROKEN_OFF,
            _ => Error::Io(error),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Io(error) => error.fmt(f),
            Error::Nothing => f.write_str("the server ended the connection"),
            Error::Malformed(what) => f.write_str(what),
            Error::TooLong => f.write_str("the answer is too long"),
        }
    }
}

impl Response {
    /// Reads the answer to a GET; a body of more than `longest` bytes is an error.
    pub(crate) fn read(reader: &mut impl BufRead, longest: u64) -> Result<Response, Error> {
        for _ in 0..MAX_INTERIM {
            let head = Head::read(reader)?;
            if !(100..200).contains(&head.status) {
                return head.with_body(reader, longest);
            }
        }
        Err(Error::Malformed("too many answers announce another"))
    }
}

enum Length {
    Known(u64),
    Chunked,
    UntilEnd,
}

struct Head {
    status: u16,
    location: Option<String>,
    is_html: bool,
    length: Length,
    keep_alive: bool,
}

impl Head {
    fn read(reader: &mut impl BufRead) -> Result<Head, Error> {
        let mut bytes = Vec::new();
        let mut limited = reader.take(MAX_HEAD as u64);
        loop {
            let old = bytes.len();
            if limited.read_until(b'\n', &mut bytes)? == 0 {
                return Err(match (bytes.len(), limited.limit()) {
                    (0, _) => Error::Nothing,
                    (_, 0) => Error::TooLong,
                    _ => BROKEN_OFF,
                });
            }
            // An empty line ends the head; before the first line it says nothing.
            if matches!(&bytes[old..], b"\r\n" | b"\n")
                && old > 0
                && bytes[..old].iter().any(|byte| !b"\r\n".contains(byte))
            {
                break;
            }
        }
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut response = httparse::Response::new(&mut fields);
        match response.parse(&bytes) {
            Ok(httparse::Status::Complete(_)) => Head::understand(&response),
            _ => Err(Error::Malformed("this is no answer by HTTP")),
        }
    }

    fn understand(response: &httparse::Response<'_, '_>) -> Result<Head, Error> {
        let status = response.code.unwrap_or_default();
        let (mut length, mut is_coded, mut is_chunked) = (None, false, false);
        let mut keep_alive = response.version == Some(1);
        let (mut location, mut is_html) = (None, false);
        for field in response.headers.iter() {
            let value = field.value.trim_ascii();
            match field.name.to_ascii_lowercase().as_str() {
                "content-length" => {
                    let digits =
                        str::from_utf8(value).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
                    let number = digits.and_then(|digits| digits.parse().ok());
                    let number: u64 = number.ok_or(Error::Malformed("the length is no number"))?;
                    if length.replace(number).is_some_and(|other| other != number) {
                        return Err(Error::Malformed("two lengths are given"));
                    }
                }
                "transfer-encoding" => {
                    is_chunked = value.eq_ignore_ascii_case(b"chunked") && !is_coded;
                    is_coded = true;
                }
                "connection" => {
                    for token in value.split(|&byte| byte == b',') {
                        keep_alive &= !token.trim_ascii().eq_ignore_ascii_case(b"close");
                    }
                }
                "location" => location = str::from_utf8(value).ok().map(str::to_owned),
                "content-type" => {
                    let kind = value.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
                    is_html = [&b"text/html"[..], b"application/xhtml+xml"]
                        .iter()
                        .any(|html| kind.eq_ignore_ascii_case(html));
                }
                _ => {}
            }
        }
        let length = match (status, length) {
            (100..200 | 204 | 304, _) => Length::Known(0),
            (_, Some(_)) if is_coded => return Err(Error::Malformed("the body has a length and a coding")),
            _ if is_chunked => Length::Chunked,
            _ if is_coded => return Err(Error::Malformed("the body has a coding that nobody asked for")),
            (_, Some(length)) => Length::Known(length),
            _ => Length::UntilEnd,
        };
        Ok(Head { status, location, is_html, length, keep_alive })
    }

    fn with_body(self, reader: &mut impl BufRead, longest: u64) -> Result<Response, Error> {
        let mut body = Vec::new();
        match self.length {
            Length::Known(length) => read_part(reader, &mut body, length, longest)?,
            Length::Chunked => read_chunks(reader, &mut body, longest)?,
            Length::UntilEnd => {
                reader.take(longest).read_to_end(&mut body)?;
                if !reader.fill_buf()?.is_empty() {
                    return Err(Error::TooLong);
                }
            }
        }
        Ok(Response {
            status: self.status,
            location: self.location,
            is_html: self.is_html,
            body,
            reusable: self.keep_alive && !matches!(self.length, Length::UntilEnd),
        })
    }
}

/// Reads so many bytes behind those that there are, if they are not too many together.
fn read_part(reader: &mut impl BufRead, body: &mut Vec<u8>, length: u64, longest: u64) -> Result<(), Error> {
    if length > longest - body.len() as u64 {
        return Err(Error::TooLong);
    }
    // No memory is set aside for what is only promised.
    match reader.take(length).read_to_end(body)? as u64 == length {
        true => Ok(()),
        false => Err(BROKEN_OFF),
    }
}

fn read_chunks(reader: &mut impl BufRead, body: &mut Vec<u8>, longest: u64) -> Result<(), Error> {
    loop {
        let line = read_line(reader, &mut MAX_LINE.clone())?;
        let digits = line.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
        // `from_str_radix` alone would take a sign.
        let digits = str::from_utf8(digits).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let length = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
        let length = length.ok_or(Error::Malformed("a chunk's length is no number"))?;
        if length == 0 {
            break;
        }
        read_part(reader, body, length, longest)?;
        if !read_line(reader, &mut MAX_LINE.clone())?.is_empty() {
            return Err(Error::Malformed("a chunk is longer than its length"));
        }
    }
    // Fields behind the last chunk, of which none is of interest here.
    let mut left = MAX_HEAD;
    while !read_line(reader, &mut left)?.is_empty() {}
    Ok(())
}

/// Reads a line without its end; `left` bytes may still be read so.
fn read_line(reader: &mut impl BufRead, left: &mut usize) -> Result<Vec<u8>, Error> {
    let mut line = Vec::new();
    *left -= reader.take(*left as u64).read_until(b'\n', &mut line)?;
    match line.pop() {
        Some(b'\n') => {
            if line.last() == Some(&b'\r') {
                line.pop();
            }
            Ok(line)
        }
        _ if *left == 0 => Err(Error::TooLong),
        _ => Err(BROKEN_OFF),
    }
}
