//! Ends a run in which something has not moved for long, and tells what: a lost wake would hold it for ever.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::actor::{World, locked};

/// Starts the OS thread that looks once a second. `context` says of which run it is.
pub(crate) fn start(world: &Arc<World>, stalled: Duration, context: String) {
    let world = Arc::clone(world);
    std::thread::spawn(move || {
        let mut seen: HashMap<usize, (u64, Instant)> = HashMap::new();
        let mut driver = (0, Instant::now());
        loop {
            std::thread::sleep(Duration::from_secs(1));
            let now = Instant::now();
            let roster = locked(&world.roster).clone();
            let address = |card| Arc::as_ptr(card) as usize;
            seen.retain(|known, _| roster.iter().any(|card| address(card) == *known));
            let stuck: Vec<_> = roster
                .iter()
                .filter(|card| {
                    let moved = card.moved.load(Ordering::Relaxed);
                    let entry = seen.entry(address(card)).or_insert((moved, now));
                    if entry.0 != moved {
                        *entry = (moved, now);
                    }
                    now - entry.1 > stalled
                })
                .collect();
            let (does, changes) = locked(&world.driver).clone();
            if driver.0 != changes {
                driver = (changes, now);
            }
            // An actor may be dealt with fairly and still be slow, but a round that goes on for so long is not.
            if now - driver.1 > stalled {
                eprintln!("\nsoak: HUNG: nothing has moved for {} s: the driver {does}", stalled.as_secs());
                stuck.iter().for_each(|card| eprintln!("  {}", card.describe()));
                if stuck.is_empty() {
                    roster.iter().for_each(|card| eprintln!("  still moves: {}", card.describe()));
                }
                eprintln!("{context}");
                std::process::exit(1);
            }
        }
    });
}
