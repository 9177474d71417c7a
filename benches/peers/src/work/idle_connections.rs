//! The memory of connections that are mostly idle: the server's own, when each of 10,000 has had one message echoed and waits
//! for the next. What the kernel keeps of a socket is the same for all, and not in it; its page tables are shown beside.

use super::echo::{Load, server};
use crate::model::{Entry, Row, Sample, Scale, at_most};
use crate::peers::program::{self, go};
use crate::proc;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

const LOAD: Load = Load { work: "echo-small", connections: 10_000, bytes: 64, datagrams: 0, slice: 0 };

fn entry(label: &'static str, command: impl Fn() -> Result<Command, String> + 'static) -> Entry {
    Entry::new(label, move |scale| held(command()?, scale)).external()
}

fn host(label: &'static str, library: &'static str) -> Entry {
    entry(label, move || {
        let mut command = program::this();
        command.args(["--host", LOAD.work, library, "1"]);
        Ok(command)
    })
}

fn held(command: Command, scale: Scale) -> Result<Sample, String> {
    let server = server(command)?;
    let memory = || proc::memory(server.pid()).map_err(|e| format!("the server's memory: {e}"));
    let before = memory()?;
    let mut client = LOAD.client(&server, scale)?;
    // Each connection ends with its first answer after the slice's end: with its first.
    client.run(0)?;
    sleep(Duration::from_millis(200));
    let after = memory()?;
    let connections = scale.of(LOAD.connections, LOAD.connections / 20) as f64;
    let each = |before: u64, after: u64| after.saturating_sub(before) as f64 / connections;
    Ok(Sample::new(each(before.0, after.0)).median("page-tables", each(before.1, after.1)))
}

pub fn row() -> Row {
    Row::new(
        "idle-connections",
        "10,000 connections, each has exchanged one message and waits: the server's memory for each, sockets aside",
        "KiB",
    )
    .runs(5)
    .entry(host("sinew/1", "sinew"))
    .entry(host("sinew-uring/1", "sinew-uring"))
    .entry(host("tokio/multi1", "tokio-multi"))
    .entry(entry("go/1", || {
        let mut command = go("echo", 1)?;
        command.args(["plain", "1024"]);
        Ok(command)
    }))
    .goal(at_most("sinew/1", 5.0))
}
