//! Generators: a value out, and a value in and out.

use std::hint::black_box;

use sinew::generator::Generator;

use super::{ROUND_TRIP, Row};

pub(crate) fn rows() -> Vec<Row> {
    let next = Row::new(ROUND_TRIP, "sinew generator next", |watch, n| {
        let numbers = Generator::<u64>::from_iter(0..);
        watch.repeat(n, || numbers.next());
    });
    let send = Row::new(ROUND_TRIP, "sinew generator send", |watch, n| {
        let echo = Generator::<u64, u64>::new(|y| {
            let mut value = 0;
            loop {
                value = y.yield_(value);
            }
        })
        .primed();
        watch.repeat(n, || echo.send(black_box(1)));
    });
    vec![next, send]
}
