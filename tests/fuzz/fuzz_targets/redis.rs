//! The `redis` example's replies: they mean the same however they come, are read to their last byte and no further, and
//! come back from being written; commands are what a server would read.
#![no_main]

#[path = "../../../examples/redis/resp.rs"]
mod resp;

use std::io::{BufReader, ErrorKind, Read};

use libfuzzer_sys::fuzz_target;
use resp::{Reply, read_reply, write_command};
use sinew_fuzz::{Pieces, split};

fuzz_target!(|input: &[u8]| {
    let (sizes, bytes) = split(input);
    let whole = read(&[], 8192, bytes);
    assert_eq!(read(sizes, 8192, bytes), whole);
    assert_eq!(read(sizes, 16, bytes), whole);
    if let (Ok(reply), rest) = &whole {
        let used = &bytes[..bytes.len() - rest.len()];
        assert_eq!(read(&[], 8192, used), (Ok(reply.clone()), Vec::new()));
        assert_eq!(read(&[], 8192, &used[..used.len() - 1]).0, Err(ErrorKind::UnexpectedEof));
        let mut written = Vec::new();
        write(reply, &mut written);
        assert_eq!(read(&[], 8192, &written), (Ok(reply.clone()), Vec::new()));
    }

    let words: Vec<_> = bytes.split(|&byte| byte == b' ').collect();
    let mut command = Vec::new();
    write_command(&mut command, &words);
    let expected = words.iter().map(|word| Reply::Bulk(word.to_vec())).collect();
    assert_eq!(read(sizes, 16, &command), (Ok(Reply::Array(expected)), Vec::new()));
});

/// A reply, and what is left behind it; behind an error that says nothing.
fn read(sizes: &[u8], capacity: usize, bytes: &[u8]) -> (Result<Reply, ErrorKind>, Vec<u8>) {
    let mut reader = BufReader::with_capacity(capacity, Pieces::new(sizes, bytes));
    let reply = read_reply(&mut reader).map_err(|error| error.kind());
    let mut rest = Vec::new();
    if reply.is_ok() {
        reader.read_to_end(&mut rest).expect("memory can be read");
    }
    (reply, rest)
}

/// Writes a reply as a server does.
fn write(reply: &Reply, out: &mut Vec<u8>) {
    match reply {
        Reply::Status(text) => out.extend(format!("+{text}\r\n").bytes()),
        Reply::Error(text) => out.extend(format!("-{text}\r\n").bytes()),
        Reply::Integer(number) => out.extend(format!(":{number}\r\n").bytes()),
        Reply::Bulk(bytes) => {
            out.extend(format!("${}\r\n", bytes.len()).bytes());
            out.extend(bytes);
            out.extend(b"\r\n");
        }
        Reply::Nil => out.extend(b"$-1\r\n"),
        Reply::Array(values) => {
            out.extend(format!("*{}\r\n", values.len()).bytes());
            values.iter().for_each(|value| write(value, out));
        }
    }
}
