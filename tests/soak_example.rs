//! The `soak` example: a few seconds of it, what it says of mistakes that are planted in it, and its command line.

mod example_binary;

use std::process::{Command, Output, Stdio};

fn soak(arguments: &[&str]) -> Output {
    Command::new(example_binary::path("soak")).args(arguments).stdin(Stdio::null()).output().expect("soak starts")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("the output is UTF-8")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_few_seconds_are_clean_and_do_everything() {
    let output = soak(&["--seconds", "4", "--steps"]);
    let table = stdout(&output);
    assert!(output.status.success(), "{}\n{table}\n{}", output.status, stderr(&output));
    assert!(table.contains("every book balanced"), "{table}");
    let mut rows = table.lines().filter(|line| line.starts_with("  ")).skip(1);
    assert!(rows.clone().count() > 100, "{table}");
    // Kinds, not steps: a second may be short for the rarest of those.
    let idle = rows.find(|row| !row.starts_with("    ") && row.split("  ").any(|value| value.trim() == "0"));
    assert_eq!(idle, None, "{table}");
}

#[test]
fn one_worker_serves_one_kind_alone() {
    let output = soak(&["--seconds=1", "--workers=1", "--only=semaphore", "--seed=5", "--round=9"]);
    assert!(output.status.success(), "{}\n{}", output.status, stderr(&output));
    let table = stdout(&output);
    assert!(table.contains("  semaphore ") && !table.contains("  mutex "), "{table}");
}

#[test]
fn a_planted_mistake_is_told_with_seed_and_round_and_code_1() {
    let cases = [("lost", ": lost"), ("doubled", "doubled"), ("leaked", "were never dropped")];
    for (mistake, words) in cases {
        // It ends with the first mistake.
        let output = soak(&["--seconds=60", "--only=bounded(1)", "--seed=3", "--plant", mistake]);
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{mistake}: {told}");
        for word in ["VIOLATION: channel, bounded(1)", words, "seed 3, round ", "--only \"bounded(1)\""] {
            assert!(told.contains(word), "{word:?} not in: {told}");
        }
    }
}

#[test]
fn an_actor_that_never_moves_is_named_with_code_1() {
    let output = soak(&["--seconds=1", "--only=unbounded", "--seed=3", "--plant=stuck", "--stalled=3"]);
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    for word in ["HUNG: nothing has moved for 3 s", "one who waits 0", "in \"Event::wait\"", "seed 3"] {
        assert!(told.contains(word), "{word:?} not in: {told}");
    }
    assert!(!told.contains("sender"), "the others have ended: {told}");
}

#[test]
fn a_wrong_command_line_is_explained_with_code_2() {
    let cases: [(&[&str], &str); 5] = [
        (&["--minuts", "5"], "--minuts"),
        (&["--minutes", "0"], "--minutes needs a number from 1"),
        (&["--seed"], "--seed needs a value"),
        (&["--plant", "rice"], "not \"rice\""),
        (&["--only", "nothing of the kind"], "channel, bounded(0)"),
    ];
    for (arguments, words) in cases {
        let output = soak(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&output).contains(words), "{arguments:?}: {}", stderr(&output));
    }
}

#[test]
fn help_names_every_option() {
    let output = soak(&["--help"]);
    assert!(output.status.success());
    let help = stdout(&output);
    for option in ["minutes", "seconds", "seed", "round", "workers", "only", "steps", "stalled", "plant"] {
        assert!(help.contains(&format!("--{option}")), "{help}");
    }
}
