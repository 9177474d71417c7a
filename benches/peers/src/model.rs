//! What the table is made of: a row is one piece of work, an entry one library doing it, a sample one run of an
//! entry, and a goal a bound that sinew's figures are held against.

use std::time::Duration;

/// How much work a run does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Enough for a figure that means something.
    Full,
    /// Just enough to see that it works; also the warm-up before a full run.
    Quick,
}

impl Scale {
    /// The count for this scale.
    pub fn of(self, full: u64, quick: u64) -> u64 {
        if self == Scale::Full { full } else { quick }
    }
}

/// How the runs of an extra figure become one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Merge {
    /// The mean, weighted by what the figure was divided by in its run.
    Mean,
    /// The median: for what one run that was disturbed would spoil.
    Median,
    /// The largest.
    Max,
}

impl Merge {
    const NAMES: [(&'static str, Merge); 3] = [("mean", Merge::Mean), ("median", Merge::Median), ("max", Merge::Max)];

    fn name(self) -> &'static str {
        Merge::NAMES.iter().find(|(_, merge)| *merge == self).map_or("", |(name, _)| name)
    }
}

/// A figure beside a sample's main one.
pub struct Extra {
    pub name: String,
    pub merge: Merge,
    pub value: f64,
    pub weight: f64,
}

/// What one run gave.
pub struct Sample {
    /// In the row's unit.
    pub value: f64,
    pub extras: Vec<Extra>,
}

impl Sample {
    pub fn new(value: f64) -> Self {
        Sample { value, extras: Vec::new() }
    }

    /// Nanoseconds an operation.
    pub fn per(elapsed: Duration, operations: u64) -> Self {
        Sample::new(elapsed.as_nanos() as f64 / operations as f64)
    }

    pub fn mean(mut self, name: &str, value: f64, weight: f64) -> Self {
        self.extras.push(Extra { name: name.into(), merge: Merge::Mean, value, weight });
        self
    }

    pub fn median(mut self, name: &str, value: f64) -> Self {
        self.extras.push(Extra { name: name.into(), merge: Merge::Median, value, weight: 1.0 });
        self
    }

    pub fn max(mut self, name: &str, value: f64) -> Self {
        self.extras.push(Extra { name: name.into(), merge: Merge::Max, value, weight: 1.0 });
        self
    }

    /// The lines by which a program that runs one entry hands its sample to the runner.
    pub fn to_lines(&self) -> String {
        let mut lines = format!("value {}\n", self.value);
        for extra in &self.extras {
            lines += &format!("{} {} {} {}\n", extra.merge.name(), extra.name, extra.value, extra.weight);
        }
        lines
    }

    /// Reads what [`Sample::to_lines`] wrote; other lines are passed over.
    pub fn from_lines(text: &str) -> Result<Sample, String> {
        let mut value = None;
        let mut extras = Vec::new();
        for line in text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let number = |word: &str| word.parse::<f64>().map_err(|e| format!("{line:?}: {e}"));
            match words[..] {
                ["value", v] => value = Some(number(v)?),
                [kind, name, v, w] => {
                    if let Some((_, merge)) = Merge::NAMES.iter().find(|(name, _)| *name == kind) {
                        let (value, weight) = (number(v)?, number(w)?);
                        extras.push(Extra { name: name.into(), merge: *merge, value, weight });
                    }
                }
                _ => {}
            }
        }
        let value = value.ok_or_else(|| format!("no figure in its output: {:?}", text.trim()))?;
        Ok(Sample { value, extras })
    }
}

/// A sample, or the reason why there is none.
pub type Outcome = Result<Sample, String>;

type Run = Box<dyn FnMut(Scale) -> Outcome>;

/// One library doing a row's work.
pub struct Entry {
    /// The library, a slash, and what tells its variants apart (mostly the number of workers).
    pub label: String,
    /// Runs in a process of its own: it measures memory, or its library allows one configuration a process.
    pub isolated: bool,
    /// Starts a program each time, which warms itself up.
    pub external: bool,
    run: Run,
}

impl Entry {
    pub fn new(label: &str, run: impl FnMut(Scale) -> Outcome + 'static) -> Self {
        Entry { label: label.into(), isolated: false, external: false, run: Box::new(run) }
    }

    pub fn isolated(mut self) -> Self {
        self.isolated = true;
        self
    }

    pub fn external(mut self) -> Self {
        self.external = true;
        self
    }

    /// One run. A panic in it becomes the reason why there is no sample.
    pub fn run(&mut self, scale: Scale) -> Outcome {
        let run = std::panic::AssertUnwindSafe(|| (self.run)(scale));
        std::panic::catch_unwind(run).unwrap_or_else(|_| Err("it panicked".into()))
    }
}

/// Names a figure: an entry's main one, or one of its extras. A label without a slash stands for the best of that
/// library's variants.
#[derive(Clone, Copy)]
pub struct Figure {
    pub label: &'static str,
    pub extra: Option<&'static str>,
}

impl From<&'static str> for Figure {
    fn from(label: &'static str) -> Self {
        Figure { label, extra: None }
    }
}

impl From<(&'static str, &'static str)> for Figure {
    fn from((label, extra): (&'static str, &'static str)) -> Self {
        Figure { label, extra: Some(extra) }
    }
}

/// What a goal's factor multiplies.
#[derive(Clone, Copy)]
pub enum Base {
    /// Nothing: the factor is the bound, in the figure's own unit.
    One,
    /// The yardstick, measured between the same runs.
    R,
    Figure(Figure),
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    AtMost,
    AtLeast,
    Below,
}

/// A bound on one of sinew's figures.
pub struct Goal {
    pub figure: Figure,
    pub bound: Bound,
    pub factor: f64,
    pub base: Base,
}

/// `figure` is at most `factor` times R.
pub fn at_most_r(figure: impl Into<Figure>, factor: f64) -> Goal {
    Goal { figure: figure.into(), bound: Bound::AtMost, factor, base: Base::R }
}

/// `figure` is at most `bound`, in its own unit.
pub fn at_most(figure: impl Into<Figure>, bound: f64) -> Goal {
    Goal { figure: figure.into(), bound: Bound::AtMost, factor: bound, base: Base::One }
}

/// `figure` is below `bound`, in its own unit.
pub fn below(figure: impl Into<Figure>, bound: f64) -> Goal {
    Goal { figure: figure.into(), bound: Bound::Below, factor: bound, base: Base::One }
}

/// `figure` is at least `bound`, in its own unit.
pub fn at_least(figure: impl Into<Figure>, bound: f64) -> Goal {
    Goal { figure: figure.into(), bound: Bound::AtLeast, factor: bound, base: Base::One }
}

/// `figure` is at most `factor` times `base`.
pub fn at_most_times(figure: impl Into<Figure>, factor: f64, base: impl Into<Figure>) -> Goal {
    Goal { figure: figure.into(), bound: Bound::AtMost, factor, base: Base::Figure(base.into()) }
}

/// `figure` is at least `factor` times `base`.
pub fn at_least_times(figure: impl Into<Figure>, factor: f64, base: impl Into<Figure>) -> Goal {
    Goal { figure: figure.into(), bound: Bound::AtLeast, factor, base: Base::Figure(base.into()) }
}

/// `figure` is below `base`.
pub fn below_figure(figure: impl Into<Figure>, base: impl Into<Figure>) -> Goal {
    Goal { figure: figure.into(), bound: Bound::Below, factor: 1.0, base: Base::Figure(base.into()) }
}

/// One piece of work and all who do it.
pub struct Row {
    /// What `--only` selects it by.
    pub name: &'static str,
    pub title: &'static str,
    pub unit: &'static str,
    /// More is better.
    pub more: bool,
    /// Runs of each entry when the command line names no number.
    pub runs: usize,
    pub entries: Vec<Entry>,
    pub goals: Vec<Goal>,
}

impl Row {
    pub fn new(name: &'static str, title: &'static str, unit: &'static str) -> Self {
        Row { name, title, unit, more: false, runs: 7, entries: Vec::new(), goals: Vec::new() }
    }

    pub fn more_is_better(mut self) -> Self {
        self.more = true;
        self
    }

    pub fn runs(mut self, runs: usize) -> Self {
        self.runs = runs;
        self
    }

    pub fn entries(mut self, entries: impl IntoIterator<Item = Entry>) -> Self {
        self.entries.extend(entries);
        self
    }

    pub fn entry(mut self, entry: Entry) -> Self {
        self.entries.push(entry);
        self
    }

    pub fn goal(mut self, goal: Goal) -> Self {
        self.goals.push(goal);
        self
    }
}
