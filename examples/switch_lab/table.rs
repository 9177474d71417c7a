//! The table: a block for each group, its rows beside the group's first.

use std::fmt::Write;

use super::Measured;

/// The rows of each group, in the order in which groups first occur.
pub(super) fn groups(measured: &[Measured]) -> Vec<(&'static str, Vec<&Measured>)> {
    let mut groups: Vec<(&'static str, Vec<&Measured>)> = Vec::new();
    for row in measured {
        match groups.iter_mut().find(|(group, _)| *group == row.group) {
            Some((_, rows)) => rows.push(row),
            None => groups.push((row.group, vec![row])),
        }
    }
    groups
}

/// Three digits and a unit.
pub(super) fn time(nanoseconds: f64) -> String {
    let (value, unit) = match nanoseconds {
        n if n < 1e3 => (n, "ns"),
        n if n < 1e6 => (n / 1e3, "us"),
        n => (n / 1e6, "ms"),
    };
    format!("{} {unit}", digits(value))
}

fn digits(value: f64) -> String {
    match value {
        v if v < 0.1 => format!("{v:.4}"),
        v if v < 10.0 => format!("{v:.2}"),
        v if v < 100.0 => format!("{v:.1}"),
        v => format!("{v:.0}"),
    }
}

pub(super) fn text(measured: &[Measured]) -> String {
    let mut text = format!(
        "{:<34} {:>9}  {:^21} {:>8} {:>9} {:>7}\n",
        "each", "median", "least - most", "ticks", "instr.", "ratio"
    );
    for (group, rows) in groups(measured) {
        let base = rows[0].nanoseconds()[1];
        let _ = writeln!(text, "\n{group}");
        for row in rows {
            let [least, median, most] = row.nanoseconds();
            let ticks = row.spread(|cost| cost.ticks)[1];
            let instructions = row.spread(|cost| cost.instructions.unwrap_or(f64::NAN))[1];
            let figure = |value: f64| if value > 0.0 { digits(value) } else { "-".into() };
            let _ = writeln!(
                text,
                "  {:<32} {:>9}  {:>9} - {:<9} {:>8} {:>9} {:>7}",
                row.name,
                time(median),
                time(least),
                time(most),
                figure(ticks),
                figure(instructions),
                digits(median / base),
            );
        }
    }
    text.push_str("\nThe ratio is to the first row of the group.\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Cost;

    #[test]
    fn rows_stand_by_group_with_their_medians_and_ratios() {
        let row = |group, name: &str, times: [f64; 3]| Measured {
            group,
            name: name.into(),
            costs: times.map(|nanoseconds| Cost { nanoseconds, ticks: 0.0, instructions: None }).to_vec(),
        };
        let measured = [
            row("a", "one", [3.0, 1.0, 2.0]),
            row("b", "other", [1500.0, 1500.0, 1500.0]),
            row("a", "two", [6.0, 5.0, 40.0]),
        ];
        let text = text(&measured);
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        let line = |name: &str| lines.iter().position(|words| words.first() == Some(&name)).unwrap();
        assert!(line("a") < line("one") && line("one") < line("two") && line("two") < line("b"));
        assert_eq!(lines[line("two")], "two 6.00 ns 5.00 ns - 40.0 ns - - 3.00".split(' ').collect::<Vec<_>>());
        assert_eq!(lines[line("other")][1..3], ["1.50", "us"]);
    }
}
