//! Runs the same work on sinew and on its peers, turn by turn, and prints one table with ratios. CONTRIBUTING.md in
//! sinew's root has the command; `--help` the options.

mod burst;
mod client;
mod datagrams;
mod goals;
mod host;
mod http;
mod model;
mod peers;
mod proc;
mod report;
mod runner;
mod work;

use std::path::PathBuf;
use std::process::ExitCode;

use model::Scale;

const HELP: &str = "\
Runs the same work on sinew and its peers and prints one table with ratios.

  --only NAME     only the row of that name, or all whose name contains NAME (may be given again)
  --runs N        runs of each entry (default: 7, fewer for the longest rows)
  --quick         tiny counts: shows that everything works, its figures mean nothing
  --without NAME  leave out the libraries whose name begins so (may be given again)
  --json FILE     write every sample to FILE too
  --list          names of the rows, their entries and goals
";

/// What the command line asks for.
pub struct Options {
    pub only: Vec<String>,
    pub without: Vec<String>,
    pub runs: Option<usize>,
    pub scale: Scale,
    pub json: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // The first four are how this program starts itself.
    let done = match words[..] {
        ["--child", row, label, scale] => runner::child(row, label, scale),
        ["--host", ref rest @ ..] => host::main(rest),
        ["--client", ref rest @ ..] => client::main(rest),
        ["--burst", ref rest @ ..] => burst::main(rest),
        ["--list"] => {
            report::list();
            Ok(())
        }
        ["--help" | "-h"] => {
            print!("{HELP}");
            Ok(())
        }
        _ => parse(&words).and_then(|options| runner::main(&options)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}

fn parse(words: &[&str]) -> Result<Options, String> {
    let mut options = Options { only: Vec::new(), without: Vec::new(), runs: None, scale: Scale::Full, json: None };
    let mut words = words.iter();
    while let Some(&word) = words.next() {
        let mut value = || words.next().copied().ok_or_else(|| format!("{word} needs a value"));
        match word {
            "--only" => options.only.push(value()?.into()),
            "--without" => options.without.push(value()?.into()),
            "--runs" => options.runs = Some(value()?.parse().map_err(|e| format!("--runs: {e}"))?),
            "--quick" => options.scale = Scale::Quick,
            "--json" => options.json = Some(value()?.into()),
            _ => return Err(format!("unknown option {word}\n\n{HELP}")),
        }
    }
    if options.runs == Some(0) {
        return Err("--runs must be at least 1".into());
    }
    Ok(options)
}
