//! How far the run is: a bar on a terminal, a line now and then elsewhere.

use std::io::IsTerminal;
use std::sync::atomic::Ordering;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::actor::World;
use crate::args::Args;
use crate::thousands::thousands;

/// What shows the progress.
pub(crate) struct Progress {
    /// `None` where stderr is no terminal.
    bar: Option<ProgressBar>,
    seconds: u64,
    tenth: u64,
}

impl Progress {
    pub(crate) fn new(args: &Args) -> Progress {
        let seconds = args.length.as_secs();
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(Some(seconds), ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template("[{bar:40}] {pos} of {len} s, {msg}");
            bar.set_style(style.expect("the template is well formed").progress_chars("=> "));
            bar
        });
        Progress { bar, seconds, tenth: 0 }
    }

    /// A round has ended well.
    pub(crate) fn show(&mut self, world: &World, elapsed: Duration, rounds: u64) {
        let operations = thousands(world.operations.load(Ordering::Relaxed));
        let cancelled = thousands(world.cancelled.load(Ordering::Relaxed));
        let text = format!("{rounds} rounds, {operations} operations, {cancelled} cancelled");
        let position = elapsed.as_secs().min(self.seconds);
        match &self.bar {
            Some(bar) => {
                bar.set_message(text);
                bar.set_position(position);
            }
            None => {
                let tenth = position * 10 / self.seconds;
                if tenth > self.tenth {
                    eprintln!("{position} of {} s: {text}", self.seconds);
                }
                self.tenth = tenth;
            }
        }
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
