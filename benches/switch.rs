//! What a context switch costs: coroutines beside corosensei's, a plain call, `swapcontext`, generator-rs and a hand-over
//! between OS threads; generators; green threads that yield to and wake each other on one worker; making, starting and unwinding a
//! coroutine; many of them in random order.

#[path = "switch/mod.rs"]
mod switch;

use criterion::{Criterion, criterion_group, criterion_main};
use switch::Watch;

fn rows(c: &mut Criterion) {
    for mut row in switch::rows() {
        c.bench_function(&format!("{}/{}", row.group, row.name), |b| {
            b.iter_custom(|n| {
                let mut watch = Watch::default();
                row.run(&mut watch, n);
                watch.time
            })
        });
    }
}

criterion_group!(benches, rows);
criterion_main!(benches);
