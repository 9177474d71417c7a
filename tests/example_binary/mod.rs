//! Where the examples' programs are: `cargo test` builds them, but names them in no variable of the environment.

use std::path::PathBuf;

/// The program of the example `name`, built with the same profile, flags and target as the test that asks.
pub(crate) fn path(name: &str) -> PathBuf {
    // This test is <target>/<profile>/deps/<test>-<hash>; examples are in <target>/<profile>/examples.
    let test = std::env::current_exe().expect("the test's own path is known");
    let profile = test.ancestors().nth(2).expect("a test stands two folders below its profile's");
    let program = profile.join("examples").join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(
        program.is_file(),
        "{} is missing: `cargo test` builds it, `cargo test --test ...` needs `cargo build --example {name}` first",
        program.display(),
    );
    program
}
