//! Echo in a closed loop. The server has one worker and one processor, the client, the same program for all, the other. Most
//! of the time is the kernel's, so the server's own time in user mode is shown for each message too.
//!
//! All servers stand side by side with their connections open, and a run drives one of them for 200 ms: on a shared machine whose
//! speed drifts by a quarter within seconds, runs of seconds one after another cannot tell 3 %. The bare loops have neither threads
//! nor tasks: what they take is the kernel's.
//!
//! `busy` is for how much of a run the server was on its processor, in percent. One that is not busy all the time waits for
//! the client, and its rate is the client's: the ratio of two rates is then nearer to one than that of what the servers take
//! for each message.

use std::process::Command;

use crate::model::{Entry, Row, Scale, at_least_times, at_most_times};
use crate::peers::program::{self, Client, Hosted, go, python};
use crate::proc;

const SERVER_CPU: usize = 0;
const CLIENT_CPU: usize = 1;

/// Two figures that are the same, as far as the runs can tell.
const NO_WORSE: f64 = 1.03;

/// What the client does.
#[derive(Clone, Copy)]
pub(super) struct Load {
    /// The host's work.
    pub(super) work: &'static str,
    pub(super) connections: u64,
    pub(super) bytes: u64,
    /// Datagrams under way instead of connections.
    pub(super) datagrams: u64,
    /// Of a run, in milliseconds.
    pub(super) slice: u64,
}

impl Load {
    const THOUSAND: Load = Load { work: "echo", connections: 1_000, bytes: 64, datagrams: 0, slice: 200 };

    /// An entry that is this program on a library.
    pub(super) fn host(self, label: &'static str, library: &'static str) -> Entry {
        self.entry(label, move || {
            let mut command = program::this();
            command.args(["--host", self.work, library, "1"]);
            Ok(command)
        })
    }

    /// An entry that is the Go program.
    pub(super) fn go(self, arguments: &'static [&'static str]) -> Entry {
        self.entry("go/1", move || {
            let (work, rest) = arguments.split_first().ok_or("no work")?;
            let mut command = go(work, 1)?;
            command.args(rest);
            Ok(command)
        })
    }

    pub(super) fn entry(self, label: &str, server: impl Fn() -> Result<Command, String> + 'static) -> Entry {
        let mut running = None;
        Entry::new(label, move |scale| {
            let (_, client) = match &mut running {
                Some(running) => running,
                none => none.insert(self.start(server()?, scale)?),
            };
            client.run(scale.of(self.slice, 50))
        })
        .external()
    }

    /// Starts a server and its client, and warms both up.
    fn start(self, command: Command, scale: Scale) -> Result<(Hosted, Client), String> {
        let server = server(command)?;
        let mut client = self.client(&server, scale)?;
        client.run(scale.of(1_000, 50))?;
        Ok((server, client))
    }

    /// Starts a client and opens its connections.
    pub(super) fn client(self, server: &Hosted, scale: Scale) -> Result<Client, String> {
        let mut client = program::this();
        client
            .args(["--client", "--connect", &server.greeting])
            .args(["--server-pid", &server.pid().to_string()])
            .args(["--connections", &scale.of(self.connections, self.connections / 20).to_string()])
            .args(["--bytes", &self.bytes.to_string()])
            .args(["--datagrams", &self.datagrams.to_string()]);
        proc::pin_command(&mut client, CLIENT_CPU);
        Client::start(client)
    }
}

/// Starts a server on its processor.
pub(super) fn server(mut command: Command) -> Result<Hosted, String> {
    proc::pin_command(&mut command, SERVER_CPU);
    Hosted::start(command)
}

/// The entries and the goals of small messages over many connections.
fn small(row: Row, load: Load) -> Row {
    row.more_is_better()
        .entry(load.host("sinew/1", "sinew"))
        .entry(load.host("sinew-uring/1", "sinew-uring"))
        .entry(load.host("tokio/current", "tokio-current"))
        .entry(load.host("tokio/multi1", "tokio-multi"))
        .entry(load.go(&["echo", "plain"]))
        .entry(load.host("bare", "bare"))
        .entry(load.host("bare/uring", "bare-uring"))
        .goal(at_least_times("sinew/1", 0.97, "tokio"))
        .goal(at_most_times(("sinew/1", "p99-us"), NO_WORSE, ("tokio", "p99-us")))
        // The flavour with the most messages may be the one that keeps some waiting for long.
        .goal(at_most_times(("sinew/1", "p99-us"), NO_WORSE, ("tokio/current", "p99-us")))
        .goal(at_most_times(("sinew/1", "user-ns"), 0.8, ("tokio", "user-ns")))
        .goal(at_least_times("sinew-uring/1", 1.1, "tokio"))
        .goal(at_most_times(("sinew-uring/1", "p99-us"), NO_WORSE, ("tokio/current", "p99-us")))
        .goal(at_most_times(("sinew-uring/1", "user-ns"), 0.2, ("tokio", "user-ns")))
}

pub fn row() -> Row {
    let load = Load::THOUSAND;
    let title = "echo, 1,000 connections, 64 bytes, server with 1 worker on one core, client on the other";
    small(Row::new("echo", title, "messages/s").runs(150), load)
        .entry(load.host("may/1", "may"))
        .entry(load.host("std", "std"))
        .entry(load.entry("python/asyncio", || python("echo.py", "asyncio")))
        .goal(at_least_times("sinew/1", 1.1, "may"))
        .goal(at_least_times("sinew/1", 1.1, "go"))
        .goal(at_most_times(("sinew/1", "user-ns"), 0.5, ("go", "user-ns")))
}

pub fn ten_thousand() -> Row {
    // Each connection has a few turns in a run.
    let load = Load { connections: 10_000, slice: 500, ..Load::THOUSAND };
    let title = "echo, 10,000 connections, 64 bytes, server with 1 worker on one core, client on the other";
    small(Row::new("echo-10000", title, "messages/s").runs(60), load)
}

pub fn large() -> Row {
    let load = Load { work: "echo-large", connections: 64, bytes: 65_536, ..Load::THOUSAND };
    Row::new(
        "echo-64k",
        "echo, 64 connections, 64 KiB, server with 1 worker on one core, client on the other",
        "messages/s",
    )
    .more_is_better()
    .runs(60)
    .entry(load.host("sinew/1", "sinew"))
    .entry(load.host("sinew-uring/1", "sinew-uring"))
    .entry(load.host("std", "std"))
    .entry(load.host("tokio/current", "tokio-current"))
    .entry(load.host("tokio/multi1", "tokio-multi"))
    .entry(load.go(&["echo", "plain", "65536"]))
    .goal(at_least_times("sinew/1", 0.97, "std"))
}
