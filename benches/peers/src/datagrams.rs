//! The client of the UDP servers: a fixed number of datagrams under way on one socket, each answered by the same bytes. It
//! costs less than any server does, since it receives many in one call and sends many in one (segmentation by the kernel), so
//! that the server is what is measured. What is lost is counted and sent again.

use std::io;
use std::mem::MaybeUninit;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use crate::client::{Options, Window, each_slice};
use crate::model::Sample;

const SIZE: usize = 64;
/// As long without any answer means that those under way are lost.
const LOST: Duration = Duration::from_millis(20);

/// One of the datagrams under way.
struct Slot {
    message: [u8; SIZE],
    sent: Instant,
}

impl Slot {
    fn new(at: usize) -> Slot {
        let mut message = std::array::from_fn(|i| (i * 7 + at) as u8);
        message[..8].copy_from_slice(&(at as u64).to_le_bytes());
        message[8..16].fill(0);
        Slot { message, sent: Instant::now() }
    }

    /// The next message: its number is in it, so that an answer cannot be an old one.
    fn next(&mut self, now: Instant) {
        let number = u64::from_le_bytes(self.message[8..16].try_into().expect("eight bytes")) + 1;
        self.message[8..16].copy_from_slice(&number.to_le_bytes());
        self.sent = now;
    }
}

struct Client {
    socket: UdpSocket,
    slots: Vec<Slot>,
    /// What [`Client::flush`] is to send.
    outgoing: Vec<u8>,
    answers: Vec<[u8; SIZE]>,
}

/// Loads the server as the input says.
pub fn slices(options: &Options, count: usize) -> Result<(), String> {
    let mut client = Client::open(options, count).map_err(|e| format!("the socket: {e}"))?;
    each_slice(|slice| client.slice(options, slice))
}

impl Client {
    fn open(options: &Options, count: usize) -> io::Result<Client> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.connect(options.address)?;
        socket.set_read_timeout(Some(LOST))?;
        let segment = SIZE as libc::c_int;
        // SAFETY: the pointer and the length name a local integer, which the kernel only reads.
        let set = unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::SOL_UDP,
                libc::UDP_SEGMENT,
                (&raw const segment).cast(),
                size_of_val(&segment) as libc::socklen_t,
            )
        };
        if set != 0 {
            return Err(io::Error::last_os_error());
        }
        let slots = (0..count).map(Slot::new).collect();
        Ok(Client { socket, slots, outgoing: Vec::new(), answers: vec![[0; SIZE]; count] })
    }

    fn slice(&mut self, options: &Options, slice: Duration) -> Result<Sample, String> {
        let mut window = Window::open(options)?;
        let mut lost = 0;
        let now = Instant::now();
        for slot in &mut self.slots {
            slot.next(now);
            self.outgoing.extend(slot.message);
        }
        // Those whose answer is due; after the slice's end they grow fewer.
        let mut open = vec![true; self.slots.len()];
        while open.contains(&true) {
            self.flush().map_err(|e| format!("send: {e}"))?;
            let over = window.began.elapsed() >= slice;
            let received = self.receive().map_err(|e| format!("receive: {e}"))?;
            let now = Instant::now();
            if received == 0 {
                for (slot, _) in self.slots.iter_mut().zip(&open).filter(|(_, open)| **open) {
                    lost += 1;
                    slot.next(now);
                    self.outgoing.extend(slot.message);
                }
            }
            for answer in &self.answers[..received] {
                let at = u64::from_le_bytes(answer[..8].try_into().expect("eight bytes")) as usize;
                let slot = self.slots.get_mut(at).ok_or("an answer has wrong bytes")?;
                if answer[8..16] != slot.message[8..16] {
                    // One that was taken for lost.
                    continue;
                }
                if *answer != slot.message {
                    return Err("an answer has wrong bytes".into());
                }
                window.count(now - slot.sent);
                open[at] = !over;
                if !over {
                    slot.next(now);
                    self.outgoing.extend(slot.message);
                }
            }
        }
        Ok(window.rate()?.max("lost", f64::from(lost)))
    }

    fn flush(&mut self) -> io::Result<()> {
        // The kernel makes a datagram of each `SIZE` bytes, of 64 at most in one call.
        for chunk in self.outgoing.chunks(64 * SIZE) {
            self.socket.send(chunk)?;
        }
        self.outgoing.clear();
        Ok(())
    }

    /// Takes the answers that are there, after waiting for one: how many; none if none comes.
    fn receive(&mut self) -> io::Result<usize> {
        let mut places: Vec<libc::iovec> = self
            .answers
            .iter_mut()
            .map(|answer| libc::iovec { iov_base: answer.as_mut_ptr().cast(), iov_len: SIZE })
            .collect();
        let mut headers: Vec<libc::mmsghdr> = places
            .iter_mut()
            .map(|place| {
                // SAFETY: a header of zeroes names nothing.
                let mut header: libc::mmsghdr = unsafe { MaybeUninit::zeroed().assume_init() };
                header.msg_hdr.msg_iov = place;
                header.msg_hdr.msg_iovlen = 1;
                header
            })
            .collect();
        // SAFETY: each header names one place, each place one answer's bytes; all live through the call.
        let received = unsafe {
            libc::recvmmsg(
                self.socket.as_raw_fd(),
                headers.as_mut_ptr(),
                headers.len() as libc::c_uint,
                libc::MSG_WAITFORONE,
                std::ptr::null_mut(),
            )
        };
        if received >= 0 {
            return Ok(received as usize);
        }
        match io::Error::last_os_error() {
            error if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(0),
            error => Err(error),
        }
    }
}
