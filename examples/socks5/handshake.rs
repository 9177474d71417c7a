//! What client and proxy say to each other before the data flow: RFC 1928, and RFC 1929 for users.
//!
//! All is read to the byte: what a client sends behind its request, before it has the reply, is for the server and must
//! stay in the stream.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const SOCKS5: u8 = 5;
const NO_AUTHENTICATION: u8 = 0;
const USER_AND_PASSWORD: u8 = 2;
const NO_METHOD: u8 = 0xFF;
/// The version of RFC 1929's exchange.
const USER_VERSION: u8 = 1;
const CONNECT: u8 = 1;
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

/// How a request ended, as RFC 1928 numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Reply {
    Done = 0,
    Failed = 1,
    NetworkUnreachable = 3,
    HostUnreachable = 4,
    Refused = 5,
    UnknownCommand = 7,
    UnknownAddress = 8,
}

impl Reply {
    /// The reply to an attempt to connect that ended in this error.
    pub(crate) fn to(error: &io::Error) -> Reply {
        match error.kind() {
            ErrorKind::ConnectionRefused => Reply::Refused,
            ErrorKind::NetworkUnreachable => Reply::NetworkUnreachable,
            ErrorKind::HostUnreachable | ErrorKind::TimedOut => Reply::HostUnreachable,
            _ => Reply::Failed,
        }
    }

    /// Sends the reply; `bound` is the proxy's own end of the connection to the server.
    pub(crate) fn send(self, mut stream: impl Write, bound: Option<SocketAddr>) -> io::Result<()> {
        let bound = bound.unwrap_or_else(|| SocketAddr::from(([0; 4], 0)));
        let mut bytes = vec![SOCKS5, self as u8, 0];
        match bound.ip() {
            IpAddr::V4(ip) => {
                bytes.push(IPV4);
                bytes.extend(ip.octets());
            }
            IpAddr::V6(ip) => {
                bytes.push(IPV6);
                bytes.extend(ip.octets());
            }
        }
        bytes.extend(bound.port().to_be_bytes());
        stream.write_all(&bytes)
    }
}

/// Where a client wants to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Destination {
    Address(SocketAddr),
    Name(String, u16),
}

/// Who is served.
pub(crate) struct User {
    name: String,
    password: String,
}

impl User {
    /// From `NAME:PASSWORD`, each of 1 to 255 bytes, which is what the protocol can say.
    pub(crate) fn parse(text: &str) -> Result<User, String> {
        match text.split_once(':') {
            Some((name, password)) if [name, password].iter().all(|part| (1..=255).contains(&part.len())) => {
                Ok(User { name: name.to_owned(), password: password.to_owned() })
            }
            _ => Err("--user needs NAME:PASSWORD, each of 1 to 255 bytes".to_owned()),
        }
    }

    fn is(&self, name: &[u8], password: &[u8]) -> bool {
        // Both are always compared, in a time that does not tell how much of them is right.
        same(self.name.as_bytes(), name) & same(self.password.as_bytes(), password)
    }
}

fn same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |sum, (one, other)| sum | (one ^ other)) == 0
}

/// Hears a client out until it has said where it wants to go. A client that is refused has been told why, as far as the
/// protocol has words for it, when the error comes back.
pub(crate) fn negotiate(stream: &mut (impl Read + Write), user: Option<&User>) -> io::Result<Destination> {
    choose_method(stream, user)?;
    read_request(stream)
}

fn choose_method(stream: &mut (impl Read + Write), user: Option<&User>) -> io::Result<()> {
    let [version, count] = read(stream)?;
    if version != SOCKS5 {
        // Nothing that it would understand can be said to it.
        return Err(refusal(format!("speaks version {version} of SOCKS, or none")));
    }
    let methods = read_counted(stream, count)?;
    let method = if user.is_some() { USER_AND_PASSWORD } else { NO_AUTHENTICATION };
    if !methods.contains(&method) {
        stream.write_all(&[SOCKS5, NO_METHOD])?;
        return Err(refusal("offers no way to authenticate that is served here"));
    }
    stream.write_all(&[SOCKS5, method])?;
    let Some(user) = user else { return Ok(()) };
    let [version, length] = read(stream)?;
    if version != USER_VERSION {
        return Err(refusal(format!("speaks version {version} of the exchange of passwords")));
    }
    let name = read_counted(stream, length)?;
    let [length] = read(stream)?;
    let password = read_counted(stream, length)?;
    let is_user = user.is(&name, &password);
    stream.write_all(&[USER_VERSION, u8::from(!is_user)])?;
    if is_user { Ok(()) } else { Err(refusal("gives a wrong user or password")) }
}

fn read_request(stream: &mut (impl Read + Write)) -> io::Result<Destination> {
    let [version, command, _reserved, kind] = read(stream)?;
    if version != SOCKS5 {
        return Err(refused(stream, Reply::Failed, format!("asks by version {version} of SOCKS")));
    }
    let host = match kind {
        IPV4 => Ok(IpAddr::from(Ipv4Addr::from(read::<4>(stream)?))),
        IPV6 => Ok(IpAddr::from(Ipv6Addr::from(read::<16>(stream)?))),
        NAME => {
            let [length] = read(stream)?;
            Err(read_counted(stream, length)?)
        }
        _ => return Err(refused(stream, Reply::UnknownAddress, format!("asks for an address of kind {kind}"))),
    };
    let port = u16::from_be_bytes(read(stream)?);
    if command != CONNECT {
        return Err(refused(stream, Reply::UnknownCommand, format!("asks for command {command}")));
    }
    match host.map_err(String::from_utf8) {
        Ok(ip) => Ok(Destination::Address(SocketAddr::new(ip, port))),
        Err(Ok(name)) if !name.is_empty() && !name.contains(char::is_control) => Ok(Destination::Name(name, port)),
        Err(_) => Err(refused(stream, Reply::Failed, "asks for what can be no name")),
    }
}

fn read<const N: usize>(stream: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn read_counted(stream: &mut impl Read, count: u8) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; count.into()];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn refused(stream: &mut impl Write, reply: Reply, why: impl Into<String>) -> io::Error {
    reply.send(stream, None).err().unwrap_or_else(|| refusal(why))
}

fn refusal(why: impl Into<String>) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, why.into())
}
