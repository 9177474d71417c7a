//! A PostgreSQL client in blocking style: it runs a statement, with parameters and a limit of time, by as many green threads
//! at once as are asked for.
//!
//! ```text
//! PGPASSWORD=secret cargo run --release --example postgres -- --user alice 'select $1::int + 1' 41
//! ```

mod answer;
mod client;
#[path = "../common/options.rs"]
mod options;
#[path = "../common/program.rs"]
mod program;
#[path = "../common/socket.rs"]
mod socket;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use answer::{Error, Rows};
use client::Client;
use options::Options;
use program::Arguments;
use socket::Address;

const HELP: &str = "\
A PostgreSQL client on green threads.

Usage: postgres [OPTIONS] SQL [PARAMETER...]

It prints the rows, values between tabs, and what was done. With parameters ($1, $2 ... in SQL) it is one statement;
without there may be several, between semicolons. The password comes from the environment variable PGPASSWORD.

  --addr ADDRESS     the server: HOST:PORT, or the path of a Unix socket (127.0.0.1:5432)
  --user NAME        who asks (postgres)
  --database NAME    in which database (that of the user's name)
  --timeout TIME     how long it may run; then the server is told to end it (60s)
  --threads N        so many green threads do it at once, each by a connection of its own, and one prints (1)
  --help             print this
";

struct Args {
    address: Address,
    user: String,
    password: String,
    database: Option<String>,
    timeout: Duration,
    threads: usize,
    sql: String,
    parameters: Vec<String>,
}

impl Args {
    /// Reads the arguments behind the program's name; `None` means that help was asked for.
    fn parse(args: Arguments) -> Result<Option<Args>, String> {
        let mut parsed = Args {
            address: Address("127.0.0.1:5432".to_owned()),
            user: "postgres".to_owned(),
            password: std::env::var("PGPASSWORD").unwrap_or_default(),
            database: None,
            timeout: Duration::from_secs(60),
            threads: 1,
            sql: String::new(),
            parameters: Vec::new(),
        };
        let mut options = Options::new(args);
        while let Some(name) = options.next()? {
            match name.as_str() {
                "--addr" => parsed.address = Address(options.value()?),
                "--user" => parsed.user = options.value()?,
                "--database" => parsed.database = Some(options.value()?),
                "--timeout" => parsed.timeout = options.duration()?,
                "--threads" => parsed.threads = options.number(1, 100_000)?,
                "--help" | "-h" => return Ok(None),
                _ if name.starts_with('-') => return Err(format!("{name:?} is no option of this program")),
                _ => {
                    parsed.sql = name;
                    parsed.parameters = options.rest()?;
                }
            }
        }
        if parsed.sql.is_empty() { Err("there is no SQL to run".to_owned()) } else { Ok(Some(parsed)) }
    }
}

fn main() -> ExitCode {
    program::start("postgres", HELP, Args::parse, |args| -> Result<ExitCode, Error> {
        let answer = sinew::run(|| run(&args))?;
        std::io::stdout().write_all(shown(&answer).as_bytes())?;
        Ok(ExitCode::SUCCESS)
    })
}

fn run(args: &Args) -> Result<Vec<Rows>, Error> {
    sinew::scope(|scope| {
        let others: Vec<_> = (1..args.threads).map(|_| scope.spawn(|| ask(args))).collect();
        let answer = ask(args)?;
        others.into_iter().try_for_each(|other| other.join().expect("no query panics").map(drop))?;
        Ok(answer)
    })
}

fn ask(args: &Args) -> Result<Vec<Rows>, Error> {
    let database = args.database.as_ref().unwrap_or(&args.user);
    let connecting = || Client::connect(&args.address, &args.user, &args.password, database);
    let mut client = sinew::time::timeout(args.timeout, connecting).map_err(std::io::Error::from)??;
    client.within(args.timeout, |client| {
        if args.parameters.is_empty() {
            return client.simple(&args.sql);
        }
        let parameters: Vec<_> = args.parameters.iter().map(|value| Some(value.as_str())).collect();
        client.query(&args.sql, &parameters).map(|rows| vec![rows])
    })
}

/// Values between tabs, as `COPY` writes NULL, and the tag in a line of its own.
fn shown(answer: &[Rows]) -> String {
    let mut text = String::new();
    for rows in answer {
        for line in std::iter::once(&rows.columns).filter(|columns| !columns.is_empty()) {
            text.push_str(&line.join("\t"));
            text.push('\n');
        }
        for row in &rows.rows {
            let values: Vec<_> = row.iter().map(|value| value.as_deref().unwrap_or("\\N")).collect();
            text.push_str(&values.join("\t"));
            text.push('\n');
        }
        text.push_str(&format!("({})\n", rows.tag));
    }
    text
}
