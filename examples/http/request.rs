//! Reading a request's head: what is asked, how long its body is, and whether the connection lives on. `httparse` takes
//! the head apart; what it means, and what is refused, is decided here by RFC 9110 and RFC 9112.

use std::mem::MaybeUninit;

/// The longest head, and the most fields in it.
const MAX_HEAD: usize = 16 * 1024;
const MAX_FIELDS: usize = 64;

/// The longest target.
const MAX_TARGET: usize = 4 * 1024;

/// The longest body that is read and skipped.
const MAX_BODY: u64 = 1024 * 1024;

/// A request that is refused: its status line. The connection ends with it, since where the next request would begin
/// is no longer certain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal(pub(crate) &'static str);

impl Refusal {
    pub(crate) const BAD: Refusal = Refusal("400 Bad Request");
    pub(crate) const TIMEOUT: Refusal = Refusal("408 Request Timeout");
    pub(crate) const BODY_TOO_LONG: Refusal = Refusal("413 Content Too Large");
    pub(crate) const TARGET_TOO_LONG: Refusal = Refusal("414 URI Too Long");
    pub(crate) const EXPECTATION: Refusal = Refusal("417 Expectation Failed");
    pub(crate) const HEAD_TOO_LONG: Refusal = Refusal("431 Request Header Fields Too Large");
    pub(crate) const CODING: Refusal = Refusal("501 Not Implemented");
    pub(crate) const VERSION: Refusal = Refusal("505 HTTP Version Not Supported");
}

/// What a client may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Head,
    Other,
}

/// A request's head, understood.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) method: Method,
    pub(crate) target: String,
    pub(crate) keep_alive: bool,
    /// HTTP/1.0, whose clients must be told that the connection lives on.
    pub(crate) is_old: bool,
    pub(crate) expects_continue: bool,
    /// Whether the answer has a body: not for HEAD.
    pub(crate) wants_body: bool,
    /// Bytes of body behind the head.
    pub(crate) body: usize,
    /// Bytes of the head itself.
    pub(crate) length: usize,
}

/// What the bytes that have come amount to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Incomplete,
    Request(Head),
}

impl Head {
    /// Reads the head that `bytes` begins with.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Next, Refusal> {
        // Not set beforehand: 2 KiB of each connection's stack would be written for every request.
        let mut fields = [const { MaybeUninit::uninit() }; MAX_FIELDS];
        let mut request = httparse::Request::new(&mut []);
        let window = &bytes[..bytes.len().min(MAX_HEAD)];
        let length = match request.parse_with_uninit_headers(window, &mut fields) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) if window.len() < MAX_HEAD => return Ok(Next::Incomplete),
            // The first line is still open, so it is the target that fills the head.
            Ok(httparse::Status::Partial) if request.version.is_none() => return Err(Refusal::TARGET_TOO_LONG),
            Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => return Err(Refusal::HEAD_TOO_LONG),
            Err(httparse::Error::Version) => {
                return match refused_version(window) {
                    // Which it is does not depend on how the line comes.
                    None if window.len() < MAX_HEAD => Ok(Next::Incomplete),
                    refusal => Err(refusal.unwrap_or(Refusal::BAD)),
                };
            }
            Err(_) => return Err(Refusal::BAD),
        };
        let target = request.path.unwrap_or_default();
        if target.len() > MAX_TARGET {
            return Err(Refusal::TARGET_TOO_LONG);
        }
        let method = match request.method {
            Some("GET") => Method::Get,
            Some("HEAD") => Method::Head,
            _ => Method::Other,
        };
        let is_old = request.version == Some(0);
        let fields = Fields::read(request.headers)?;
        if !is_old && fields.hosts != 1 || fields.hosts > 1 {
            return Err(Refusal::BAD);
        }
        if fields.is_coded {
            // With a length besides, it is what request smuggling looks like.
            return Err(if fields.length.is_some() || is_old { Refusal::BAD } else { Refusal::CODING });
        }
        let body = fields.length.unwrap_or(0);
        if body > MAX_BODY {
            return Err(Refusal::BODY_TOO_LONG);
        }
        Ok(Next::Request(Head {
            method,
            target: target.to_owned(),
            keep_alive: !fields.close && (!is_old || fields.keep_alive),
            is_old,
            expects_continue: fields.expects_continue && !is_old,
            wants_body: method != Method::Head,
            body: body as usize,
            length,
        }))
    }
}

/// The fields that matter to how the connection goes on.
#[derive(Default)]
struct Fields {
    hosts: usize,
    length: Option<u64>,
    is_coded: bool,
    close: bool,
    keep_alive: bool,
    expects_continue: bool,
}

impl Fields {
    fn read(raw: &[httparse::Header<'_>]) -> Result<Fields, Refusal> {
        let mut fields = Fields::default();
        for field in raw {
            let is = |name: &str| field.name.eq_ignore_ascii_case(name);
            if is("Host") {
                fields.hosts += 1;
            } else if is("Transfer-Encoding") {
                fields.is_coded = true;
            } else if is("Content-Length") {
                let length = parse_length(field.value)?;
                if fields.length.replace(length).is_some_and(|other| other != length) {
                    return Err(Refusal::BAD);
                }
            } else if is("Connection") {
                for token in field.value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
                    fields.close |= token.eq_ignore_ascii_case(b"close");
                    fields.keep_alive |= token.eq_ignore_ascii_case(b"keep-alive");
                }
            } else if is("Expect") {
                if !field.value.eq_ignore_ascii_case(b"100-continue") {
                    return Err(Refusal::EXPECTATION);
                }
                fields.expects_continue = true;
            }
        }
        Ok(fields)
    }
}

/// Digits and nothing else: `parse` alone would take a sign.
fn parse_length(value: &[u8]) -> Result<u64, Refusal> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(Refusal::BAD);
    }
    let digits = str::from_utf8(value).map_err(|_| Refusal::BAD)?;
    digits.parse().map_err(|_| Refusal::BODY_TOO_LONG)
}

/// What is wrong with a first line whose version is not ours; `None` while the line has not ended.
fn refused_version(bytes: &[u8]) -> Option<Refusal> {
    let is_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let line = &bytes[bytes.iter().position(|byte| !is_end(byte))?..];
    let mut words = line[..line.iter().position(is_end)?].split(|&byte| byte == b' ').skip(2);
    match (words.next().and_then(|version| version.strip_prefix(b"HTTP/")), words.next()) {
        (Some([major, b'.', minor]), None) if major.is_ascii_digit() && minor.is_ascii_digit() => {
            Some(Refusal::VERSION)
        }
        _ => Some(Refusal::BAD),
    }
}
