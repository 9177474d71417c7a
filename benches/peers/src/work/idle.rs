//! A runtime with nothing to do, ten of its threads parked: how often its OS threads wake up all the same. Voluntary
//! switches of each OS thread over some seconds, as the kernel counts them.

use std::process::Command;
use std::time::Duration;

use crate::model::{Entry, Row, Sample, Scale, at_most};
use crate::peers::program::{self, Hosted, go};
use crate::proc;

fn entry(label: &'static str, server: fn() -> Result<Command, String>) -> Entry {
    Entry::new(label, move |scale| idle(server()?, scale)).external()
}

fn idle(command: Command, scale: Scale) -> Result<Sample, String> {
    let hosted = Hosted::start(command)?;
    // It settles first: searching workers give up, timers of its start fire.
    std::thread::sleep(Duration::from_millis(scale.of(1_000, 100)));
    let switches = || proc::voluntary_switches(hosted.pid()).map_err(|e| e.to_string());
    let seconds = scale.of(5_000, 200) as f64 / 1e3;
    let before = switches()?;
    std::thread::sleep(Duration::from_secs_f64(seconds));
    let after = switches()?;
    let (mut most, mut total, mut monitor) = (0.0_f64, 0.0, 0.0_f64);
    for (id, name, count) in &after {
        // A thread that started meanwhile had none before.
        let earlier = before.iter().find(|(other, ..)| other == id).map_or(0, |(.., count)| *count);
        let rate = (count - earlier) as f64 / seconds;
        if name.contains("monitor") {
            monitor = monitor.max(rate);
        } else {
            most = most.max(rate);
        }
        total += rate;
    }
    Ok(Sample::new(most).max("monitor", monitor).mean("all-together", total, 1.0).max("os-threads", after.len() as f64))
}

fn host(library: &str) -> Command {
    let mut command = program::this();
    command.args(["--host", "idle", library, "2"]);
    command
}

pub fn row() -> Row {
    Row::new("idle", "idle runtime of 2 workers: wake-ups of the OS thread that has the most", "a second")
        .runs(3)
        .entry(entry("sinew/2", || Ok(host("sinew"))))
        .entry(entry("tokio/multi2", || Ok(host("tokio-multi"))))
        .entry(entry("may/2", || Ok(host("may"))))
        .entry(entry("go/2", || go("idle", 2)))
        .goal(at_most("sinew/2", 2.0))
        .goal(at_most(("sinew/2", "monitor"), 0.0))
}
