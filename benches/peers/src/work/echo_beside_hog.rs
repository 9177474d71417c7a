//! Echo on two workers beside a thread that computes for 5 ms at a time between yields: how long the others wait at
//! worst. The client sends at a fixed rate, well below what the server can do, because a closed loop of 1,000 connections
//! would mostly measure its own queue. may is left out: a coroutine that yields without end keeps its workers from their
//! poller.

use std::process::Command;

use crate::model::{Entry, Row, at_most};
use crate::peers::program::{self, Hosted, go};

fn entry(label: &'static str, server: fn() -> Result<Command, String>) -> Entry {
    Entry::new(label, move |scale| {
        let server = Hosted::start(server()?)?;
        let mut client = program::this();
        client
            .args(["--client", "--connect", &server.greeting])
            .args(["--server-pid", &server.pid().to_string()])
            .args(["--connections", &scale.of(1_000, 50).to_string()])
            .args(["--millis", &scale.of(5_000, 300).to_string()])
            .args(["--warm-up", "300"])
            .args(["--rate", &scale.of(10_000, 1_000).to_string()]);
        program::run(&mut client)
    })
    .external()
}

fn host(library: &str) -> Command {
    let mut command = program::this();
    command.args(["--host", "echo", library, "2", "hog"]);
    command
}

pub fn row() -> Row {
    Row::new(
        "echo-hog",
        "echo, 1,000 connections, 10,000 messages/s, 2 workers, a thread computes 5 ms between yields: p99.9",
        "ms",
    )
    .runs(5)
    .entry(entry("sinew/2", || Ok(host("sinew"))))
    .entry(entry("tokio/multi2", || Ok(host("tokio-multi"))))
    .entry(entry("go/2", || {
        let mut command = go("echo", 2)?;
        command.arg("hog");
        Ok(command)
    }))
    .goal(at_most("sinew/2", 15.0))
}
