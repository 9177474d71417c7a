//! Writing answers into a connection's output.

use super::date::with_http_date;
use super::files::{Opened, Short};
use super::request::{Head, Refusal};

/// A short answer, with its body unless the method is HEAD.
pub(crate) fn short(out: &mut Vec<u8>, head: &Head, short: &Short) {
    status(out, short.status);
    if let Some((name, value)) = &short.field {
        field(out, name, value);
    }
    entity(out, "text/plain; charset=utf-8", short.body.len() as u64);
    connection(out, head);
    if head.wants_body {
        write(out, &[&short.body]);
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
    write(out, &["\r\n", refusal.0, "\n"]);
}

fn status(out: &mut Vec<u8>, status: &str) {
    write(out, &["HTTP/1.1 ", status, "\r\n"]);
    with_http_date(|date| field(out, "Date", date));
}

fn entity(out: &mut Vec<u8>, kind: &str, length: u64) {
    field(out, "Content-Type", kind);
    field(out, "Content-Length", decimal(length, &mut [0; 20]));
}

/// Says how the connection goes on where the version does not say it, and ends the head.
fn connection(out: &mut Vec<u8>, head: &Head) {
    if !head.keep_alive {
        field(out, "Connection", "close");
    } else if head.is_old {
        field(out, "Connection", "keep-alive");
    }
    write(out, &["\r\n"]);
}

fn field(out: &mut Vec<u8>, name: &str, value: &str) {
    write(out, &[name, ": ", value, "\r\n"]);
}

fn write(out: &mut Vec<u8>, parts: &[&str]) {
    parts.iter().for_each(|part| out.extend_from_slice(part.as_bytes()));
}

/// The number's digits, without what formatting in general costs.
fn decimal(mut number: u64, digits: &mut [u8; 20]) -> &str {
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return str::from_utf8(&digits[first..]).expect("digits are ASCII");
        }
    }
}
