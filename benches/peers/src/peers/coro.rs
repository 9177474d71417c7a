//! Bare coroutines: corosensei, whose resume + suspend is the yardstick R, and generator.

use std::hint::black_box;
use std::time::Instant;

/// Nanoseconds of one corosensei resume and the suspend that answers it, over `n` of them.
pub fn resume_and_suspend(n: u64) -> f64 {
    let mut coroutine = corosensei::Coroutine::<u64, u64, ()>::new(|yielder, mut input| {
        loop {
            if input == u64::MAX {
                return;
            }
            input = yielder.suspend(input);
        }
    });
    for i in 0..n / 10 {
        black_box(coroutine.resume(black_box(i)));
    }
    let began = Instant::now();
    for i in 0..n {
        black_box(coroutine.resume(black_box(i)));
    }
    let elapsed = began.elapsed();
    coroutine.resume(u64::MAX);
    elapsed.as_nanos() as f64 / n as f64
}

/// The same with the generator crate, by its cheapest pair: values only come out (sending them in costs it more).
pub fn generator_round(n: u64) -> f64 {
    let mut generator = generator::Gn::<()>::new_scoped(|mut scope: generator::Scope<'_, '_, (), u64>| {
        for value in 0..=n + n / 10 {
            scope.yield_with(black_box(value));
        }
        generator::done!()
    });
    for _ in 0..n / 10 {
        black_box(generator.resume());
    }
    let began = Instant::now();
    for _ in 0..n {
        black_box(generator.resume());
    }
    began.elapsed().as_nanos() as f64 / n as f64
}
