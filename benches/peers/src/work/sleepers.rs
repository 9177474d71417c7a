//! A million threads that sleep at once, until deadlines at random within ten seconds: how late they wake, and the memory they
//! take while all sleep. The first deadline comes only when all sleep, so the start is not part of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::model::{Entry, Outcome, Row, Sample, Scale, at_most};
use crate::peers::on_sinew;
use crate::peers::on_tokio::Flavour;
use crate::peers::program::go_entry;
use crate::proc;

fn count(scale: Scale) -> u64 {
    scale.of(1_000_000, 300)
}

/// Random numbers that are the same in every run (xorshift64*, S. Vigna).
struct Random(u64);

impl Random {
    /// Evenly within ten seconds, or one for a short run.
    fn deadline(&mut self, n: u64) -> Duration {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let end = if n < 1000 { 1_000_000_000_u128 } else { 10_000_000_000 };
        let fraction = u128::from(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D));
        Duration::from_nanos(((fraction * end) >> 64) as u64)
    }
}

/// What the sleepers of a run share.
struct Run {
    /// The deadlines count from here.
    start: Instant,
    asleep: AtomicU64,
    /// Microseconds, by number.
    late: Vec<AtomicU64>,
    before: u64,
}

impl Run {
    fn new(n: u64) -> Arc<Self> {
        let late = (0..n).map(|_| AtomicU64::new(0)).collect();
        let before = proc::resident_bytes();
        let start = Instant::now() + Duration::from_millis(200) + Duration::from_micros(9 * n);
        Arc::new(Run { start, asleep: AtomicU64::new(0), late, before })
    }

    fn woke(&self, number: u64, deadline: Duration) {
        let late = self.start.elapsed().saturating_sub(deadline);
        self.late[number as usize].store(late.as_micros() as u64, Ordering::Relaxed);
    }

    fn all_sleep(&self) -> bool {
        self.asleep.load(Ordering::Relaxed) == self.late.len() as u64
    }

    /// To be called once all sleep: the memory they take in KiB each.
    fn memory(&self) -> Result<f64, String> {
        if Instant::now() >= self.start {
            return Err("they did not all sleep before the first deadline".into());
        }
        Ok(proc::resident_bytes().saturating_sub(self.before) as f64 / 1024.0 / self.late.len() as f64)
    }

    /// To be called once all have woken.
    fn outcome(&self, memory: Result<f64, String>) -> Outcome {
        let mut late: Vec<_> = self.late.iter().map(|late| late.load(Ordering::Relaxed)).collect();
        late.sort_unstable();
        let millis = |share: f64| late[((late.len() - 1) as f64 * share) as usize] as f64 / 1000.0;
        Ok(Sample::new(millis(0.5)).max("p99.9", millis(0.999)).max("longest", millis(1.0)).max("KiB-each", memory?))
    }
}

fn sinew_work(n: u64) -> Outcome {
    let run = Run::new(n);
    on_sinew::runtime(2).run(move || {
        let mut random = Random(1);
        let handles: Vec<_> = (0..n)
            .map(|number| {
                let (run, deadline) = (Arc::clone(&run), random.deadline(n));
                if number % 64 == 0 {
                    sinew::yield_now();
                }
                sinew::spawn(move || {
                    run.asleep.fetch_add(1, Ordering::Relaxed);
                    sinew::time::sleep_until(run.start + deadline);
                    run.woke(number, deadline);
                })
            })
            .collect();
        while !run.all_sleep() {
            sinew::sleep(Duration::from_millis(1));
        }
        let memory = run.memory();
        handles.into_iter().for_each(|handle| handle.join().expect("it does not panic"));
        run.outcome(memory)
    })
}

fn tokio_work(n: u64) -> Outcome {
    let run = Run::new(n);
    let main = async move {
        let mut random = Random(1);
        let mut handles = Vec::with_capacity(n as usize);
        for number in 0..n {
            let (run, deadline) = (Arc::clone(&run), random.deadline(n));
            if number % 64 == 0 {
                tokio::task::yield_now().await;
            }
            handles.push(tokio::spawn(async move {
                run.asleep.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep_until((run.start + deadline).into()).await;
                run.woke(number, deadline);
            }));
        }
        while !run.all_sleep() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let memory = run.memory();
        for handle in handles {
            handle.await.expect("it does not panic");
        }
        run.outcome(memory)
    };
    Flavour::Multi(2).build().block_on(async { tokio::spawn(main).await.expect("it does not panic") })
}

pub fn row() -> Row {
    Row::new("sleepers", "1,000,000 threads asleep, deadlines at random over 10 s, 2 workers: lateness, median", "ms")
        .runs(1)
        .entry(Entry::new("sinew/2", |scale| sinew_work(count(scale))).isolated())
        .entry(Entry::new("tokio/multi2", |scale| tokio_work(count(scale))).isolated())
        .entry(go_entry("sleepers", 2, count))
        .goal(at_most("sinew/2", 2.0))
        .goal(at_most(("sinew/2", "p99.9"), 20.0))
}
