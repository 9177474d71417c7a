//! From a request's target to a path below the folder: percent-decoding, and refusing whatever could lead out of it.

use super::request::Refusal;

/// What a target names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// Decoded names from the folder down; none of them is `.`, `..` or empty, nor holds a separator or a NUL.
    pub(crate) names: Vec<String>,
    /// Whether it ends in a slash, as a folder's must.
    pub(crate) is_folder: bool,
}

/// Takes a target apart. `Ok(None)` means that it is well formed but names nothing that could be in the folder.
pub(crate) fn parse(target: &str) -> Result<Option<Target>, Refusal> {
    // What most clients send; the search for a scheme would cost more than all the rest.
    let scheme = if target.starts_with('/') { None } else { target.split_once("://") };
    let path = match scheme {
        // The absolute form, which every server must take: only its path matters here.
        Some((scheme, rest)) if ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) => {
            rest.find('/').filter(|&slash| !rest[..slash].contains('?')).map_or("/", |slash| &rest[slash..])
        }
        _ => target,
    };
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let Some(inner) = path.strip_prefix('/') else { return Err(Refusal::BAD) };
    let mut names = Vec::new();
    for raw in inner.split('/') {
        let name = decode(raw)?;
        match name.as_str() {
            "" | "." => {}
            ".." => return Ok(None),
            // An encoded separator, or on some systems another one or a drive.
            _ if name.contains(['/', '\0']) || cfg!(windows) && name.contains(['\\', ':']) => return Ok(None),
            _ => names.push(name),
        }
    }
    let is_folder = matches!(inner.rsplit('/').next(), Some("" | "."));
    Ok(Some(Target { names, is_folder }))
}

impl Target {
    /// The target of the same folder with its slash, encoded anew: nothing of the request's own spelling is in it.
    pub(crate) fn with_slash(&self) -> String {
        let mut out = String::from("/");
        for name in &self.names {
            for &byte in name.as_bytes() {
                match byte {
                    b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(byte as char),
                    _ => out.push_str(&format!("%{byte:02X}")),
                }
            }
            out.push('/');
        }
        out
    }
}

fn decode(raw: &str) -> Result<String, Refusal> {
    let mut bytes = raw.bytes();
    let mut out = Vec::with_capacity(raw.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|byte| (byte as char).to_digit(16)).ok_or(Refusal::BAD);
        out.push((digit()? * 16 + digit()?) as u8);
    }
    String::from_utf8(out).map_err(|_| Refusal::BAD)
}
