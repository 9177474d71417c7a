//! A bare switch there and back, with no scheduler around it. corosensei's is the yardstick R of all other rows.

use crate::model::{Entry, Row, Sample, Scale};
use crate::peers::coro;
use crate::peers::program::python_entry;

fn count(scale: Scale) -> u64 {
    scale.of(5_000_000, 10_000)
}

fn python_count(scale: Scale) -> u64 {
    scale.of(1_000_000, 1_000)
}

pub fn row() -> Row {
    Row::new("switch", "resume and suspend of a bare coroutine", "ns a round trip")
        .entry(Entry::new("corosensei", |s| Ok(Sample::new(coro::resume_and_suspend(count(s))))))
        .entry(Entry::new("generator", |s| Ok(Sample::new(coro::generator_round(count(s))))))
        .entry(python_entry("python/generator", "switch.py", "sys", "generator", python_count))
        .entry(python_entry("python/greenlet", "switch.py", "greenlet", "greenlet", python_count))
}
