//! Names to addresses, without blocking a worker.
//!
//! std's `ToSocketAddrs` asks the system's resolver in place. Which types do so is known: host names come as `&str`,
//! `String`, or a pair of one with a port, or references to these. They are recognised here, and the resolver runs on
//! the blocking pool with a copy of the name. A name that is really an address is parsed in place.
//!
//! At most [`MOST`] lookups are on the pool at once, so that a slow resolver leaves threads of it to others; further ones
//! wait in turn. Each has a green thread of its own that waits for the pool, so that who asked can be cancelled meanwhile:
//! the lookup then comes to its end by itself, and counts until it does.
//! A type from elsewhere
//! that implements the trait is asked in place: it may hold anything, so it cannot be lent to another OS thread.

use std::{
    io,
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    panic::resume_unwind,
};

use crate::{
    Cancelled,
    io::cast::cast,
    runtime::{blocking::blocking, event::Here},
    sync::Semaphore,
    thread::Builder,
};

/// How many lookups are made at once.
const MOST: usize = 32;

/// A permit for each.
static LOOKUPS: Semaphore = Semaphore::new(MOST);

/// The addresses of a host, in the system's order of preference: [`ToSocketAddrs::to_socket_addrs`] without blocking the
/// worker.
///
/// The system's resolver runs on the blocking pool; at most 32 lookups run at once in a process, and further ones wait for
/// these. On an OS thread it runs in place. A type from elsewhere that implements the trait is asked in place, too.
///
/// # Errors
/// std's: that of the resolver, or `InvalidInput` for what is no name with a port.
///
/// # Cancellation
/// While it waits; a lookup that is under way ends unheard.
///
/// # Examples
/// ```
/// for address in sinew::run(|| sinew::net::lookup_host("localhost:80"))? {
///     assert!(address.ip().is_loopback());
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn lookup_host<A: ToSocketAddrs>(host: A) -> io::Result<std::vec::IntoIter<SocketAddr>> {
    all_addrs(host).map(Vec::into_iter)
}

/// All addresses that `addr` stands for.
pub(super) fn all_addrs<A: ToSocketAddrs>(addr: A) -> io::Result<Vec<SocketAddr>> {
    match named(&addr) {
        Some(name) => name.resolve(),
        None => Ok(addr.to_socket_addrs()?.collect()),
    }
}

/// What a call that tries addresses says when there is none.
pub(super) fn no_addresses() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "could not resolve to any addresses")
}

/// Runs the system's resolver: on an OS thread in place.
fn look_up(resolver: impl FnOnce() -> io::Result<Vec<SocketAddr>> + Send + 'static) -> io::Result<Vec<SocketAddr>> {
    if Here::current().is_none() {
        return resolver();
    }
    let permit = LOOKUPS.acquire().map_err(io::Error::other)?;
    let lookup = Builder::new().name("lookup".into()).spawn(move || {
        let _permit = permit;
        blocking(resolver)
    })?;
    match lookup.join() {
        Ok(found) => found,
        Err(payload) if payload.is::<Cancelled>() => Err(io::Error::other("the runtime is being shut down")),
        Err(payload) => resume_unwind(payload),
    }
}

/// Calls `f` with each address that `addr` stands for, until one succeeds; else the last error.
pub(super) fn each_addr<A: ToSocketAddrs, T>(
    addr: A,
    mut f: impl FnMut(&SocketAddr) -> io::Result<T>,
) -> io::Result<T> {
    let mut last = None;
    let mut attempt = |addr: &SocketAddr| match f(addr) {
        Ok(done) => Some(done),
        Err(error) => {
            last = Some(error);
            None
        }
    };
    let done = match named(&addr) {
        Some(name) => name.resolve()?.iter().find_map(&mut attempt),
        None => addr.to_socket_addrs()?.find_map(|addr| attempt(&addr)),
    };
    done.ok_or_else(|| last.unwrap_or_else(no_addresses))
}

/// The first address that `addr` stands for.
pub(super) fn first_addr<A: ToSocketAddrs>(addr: A) -> io::Result<Option<SocketAddr>> {
    match named(&addr) {
        Some(name) => Ok(name.resolve()?.into_iter().next()),
        None => Ok(addr.to_socket_addrs()?.next()),
    }
}

/// A host name, with its port if that is not a part of it.
struct Name<'a> {
    host: &'a str,
    port: Option<u16>,
}

impl Name<'_> {
    fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        match self.port {
            None => {
                // No port, or not a number: the answer needs no resolver, so it is had in place.
                let asks = self.host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
                if !asks || self.host.parse::<SocketAddr>().is_ok() {
                    return Ok(self.host.to_socket_addrs()?.collect());
                }
                let host = self.host.to_owned();
                look_up(move || Ok(host.to_socket_addrs()?.collect()))
            }
            Some(port) => {
                if let Ok(ip) = self.host.parse::<IpAddr>() {
                    return Ok(vec![SocketAddr::new(ip, port)]);
                }
                let host = self.host.to_owned();
                look_up(move || Ok((host, port).to_socket_addrs()?.collect()))
            }
        }
    }
}

/// `addr` as a name, if it is of one of the types that hold one.
fn named<A>(addr: &A) -> Option<Name<'_>> {
    fn whole(host: &str) -> Name<'_> {
        Name { host, port: None }
    }
    fn pair(host: &str, port: u16) -> Name<'_> {
        Name { host, port: Some(port) }
    }
    if let Some(host) = cast::<A, &str>(addr) {
        return Some(whole(host));
    }
    if let Some(host) = cast::<A, String>(addr) {
        return Some(whole(host));
    }
    if let Some(host) = cast::<A, &String>(addr) {
        return Some(whole(host));
    }
    if let Some(host) = cast::<A, &&str>(addr) {
        return Some(whole(host));
    }
    if let Some(&(host, port)) = cast::<A, (&str, u16)>(addr) {
        return Some(pair(host, port));
    }
    if let Some((host, port)) = cast::<A, (String, u16)>(addr) {
        return Some(pair(host, *port));
    }
    if let Some(&&(host, port)) = cast::<A, &(&str, u16)>(addr) {
        return Some(pair(host, port));
    }
    if let Some((host, port)) = cast::<A, &(String, u16)>(addr) {
        return Some(pair(host, *port));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        sync::{
            Arc, Condvar, Mutex,
            atomic::{AtomicUsize, Ordering::SeqCst},
        },
        time::Duration,
    };

    #[test]
    #[allow(clippy::needless_borrows_for_generic_args, reason = "references are types of their own here")]
    fn names_are_recognised_in_every_type_that_std_takes_them_in() {
        fn of<A: ToSocketAddrs>(addr: A) -> Option<(String, Option<u16>)> {
            named(&addr).map(|name| (name.host.to_owned(), name.port))
        }
        let text = String::from("host:1");
        let text: &str = &text;
        let whole = Some(("host:1".to_owned(), None));
        assert_eq!(of(text), whole);
        assert_eq!(of(&text), whole);
        assert_eq!(of(text.to_owned()), whole);
        assert_eq!(of(&text.to_owned()), whole);
        let pair = Some(("h".to_owned(), Some(7)));
        assert_eq!(of(("h", 7)), pair);
        assert_eq!(of(&("h", 7)), pair);
        assert_eq!(of(("h".to_owned(), 7)), pair);
        assert_eq!(of(&("h".to_owned(), 7)), pair);
        let addr: SocketAddr = ([127, 0, 0, 1], 9).into();
        assert_eq!(of(addr), None);
        assert_eq!(of(&[addr][..]), None);
        assert_eq!(of((addr.ip(), 9)), None);
    }

    /// A resolver that takes as long as it is told to, and counts its calls.
    #[derive(Default)]
    struct Slow {
        open: Mutex<bool>,
        opened: Condvar,
        running: AtomicUsize,
        most: AtomicUsize,
    }

    impl Slow {
        fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
            self.most.fetch_max(self.running.fetch_add(1, SeqCst) + 1, SeqCst);
            drop(self.opened.wait_while(self.open.lock().unwrap(), |open| !*open).unwrap());
            self.running.fetch_sub(1, SeqCst);
            Ok(vec![([127, 0, 0, 1], 9).into()])
        }
    }

    #[test]
    fn a_slow_resolver_stalls_nobody_and_no_more_lookups_run_than_are_allowed() {
        let runtime = crate::Runtime::builder().workers(1).blocking_threads(MOST + 1).build().unwrap();
        let slow = Arc::new(Slow::default());
        runtime.run(|| {
            let lookup = |_| {
                let slow = slow.clone();
                crate::spawn(move || look_up(move || slow.resolve()))
            };
            let lookups: Vec<_> = (0..3 * MOST).map(lookup).collect();
            while slow.running.load(SeqCst) < MOST {
                crate::sleep(Duration::from_millis(1));
            }
            // The worker is free, and so is what the pool has beside them; what needs no resolver has its answer at once.
            assert_eq!(crate::spawn(|| blocking(|| 5)).join().unwrap(), 5);
            assert_eq!(lookup_host("127.0.0.1:9").unwrap().len(), 1);
            // Who waits can be cancelled, be its lookup under way or not. Those under way still count.
            let (gone, stay): (Vec<_>, Vec<_>) = lookups.into_iter().enumerate().partition(|(at, _)| at % 3 == 0);
            for (_, lookup) in gone {
                lookup.cancel();
                assert!(lookup.join().unwrap_err().is::<Cancelled>());
            }
            crate::sleep(Duration::from_millis(5));
            assert_eq!(slow.running.load(SeqCst), MOST);
            *slow.open.lock().unwrap() = true;
            slow.opened.notify_all();
            for (_, lookup) in stay {
                assert_eq!(lookup.join().unwrap().unwrap().len(), 1);
            }
        });
        assert_eq!(slow.most.load(SeqCst), MOST);
    }

    #[test]
    fn names_resolve_as_std_resolves_them() {
        let same = |name: &str| {
            let ours = Name { host: name, port: None }.resolve().map_err(|error| error.to_string());
            let theirs = name.to_socket_addrs().map(Iterator::collect::<Vec<_>>).map_err(|error| error.to_string());
            assert_eq!(ours, theirs, "{name}");
        };
        for name in ["127.0.0.1:80", "[::1]:80", "localhost:80", "localhost", "localhost:70000", "localhost:", ""] {
            same(name);
        }
        let pair = Name { host: "::1", port: Some(5) }.resolve().unwrap();
        assert_eq!(pair, ("::1", 5).to_socket_addrs().unwrap().collect::<Vec<_>>());
    }
}
