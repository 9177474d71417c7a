//! What a run measured: failures and latencies while it runs, the table when it has ended.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::thousands::thousands;

/// A message that was sent so long after it was due counts as late.
pub(crate) const LATE: Duration = Duration::from_millis(10);

/// How many failures are told in words; the rest are only counted.
const TOLD: u64 = 5;

/// Failures of all connections of one side.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    lost: AtomicU64,
    wrong: AtomicU64,
    told: AtomicU64,
    first: Mutex<Vec<String>>,
}

impl Failures {
    /// Counts a connection that could not be made or did not live to its end.
    pub(crate) fn lost(&self, what: fmt::Arguments<'_>) {
        self.lost.fetch_add(1, Ordering::Relaxed);
        self.tell(what);
    }

    /// Counts bytes that came back wrong.
    pub(crate) fn wrong(&self, bytes: u64, what: fmt::Arguments<'_>) {
        self.wrong.fetch_add(bytes, Ordering::Relaxed);
        self.tell(what);
    }

    fn tell(&self, what: fmt::Arguments<'_>) {
        if self.told.fetch_add(1, Ordering::Relaxed) < TOLD {
            self.first.lock().unwrap_or_else(PoisonError::into_inner).push(what.to_string());
        }
    }

    pub(crate) fn lost_count(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    pub(crate) fn wrong_count(&self) -> u64 {
        self.wrong.load(Ordering::Relaxed)
    }

    /// The first few failures, and how many there were besides.
    pub(crate) fn first(&self) -> Vec<String> {
        let mut told = self.first.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let more = self.told.load(Ordering::Relaxed).saturating_sub(told.len() as u64);
        if more > 0 {
            told.push(format!("and {} more", thousands(more)));
        }
        told
    }
}

/// Latencies of all connections, in several histograms so that workers seldom meet at one lock. The locks are std's:
/// they are held for some nanoseconds, and nothing suspends under them.
pub(crate) struct Latencies {
    parts: Vec<Mutex<Histogram<u64>>>,
}

impl Latencies {
    pub(crate) fn new() -> Latencies {
        Latencies { parts: (0..16).map(|_| Mutex::new(Latencies::empty())).collect() }
    }

    pub(crate) fn record(&self, connection: usize, latency: Duration) {
        let part = &self.parts[connection % self.parts.len()];
        part.lock().unwrap_or_else(PoisonError::into_inner).saturating_record(latency.as_nanos() as u64);
    }

    /// A histogram of nanoseconds up to a minute, to three digits.
    pub(crate) fn empty() -> Histogram<u64> {
        Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("the bounds are in order")
    }

    /// All latencies in one histogram.
    pub(crate) fn merge(&self) -> Histogram<u64> {
        let mut all = Latencies::empty();
        for part in &self.parts {
            let part = part.lock().unwrap_or_else(PoisonError::into_inner);
            all.add(&*part).expect("the histograms have the same bounds");
        }
        all
    }
}

/// Bytes that the processes take, and that the kernel takes for the whole machine, where the system tells.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Memory {
    pub(crate) user: Option<u64>,
    pub(crate) kernel: Option<u64>,
}

impl Memory {
    /// What has come on top of `before`.
    pub(crate) fn since(self, before: Memory) -> Memory {
        let grown = |now: Option<u64>, before| now.zip(before).map(|(now, before)| now.saturating_sub(before));
        Memory { user: grown(self.user, before.user), kernel: grown(self.kernel, before.kernel) }
    }
}

/// What the load measured.
pub(crate) struct Figures {
    /// The most connections that were held at once, each proved by a message that came back.
    pub(crate) held: usize,
    pub(crate) messages: u64,
    /// From the first message to the last answer.
    pub(crate) elapsed: Duration,
    pub(crate) latencies: Histogram<u64>,
    /// Messages that were sent clearly after they were due, if there was a time for them.
    pub(crate) late: Option<u64>,
    /// What came on top while the connections were made.
    pub(crate) grown: Memory,
    pub(crate) lost: u64,
    pub(crate) wrong: u64,
    /// The first few failures.
    pub(crate) notes: Vec<String>,
}

impl Default for Figures {
    fn default() -> Figures {
        Figures {
            held: 0,
            messages: 0,
            elapsed: Duration::ZERO,
            latencies: Latencies::empty(),
            late: None,
            grown: Memory::default(),
            lost: 0,
            wrong: 0,
            notes: Vec::new(),
        }
    }
}

/// What the runtimes of a run counted.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Counts {
    pub(crate) switches: u64,
    pub(crate) steals: u64,
}

impl Counts {
    /// Counts what another runtime has counted.
    pub(crate) fn add(&mut self, other: Counts) {
        self.switches += other.switches;
        self.steals += other.steals;
    }
}

impl Figures {
    /// Takes in the figures of another process's connections, of the same time. Their memory is known already.
    pub(crate) fn add(&mut self, other: Figures) {
        self.held += other.held;
        self.messages += other.messages;
        self.elapsed = self.elapsed.max(other.elapsed);
        self.latencies.add(&other.latencies).expect("the histograms have the same bounds");
        self.late = self.late.or(other.late.map(|_| 0)).map(|late| late + other.late.unwrap_or(0));
        self.lost += other.lost;
        self.wrong += other.wrong;
        self.notes.extend(other.notes);
    }

    /// Whether every connection was held and every byte was right.
    pub(crate) fn is_good(&self) -> bool {
        self.lost == 0 && self.wrong == 0
    }

    /// Prints the table; `sides` says which sides of the connections the memory and the counts are for.
    pub(crate) fn print(&self, title: &str, sides: &str, counts: Counts) {
        let rate = match self.messages {
            0 => "none sent".to_owned(),
            messages => thousands((messages as f64 / self.elapsed.as_secs_f64()) as u64),
        };
        let latency = |quantile| match self.latencies.len() {
            0 => "none sent".to_owned(),
            _ => readable(Duration::from_nanos(self.latencies.value_at_quantile(quantile))),
        };
        let memory = |bytes: Option<u64>| match bytes {
            Some(bytes) if self.held > 0 => format!("{:.1} KiB", bytes as f64 / 1024.0 / self.held as f64),
            _ => "unknown".to_owned(),
        };
        println!("{title}");
        let row = |name: &str, value: &str, remark: &str| {
            println!("{}", format!("  {name:<29} {value:>14}  {remark}").trim_end())
        };
        row("connections held at once", &thousands(self.held as u64), "");
        row("messages", &thousands(self.messages), &format!("in {}", readable(self.elapsed)));
        row("messages a second", &rate, "");
        row("latency p50", &latency(0.5), "");
        row("latency p99", &latency(0.99), "");
        row("latency p99.9", &latency(0.999), "");
        row("latency max", &latency(1.0), "");
        if let Some(late) = self.late {
            row("messages sent late", &thousands(late), &format!("over {} after they were due", readable(LATE)));
        }
        row("memory a connection", &memory(self.grown.user), sides);
        row("kernel memory a connection", &memory(self.grown.kernel), "what the whole machine's grew by");
        row("switches", &thousands(counts.switches), "");
        row("steals", &thousands(counts.steals), "");
        row("wrong bytes", &thousands(self.wrong), "");
        row("lost connections", &thousands(self.lost), "");
    }
}

/// A duration in the unit that suits it, to a tenth.
fn readable(duration: Duration) -> String {
    let nanos = duration.as_nanos() as f64;
    match nanos {
        ..1e3 => format!("{nanos} ns"),
        ..1e6 => format!("{:.1} us", nanos / 1e3),
        ..1e9 => format!("{:.1} ms", nanos / 1e6),
        _ => format!("{:.1} s", nanos / 1e9),
    }
}
