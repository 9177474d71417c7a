//! The oracle: each Python program in `tests/python` and its port beside it write the same lines.
//!
//! A port is a program too: where it stands alone its `println!` writes to stdout, here to a list.

use std::{
    process::Command,
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
};

static WRITTEN: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn written() -> MutexGuard<'static, Vec<String>> {
    WRITTEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// In the ports, in the place of std's.
macro_rules! println {
    ($($text:tt)*) => {{
        // What the text is made of may write lines itself.
        let text = format!($($text)*);
        crate::written().extend(text.split('\n').map(str::to_owned));
    }};
}

/// The Python that is there, or why none is. In CI there must be one.
fn python() -> Result<&'static str, &'static str> {
    static FOUND: OnceLock<bool> = OnceLock::new();
    let found =
        *FOUND.get_or_init(|| Command::new("python3").arg("--version").output().is_ok_and(|o| o.status.success()));
    if found { Ok("python3") } else { Err("skipped: there is no python3 (apt-get install python3)") }
}

fn same_lines(name: &str, port: fn()) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let python = match python() {
        Ok(python) => python,
        Err(reason) => return std::eprintln!("{name}: {reason}"),
    };
    let program = format!("{}/tests/python/{name}.py", env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(python).arg("-B").arg(program).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}.py: {}\n{errors}", output.status);
    let theirs: Vec<String> = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();

    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    written().clear();
    port();
    let ours = std::mem::take(&mut *written());
    assert!(!theirs.is_empty(), "{name}.py writes nothing");
    for (number, (theirs, ours)) in theirs.iter().zip(&ours).enumerate() {
        assert_eq!(ours, theirs, "{name}: line {}, ours first", number + 1);
    }
    assert_eq!(ours.len(), theirs.len(), "{name}: lines written, ours first");
}

macro_rules! pairs {
    ($($name:ident: $path:literal),* $(,)?) => {
        $(
            #[path = $path]
            mod $name;

            #[test]
            fn $name() {
                same_lines(stringify!($name), $name::main);
            }
        )*

        /// No program lies there without being run.
        #[test]
        fn every_pair_is_run() {
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python");
            let mut there: Vec<String> = std::fs::read_dir(folder).unwrap()
                .filter_map(|file| Some(file.unwrap().file_name().to_str()?.strip_suffix(".py")?.to_owned()))
                .filter(|name| name != "protocol_server")
                .collect();
            there.sort();
            let mut run = vec![$(stringify!($name)),*];
            run.sort();
            assert_eq!(run, there);
        }
    };
}
pairs! {
    already_executing: "python/already_executing.rs",
    async_generator: "python/async_generator.rs",
    bank_account: "python/bank_account.rs",
    broadcast_pipeline: "python/broadcast_pipeline.rs",
    close_generators: "python/close_generators.rs",
    context_manager: "python/context_manager.rs",
    cooperative_scheduler: "python/cooperative_scheduler.rs",
    csv_parser: "python/csv_parser.rs",
    fibonacci: "python/fibonacci.rs",
    flatten: "python/flatten.rs",
    generator_states: "python/generator_states.rs",
    graph_walk: "python/graph_walk.rs",
    hanoi: "python/hanoi.rs",
    itertools_recipes: "python/itertools_recipes.rs",
    log_tailer: "python/log_tailer.rs",
    merge_sorted: "python/merge_sorted.rs",
    permutations: "python/permutations.rs",
    prime_sieve: "python/prime_sieve.rs",
    producer_consumer: "python/producer_consumer.rs",
    queens: "python/queens.rs",
    resettable_counter: "python/resettable_counter.rs",
    round_robin: "python/round_robin.rs",
    running_average: "python/running_average.rs",
    send_values: "python/send_values.rs",
    sliding_window: "python/sliding_window.rs",
    state_machine: "python/state_machine.rs",
    stop_iteration: "python/stop_iteration.rs",
    tee_readers: "python/tee_readers.rs",
    throw_exceptions: "python/throw_exceptions.rs",
    tokeniser: "python/tokeniser.rs",
    trampoline: "python/trampoline.rs",
    tree_walk: "python/tree_walk.rs",
    yield_from_delegates: "python/yield_from_delegates.rs",
    yield_values: "python/yield_values.rs",
}
