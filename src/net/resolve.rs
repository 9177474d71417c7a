//! Names to addresses, without blocking a worker.
//!
//! std's `ToSocketAddrs` asks the system's resolver in place. Which types do so is known: host names come as `&str`,
//! `String`, or a pair of one with a port, or references to these. They are recognised here, and the resolver runs on
//! the blocking pool with a copy of the name. A name that is really an address is parsed in place. A type from elsewhere
//! that implements the trait is asked in place: it may hold anything, so it cannot be lent to another OS thread.

use std::{
    any::TypeId,
    io,
    marker::PhantomData,
    net::{IpAddr, SocketAddr, ToSocketAddrs},
};

use crate::runtime::blocking::blocking;

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
    done.ok_or_else(|| {
        last.unwrap_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "could not resolve to any addresses"))
    })
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
                blocking(move || Ok(host.to_socket_addrs()?.collect()))
            }
            Some(port) => {
                if let Ok(ip) = self.host.parse::<IpAddr>() {
                    return Ok(vec![SocketAddr::new(ip, port)]);
                }
                let host = self.host.to_owned();
                blocking(move || Ok((host, port).to_socket_addrs()?.collect()))
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

/// `value` as a `B`, if `A` is `B` up to lifetimes, all of which in `B` the caller makes those of the borrow.
fn cast<'a, A, B: 'a>(value: &'a A) -> Option<&'a B> {
    // SAFETY: the types are the same up to lifetimes. Those inside `A` outlive the borrow `'a`, since `A` is well-formed
    // behind it, and the private callers above name no lifetime in `B` that is longer, and no mutable reference.
    if type_id::<A>() == type_id::<B>() { Some(unsafe { &*(&raw const *value).cast::<B>() }) } else { None }
}

/// A type's identity with its lifetimes erased: the technique of dtolnay's `typeid` crate.
fn type_id<T: ?Sized>() -> TypeId {
    trait Identity {
        fn id(&self) -> TypeId
        where
            Self: 'static;
    }
    impl<T: ?Sized> Identity for PhantomData<T> {
        fn id(&self) -> TypeId
        where
            Self: 'static,
        {
            TypeId::of::<T>()
        }
    }
    let of = PhantomData::<T>;
    let of: &dyn Identity = &of;
    // SAFETY: only the bound of the object changes. The method behind it reads nothing of `T` but its identity, and code
    // does not depend on lifetimes.
    let of: &(dyn Identity + 'static) = unsafe { std::mem::transmute(of) };
    of.id()
}

#[cfg(test)]
mod tests {
    use super::*;

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
