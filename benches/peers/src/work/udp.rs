//! Echo over UDP: one socket, 32 datagrams under way. The server has one worker and one processor, the client the other.

use super::echo::Load;
use crate::model::{Row, at_least_times};

pub fn row() -> Row {
    let load = Load { work: "udp", connections: 0, bytes: 64, datagrams: 32, slice: 200 };
    Row::new(
        "udp",
        "echo over UDP, 1 socket, 32 datagrams of 64 bytes under way, server with 1 worker on one core",
        "datagrams/s",
    )
    .more_is_better()
    .runs(60)
    .entry(load.host("sinew/1", "sinew"))
    .entry(load.host("tokio/current", "tokio-current"))
    .entry(load.host("tokio/multi1", "tokio-multi"))
    .entry(load.host("std", "std"))
    .entry(load.go(&["udp"]))
    .entry(load.host("bare", "bare"))
    .goal(at_least_times("sinew/1", 1.1, "tokio"))
}
