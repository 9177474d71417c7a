//! A resume and the suspension that answers it.

use std::hint::black_box;

use super::{ROUND_TRIP, Row};

macro_rules! resume_and_suspend {
    ($name:literal, $($library:ident)::+) => {
        Row::new(ROUND_TRIP, $name, |watch, n| {
            let mut coroutine = $($library)::+::Coroutine::<u64, u64, ()>::new(|yielder, mut input| {
                while input != u64::MAX {
                    input = yielder.suspend(input);
                }
            });
            watch.repeat(n, || coroutine.resume(black_box(1)));
            coroutine.resume(u64::MAX);
        })
    };
}

pub(crate) fn rows() -> Vec<Row> {
    vec![
        resume_and_suspend!("corosensei resume+suspend", corosensei),
        resume_and_suspend!("sinew coroutine resume+suspend", sinew::coroutine),
    ]
}
