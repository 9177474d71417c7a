//! Socket addresses in the kernel's form, with whatever bytes: they are read without harm, and what was read comes back
//! from its own form.
#![no_main]
#![allow(dead_code)]

#[path = "../../../src/sys/address.rs"]
mod address;

use std::{mem, slice};

use address::RawAddr;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, u32, &[u8])| {
    let (family, len, bytes) = input;
    let mut raw = RawAddr::empty();
    let size = mem::size_of_val(&raw.storage);
    // SAFETY: integers and byte arrays, which any bytes are.
    let storage = unsafe { slice::from_raw_parts_mut((&raw mut raw.storage).cast::<u8>(), size) };
    let count = bytes.len().min(size);
    storage[..count].copy_from_slice(&bytes[..count]);
    let families = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6];
    if let Some(&family) = families.get(usize::from(family % 4)) {
        raw.storage.ss_family = family as _;
    }
    // The kernel gives the whole length of an address that it had to cut off, which may be more than there was room for.
    raw.len = len % 512;
    if let Ok(found) = raw.inet() {
        assert_eq!(RawAddr::from(&found).inet().expect("it is an address"), found);
    }
    if let Ok(found) = raw.unix() {
        let back = RawAddr::from(&found).unix().expect("it is an address");
        assert_eq!(format!("{back:?}"), format!("{found:?}"));
    }
});
