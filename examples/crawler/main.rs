//! A crawler of web sites in blocking style, one green thread for each page that is being fetched: it follows the links
//! of a site by plain HTTP/1.1, each page once, and prints a table of the pages and of the dead links among them.
//!
//! ```text
//! cargo run --release --example http -- --root target/doc &
//! cargo run --release --example crawler -- http://127.0.0.1:8080/sinew/
//! ```

mod crawl;
mod fetch;
mod links;
#[path = "../common/options.rs"]
mod options;
#[path = "../common/program.rs"]
mod program;
mod progress;
mod response;
mod url;

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crawl::{Bounds, Page};
use fetch::Limits;
use options::Options;
use program::Arguments;
use progress::Progress;
use url::Url;

const HELP: &str = "\
A crawler on green threads: follows the links of a site by plain HTTP, and prints a table of its pages.
It ends with 1 if a page could not be had, or was answered by a status of 400 or more.

Usage: crawler [OPTIONS] http://HOST[:PORT][/PATH]

  --depth N        links to follow one after the other (16)
  --pages N        pages to fetch in all (10000)
  --concurrency N  pages to fetch at once (32)
  --per-host N     pages to fetch at once from one host (8)
  --any-host       follow links to other hosts too
  --timeout TIME   how long a page may take (10s)
  --bytes N        the longest page (8388608)
  --close          a connection for each page, instead of keeping them
  --help           print this
";

/// The command line, understood.
struct Args {
    start: Url,
    bounds: Bounds,
}

impl Args {
    /// Reads the arguments behind the program's name; `None` means that help was asked for.
    fn parse(args: Arguments) -> Result<Option<Args>, String> {
        let mut start = None;
        let limits = Limits { time: Duration::from_secs(10), bytes: 8 * 1024 * 1024, keep_alive: true };
        let mut bounds = Bounds { depth: 16, pages: 10_000, concurrency: 32, per_host: 8, any_host: false, limits };
        let mut options = Options::new(args);
        while let Some(name) = options.next()? {
            match name.as_str() {
                "--depth" => bounds.depth = options.number(0, 1_000_000)?,
                "--pages" => bounds.pages = options.number(1, 100_000_000)?,
                "--concurrency" => bounds.concurrency = options.number(1, 1_000_000)?,
                "--per-host" => bounds.per_host = options.number(1, 1_000_000)?,
                "--any-host" => bounds.any_host = true,
                "--timeout" => bounds.limits.time = options.duration()?,
                "--bytes" => bounds.limits.bytes = options.number(1, 1 << 40)?,
                "--close" => bounds.limits.keep_alive = false,
                "--help" | "-h" => return Ok(None),
                _ if name.starts_with('-') => return Err(format!("{name:?} is no option of this program")),
                _ if start.is_some() => return Err("only one page can be the start".to_owned()),
                _ => start = Some(Url::parse(&name).ok_or_else(|| format!("{name:?} is no address by http"))?),
            }
        }
        let start = start.ok_or("the page to begin with is missing")?;
        Ok(Some(Args { start, bounds }))
    }
}

fn main() -> ExitCode {
    program::start("crawler", HELP, Args::parse, run)
}

fn run(args: Args) -> io::Result<ExitCode> {
    let begun = Instant::now();
    let progress = Progress::new();
    let mut pages = Vec::new();
    sinew::run(|| {
        crawl::crawl(args.start, &args.bounds, |page, known| {
            pages.push(page);
            progress.show(pages.len(), known);
        });
    });
    progress.finish();
    let dead = pages.iter().filter(|page| page.is_dead()).count();
    report(&pages, dead, begun.elapsed())?;
    Ok(if dead == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn report(pages: &[Page], dead: usize, time: Duration) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{:>6}  {:>9}  {:>10}  {:>5}  page", "status", "time", "bytes", "depth")?;
    for Page { fetched, depth, .. } in pages {
        let status = fetched.status.as_ref().map_or("none".to_owned(), u16::to_string);
        let time = format!("{:.1} ms", fetched.time.as_secs_f64() * 1e3);
        writeln!(out, "{status:>6}  {time:>9}  {:>10}  {depth:>5}  {}", fetched.bytes, fetched.url)?;
    }
    if dead > 0 {
        writeln!(out, "\ndead links:")?;
    }
    for Page { fetched, from, .. } in pages.iter().filter(|page| page.is_dead()) {
        let why = fetched.status.as_ref().map_or_else(String::clone, |status| format!("status {status}"));
        let from = from.as_ref().map_or_else(|| "the start".to_owned(), |from| format!("on {from}"));
        writeln!(out, "  {} ({from}): {why}", fetched.url)?;
    }
    writeln!(out, "\n{} pages in {:.2} s, {dead} of them dead", pages.len(), time.as_secs_f64())
}
