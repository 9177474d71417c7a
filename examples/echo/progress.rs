//! How far the load is: a bar on a terminal, a line now and then elsewhere. It also ends a run in which nothing has
//! moved for a long time, since a lost wake or a dead server would otherwise hold it for ever.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sinew::JoinHandle;

use crate::args::{Args, Role};
use crate::client::Load;
use crate::thousands::thousands;

const EVERY: Duration = Duration::from_millis(100);

/// How long nothing may move, and twice the pause between two messages on top.
const STALLED: Duration = Duration::from_secs(60);

/// The thread that shows how far the load is.
pub(crate) struct Progress {
    shared: Arc<Shared>,
    shower: JoinHandle<()>,
}

struct Shared {
    load: Arc<Load>,
    /// `None` where stderr is no terminal.
    bar: Option<ProgressBar>,
    /// Shows nothing: another process does.
    silent: bool,
    stalled: Duration,
    connections: u64,
    messages: u64,
    talking: AtomicBool,
    finished: AtomicBool,
}

impl Progress {
    pub(crate) fn start(load: &Arc<Load>, args: &Args) -> Progress {
        let silent = matches!(args.role, Role::Client { driven: true, .. });
        let bar = (!silent && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template("{msg:>11} [{bar:40}] {human_pos} of {human_len}, {per_sec}");
            bar.set_style(style.expect("the template is well formed").progress_chars("=> "));
            bar
        });
        let shared = Arc::new(Shared {
            load: Arc::clone(load),
            bar,
            silent,
            stalled: STALLED + args.every.map_or(Duration::ZERO, |every| every.saturating_mul(2)),
            connections: args.connections as u64,
            messages: args.messages,
            talking: AtomicBool::new(false),
            finished: AtomicBool::new(false),
        });
        let shower = sinew::spawn({
            let shared = Arc::clone(&shared);
            move || shared.show()
        });
        Progress { shared, shower }
    }

    /// All connections are settled, and the messages begin.
    pub(crate) fn begin_messages(&self, held: usize) {
        if self.shared.bar.is_none() && !self.shared.silent {
            eprintln!("{} of {} connections are held", thousands(held as u64), thousands(self.shared.connections));
        }
        self.shared.talking.store(true, Ordering::Release);
    }

    /// Takes the bar away.
    pub(crate) fn finish(self) {
        self.shared.finished.store(true, Ordering::Release);
        self.shower.thread().unpark();
        if self.shower.join().is_err() {
            eprintln!("echo: the thread of the progress bar panicked");
        }
    }
}

impl Shared {
    fn show(&self) {
        let mut shown = (false, 0);
        let (mut last, mut moved) = ((false, 0, 0), Instant::now());
        while !self.finished.load(Ordering::Acquire) {
            let talking = self.talking.load(Ordering::Acquire);
            let (position, length) = match talking {
                false => (self.load.settled.load(Ordering::Relaxed) as u64, self.connections),
                true => (self.load.done.load(Ordering::Relaxed), self.connections.saturating_mul(self.messages)),
            };
            let now = (talking, position, self.load.pieces.load(Ordering::Relaxed));
            if last != now {
                (last, moved) = (now, Instant::now());
            } else if moved.elapsed() > self.stalled {
                self.give_up(position, length);
            }
            let tenth = (talking, position * 10 / length.max(1));
            match &self.bar {
                Some(bar) => {
                    if shown.0 != talking {
                        bar.reset();
                        shown.0 = talking;
                    }
                    bar.set_message(self.what());
                    bar.set_length(length);
                    bar.set_position(position);
                }
                None if !self.silent && shown != tenth && tenth.1 > 0 => {
                    eprintln!("{}: {} of {}", self.what(), thousands(position), thousands(length));
                    shown = tenth;
                }
                None => {}
            }
            sinew::thread::park_timeout(EVERY);
        }
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// What is counted now.
    fn what(&self) -> &'static str {
        if self.talking.load(Ordering::Acquire) { "messages" } else { "connections" }
    }

    fn give_up(&self, position: u64, length: u64) -> ! {
        let what = self.what();
        if let Some(bar) = &self.bar {
            bar.abandon();
        }
        eprintln!(
            "echo: nothing has moved for {} seconds, at {} of {} {what}: {} connections are lost",
            self.stalled.as_secs(),
            thousands(position),
            thousands(length),
            thousands(self.connections - self.load.completed.load(Ordering::Relaxed) as u64),
        );
        std::process::exit(1);
    }
}
