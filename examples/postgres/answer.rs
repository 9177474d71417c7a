//! What comes of a query: rows, or an error.

use std::fmt;
use std::io::{self, ErrorKind};

use fallible_iterator::FallibleIterator;
use postgres_protocol::message::backend::{DataRowBody, ErrorFields};

/// What went wrong. After `Io` the connection is of no more use.
#[derive(Debug)]
pub(crate) enum Error {
    /// The server refuses: the five characters of its code, and its words.
    Server {
        code: String,
        message: String,
    },
    /// The time was up, and the query was cancelled.
    TimedOut,
    Io(io::Error),
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Error {
        Error::Io(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Server { code, message } => write!(f, "{message} ({code})"),
            Error::TimedOut => write!(f, "the query took too long, and was cancelled"),
            Error::Io(error) => write!(f, "{error}"),
        }
    }
}

/// What a statement gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rows {
    pub(crate) columns: Vec<String>,
    /// Values as text; none for NULL.
    pub(crate) rows: Vec<Vec<Option<String>>>,
    /// What was done, such as `INSERT 0 1`.
    pub(crate) tag: String,
}

/// The values of a row, as text.
pub(crate) fn values(row: &DataRowBody) -> Result<Vec<Option<String>>, Error> {
    let bytes = row.buffer();
    let text = |range| String::from_utf8_lossy(&bytes[range]).into_owned();
    Ok(row.ranges().map(|range| Ok(range.map(text))).collect()?)
}

/// What the server says when it refuses.
pub(crate) fn refusal(mut fields: ErrorFields<'_>) -> io::Result<Error> {
    let (mut code, mut message) = (String::new(), String::new());
    while let Some(field) = fields.next()? {
        let value = || String::from_utf8_lossy(field.value_bytes()).into_owned();
        match field.type_() {
            b'C' => code = value(),
            b'M' => message = value(),
            _ => {}
        }
    }
    Ok(Error::Server { code, message })
}

/// What was sent is not what the protocol has there, or passes a limit.
pub(crate) fn unexpected(what: &str) -> Error {
    Error::Io(io::Error::new(ErrorKind::InvalidData, format!("the server is not understood: {what}")))
}
