//! The work whose cost `benches/switch.rs` and the example `switch_lab` show: each row does something so many times under a
//! [`Watch`].

mod create;
mod generators;
mod green;
mod many;
mod others;
mod round_trip;

use std::time::{Duration, Instant};

use perf_event::Counter;

/// What has been spent while something was measured.
#[derive(Default)]
pub(crate) struct Watch {
    pub(crate) time: Duration,
    /// Of the processor's time-stamp counter.
    pub(crate) ticks: u64,
    /// Counts the instructions of the measuring OS thread, where the kernel gives such a counter.
    pub(crate) instructions: Option<Counter>,
}

impl Watch {
    pub(crate) fn measure<R>(&mut self, work: impl FnOnce() -> R) -> R {
        // The counter's own system calls stay outside of the time.
        if let Some(counter) = &mut self.instructions {
            let _ = counter.enable();
        }
        let (began, first) = (Instant::now(), ticks());
        let result = work();
        self.ticks += ticks().wrapping_sub(first);
        self.time += began.elapsed();
        if let Some(counter) = &mut self.instructions {
            let _ = counter.disable();
        }
        result
    }

    /// Measures `n` times the same.
    pub(crate) fn repeat<R>(&mut self, n: u64, mut work: impl FnMut() -> R) {
        self.measure(|| {
            for _ in 0..n {
                std::hint::black_box(work());
            }
        });
    }
}

/// The processor's time-stamp counter; 0 where there is none that a program may read.
pub(crate) fn ticks() -> u64 {
    #[cfg(target_arch = "x86_64")]
    {
        let mut core = 0;
        // SAFETY: every x86-64 processor that runs a 64-bit Linux has the instruction; it writes its operand only.
        return unsafe { std::arch::x86_64::__rdtscp(&mut core) };
    }
    #[cfg(target_arch = "aarch64")]
    {
        let ticks: u64;
        // SAFETY: Linux lets programs read this register, and reading it changes nothing.
        unsafe { std::arch::asm!("isb", "mrs {}, cntvct_el0", out(reg) ticks, options(nomem, nostack)) };
        return ticks;
    }
    #[allow(unreachable_code, reason = "for other processors")]
    0
}

type Run = Box<dyn FnMut(&mut Watch, u64)>;

/// One line of the table.
pub(crate) struct Row {
    /// What it is compared with: rows of one group do the same.
    pub(crate) group: &'static str,
    pub(crate) name: String,
    run: Run,
}

impl Row {
    pub(crate) fn new(
        group: &'static str,
        name: impl Into<String>,
        run: impl FnMut(&mut Watch, u64) + 'static,
    ) -> Self {
        Self { group, name: name.into(), run: Box::new(run) }
    }

    /// Does it `n` times.
    pub(crate) fn run(&mut self, watch: &mut Watch, n: u64) {
        (self.run)(watch, n);
    }
}

/// All of them, group by group. What a row needs is made when it first runs.
pub(crate) fn rows() -> Vec<Row> {
    let mut rows = round_trip::rows();
    rows.extend(others::rows());
    rows.extend(generators::rows());
    rows.extend(green::rows());
    rows.extend(create::rows());
    rows.extend(many::rows());
    rows
}

/// What stands in the first column of a row for a round trip between two contexts.
pub(crate) const ROUND_TRIP: &str = "round trip";
