//! The `socks5` example's handshake: the same end however it comes, replies of the right form, nothing read beyond it,
//! and what was asked for is what is understood.
#![no_main]
#![allow(dead_code)]

#[path = "../../../examples/socks5/handshake.rs"]
mod handshake;

use std::net::IpAddr;

use handshake::{Destination, User, negotiate};
use libfuzzer_sys::fuzz_target;
use sinew_fuzz::{Pieces, split};

fuzz_target!(|input: &[u8]| {
    let (sizes, said) = split(input);
    for user in [None, Some(User::parse("me:it").expect("it is well formed"))] {
        let mut whole = Pieces::new(&[], said);
        let mut pieces = Pieces::new(sizes, said);
        let end = negotiate(&mut whole, user.as_ref());
        assert_eq!(negotiate(&mut pieces, user.as_ref()).ok(), end.as_ref().ok().cloned());
        assert_eq!((&pieces.output, pieces.rest()), (&whole.output, whole.rest()));
        let method = u8::from(user.is_some()) * 2;
        let greeting = if user.is_some() { [5, method, 1, 0].to_vec() } else { [5, method].to_vec() };
        match end {
            Ok(destination) => {
                assert_eq!(whole.output, greeting, "the reply comes when there is a connection");
                let used = &said[..said.len() - whole.rest().len()];
                assert!(used.ends_with(&encode(&destination)), "{destination:?}");
            }
            Err(_) => {
                let output = &whole.output[..];
                let refused = output
                    .strip_prefix(&greeting[..])
                    .is_some_and(|reply| matches!(reply, [] | [5, 1..=8, 0, 1, 0, 0, 0, 0, 0, 0]));
                assert!(refused || matches!(output, [] | [5, 0xFF] | [5, 2] | [5, 2, 1, 1]), "{output:?}");
            }
        }
    }
    let _ = User::parse(&String::from_utf8_lossy(said));
});

/// The request's address, as the client must have written it.
fn encode(destination: &Destination) -> Vec<u8> {
    let (mut bytes, port) = match destination {
        Destination::Address(address) => match address.ip() {
            IpAddr::V4(ip) => ([&[1][..], &ip.octets()].concat(), address.port()),
            IpAddr::V6(ip) => ([&[4][..], &ip.octets()].concat(), address.port()),
        },
        Destination::Name(name, port) => ([&[3, name.len() as u8][..], name.as_bytes()].concat(), *port),
    };
    bytes.extend(port.to_be_bytes());
    bytes
}
