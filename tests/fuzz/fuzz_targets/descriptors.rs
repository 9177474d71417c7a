//! Passing descriptors over Unix sockets in any order of sends and receives, with room for any number: the data come
//! as they went, each descriptor once and open, and none is left over.
#![no_main]

use std::{
    collections::VecDeque,
    fs,
    os::fd::{AsFd, AsRawFd, OwnedFd},
    sync::LazyLock,
};

use libfuzzer_sys::fuzz_target;
use sinew::net::unix::UnixStream;

/// What is passed.
static FILE: LazyLock<OwnedFd> = LazyLock::new(|| fs::File::open("/dev/null").expect("it can be opened").into());

fn open() -> usize {
    fs::read_dir("/proc/self/fd").expect("it can be read").count()
}

fuzz_target!(|input: Vec<(bool, u8, u8)>| {
    LazyLock::force(&FILE);
    let before = open();
    {
        let (one, two) = UnixStream::pair().expect("a pair can be had");
        let mut sent: VecDeque<u8> = VecDeque::new();
        let (mut went, mut came, mut lost) = (0, 0, false);
        for (number, &(is_send, bytes, fds)) in input.iter().take(50).enumerate() {
            if is_send {
                let data = vec![number as u8; usize::from(bytes)];
                let fds = vec![FILE.as_fd(); usize::from(fds)];
                // More than 253 descriptors are refused, and so are some without data.
                if let Ok(count) = one.send_with_fds(&data, &fds) {
                    sent.extend(&data[..count]);
                    went += if count > 0 { fds.len() } else { 0 };
                }
            } else if !sent.is_empty() {
                let mut buf = vec![0; usize::from(bytes)];
                let received = two.recv_with_fds(&mut buf, usize::from(fds)).expect("there is something");
                assert!(received.fds.len() <= usize::from(fds));
                lost |= received.truncated;
                came += received.fds.len();
                for fd in &received.fds {
                    // SAFETY: integers only.
                    let flags = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFD) };
                    assert_eq!(flags, libc::FD_CLOEXEC, "it is open, and not for programs that are started");
                }
                assert!(sent.drain(..received.len).eq(buf[..received.len].iter().copied()));
            }
        }
        assert!(came <= went);
        if sent.is_empty() && !lost {
            assert_eq!(came, went);
        }
    }
    assert_eq!(open(), before);
});
