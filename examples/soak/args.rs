//! What the command line asks for.

use std::time::Duration;

use crate::kinds::KINDS;
use crate::options::Options;
use crate::program::Arguments;

pub(crate) const HELP: &str = "\
Mixes everything that threads wait on, green threads and OS threads, and cancels them at random; checks that nothing is
lost, doubled or held; ends in a table of what was done.

Usage: soak [OPTIONS]

  --minutes N         how long (1)
  --seconds N         the same, in seconds
  --seed S            where all choices come from (1)
  --round R           begin with this round (1)
  --workers N         workers of the runtime (as many as the machine has processors, or SINEW_WORKERS)
  --only TEXT         only the kinds of work whose name contains TEXT
  --steps             a row in the table for each step that an actor can take
  --stalled SECONDS   how long nothing may move before the run is ended as hung (30)
  --plant MISTAKE     make a mistake on purpose, to see it told: lost, doubled, leaked, stuck
  --help              print this

A run is a row of rounds of a second each. In a round the actors of each kind of work take one step after another;
some are cancelled, and others take their places; then all of them end, and the books must balance, no thread and no
open file be left. What an actor does is determined by the seed, the round, and which actor it is: the same seed makes
the same actors, in the same mixture of green and OS threads, choose the same steps in the same order. How far they get,
and in which order they meet, the machine decides, and differs from run to run. To look for what one round showed,
begin with that round and its seed, for longer: --seed S --round R.

Exit code: 0 when all was well, 1 when a check failed or nothing moved, 2 when the command line is wrong.
";

/// A mistake that is made on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mistake {
    Lost,
    Doubled,
    Leaked,
    Stuck,
}

/// The command line, understood.
#[derive(Clone, Debug)]
pub(crate) struct Args {
    pub(crate) length: Duration,
    pub(crate) seed: u64,
    pub(crate) round: u64,
    /// `None` leaves it to the runtime.
    pub(crate) workers: Option<usize>,
    pub(crate) only: String,
    pub(crate) steps: bool,
    pub(crate) stalled: Duration,
    pub(crate) plant: Option<Mistake>,
}

impl Args {
    /// Reads the arguments behind the program's name; `None` means that help was asked for.
    pub(crate) fn parse(args: Arguments) -> Result<Option<Args>, String> {
        let mut parsed = Args {
            length: Duration::from_secs(60),
            seed: 1,
            round: 1,
            workers: None,
            only: String::new(),
            steps: false,
            stalled: Duration::from_secs(30),
            plant: None,
        };
        let mut options = Options::new(args);
        while let Some(name) = options.next()? {
            match name.as_str() {
                "--minutes" => parsed.length = Duration::from_secs(60 * options.number(1, 100_000)?),
                "--seconds" => parsed.length = Duration::from_secs(options.number(1, 6_000_000)?),
                "--seed" => parsed.seed = options.number(0, u64::MAX)?,
                "--round" => parsed.round = options.number(1, u64::MAX)?,
                "--workers" => parsed.workers = Some(options.number(1, 1024)?),
                "--only" => parsed.only = options.value()?,
                "--steps" => parsed.steps = true,
                "--stalled" => parsed.stalled = Duration::from_secs(options.number(1, 3600)?),
                "--plant" => parsed.plant = Some(mistake(&options.value()?)?),
                "--help" | "-h" => return Ok(None),
                _ => return Err(format!("{name:?} is no option of this program")),
            }
        }
        if !KINDS.iter().any(|kind| kind.name.contains(&parsed.only)) {
            let names: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
            return Err(format!(
                "no kind of work has {:?} in its name; there are:\n  {}",
                parsed.only,
                names.join("\n  ")
            ));
        }
        Ok(Some(parsed))
    }
}

fn mistake(name: &str) -> Result<Mistake, String> {
    match name {
        "lost" => Ok(Mistake::Lost),
        "doubled" => Ok(Mistake::Doubled),
        "leaked" => Ok(Mistake::Leaked),
        "stuck" => Ok(Mistake::Stuck),
        _ => Err(format!("--plant needs lost, doubled, leaked or stuck, not {name:?}")),
    }
}
