//! What a context switch costs on this machine, in under a minute: nanoseconds, ticks of the processor's time-stamp counter, and
//! instructions where the kernel lets them be counted, as a table and as a picture. `cargo bench --bench switch` measures the same rows
//! longer.

mod plot;
mod table;

#[path = "../common/options.rs"]
mod options;
#[path = "../common/program.rs"]
mod program;
#[path = "../../benches/switch/mod.rs"]
mod switch;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use options::Options;
use perf_event::{Builder, Counter, events::Hardware};
use program::Arguments;
use switch::{Row, Watch};

const HELP: &str = "\
Measures context switches: coroutines, generators, green threads, and what else there is to compare them with.

Usage: switch_lab [OPTIONS]

  --only TEXT     rows whose group or name contains TEXT (all)
  --rounds N      runs of each row, round after round, of which the medians are shown (7)
  --millis N      about so long a run (20)
  --svg FILE      where the picture goes (switch_lab.svg)
  --help          print this
";

/// The command line, understood.
struct Args {
    only: String,
    rounds: usize,
    run: Duration,
    svg: PathBuf,
}

impl Args {
    fn parse(args: Arguments) -> Result<Option<Args>, String> {
        let mut parsed =
            Args { only: String::new(), rounds: 7, run: Duration::from_millis(20), svg: "switch_lab.svg".into() };
        let mut options = Options::new(args);
        while let Some(option) = options.next()? {
            match &*option {
                "--only" => parsed.only = options.value()?,
                "--rounds" => parsed.rounds = options.number(1, 1_000)?,
                "--millis" => parsed.run = Duration::from_millis(options.number(1, 10_000)?),
                "--svg" => parsed.svg = options.value()?.into(),
                "--help" => return Ok(None),
                _ => return Err(format!("{option:?} is no option of this program")),
            }
        }
        Ok(Some(parsed))
    }
}

/// What one run gave, each time.
#[derive(Clone, Copy)]
struct Cost {
    nanoseconds: f64,
    ticks: f64,
    instructions: Option<f64>,
}

/// A row and all its runs.
struct Measured {
    group: &'static str,
    name: String,
    costs: Vec<Cost>,
}

impl Measured {
    /// The least, the median and the largest of a figure.
    fn spread(&self, figure: impl Fn(&Cost) -> f64) -> [f64; 3] {
        let mut all: Vec<f64> = self.costs.iter().map(figure).collect();
        all.sort_by(f64::total_cmp);
        [all[0], all[all.len() / 2], all[all.len() - 1]]
    }

    fn nanoseconds(&self) -> [f64; 3] {
        self.spread(|cost| cost.nanoseconds)
    }
}

fn main() -> ExitCode {
    program::start("switch_lab", HELP, Args::parse, |args| run(&args).map(|()| ExitCode::SUCCESS))
}

fn run(args: &Args) -> Result<(), String> {
    let mut rows = switch::rows();
    rows.retain(|row| row.group.contains(&args.only) || row.name.contains(&args.only));
    if rows.is_empty() {
        return Err(format!("no row contains {:?}", args.only));
    }
    let (counter, uncounted) = match Builder::new(Hardware::INSTRUCTIONS).build() {
        Ok(counter) => (Some(counter), None),
        Err(error) => (None, Some(error)),
    };
    let measured = measure(&mut rows, args, counter)?;
    print!("{}", table::text(&measured));
    if let Some(error) = uncounted {
        println!("Instructions were not counted: {error}.");
    }
    plot::draw(&measured, &args.svg).map_err(|e| format!("{}: {e}", args.svg.display()))?;
    println!("The picture is in {}.", args.svg.display());
    Ok(())
}

/// Runs every row once a round, so that whatever slows the machine for a while slows all of them.
fn measure(rows: &mut [Row], args: &Args, counter: Option<Counter>) -> Result<Vec<Measured>, String> {
    let bar = ProgressBar::new((rows.len() * (args.rounds + 1)) as u64);
    let style = ProgressStyle::with_template("{bar:30} {percent:>3} % {elapsed} {msg}").map_err(|e| e.to_string())?;
    bar.set_style(style);
    let mut watch = Watch { instructions: counter, ..Watch::default() };
    let mut measured = Vec::new();
    let mut counts = Vec::new();
    for row in rows.iter_mut() {
        bar.set_message(row.name.clone());
        counts.push(enough(row, &mut watch, args.run));
        measured.push(Measured { group: row.group, name: row.name.clone(), costs: Vec::new() });
        bar.inc(1);
    }
    for _ in 0..args.rounds {
        for ((row, &n), into) in rows.iter_mut().zip(&counts).zip(&mut measured) {
            bar.set_message(row.name.clone());
            into.costs.push(cost(row, &mut watch, n)?);
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    Ok(measured)
}

/// How many times make a run long enough, with what is done around the measured part taken into account; warms up on the
/// way.
fn enough(row: &mut Row, watch: &mut Watch, run: Duration) -> u64 {
    let mut n = 64;
    loop {
        watch.time = Duration::ZERO;
        let began = Instant::now();
        row.run(watch, n);
        let spent = watch.time.max(began.elapsed() / 4);
        if spent * 4 >= run || n >= 1 << 30 {
            let times = run.as_secs_f64() / spent.as_secs_f64().max(1e-9);
            return ((n as f64 * times) as u64).max(1);
        }
        n *= 4;
    }
}

fn cost(row: &mut Row, watch: &mut Watch, n: u64) -> Result<Cost, String> {
    (watch.time, watch.ticks) = (Duration::ZERO, 0);
    let counted = |counter: &mut Option<Counter>| counter.as_mut().map(Counter::read).transpose();
    let before = counted(&mut watch.instructions).map_err(|e| e.to_string())?;
    row.run(watch, n);
    let after = counted(&mut watch.instructions).map_err(|e| e.to_string())?;
    let each = |total: f64| total / n as f64;
    Ok(Cost {
        nanoseconds: each(watch.time.as_nanos() as f64),
        ticks: each(watch.ticks as f64),
        // Those of rows whose work another OS thread does are not seen.
        instructions: before.zip(after).map(|(before, after)| each((after - before) as f64)).filter(|&n| n > 0.0),
    })
}
