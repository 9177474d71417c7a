//! Everything that threads wait on, at once and for long: channels, locks, semaphores, condition variables, barriers, events, sleeps, sockets,
//! joins, scopes, generators; between green threads and OS threads that are cancelled, time out, panic and are woken for nothing. Every second
//! all of it is brought to an end, and the books must balance: nothing lost, nothing doubled, nothing held, nobody left.
//!
//! ```text
//! cargo run --release --example soak -- --minutes 10
//! cargo run --release --example soak -- --seed 7 --round 30 --only semaphore
//! cargo run --release --example soak -- --help
//! ```
//!
//! [`round`] drives it, [`stage`] says what a kind of work is made of, and each file in `kinds` holds one.

mod actor;
mod args;
mod kinds;
mod ledger;
#[path = "../common/options.rs"]
mod options;
mod process;
#[path = "../common/program.rs"]
mod program;
mod progress;
mod random;
mod report;
mod round;
mod stage;
#[path = "../common/thousands.rs"]
mod thousands;
mod watchdog;

use std::convert::Infallible;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sinew::Runtime;

use actor::World;
use args::{Args, HELP};
use progress::Progress;

/// How many rounds one runtime serves.
const RUNTIME_ROUNDS: u64 = 8;

fn main() -> ExitCode {
    program::start("soak", HELP, Args::parse, |args| Ok::<_, Infallible>(run(&args)))
}

fn run(args: &Args) -> ExitCode {
    kinds::hide_planned_panics();
    let world = Arc::new(World::default());
    let start = Instant::now();
    let mut progress = Progress::new(args);
    match soak(args, &world, &mut progress) {
        Ok(rounds) => {
            progress.finish();
            report::print(args, &world, rounds, start.elapsed());
            ExitCode::SUCCESS
        }
        Err(wrong) => {
            progress.finish();
            eprintln!("soak: VIOLATION: {wrong}");
            // Threads may be left that nobody can end.
            std::process::exit(1);
        }
    }
}

/// All rounds; gives how many there were.
fn soak(args: &Args, world: &Arc<World>, progress: &mut Progress) -> Result<u64, String> {
    // OS threads spawn their children into the default runtime, which goes on for ever.
    sinew::run(|| ());
    let mut runtime = build(args)?;
    watchdog::start(world, args.stalled, context(args, None));
    let files = process::open_files();
    let start = Instant::now();
    let mut round = args.round;
    loop {
        round::run(world, &runtime, args, round, files)
            .map_err(|wrong| format!("{wrong}\n{}", context(args, Some(round))))?;
        progress.show(world, start.elapsed(), round - args.round + 1);
        if start.elapsed() >= args.length {
            break;
        }
        round += 1;
        if (round - args.round).is_multiple_of(RUNTIME_ROUNDS) {
            world.driver_does("shuts the runtime down");
            runtime.shutdown(Instant::now() + Duration::from_secs(30)).map_err(|error| error.to_string())?;
            runtime = build(args)?;
        }
    }
    world.driver_does("shuts the last runtime down");
    runtime.shutdown(Instant::now() + Duration::from_secs(30)).map_err(|error| error.to_string())?;
    Ok(round - args.round + 1)
}

fn build(args: &Args) -> Result<Runtime, String> {
    let builder = Runtime::builder();
    let builder = args.workers.into_iter().fold(builder, sinew::runtime::Builder::workers);
    builder.build().map_err(|error| format!("no runtime: {error}"))
}

/// Of which run something is told, and how to repeat it.
fn context(args: &Args, round: Option<u64>) -> String {
    let mut command = format!("--seed {} --round {}", args.seed, round.unwrap_or(args.round));
    if let Some(workers) = args.workers {
        command += &format!(" --workers {workers}");
    }
    if !args.only.is_empty() {
        command += &format!(" --only {:?}", args.only);
    }
    let round = round.map(|round| format!(", round {round}")).unwrap_or_default();
    format!("  seed {}{round}; to look again: soak {command}", args.seed)
}
