//! The table at the end: what was done of each kind, and how much a minute.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::actor::{World, locked};
use crate::args::Args;
use crate::kinds::KINDS;
use crate::thousands::thousands;

pub(crate) fn print(args: &Args, world: &World, rounds: u64, elapsed: Duration) {
    let minutes = elapsed.as_secs_f64() / 60.0;
    let row = |name: &str, count: u64| {
        println!("  {name:<34} {:>15} {:>15}", thousands(count), thousands((count as f64 / minutes) as u64));
    };
    println!("soak: seed {}, {rounds} rounds in {:.0} s; every book balanced", args.seed, elapsed.as_secs_f64());
    println!("  {:<34} {:>15} {:>15}", "operations", "all", "a minute");
    let tally = locked(&world.tally);
    let mut kinds = BTreeMap::<&str, u64>::new();
    for ((kind, _), count) in tally.iter() {
        *kinds.entry(kind).or_default() += count;
    }
    for kind in KINDS {
        let Some(&count) = kinds.get(kind.name) else { continue };
        row(kind.name, count);
        for ((of, step), &count) in tally.iter() {
            if args.steps && *of == kind.name {
                row(&format!("  {step}"), count);
            }
        }
    }
    row("all", kinds.values().sum());
    row("lives of actors", world.lives.load(Ordering::Relaxed));
    row("lives ended by cancellation", world.cancelled.load(Ordering::Relaxed));
}
