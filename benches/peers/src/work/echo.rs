//! Echo over TCP: 1,000 connections, 64-byte messages, a closed loop. The server has one worker and one processor, the
//! client, the same program for all, the other. Most of the time is the kernel's, so the server's own time in user mode
//! is shown for each message too.
//!
//! All servers stand side by side with their connections open, and a run drives one of them for 200 ms: on a shared machine whose
//! speed drifts by a quarter within seconds, runs of seconds one after another cannot tell 3 %.

use std::process::Command;

use crate::model::{Entry, Row, Scale, at_least_times, at_most_times};
use crate::peers::program::{self, Client, Hosted, go, python};
use crate::proc;

const SERVER_CPU: usize = 0;
const CLIENT_CPU: usize = 1;

fn entry(label: &'static str, server: fn() -> Result<Command, String>) -> Entry {
    let mut running = None;
    Entry::new(label, move |scale| {
        let (_, client) = match &mut running {
            Some(running) => running,
            none => none.insert(start(server()?, scale)?),
        };
        client.run(scale.of(200, 50))
    })
    .external()
}

/// Starts a server and its client, and warms both up.
fn start(mut command: Command, scale: Scale) -> Result<(Hosted, Client), String> {
    proc::pin_command(&mut command, SERVER_CPU);
    let server = Hosted::start(command)?;
    let mut client = program::this();
    client
        .args(["--client", "--connect", &server.greeting])
        .args(["--server-pid", &server.pid().to_string()])
        .args(["--connections", &scale.of(1_000, 50).to_string()]);
    proc::pin_command(&mut client, CLIENT_CPU);
    let mut client = Client::start(client)?;
    client.run(scale.of(1_000, 50))?;
    Ok((server, client))
}

/// This program as a server.
fn host(library: &str) -> Command {
    let mut command = program::this();
    command.args(["--host", "echo", library, "1"]);
    command
}

pub fn row() -> Row {
    Row::new(
        "echo",
        "echo, 1,000 connections, 64 bytes, server with 1 worker on one core, client on the other",
        "messages/s",
    )
    .more_is_better()
    .runs(150)
    .entry(entry("sinew/1", || Ok(host("sinew"))))
    .entry(entry("tokio/current", || Ok(host("tokio-current"))))
    .entry(entry("tokio/multi1", || Ok(host("tokio-multi"))))
    .entry(entry("may/1", || Ok(host("may"))))
    .entry(entry("go/1", || {
        let mut command = go("echo", 1)?;
        command.arg("plain");
        Ok(command)
    }))
    .entry(entry("std", || Ok(host("std"))))
    .entry(entry("python/asyncio", || python("echo.py", "asyncio")))
    .goal(at_least_times("sinew/1", 0.97, "tokio"))
    .goal(at_least_times("sinew/1", 1.1, "may"))
    .goal(at_least_times("sinew/1", 1.1, "go"))
    .goal(at_most_times(("sinew/1", "user-ns"), 0.8, ("tokio", "user-ns")))
    .goal(at_most_times(("sinew/1", "user-ns"), 0.5, ("go", "user-ns")))
}
