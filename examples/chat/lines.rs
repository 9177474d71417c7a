//! Lines of a limited length, made fit to be shown to others.

use std::io::{self, BufRead, BufReader, Read};

/// What a client has sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// Without its end, and without what could move a terminal's cursor.
    Text(String),
    /// It was longer than allowed, and is gone.
    TooLong,
}

/// Reads lines that end in `\n` or `\r\n`; the last may lack its end.
pub(crate) struct Lines<R> {
    reader: BufReader<R>,
    longest: usize,
}

impl<R: Read> Lines<R> {
    pub(crate) fn new(reader: R, longest: usize) -> Lines<R> {
        Lines { reader: BufReader::new(reader), longest }
    }

    /// The next line, `None` at the end. No more of a line is held than is allowed, however long it is.
    pub(crate) fn next(&mut self) -> io::Result<Option<Line>> {
        let mut line = Vec::new();
        let mut is_too_long = false;
        let mut came = false;
        loop {
            let bytes = match self.reader.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                bytes => bytes?,
            };
            let end = bytes.iter().position(|&byte| byte == b'\n');
            let part = &bytes[..end.unwrap_or(bytes.len())];
            came |= !bytes.is_empty();
            // One more than a line has, since that may be the `\r`.
            is_too_long |= line.len() + part.len() > self.longest + 1;
            if !is_too_long {
                line.extend_from_slice(part);
            }
            let is_last = end.is_some() || bytes.is_empty();
            let used = part.len() + usize::from(end.is_some());
            self.reader.consume(used);
            if is_last {
                break;
            }
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok(match came {
            false => None,
            true if is_too_long || line.len() > self.longest => Some(Line::TooLong),
            true => Some(Line::Text(clean(&line))),
        })
    }
}

fn clean(line: &[u8]) -> String {
    String::from_utf8_lossy(line).chars().map(|char| if char.is_control() { ' ' } else { char }).collect()
}
