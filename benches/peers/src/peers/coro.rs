//! Bare coroutines: corosensei, whose resume + suspend is the yardstick R, generator, and sinew's generators.

use std::hint::black_box;
use std::time::Instant;

use sinew::generator::Generator;

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

/// The same with sinew's generator.
pub fn sinew_next(n: u64) -> f64 {
    let generator = Generator::<u64>::new(|y| {
        for value in 0.. {
            y.yield_(black_box(value));
        }
    });
    for _ in 0..n / 10 {
        black_box(generator.next());
    }
    let began = Instant::now();
    for _ in 0..n {
        black_box(generator.next());
    }
    began.elapsed().as_nanos() as f64 / n as f64
}

/// Values that go in and come back by sinew's generator.
pub fn sinew_send(n: u64) -> f64 {
    let echo = Generator::<u64, u64>::new(|y| {
        let mut value = 0;
        loop {
            value = y.yield_(value);
        }
    })
    .primed();
    for i in 0..n / 10 {
        black_box(echo.send(black_box(i)));
    }
    let began = Instant::now();
    for i in 0..n {
        black_box(echo.send(black_box(i)));
    }
    began.elapsed().as_nanos() as f64 / n as f64
}

/// The same with the generator crate.
pub fn generator_send(n: u64) -> f64 {
    let mut echo = generator::Gn::<u64>::new_scoped(|mut scope: generator::Scope<'_, '_, u64, u64>| {
        let mut value = 0;
        while let Some(sent) = scope.yield_(value) {
            value = sent;
        }
        generator::done!()
    });
    echo.raw_send(None);
    for i in 0..n / 10 {
        black_box(echo.send(black_box(i)));
    }
    let began = Instant::now();
    for i in 0..n {
        black_box(echo.send(black_box(i)));
    }
    began.elapsed().as_nanos() as f64 / n as f64
}
