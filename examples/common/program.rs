//! The way from a command line to an exit code, which is the same for all examples. It is shared by them through `#[path]`.

use std::env;
use std::fmt::Display;
use std::io::{self, Write};
use std::iter::Skip;
use std::process::ExitCode;

/// The arguments behind the program's name.
pub(crate) type Arguments = Skip<env::ArgsOs>;

/// Reads the command line by `parse`, whose `None` means that help was asked for, and does what it says by `run`. The code
/// is 2 for a wrong command line and 1 for an error, which are told on standard error.
pub(crate) fn start<A, E: Display>(
    name: &str,
    help: &str,
    parse: impl FnOnce(Arguments) -> Result<Option<A>, String>,
    run: impl FnOnce(A) -> Result<ExitCode, E>,
) -> ExitCode {
    let result = match parse(env::args_os().skip(1)) {
        Ok(Some(args)) => run(args).map_err(|error| error.to_string()),
        // `print!` would panic where nobody reads it.
        Ok(None) => io::stdout()
            .write_all(help.as_bytes())
            .map_or_else(|error| Err(error.to_string()), |()| Ok(ExitCode::SUCCESS)),
        Err(error) => {
            eprintln!("{name}: {error}\nTry --help.");
            return ExitCode::from(2);
        }
    };
    result.unwrap_or_else(|error| {
        eprintln!("{name}: {error}");
        ExitCode::FAILURE
    })
}
