//! Connections accepted, handed to a thread of their own and closed there. Opening one costs more than accepting it, so a client on
//! the other processor would only measure itself: it opens 1,000 while the server is stopped, which the kernel's
//! queue holds, and the time is from the server's going on until the last is closed.
//!
//! No port is worn out: the server closes first, and the client then resets, which leaves nothing in TIME_WAIT at either
//! end.

use std::process::Command;

use crate::model::{Entry, Row, Scale, at_least_times};
use crate::peers::program::{self, Client, Hosted, go};
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
        client.run(scale.of(10, 2))
    })
    .external()
}

/// Starts a server and its client, and warms both up.
fn start(mut command: Command, scale: Scale) -> Result<(Hosted, Client), String> {
    proc::pin_command(&mut command, SERVER_CPU);
    let server = Hosted::start(command)?;
    let mut client = program::this();
    client.args(["--burst", &server.greeting, &server.pid().to_string()]).arg(scale.of(1_000, 50).to_string());
    proc::pin_command(&mut client, CLIENT_CPU);
    let mut client = Client::start(client)?;
    client.run(scale.of(10, 2))?;
    Ok((server, client))
}

fn host(library: &str) -> Command {
    let mut command = program::this();
    command.args(["--host", "accept", library, "1"]);
    command
}

pub fn row() -> Row {
    Row::new(
        "accept",
        "connections accepted and closed, 1,000 waiting, server with 1 worker on one core",
        "connections/s",
    )
    .more_is_better()
    .runs(25)
    .entry(entry("sinew/1", || Ok(host("sinew"))))
    .entry(entry("tokio/current", || Ok(host("tokio-current"))))
    .entry(entry("tokio/multi1", || Ok(host("tokio-multi"))))
    .entry(entry("may/1", || Ok(host("may"))))
    .entry(entry("go/1", || go("accept", 1)))
    .goal(at_least_times("sinew/1", 1.1, "tokio"))
}
