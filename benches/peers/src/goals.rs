//! Holds the figures against the goals and says of each whether it is met.

use std::fmt::Write;

use crate::model::{Base, Bound, Figure, Goal, Merge};
use crate::report::number;
use crate::runner::{Measured, Results};

/// Median, least and greatest; `None` of nothing.
pub fn spread(values: impl IntoIterator<Item = f64>) -> Option<(f64, f64, f64)> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let (first, last) = (*values.first()?, *values.last()?);
    let median = if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 };
    Some((median, first, last))
}

/// The runs of an extra figure as one.
pub fn merged(measured: &Measured, name: &str) -> Option<f64> {
    let found = measured.samples.iter().flat_map(|sample| &sample.extras).filter(|extra| extra.name == name);
    let (mut sum, mut weight, mut most, mut merge) = (0.0, 0.0, f64::NEG_INFINITY, None);
    for extra in found.clone() {
        sum += extra.value * extra.weight;
        weight += extra.weight;
        most = most.max(extra.value);
        merge = Some(extra.merge);
    }
    match merge? {
        Merge::Mean => Some(sum / weight),
        Merge::Median => spread(found.map(|extra| extra.value)).map(|(median, ..)| median),
        Merge::Max => Some(most),
    }
}

/// The figure's value: the median over runs, or the merged extra; of a whole library, its best variant's.
fn value(results: &Results, figure: Figure) -> Option<f64> {
    let of = |measured: &Measured| match figure.extra {
        None => spread(measured.samples.iter().map(|sample| sample.value)).map(|(median, ..)| median),
        Some(name) => merged(measured, name),
    };
    let family =
        |label: &str| label == figure.label || label.strip_prefix(figure.label).is_some_and(|r| r.starts_with('/'));
    let median = |m: &&Measured| spread(m.samples.iter().map(|s| s.value)).map(|(median, ..)| median);
    // The best variant is chosen by the main figure, so that its extras are those of the same variant.
    let candidates = results.measured.iter().filter(|m| family(&m.label) && median(m).is_some());
    let best = candidates.reduce(|a, b| {
        let b_wins = if results.row.more { median(&b) > median(&a) } else { median(&b) < median(&a) };
        if b_wins { b } else { a }
    })?;
    of(best)
}

fn name(figure: Figure) -> String {
    match figure.extra {
        None => figure.label.into(),
        Some(extra) => format!("{}'s {extra}", figure.label),
    }
}

/// What a goal says, what was measured, and the verdict: `None` where a figure is missing.
pub fn judge(results: &Results, goal: &Goal) -> (String, String, Option<bool>) {
    let bound = match goal.bound {
        Bound::AtMost => "at most",
        Bound::AtLeast => "at least",
        Bound::Below => "below",
    };
    let (base, of) = match goal.base {
        Base::One => (Some(1.0), String::new()),
        Base::R => (spread(results.yardstick.iter().copied()).map(|(median, ..)| median), " R".into()),
        Base::Figure(figure) => (value(results, figure), format!(" x {}", name(figure))),
    };
    let factor = if goal.bound == Bound::Below && matches!(goal.base, Base::Figure(_)) {
        String::new()
    } else {
        format!(" {}", number(goal.factor))
    };
    let text = format!("{} {bound}{factor}{of}", name(goal.figure)).replace("below x", "below");
    let (Some(subject), Some(base)) = (value(results, goal.figure), base) else {
        return (text, "a figure is missing".into(), None);
    };
    let ratio = subject / base;
    // Runs too short to count any processor time end here.
    if !ratio.is_finite() {
        return (text, "a figure is zero".into(), None);
    }
    let met = match goal.bound {
        Bound::AtMost => ratio <= goal.factor,
        Bound::AtLeast => ratio >= goal.factor,
        Bound::Below => ratio < goal.factor,
    };
    (text, number(ratio), Some(met))
}

/// The verdict in a word.
pub fn verdict(met: Option<bool>) -> &'static str {
    match met {
        Some(true) => "met",
        Some(false) => "NOT MET",
        None => "not shown",
    }
}

/// How many goals are met, and a line for each that is not.
pub fn summary(all: &[Results]) -> String {
    let mut lines = String::new();
    let (mut met, mut total) = (0, 0);
    for results in all {
        for goal in &results.row.goals {
            let (text, ratio, verdict_of) = judge(results, goal);
            total += 1;
            met += usize::from(verdict_of == Some(true));
            if verdict_of != Some(true) {
                let _ = writeln!(lines, "  {:<15} {text}: {ratio}, {}", results.row.name, verdict(verdict_of));
            }
        }
    }
    format!("\n{met} of {total} goals met\n{lines}")
}
