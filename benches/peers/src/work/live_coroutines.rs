//! A million coroutines that are suspended at once, with every setting at its default: memory and page tables for each,
//! and how many mappings the process needs. corosensei and generator take two mappings for each, and so hold as many as
//! the kernel's limit allows.

use std::hint::black_box;
use std::time::Instant;

use super::parked::Held;
use crate::model::{Entry, Row, Sample, Scale, at_least, at_most, below};
use crate::proc;

const LIVE: u64 = 1_000_000;

fn count(scale: Scale) -> u64 {
    scale.of(LIVE, 300)
}

/// How many there can be of what takes two mappings, with some left for the rest of the process.
fn count_of_pairs(scale: Scale) -> u64 {
    count(scale).min(proc::max_mappings().saturating_sub(proc::mappings() + 500) / 2)
}

/// Makes `n`, each suspended once, and measures while all live; then runs them to their ends.
fn hold<C>(n: u64, start: impl Fn(u64) -> C, end: impl Fn(&mut C)) -> Sample {
    let before = proc::resident_bytes();
    let began = Instant::now();
    let mut all: Vec<C> = (0..n).map(start).collect();
    let held = Held::measure(began);
    all.iter_mut().for_each(end);
    held.sample(before, n).max("live", n as f64)
}

macro_rules! coroutine {
    ($count:expr, $($library:ident)::+) => {
        hold(
            $count,
            |i| {
                use $($library)::+::{Coroutine, Yielder};
                let mut coroutine = Coroutine::new(|yielder: &Yielder<u64, u64>, first| yielder.suspend(first) + first);
                assert_eq!(coroutine.resume(black_box(i)).as_yield(), Some(i));
                coroutine
            },
            |coroutine| assert!(coroutine.resume(1).as_return().is_some()),
        )
    };
}

fn on_sinew(scale: Scale) -> Sample {
    coroutine!(count(scale), sinew::coroutine)
}

fn on_sinews_generators(scale: Scale) -> Sample {
    let start = |i| {
        let generator = sinew::generator::Generator::<u64>::new(move |y| y.yield_(black_box(i)));
        assert_eq!(generator.next(), Some(i));
        generator
    };
    hold(count(scale), start, |generator| assert_eq!(generator.next(), None))
}

fn on_corosensei(scale: Scale) -> Sample {
    coroutine!(count_of_pairs(scale), corosensei)
}

fn on_generator(scale: Scale) -> Sample {
    let start = |i| {
        let mut generator = generator::Gn::<()>::new_scoped(move |mut scope: generator::Scope<'_, '_, (), u64>| {
            scope.yield_with(black_box(i));
            generator::done!()
        });
        assert_eq!(generator.resume(), Some(i));
        generator
    };
    hold(count_of_pairs(scale), start, |generator| assert_eq!(generator.resume(), None))
}

pub fn row() -> Row {
    Row::new("coroutines-1m", "1,000,000 suspended coroutines at once: memory and page tables", "KiB each")
        .runs(1)
        .entry(Entry::new("sinew/coroutine", |scale| Ok(on_sinew(scale))).isolated())
        .entry(Entry::new("sinew/generator", |scale| Ok(on_sinews_generators(scale))).isolated())
        .entry(Entry::new("corosensei", |scale| Ok(on_corosensei(scale))).isolated())
        .entry(Entry::new("generator", |scale| Ok(on_generator(scale))).isolated())
        .goal(at_most("sinew/coroutine", 4.8))
        .goal(below(("sinew/coroutine", "mappings"), 1000.0))
        .goal(at_least(("sinew/coroutine", "live"), LIVE as f64))
}
