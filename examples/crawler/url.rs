//! Addresses of pages: what a link means on the page where it stands (RFC 3986, section 5), in one spelling for each
//! page, so that none is fetched twice. Only `http` is known.

use std::fmt;

/// Where a server is. Names are in lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Host {
    /// As it stands in an address: IPv6 in brackets.
    pub(crate) name: String,
    pub(crate) port: u16,
}

/// A page.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Url {
    pub(crate) host: Host,
    /// Path and query, of printable ASCII without spaces: it can be written into a request as it is.
    pub(crate) target: String,
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            80 => f.write_str(&self.name),
            port => write!(f, "{}:{port}", self.name),
        }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.host, self.target)
    }
}

impl Host {
    /// The name for a resolver, which wants IPv6 without brackets.
    pub(crate) fn bare(&self) -> &str {
        self.name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(&self.name)
    }

    fn parse(text: &str) -> Option<Host> {
        let (name, port) = match text.rsplit_once(':') {
            // A colon within brackets belongs to the name.
            Some((name, port)) if !port.contains(']') => (name, port),
            _ => (text, ""),
        };
        let port = match port {
            "" => 80,
            digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok()?,
            _ => return None,
        };
        let is_fit = match name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
            Some(inside) => inside.parse::<std::net::Ipv6Addr>().is_ok(),
            None => name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)),
        };
        (is_fit && !name.is_empty()).then(|| Host { name: name.to_ascii_lowercase(), port })
    }
}

impl Url {
    /// A whole address, such as `http://host:8080/path?query`.
    pub(crate) fn parse(text: &str) -> Option<Url> {
        let (scheme, rest) = text.split_once("://")?;
        if !scheme.eq_ignore_ascii_case("http") {
            return None;
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let (host, target) = rest.split_at(rest.find(['/', '?', '\\']).unwrap_or(rest.len()));
        Some(Url { host: Host::parse(host)?, target: normal(target) })
    }

    /// What a link on this page leads to; `None` if that is no page, or not to be had by `http`.
    pub(crate) fn join(&self, link: &str) -> Option<Url> {
        // Browsers leave out what editors break long links with.
        let link: String = link.trim().chars().filter(|char| !matches!(char, '\t' | '\r' | '\n')).collect();
        let link = link.split('#').next().filter(|link| !link.is_empty())?;
        if has_scheme(link) {
            return Url::parse(link);
        }
        if let Some(rest) = link.strip_prefix("//") {
            return Url::parse(&format!("http://{rest}"));
        }
        let path = self.target.split('?').next().unwrap_or_default();
        let target = match link.as_bytes()[0] {
            b'/' => link.to_owned(),
            b'?' => format!("{path}{link}"),
            _ => format!("{}{link}", &path[..path.rfind('/').map_or(0, |slash| slash + 1)]),
        };
        Some(Url { host: self.host.clone(), target: normal(&target) })
    }
}

/// Whether a link begins with a scheme, as `mailto:` does.
fn has_scheme(link: &str) -> bool {
    let Some((scheme, _)) = link.split_once(':') else { return false };
    scheme.starts_with(|char: char| char.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// A target in its one spelling: no `.` and `..` in its path, and everything escaped that a request cannot hold.
fn normal(target: &str) -> String {
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    let mut names: Vec<&str> = Vec::new();
    let mut is_folder = true;
    for name in path.strip_prefix('/').unwrap_or(path).split('/') {
        is_folder = matches!(name, "." | "..");
        match name {
            "." => {}
            ".." => drop(names.pop()),
            _ => names.push(name),
        }
    }
    let mut out = String::from("/");
    escape(&mut out, &names.join("/"));
    if is_folder && !out.ends_with('/') {
        out.push('/');
    }
    if let Some(query) = query {
        out.push('?');
        escape(&mut out, query);
    }
    out
}

/// Escapes what is not allowed in a target; what is escaped already stays so.
fn escape(out: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' | ..=b' ' | 0x7F.. => {
                out.push_str(&format!("%{byte:02X}"));
            }
            _ => out.push(byte as char),
        }
    }
}
