//! Generators: one value out a resume, and one value in and out.

use crate::model::{Entry, Row, Sample, Scale, at_most_times};
use crate::peers::coro;
use crate::peers::program::python_entry;

fn count(scale: Scale) -> u64 {
    scale.of(5_000_000, 10_000)
}

fn python_count(scale: Scale) -> u64 {
    scale.of(1_000_000, 1_000)
}

/// Values come out.
pub fn next() -> Row {
    Row::new("generator-next", "next of a generator that counts", "ns a value")
        .entry(Entry::new("sinew/generator", |s| Ok(Sample::new(coro::sinew_next(count(s))))))
        .entry(Entry::new("generator", |s| Ok(Sample::new(coro::generator_round(count(s))))))
        .entry(python_entry("python/generator", "switch.py", "sys", "next", python_count))
        .goal(at_most_times("sinew", 0.35, "generator"))
        .goal(at_most_times("sinew", 0.1, "python"))
}

/// Values go in and come back.
pub fn send() -> Row {
    Row::new("generator-send", "send to a generator that echoes", "ns a value")
        .entry(Entry::new("sinew/generator", |s| Ok(Sample::new(coro::sinew_send(count(s))))))
        .entry(Entry::new("generator", |s| Ok(Sample::new(coro::generator_send(count(s))))))
        .entry(python_entry("python/generator", "switch.py", "sys", "generator", python_count))
}
