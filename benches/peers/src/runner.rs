//! The order of measuring: for each row, round after round, the yardstick R and then every entry once, so that whatever
//! slows the machine for a while slows all of them.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::model::{Outcome, Row, Sample, Scale};
use crate::{Options, goals, peers, proc, report, work};

/// All runs of one entry.
pub struct Measured {
    pub label: String,
    pub samples: Vec<Sample>,
    /// Why it has none.
    pub reason: Option<String>,
}

/// All runs of one row.
pub struct Results {
    pub row: Row,
    /// R in nanoseconds, once a round.
    pub yardstick: Vec<f64>,
    pub measured: Vec<Measured>,
}

/// Measures what the options select and prints the table.
pub fn main(options: &Options) -> Result<(), String> {
    proc::raise_open_files();
    let makers: Vec<_> = work::ROWS.iter().filter(|(name, _)| selected(name, &options.only)).collect();
    if makers.is_empty() {
        let names: Vec<&str> = work::ROWS.iter().map(|(name, _)| *name).collect();
        return Err(format!("no such row; there are: {}", names.join(", ")));
    }
    let began = Instant::now();
    let bar = ProgressBar::new(makers.len() as u64 * 1000);
    let style = ProgressStyle::with_template("{bar:30} {percent:>3} % {elapsed} {msg}").map_err(|e| e.to_string())?;
    bar.set_style(style);
    println!("{}", report::heading(options.scale));
    let steps = watchdog();
    let mut all = Vec::new();
    for (at, (_, make)) in makers.iter().enumerate() {
        let mut row = make();
        row.entries.retain(|entry| !options.without.iter().any(|name| entry.label.starts_with(name.as_str())));
        bar.set_position(at as u64 * 1000);
        let results = measure(row, options, &bar, &steps);
        bar.suspend(|| print!("{}", report::row(&results)));
        all.push(results);
    }
    bar.finish_and_clear();
    print!("{}", goals::summary(&all));
    println!("took {:.0} s", began.elapsed().as_secs_f64());
    if let Some(path) = &options.json {
        std::fs::write(path, report::json(&all)).map_err(|e| format!("{}: {e}", path.display()))?;
    }
    Ok(())
}

/// A row's whole name selects that row alone, a part of a name all that contain it.
fn selected(name: &str, only: &[String]) -> bool {
    let whole = |part: &String| work::ROWS.iter().any(|(row, _)| row == part);
    only.is_empty() || only.iter().any(|part| if whole(part) { name == part } else { name.contains(part.as_str()) })
}

fn measure(mut row: Row, options: &Options, bar: &ProgressBar, watched: &Sender<String>) -> Results {
    let runs = options.runs.unwrap_or(if options.scale == Scale::Quick { 2 } else { row.runs });
    let mut measured: Vec<Measured> = row
        .entries
        .iter()
        .map(|entry| Measured { label: entry.label.clone(), samples: Vec::new(), reason: None })
        .collect();
    let mut yardstick = Vec::new();
    let base = bar.position();
    let width = row.entries.len().max(1);
    let steps = (runs + 1) * width;
    // Round 0 warms up what lives in this process; programs warm themselves up.
    for round in 0..=runs {
        if round > 0 {
            yardstick.push(peers::coro::resume_and_suspend(options.scale.of(3_000_000, 100_000)));
        }
        for (at, (entry, into)) in row.entries.iter_mut().zip(&mut measured).enumerate() {
            let step = format!("{} {} {round}/{runs}", row.name, entry.label);
            let _ = watched.send(step.clone());
            bar.set_message(step);
            bar.set_position(base + ((round * width + at) * 1000 / steps) as u64);
            if into.reason.is_some() || (round == 0 && (entry.isolated || entry.external)) {
                continue;
            }
            let scale = if round == 0 { Scale::Quick } else { options.scale };
            let outcome: Outcome = if entry.isolated {
                peers::program::this_program_runs(row.name, &entry.label, scale)
            } else {
                entry.run(scale)
            };
            match outcome {
                Ok(sample) if round > 0 => into.samples.push(sample),
                Ok(_) => {}
                Err(reason) => into.reason = Some(reason),
            }
        }
    }
    // The runtimes that the entries hold end with the row.
    row.entries.clear();
    Results { row, yardstick, measured }
}

/// Ends the program when a step takes longer than any does that comes to an end: a thread that nothing wakes any more
/// would hang it without a word. It is told each step as it begins.
fn watchdog() -> Sender<String> {
    const LONGEST: Duration = Duration::from_secs(330);
    let (sender, steps) = channel::<String>();
    std::thread::spawn(move || {
        let mut step = String::from("the start");
        loop {
            match steps.recv_timeout(LONGEST) {
                Ok(next) => step = next,
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {
                    eprintln!("{step} hangs: no end after {} s", LONGEST.as_secs());
                    std::process::exit(1);
                }
            }
        }
    });
    sender
}

/// Runs one entry in this process and prints its sample: the other end of [`peers::program::this_program_runs`].
pub fn child(name: &str, label: &str, scale: &str) -> Result<(), String> {
    proc::raise_open_files();
    let scale = if scale == "full" { Scale::Full } else { Scale::Quick };
    let (_, make) = work::ROWS.iter().find(|(row, _)| *row == name).ok_or("no such row")?;
    let mut row = make();
    let entry = row.entries.iter_mut().find(|entry| entry.label == label).ok_or("no such entry")?;
    print!("{}", entry.run(scale)?.to_lines());
    Ok(())
}
