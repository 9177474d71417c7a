//! A Redis client in blocking style: one command, a pipeline of them, subscriptions, and many green threads on one
//! connection.
//!
//! ```text
//! cargo run --release --example redis -- SET greeting hello
//! cargo run --release --example redis -- SUBSCRIBE news
//! cargo run --release --example redis -- --threads 10000 INCR visits
//! ```

mod client;
#[path = "../common/options.rs"]
mod options;
#[path = "../common/program.rs"]
mod program;
mod resp;
#[path = "../common/socket.rs"]
mod socket;

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use client::{Client, Shared};
use options::Options;
use program::Arguments;
use resp::Reply;
use socket::Address;

const HELP: &str = "\
A Redis client on green threads.

Usage: redis [OPTIONS] [COMMAND [ARGUMENT...]]

It prints the reply to the command. Without a command it reads them from standard input, one a line, words between
spaces, and sends them together. After SUBSCRIBE and PSUBSCRIBE it prints messages until the connection ends.

  --addr ADDRESS     the server: HOST:PORT, or the path of a Unix socket (127.0.0.1:6379)
  --timeout TIME     the longest time for all of it; of a subscription, for the next message (30s)
  --threads N        so many green threads send the command at once, over one connection
  --help             print this
";

struct Args {
    address: Address,
    timeout: Duration,
    threads: Option<usize>,
    command: Vec<String>,
}

impl Args {
    /// Reads the arguments behind the program's name; `None` means that help was asked for.
    fn parse(args: Arguments) -> Result<Option<Args>, String> {
        let mut parsed = Args {
            address: Address("127.0.0.1:6379".to_owned()),
            timeout: Duration::from_secs(30),
            threads: None,
            command: Vec::new(),
        };
        let mut options = Options::new(args);
        while let Some(name) = options.next()? {
            match name.as_str() {
                "--addr" => parsed.address = Address(options.value()?),
                "--timeout" => parsed.timeout = options.duration()?,
                "--threads" => parsed.threads = Some(options.number(1, 1_000_000)?),
                "--help" | "-h" => return Ok(None),
                _ if name.starts_with('-') => return Err(format!("{name:?} is no option of this program")),
                _ => {
                    parsed.command.push(name);
                    parsed.command.append(&mut options.rest()?);
                }
            }
        }
        if parsed.threads.is_some() && parsed.command.is_empty() {
            return Err("--threads needs a command".to_owned());
        }
        Ok(Some(parsed))
    }
}

fn main() -> ExitCode {
    program::start("redis", HELP, Args::parse, |args| {
        sinew::run(|| run(&args)).map(|fine| if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })
}

/// Does as it is told; false if the server refused anything.
fn run(args: &Args) -> io::Result<bool> {
    let within = |call: &mut dyn FnMut() -> io::Result<bool>| sinew::time::timeout(args.timeout, call)?;
    let word = args.command.first().map(|word| word.to_ascii_uppercase());
    match word.as_deref() {
        None => within(&mut || pipeline(args)),
        Some("SUBSCRIBE" | "PSUBSCRIBE") => subscribe(args),
        Some(_) if args.threads.is_some() => within(&mut || at_once(args)),
        Some(_) => within(&mut || print(&Client::connect(&args.address)?.call(&args.command)?)),
    }
}

fn pipeline(args: &Args) -> io::Result<bool> {
    // std's would have the worker wait, and the timeout with it.
    let lines = sinew::io::stdin().lines().collect::<io::Result<Vec<_>>>()?;
    let commands = lines.iter().map(|line| line.split_whitespace().map(str::to_owned).collect());
    let commands: Vec<Vec<String>> = commands.filter(|words: &Vec<_>| !words.is_empty()).collect();
    let replies = Client::connect(&args.address)?.pipeline(&commands)?;
    replies.iter().try_fold(true, |fine, reply| Ok(print(reply)? && fine))
}

fn subscribe(args: &Args) -> io::Result<bool> {
    let mut client = Client::connect(&args.address)?;
    let first = sinew::time::timeout(args.timeout, || client.call(&args.command))??;
    let mut fine = print(&first)?;
    while fine {
        match sinew::time::timeout(args.timeout, || client.message())?? {
            Some(message) => fine = print(&message)?,
            None => break,
        }
    }
    Ok(fine)
}

fn at_once(args: &Args) -> io::Result<bool> {
    let threads = args.threads.unwrap_or(1);
    let shared = Shared::connect(&args.address)?;
    let start = Instant::now();
    let replies: Vec<Reply> = sinew::scope(|scope| {
        let asking: Vec<_> = (0..threads).map(|_| scope.spawn(|| shared.call(&args.command))).collect();
        asking.into_iter().map(|thread| thread.join().expect("no call panics")).collect::<io::Result<_>>()
    })?;
    let refused = replies.iter().filter(|reply| matches!(reply, Reply::Error(_))).count();
    write(&format!("{threads} replies, {refused} of them errors, in {:.1?}\n", start.elapsed()))?;
    Ok(refused == 0)
}

/// Prints a reply in the manner of `redis-cli`; false if it is an error.
fn print(reply: &Reply) -> io::Result<bool> {
    let mut text = String::new();
    show(reply, "", &mut text);
    write(&text)?;
    Ok(!matches!(reply, Reply::Error(_)))
}

/// Writes to standard output. A `println` would panic when nobody reads it, and have the worker wait for who reads slowly.
fn write(text: &str) -> io::Result<()> {
    let mut stdout = sinew::io::stdout();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

fn show(reply: &Reply, indent: &str, text: &mut String) {
    match reply {
        Reply::Status(status) => text.push_str(status),
        Reply::Error(error) => text.push_str(&format!("(error) {error}")),
        Reply::Integer(number) => text.push_str(&format!("(integer) {number}")),
        Reply::Bulk(bytes) => text.push_str(&format!("{:?}", String::from_utf8_lossy(bytes))),
        Reply::Nil => text.push_str("(nil)"),
        Reply::Array(values) if values.is_empty() => text.push_str("(empty array)"),
        Reply::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                let number = format!("{}) ", index + 1);
                text.push_str(if index > 0 { indent } else { "" });
                text.push_str(&number);
                show(value, &format!("{indent}{}", " ".repeat(number.len())), text);
            }
            return;
        }
    }
    text.push('\n');
}
