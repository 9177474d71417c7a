//! HTTP over 256 connections that stay: plain requests, and sixteen at a time. `wrk` loads each server in turn, with one
//! thread on one processor; the server has one worker and the other processor. wrk connects anew in each run, which costs less
//! than a hundredth of it.
//!
//! The servers in Rust share the `http` example's parser, answers and buffers ([`crate::http`]); Go's is net/http. Each read that
//! waits may do so for 30 s, and each write: sinew's and may's by the socket's timeouts, tokio's by `tokio::time::timeout`, Go's by
//! the server's `ReadTimeout`, `IdleTimeout` and `WriteTimeout`; a bare loop over epoll, which has no such limits, shows what is
//! the kernel's and the handler's. sinew's server is the example's whole, and does more: its waits also end by a stop
//! token, and a request that has begun to come has a deadline of its own. tokio's has neither.
//!
//! `busy` is for how much of a run the server was on its processor, in percent. One that is not busy all the time waits for
//! wrk, and its rate is the client's: the ratio of two rates is then nearer to one than that of what the servers take for each
//! request.

use std::path::Path;
use std::process::Command;

use crate::model::{Entry, Outcome, Row, Sample, Scale, at_least_times, below_figure};
use crate::peers::program::{self, Hosted, go};
use crate::proc::{self, Usage};

const SERVER_CPU: usize = 0;
const CLIENT_CPU: usize = 1;

#[derive(Clone, Copy)]
enum Load {
    Plain,
    Pipelined,
}

fn entry(label: &'static str, load: Load, server: impl Fn() -> Result<Command, String> + 'static) -> Entry {
    let mut running = None;
    Entry::new(label, move |scale| {
        let server = match &mut running {
            Some(running) => running,
            none => {
                let mut command = server()?;
                proc::pin_command(&mut command, SERVER_CPU);
                let server = Hosted::start(command)?;
                // Warms it up.
                wrk(&server, load, Scale::Quick)?;
                none.insert(server)
            }
        };
        wrk(server, load, scale)
    })
    .external()
}

/// Loads the server once.
fn wrk(server: &Hosted, load: Load, scale: Scale) -> Outcome {
    let connections = scale.of(256, 32);
    let mut command = Command::new("wrk");
    command.args(["-t1", "-d1s", &format!("-c{connections}"), &format!("http://{}/", server.greeting)]);
    if let Load::Pipelined = load {
        command.arg("-s").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("wrk/pipelined.lua"));
    }
    proc::pin_command(&mut command, CLIENT_CPU);
    let usage = Usage::of(server.pid())?;
    let report = program::output(&mut command)?;
    if ["Socket errors", "Non-2xx"].iter().any(|trouble| report.contains(trouble)) {
        return Err(format!("wrk met errors: {report}"));
    }
    let unknown = || format!("wrk's report is strange: {report}");
    let number = |text: &str| text.trim().parse::<f64>().ok();
    let requests = report.split_once(" requests in ").and_then(|(front, _)| number(front.lines().last()?));
    let rate = report.split_once("Requests/sec:").and_then(|(_, back)| number(back.lines().next()?));
    let requests = requests.filter(|&requests| requests > 0.0).ok_or_else(unknown)?;
    let rate = rate.ok_or_else(unknown)?;
    // By wrk's own time: of its start and its end, the server knows nothing.
    usage.add_to(Sample::new(rate), requests, requests / rate)
}

fn host(library: &str) -> Command {
    let mut command = program::this();
    command.args(["--host", "http", library, "1"]);
    command
}

fn rows(name: &'static str, title: &'static str, load: Load) -> Row {
    Row::new(name, title, "requests/s")
        .more_is_better()
        .runs(9)
        .entry(entry("sinew/1", load, || Ok(host("sinew"))))
        .entry(entry("tokio/current", load, || Ok(host("tokio-current"))))
        .entry(entry("tokio/multi1", load, || Ok(host("tokio-multi"))))
        .entry(entry("may/1", load, || Ok(host("may"))))
        .entry(entry("go/1", load, || go("http", 1)))
        .entry(entry("bare", load, || Ok(host("bare"))))
        .goal(below_figure(("sinew/1", "user-ns"), ("tokio", "user-ns")))
}

pub fn plain() -> Row {
    rows("http", "HTTP, 256 connections, server with 1 worker on one core, wrk on the other", Load::Plain)
        .goal(at_least_times("sinew/1", 1.15, "tokio"))
        .goal(at_least_times("sinew/1", 1.3, "go"))
}

pub fn pipelined() -> Row {
    rows("http-pipelined", "the same, 16 requests at a time", Load::Pipelined)
        .goal(at_least_times("sinew/1", 1.2, "tokio"))
}
