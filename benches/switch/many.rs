//! Resuming one of many live coroutines at random: what the caches and the page tables take.

use criterion::Criterion;
use std::hint::black_box;

/// The indices below `n` in an order that repeats from run to run (xorshift64*, S. Vigna).
fn shuffled(n: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    for i in (1..n).rev() {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        let random = state.wrapping_mul(0x2545_F491_4F6C_DD1D);
        order.swap(i, ((u128::from(random) * (i as u128 + 1)) >> 64) as usize);
    }
    order
}

macro_rules! live {
    ($c:ident, $name:literal, $n:expr, $($library:ident)::+) => {{
        let n: usize = $n;
        let mut coroutines: Vec<_> = (0..n)
            .map(|_| {
                let mut coroutine = $($library)::+::Coroutine::<u64, u64, ()>::new(|yielder, mut input| {
                    loop {
                        input = yielder.suspend(input);
                    }
                });
                coroutine.resume(1);
                coroutine
            })
            .collect();
        let order = shuffled(n);
        let mut at = 0;
        $c.bench_function(&format!("live/{}, {n} in random order", $name), |b| {
            b.iter(|| {
                at = if at + 1 == n { 0 } else { at + 1 };
                black_box(coroutines[order[at]].resume(black_box(1)))
            })
        });
    }};
}

pub(crate) fn rows(c: &mut Criterion) {
    for n in [1, 100, 10_000] {
        live!(c, "corosensei", n, corosensei);
        live!(c, "sinew coroutine", n, sinew::coroutine);
    }
}
