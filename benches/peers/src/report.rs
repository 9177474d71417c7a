//! The table in plain text, and the same as JSON.

use std::fmt::Write;

use serde_json::json;

use crate::goals::{judge, merged, spread, verdict};
use crate::model::Scale;
use crate::runner::Results;
use crate::work;

/// A number with three to four digits that say something, and marks between thousands.
pub fn number(value: f64) -> String {
    let digits = match value.abs() {
        v if v >= 100.0 || v == v.trunc() => 0,
        v if v >= 10.0 => 1,
        v if v >= 1.0 => 2,
        v if v >= 0.001 => 3,
        _ => 6,
    };
    let plain = format!("{value:.digits$}");
    let (whole, rest) = plain.split_once('.').map_or((plain.as_str(), String::new()), |(w, r)| (w, format!(".{r}")));
    let (sign, whole) = whole.strip_prefix('-').map_or(("", whole), |w| ("-", w));
    let mut marked = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at) % 3 == 0 {
            marked.push(',');
        }
        marked.push(digit);
    }
    format!("{sign}{marked}{rest}")
}

/// What stands above the table.
pub fn heading(scale: Scale) -> String {
    let mut text = String::new();
    if scale == Scale::Quick {
        text += "--quick: tiny counts; the figures only show that everything works.\n";
    }
    text += "R is corosensei's resume + suspend, measured again between the runs of each row.\n\n";
    text += &format!(
        "{:<22} {:>11} {:>25} {:>9} {:>8}  {}",
        "work / who", "median", "least - most", "x R", "x sinew", "besides"
    );
    text
}

/// One row's part of the table.
pub fn row(results: &Results) -> String {
    let row = &results.row;
    let mut text = format!("\n{}: {} [{}]", row.name, row.title, row.unit);
    let yardstick = spread(results.yardstick.iter().copied()).map(|(median, ..)| median);
    if let Some(yardstick) = yardstick {
        let _ = write!(text, ", R = {} ns", number(yardstick));
    }
    text.push('\n');
    let medians: Vec<_> =
        results.measured.iter().map(|m| (m.label.as_str(), spread(m.samples.iter().map(|s| s.value)))).collect();
    let sinew = medians.iter().find(|(label, s)| label.starts_with("sinew/") && s.is_some()).and_then(|(_, s)| *s);
    for (measured, (label, figures)) in results.measured.iter().zip(&medians) {
        let Some((median, least, most)) = figures else {
            let reason = measured.reason.as_deref().unwrap_or("no run");
            let _ = writeln!(text, "  {label:<20} {}", reason.lines().next().unwrap_or_default());
            continue;
        };
        let in_r = match yardstick {
            Some(r) if row.unit.starts_with("ns") => number(median / r),
            _ => "-".into(),
        };
        let in_sinew = match sinew {
            Some((s, ..)) if s != 0.0 => number(median / s),
            _ => "-".into(),
        };
        let _ = write!(
            text,
            "  {label:<20} {:>11} {:>25} {in_r:>9} {in_sinew:>8}  ",
            number(*median),
            format!("{} - {}", number(*least), number(*most)),
        );
        let names: Vec<&String> =
            measured.samples.first().map_or(Vec::new(), |s| s.extras.iter().map(|e| &e.name).collect());
        let extras: Vec<String> =
            names.iter().filter_map(|name| merged(measured, name).map(|v| format!("{name} {}", number(v)))).collect();
        let _ = writeln!(text, "{}", extras.join(", "));
        if let Some(reason) = &measured.reason {
            let _ = writeln!(text, "  {:<20} stopped after {} runs: {reason}", "", measured.samples.len());
        }
    }
    for goal in &row.goals {
        let (goal, ratio, met) = judge(results, goal);
        let _ = writeln!(text, "  goal: {goal}: {ratio}, {}", verdict(met));
    }
    text
}

/// Every sample, as JSON.
pub fn json(all: &[Results]) -> String {
    let rows: Vec<_> = all
        .iter()
        .map(|results| {
            let entries: Vec<_> = results
                .measured
                .iter()
                .map(|m| {
                    let values: Vec<f64> = m.samples.iter().map(|s| s.value).collect();
                    let names = m.samples.first().map_or(Vec::new(), |s| s.extras.iter().map(|e| &e.name).collect());
                    let extras: serde_json::Map<_, _> =
                        names.into_iter().map(|name| (name.clone(), json!(merged(m, name)))).collect();
                    json!({
                        "label": m.label, "median": spread(values.iter().copied()).map(|(median, ..)| median),
                        "values": values, "extras": extras, "reason": m.reason,
                    })
                })
                .collect();
            let goals: Vec<_> = results
                .row
                .goals
                .iter()
                .map(|goal| {
                    let (text, measured, met) = judge(results, goal);
                    json!({ "goal": text, "measured": measured, "met": met })
                })
                .collect();
            json!({
                "name": results.row.name, "title": results.row.title, "unit": results.row.unit,
                "r_ns": results.yardstick, "entries": entries, "goals": goals,
            })
        })
        .collect();
    format!("{:#}\n", json!({ "rows": rows }))
}

/// Prints the rows with their entries.
pub fn list() {
    for (name, make) in work::ROWS {
        let row = make();
        println!("{name:<15} {} [{}]", row.title, row.unit);
        let labels: Vec<&str> = row.entries.iter().map(|entry| entry.label.as_str()).collect();
        println!("{:<15} {}; {} goals", "", labels.join(", "), row.goals.len());
    }
}
