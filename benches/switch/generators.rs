//! Generators: a value out, and a value in and out.

use std::hint::black_box;

use criterion::Criterion;
use sinew::generator::Generator;

pub(crate) fn rows(c: &mut Criterion) {
    let numbers = Generator::<u64>::from_iter(0..);
    c.bench_function("switch/sinew generator next", |b| b.iter(|| black_box(numbers.next())));
    let echo = Generator::<u64, u64>::new(|y| {
        let mut value = 0;
        loop {
            value = y.yield_(value);
        }
    })
    .primed();
    c.bench_function("switch/sinew generator send", |b| b.iter(|| black_box(echo.send(black_box(1)))));
}
