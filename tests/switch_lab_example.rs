//! The `switch_lab` example: a small run's table and picture, and its command line.

mod example_binary;

use std::fs;
use std::process::{Command, Output, Stdio};

fn switch_lab(arguments: &[&str]) -> Output {
    let mut command = Command::new(example_binary::path("switch_lab"));
    command.args(arguments).stdin(Stdio::null()).output().expect("switch_lab starts")
}

#[test]
fn a_small_run_prints_a_table_and_draws_a_picture() {
    let folder = std::env::temp_dir().join(format!("switch-lab-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let svg = folder.join("lab.svg");
    let output = switch_lab(&["--rounds", "1", "--millis", "1", "--svg", svg.to_str().unwrap()]);
    let table = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{table}\n{}", String::from_utf8_lossy(&output.stderr));
    let picture = fs::read_to_string(&svg).unwrap();
    fs::remove_dir_all(&folder).unwrap();
    let names =
        ["corosensei resume+suspend", "sinew threads, park+unpark", "OS threads, by futex", "sinew, pooled stack"];
    for name in names {
        let line = table.lines().find(|line| line.trim_start().starts_with(name));
        let figures = line.is_some_and(|line| line.contains("s - ") && line.chars().any(|c| c.is_ascii_digit()));
        assert!(figures, "no figures for {name:?} in\n{table}");
        assert!(picture.contains(name), "{name:?} is not in the picture");
    }
    assert!(picture.trim_end().ends_with("</svg>"));
}

#[test]
fn a_selection_that_selects_nothing_is_an_error() {
    let output = switch_lab(&["--only", "no such row"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no such row"));
}

#[test]
fn a_wrong_command_line_is_explained_with_code_2() {
    for wrong in [&["--rounds", "0"][..], &["--faster"], &["--svg"]] {
        let output = switch_lab(wrong);
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(wrong[0]));
    }
}
