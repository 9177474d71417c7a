//! Resuming one of many live coroutines at random: what the caches and the page tables take.

use std::hint::black_box;

use super::Row;

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
    ($group:ident, $n:ident, $name:literal, $($library:ident)::+) => {{
        let mut all = Vec::new();
        let mut at = 0;
        Row::new($group, $name, move |watch, times| {
            if all.is_empty() {
                all.extend(shuffled($n).into_iter().zip((0..$n).map(|_| {
                    let mut coroutine = $($library)::+::Coroutine::<u64, u64, ()>::new(|yielder, mut input| {
                        loop {
                            input = yielder.suspend(input);
                        }
                    });
                    coroutine.resume(1);
                    coroutine
                })));
                // They were made in the order of memory, and are resumed in another.
                all.sort_by_key(|(place, _)| *place);
            }
            watch.repeat(times, || {
                at = if at + 1 == $n { 0 } else { at + 1 };
                all[at].1.resume(black_box(1))
            });
        })
    }};
}

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for (group, n) in [("one of 1, at random", 1), ("one of 100, at random", 100), ("one of 10,000, at random", 10_000)]
    {
        rows.push(live!(group, n, "corosensei resume+suspend", corosensei));
        rows.push(live!(group, n, "sinew coroutine resume+suspend", sinew::coroutine));
    }
    rows
}
