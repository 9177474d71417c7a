//! Echo over UDP: one socket, 32 datagrams under way. The server has one worker and one processor, the client the other.
//!
//! The plain servers receive and send one datagram a call. `sinew-batches` takes what is there by one call (`recv_many`), and sends
//! it back by one (`send_many_to`), which the kernel cuts into datagrams of one length: the case that this is best at, since all
//! have one length and one address. tokio and Go's `net` have nothing like it; with another crate (quinn-udp,
//! golang.org/x/net) they could do the same.

use super::echo::Load;
use crate::model::{Row, at_least_times};

pub fn row() -> Row {
    let load = Load { work: "udp", connections: 0, bytes: 64, datagrams: 32, slice: 200 };
    Row::new(
        "udp",
        "echo over UDP, 1 socket, 32 datagrams of 64 bytes under way, server with 1 worker on one core; \
         a datagram a call, but sinew-batches with recv_many and send_many_to",
        "datagrams/s",
    )
    .more_is_better()
    .runs(60)
    .entry(load.host("sinew/1", "sinew"))
    .entry(load.host("sinew-batches/1", "sinew-batches"))
    .entry(load.host("tokio/current", "tokio-current"))
    .entry(load.host("tokio/multi1", "tokio-multi"))
    .entry(load.host("std", "std"))
    .entry(load.go(&["udp"]))
    .entry(load.host("bare", "bare"))
    .goal(at_least_times("sinew/1", 1.1, "tokio"))
    .goal(at_least_times("sinew-batches/1", 1.1, "tokio"))
}
