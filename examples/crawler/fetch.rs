//! Fetching one page, on a connection that is there already or on a new one.

use std::io::{BufReader, Write};
use std::time::Duration;

use sinew::net::{TcpStream, lookup_host};
use sinew::time::{Instant, timeout};

use crate::links::links;
use crate::response::{Error, Response};
use crate::url::{Host, Url};

/// What holds for every page.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// How long a page may take, with connecting.
    pub(crate) time: Duration,
    /// The longest page.
    pub(crate) bytes: u64,
    /// Whether connections are kept for further pages.
    pub(crate) keep_alive: bool,
}

/// A connection to a host.
pub(crate) type Connection = BufReader<TcpStream>;

/// What came of a page.
pub(crate) struct Fetched {
    pub(crate) url: Url,
    /// The status, or why there is none.
    pub(crate) status: Result<u16, String>,
    pub(crate) bytes: usize,
    pub(crate) time: Duration,
    /// Where it leads, as it says it; a redirection leads to one place.
    pub(crate) links: Vec<String>,
    pub(crate) is_redirection: bool,
    /// For another page of the same host.
    pub(crate) connection: Option<Connection>,
}

/// Fetches a page; whatever goes wrong is a part of the result.
pub(crate) fn fetch(url: Url, idle: Option<Connection>, limits: Limits) -> Fetched {
    let begun = Instant::now();
    let result = timeout(limits.time, || exchange(&url, idle, limits)).unwrap_or_else(|_| Err("timed out".to_owned()));
    let time = begun.elapsed();
    match result {
        Ok((response, connection)) => {
            let is_redirection = matches!(response.status, 301 | 302 | 303 | 307 | 308);
            let links = match response.location {
                Some(location) if is_redirection => vec![location],
                _ if response.status == 200 && response.is_html => links(&response.body),
                _ => Vec::new(),
            };
            let bytes = response.body.len();
            Fetched { url, status: Ok(response.status), bytes, time, links, is_redirection, connection }
        }
        Err(why) => Fetched {
            url,
            status: Err(why),
            bytes: 0,
            time,
            links: Vec::new(),
            is_redirection: false,
            connection: None,
        },
    }
}

fn exchange(url: &Url, idle: Option<Connection>, limits: Limits) -> Result<(Response, Option<Connection>), String> {
    if let Some(mut connection) = idle {
        match ask(&mut connection, url, limits) {
            Ok(response) => return Ok(keep(response, connection)),
            // The server has ended it while it lay idle: that says nothing about the page.
            Err(Error::Nothing | Error::Io(_)) => {}
            Err(error) => return Err(error.to_string()),
        }
    }
    let mut connection = connect(&url.host)?;
    let response = ask(&mut connection, url, limits).map_err(|error| error.to_string())?;
    Ok(keep(response, connection))
}

fn keep(response: Response, connection: Connection) -> (Response, Option<Connection>) {
    // What is there behind the answer would be taken for the next one.
    let is_kept = response.reusable && connection.buffer().is_empty();
    (response, is_kept.then_some(connection))
}

fn connect(host: &Host) -> Result<Connection, String> {
    let addresses = lookup_host((host.bare(), host.port)).map_err(|error| format!("no address: {error}"))?;
    let stream = TcpStream::connect(addresses.as_slice()).map_err(|error| format!("cannot connect: {error}"))?;
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    Ok(BufReader::new(stream))
}

fn ask(connection: &mut Connection, url: &Url, limits: Limits) -> Result<Response, Error> {
    let close = if limits.keep_alive { "" } else { "Connection: close\r\n" };
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: sinew-crawler\r\nAccept: text/html, */*;q=0.5\r\n{close}\r\n",
        url.target, url.host
    );
    connection.get_mut().write_all(request.as_bytes())?;
    let mut response = Response::read(connection, limits.bytes)?;
    response.reusable &= limits.keep_alive;
    Ok(response)
}
