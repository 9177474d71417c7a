//! Making a coroutine, starting it, running it to its end, unwinding it.

use criterion::{BatchSize, Criterion};
use std::hint::black_box;

/// Stacks to start coroutines on, for the rows that time a part of their life.
const BATCH: u64 = 64;

pub(crate) fn rows(c: &mut Criterion) {
    to_the_end(c);
    sinew_parts(c);
    corosensei_parts(c);
}

fn to_the_end(c: &mut Criterion) {
    {
        use corosensei::{Coroutine, ScopedCoroutine, stack::DefaultStack};
        let mut stack = DefaultStack::default();
        c.bench_function("create+run+drop/corosensei, stack reused", |b| {
            b.iter(|| {
                let coroutine = ScopedCoroutine::<u64, (), u64, _>::with_stack(&mut stack, |_, input| input);
                coroutine.scope(|mut coroutine| coroutine.resume(black_box(1)))
            })
        });
        c.bench_function("create+run+drop/corosensei, fresh stack", |b| {
            b.iter(|| Coroutine::<u64, (), u64>::new(|_, input| input).resume(black_box(1)))
        });
    }
    {
        use sinew::coroutine::{Coroutine, ScopedCoroutine, stack::DefaultStack};
        c.bench_function("create+run+drop/sinew, pooled stack", |b| {
            b.iter(|| Coroutine::<u64, (), u64>::new(|_, input| input).resume(black_box(1)))
        });
        let mut stack = DefaultStack::default();
        c.bench_function("create+run+drop/sinew, stack reused", |b| {
            b.iter(|| {
                let coroutine = ScopedCoroutine::<u64, (), u64, _>::with_stack(&mut stack, |_, input| input);
                coroutine.scope(|mut coroutine| coroutine.resume(black_box(1)))
            })
        });
    }
}

macro_rules! parts {
    ($function:ident, $name:literal, $($library:ident)::+) => {
        fn $function(c: &mut Criterion) {
            use $($library)::+::{Coroutine, stack::DefaultStack};

            let endless = |stack| {
                Coroutine::<u64, u64, (), DefaultStack>::with_stack(stack, |yielder, mut input| loop {
                    input = yielder.suspend(input);
                })
            };
            let size = BatchSize::NumIterations(BATCH);
            c.bench_function(concat!("parts/", $name, ", create and drop unstarted"), |b| {
                b.iter(|| black_box(endless(DefaultStack::default())))
            });
            c.bench_function(concat!("parts/", $name, ", first resume"), |b| {
                b.iter_batched(
                    || endless(DefaultStack::default()),
                    |mut coroutine| {
                        coroutine.resume(black_box(1));
                        coroutine
                    },
                    size,
                )
            });
            c.bench_function(concat!("parts/", $name, ", drop by unwinding"), |b| {
                b.iter_batched(
                    || {
                        let mut coroutine = endless(DefaultStack::default());
                        coroutine.resume(1);
                        coroutine
                    },
                    drop,
                    size,
                )
            });
        }
    };
}

parts!(sinew_parts, "sinew", sinew::coroutine);
parts!(corosensei_parts, "corosensei", corosensei);
