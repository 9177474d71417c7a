//! A resume and the suspension that answers it.

use criterion::Criterion;
use std::hint::black_box;

macro_rules! resume_and_suspend {
    ($c:ident, $name:literal, $($library:ident)::+) => {{
        let mut coroutine = $($library)::+::Coroutine::<u64, u64, ()>::new(|yielder, mut input| {
            while input != u64::MAX {
                input = yielder.suspend(input);
            }
        });
        $c.bench_function(concat!("switch/", $name, " resume+suspend"), |b| {
            b.iter(|| black_box(coroutine.resume(black_box(1))))
        });
        coroutine.resume(u64::MAX);
    }};
}

pub(crate) fn rows(c: &mut Criterion) {
    resume_and_suspend!(c, "corosensei", corosensei);
    resume_and_suspend!(c, "sinew coroutine", sinew::coroutine);
}
