//! Making a coroutine, starting it, running it to its end, unwinding it.

use std::hint::black_box;

use super::Row;

/// Coroutines in the rows that measure a part of their lives: so many are made ready at a time.
const BATCH: u64 = 64;

const TO_THE_END: &str = "create+run+drop";

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = to_the_end();
    rows.extend(corosensei_parts());
    rows.extend(sinew_parts());
    rows
}

macro_rules! on_one_stack {
    ($name:literal, $($library:ident)::+) => {
        Row::new(TO_THE_END, $name, |watch, n| {
            use $($library)::+::{ScopedCoroutine, stack::DefaultStack};
            let mut stack = DefaultStack::default();
            watch.repeat(n, || {
                let coroutine = ScopedCoroutine::<u64, (), u64, _>::with_stack(&mut stack, |_, input| input);
                coroutine.scope(|mut coroutine| coroutine.resume(black_box(1)))
            });
        })
    };
}

macro_rules! on_default_stacks {
    ($name:literal, $($library:ident)::+) => {
        Row::new(TO_THE_END, $name, |watch, n| {
            use $($library)::+::Coroutine;
            watch.repeat(n, || Coroutine::<u64, (), u64>::new(|_, input| input).resume(black_box(1)));
        })
    };
}

fn to_the_end() -> Vec<Row> {
    vec![
        on_one_stack!("corosensei, stack reused", corosensei),
        on_default_stacks!("corosensei, fresh stack", corosensei),
        on_one_stack!("sinew, stack reused", sinew::coroutine),
        on_default_stacks!("sinew, pooled stack", sinew::coroutine),
    ]
}

macro_rules! parts {
    ($function:ident, $name:literal, $($library:ident)::+) => {
        fn $function() -> Vec<Row> {
            use $($library)::+::{Coroutine, stack::DefaultStack};

            fn endless() -> Coroutine<u64, u64, (), DefaultStack> {
                Coroutine::with_stack(DefaultStack::default(), |yielder, mut input| loop {
                    input = yielder.suspend(input);
                })
            }

            fn started() -> Coroutine<u64, u64, (), DefaultStack> {
                let mut coroutine = endless();
                coroutine.resume(1);
                coroutine
            }

            vec![
                Row::new("create and drop unstarted", $name, |watch, n| {
                    watch.repeat(n, endless);
                }),
                Row::new("first resume", $name, |watch, n| {
                    for from in (0..n).step_by(BATCH as usize) {
                        let mut batch: Vec<_> = (from..n.min(from + BATCH)).map(|_| endless()).collect();
                        watch.measure(|| {
                            for coroutine in &mut batch {
                                black_box(coroutine.resume(black_box(1)));
                            }
                        });
                    }
                }),
                Row::new("drop by unwinding", $name, |watch, n| {
                    for from in (0..n).step_by(BATCH as usize) {
                        let batch: Vec<_> = (from..n.min(from + BATCH)).map(|_| started()).collect();
                        watch.measure(|| drop(batch));
                    }
                }),
            ]
        }
    };
}

parts!(sinew_parts, "sinew", sinew::coroutine);
parts!(corosensei_parts, "corosensei", corosensei);
