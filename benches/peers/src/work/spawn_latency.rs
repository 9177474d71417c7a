//! A thread spawns another and then computes for 10 ms without a pause, while a second worker idles: how soon that
//! worker starts it.

use std::hint::spin_loop;
use std::time::{Duration, Instant};

use crate::goals::spread;
use crate::model::{Row, Sample, Scale, at_most};
use crate::peers::on_tokio::Flavour;
use crate::peers::program::go_entry;
use crate::peers::{on_may, on_sinew, on_tokio};

const COMPUTE: Duration = Duration::from_millis(10);
/// Between two trials: long enough for the second worker to fall asleep again.
const PAUSE: Duration = Duration::from_millis(2);

fn trials(scale: Scale) -> u64 {
    scale.of(200, 5)
}

fn compute() {
    let began = Instant::now();
    while began.elapsed() < COMPUTE {
        spin_loop();
    }
}

/// The median is the sample.
fn of(delays: Vec<f64>) -> Sample {
    let (median, _, most) = spread(delays).expect("there were trials");
    Sample::new(median).max("longest", most)
}

fn micros(delay: Duration) -> f64 {
    delay.as_secs_f64() * 1e6
}

fn sinew_work(scale: Scale) -> Sample {
    of((0..trials(scale))
        .map(|_| {
            let asked = Instant::now();
            let handle = sinew::spawn(move || asked.elapsed());
            compute();
            let delay = handle.join().expect("it does not panic");
            sinew::sleep(PAUSE);
            micros(delay)
        })
        .collect())
}

async fn tokio_work(scale: Scale) -> Sample {
    let mut delays = Vec::new();
    for _ in 0..trials(scale) {
        let asked = Instant::now();
        let handle = tokio::spawn(async move { asked.elapsed() });
        compute();
        delays.push(micros(handle.await.expect("it does not panic")));
        tokio::time::sleep(PAUSE).await;
    }
    of(delays)
}

fn may_work(scale: Scale) -> Sample {
    of((0..trials(scale))
        .map(|_| {
            let asked = Instant::now();
            let handle = on_may::spawn(move || asked.elapsed());
            compute();
            let delay = handle.join().expect("it does not panic");
            may::coroutine::sleep(PAUSE);
            micros(delay)
        })
        .collect())
}

pub fn row() -> Row {
    Row::new(
        "spawn-latency",
        "start of a thread whose spawner then computes 10 ms, second worker idle, median of 200",
        "us",
    )
    .runs(5)
    .entry(on_sinew::entry("sinew/2", 2, sinew_work))
    .entry(on_tokio::entry(Flavour::Multi(2), tokio_work))
    .entry(on_may::entry(2, may_work))
    .entry(go_entry("spawn-latency", 2, trials))
    .goal(at_most("sinew/2", 200.0))
}
