//! How far the crawl is: a bar on a terminal, nothing elsewhere.

use std::io::{IsTerminal, stderr};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

pub(crate) struct Progress(Option<ProgressBar>);

impl Progress {
    pub(crate) fn new() -> Progress {
        Progress(stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(Some(1), ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template("[{bar:40}] {human_pos} of {human_len} known pages, {per_sec}");
            bar.with_style(style.expect("the template is well formed").progress_chars("=> "))
        }))
    }

    pub(crate) fn show(&self, done: usize, known: usize) {
        if let Some(bar) = &self.0 {
            bar.set_length(known as u64);
            bar.set_position(done as u64);
        }
    }

    /// Takes the bar away.
    pub(crate) fn finish(self) {
        if let Some(bar) = self.0 {
            bar.finish_and_clear();
        }
    }
}
