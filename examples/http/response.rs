//! Writing answers into a connection's output.

use std::fmt::Display;
use std::io::Write;

use crate::date::http_date;
use crate::files::{Opened, Short};
use crate::request::{Head, Refusal};

/// A short answer, with its body unless the method is HEAD.
pub(crate) fn short(out: &mut Vec<u8>, head: &Head, short: &Short) {
    status(out, short.status);
    if let Some((name, value)) = &short.field {
        field(out, name, value);
    }
    entity(out, "text/plain; charset=utf-8", short.body.len() as u64);
    connection(out, head);
    if head.wants_body {
        out.extend_from_slice(short.body.as_bytes());
    }
}

/// All of a file's answer but the file itself.
pub(crate) fn head_of_file(out: &mut Vec<u8>, head: &Head, file: &Opened) {
    status(out, "200 OK");
    field(out, "X-Content-Type-Options", "nosniff");
    entity(out, file.kind, file.length);
    connection(out, head);
}

/// The answer that ends a connection.
pub(crate) fn refusal(out: &mut Vec<u8>, refusal: Refusal) {
    status(out, refusal.0);
    entity(out, "text/plain; charset=utf-8", refusal.0.len() as u64 + 1);
    field(out, "Connection", "close");
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(refusal.0.as_bytes());
    out.push(b'\n');
}

fn status(out: &mut Vec<u8>, status: &str) {
    write(out, format_args!("HTTP/1.1 {status}\r\n"));
    field(out, "Date", http_date());
}

fn entity(out: &mut Vec<u8>, kind: &str, length: u64) {
    field(out, "Content-Type", kind);
    field(out, "Content-Length", length);
}

/// Says how the connection goes on where the version does not say it, and ends the head.
fn connection(out: &mut Vec<u8>, head: &Head) {
    if !head.keep_alive {
        field(out, "Connection", "close");
    } else if head.is_old {
        field(out, "Connection", "keep-alive");
    }
    out.extend_from_slice(b"\r\n");
}

fn field(out: &mut Vec<u8>, name: &str, value: impl Display) {
    write(out, format_args!("{name}: {value}\r\n"));
}

fn write(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a Vec takes every write");
}
