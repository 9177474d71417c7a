//! Green threads that yield to each other and wake each other, on one worker.

use std::cell::OnceCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{ROUND_TRIP, Row, Watch};

/// `n` yields of each of two threads; two yields are one round trip.
fn yields(watch: &mut Watch, n: u64) {
    let yields = move || (0..n).for_each(|_| sinew::yield_now());
    watch.measure(|| {
        let other = sinew::spawn(yields);
        yields();
        other.join().expect("it does not panic");
    });
}

/// `n` round trips between two threads that wake each other.
fn round_trips(watch: &mut Watch, n: u64) {
    let turn = Arc::new(AtomicBool::new(false));
    let (theirs, me) = (Arc::clone(&turn), sinew::current());
    let other = sinew::spawn(move || {
        for _ in 0..n {
            while !theirs.load(Ordering::Acquire) {
                sinew::park();
            }
            theirs.store(false, Ordering::Release);
            me.unpark();
        }
    });
    watch.repeat(n, || {
        turn.store(true, Ordering::Release);
        other.thread().unpark();
        while turn.load(Ordering::Acquire) {
            sinew::park();
        }
    });
    other.join().expect("it does not panic");
}

fn on_one_worker(name: &'static str, work: fn(&mut Watch, u64)) -> Row {
    let runtime = OnceCell::new();
    Row::new(ROUND_TRIP, name, move |watch, n| {
        let runtime = runtime.get_or_init(|| sinew::Runtime::builder().workers(1).build().expect("the runtime starts"));
        // The counter of instructions is the measuring thread's, and the work is done on another.
        let counter = watch.instructions.take();
        let mut inside = Watch::default();
        runtime.run(|| work(&mut inside, n));
        watch.time += inside.time;
        watch.ticks += inside.ticks;
        watch.instructions = counter;
    })
}

pub(crate) fn rows() -> Vec<Row> {
    vec![on_one_worker("sinew threads, two yields", yields), on_one_worker("sinew threads, park+unpark", round_trips)]
}
