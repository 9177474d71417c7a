//! The run in several processes, for a limit on open files that leaves room for only one side of the connections in one
//! process, or for a part of a side. The children are this program too: servers with `--server-only` and `--until-eof`,
//! each with a load of its own with `--client-only` and `--driven`. They say on their standard output how far they are,
//! in lines of `name=value`, and end when their standard input does, which also happens when this process dies.

use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::str::FromStr;
use std::thread::available_parallelism;
use std::time::Duration;

use crate::args::Args;
use crate::processors::Processors;
use crate::report::{Counts, Figures, Latencies, Memory};
use crate::server::{Server, loopback};
use crate::thousands::thousands;
use crate::{limits, memory};

/// What a server prints before its addresses.
pub(crate) const LISTENING: &str = "listening on ";

/// Runs both sides, each in so many processes.
pub(crate) fn run(args: &Args, parts: usize) -> io::Result<(Figures, Counts)> {
    let share = |part: usize| args.connections * (part + 1) / parts - args.connections * part / parts;
    let workers = limits::workers(args, 2 * parts);
    let (processors, count) = (Processors::allowed(), available_parallelism().map_or(1, usize::from));
    // Where the pairs do not come out even, the system balances better.
    let settle = |part: usize| _ = parts.is_multiple_of(count).then(|| processors.stay_on(part % count));
    let base = Memory { user: None, kernel: memory::kernel() };
    let mut servers = Vec::new();
    for part in 0..parts {
        settle(part);
        let addresses = join(&loopback(share(part)));
        let mut server =
            Process::start(args, share(part), workers, &["--until-eof", "--server-only", addresses.as_str()])?;
        let addresses = server.line()?.strip_prefix(LISTENING).map(str::to_owned).ok_or_else(Process::failed)?;
        servers.push((server, addresses));
    }
    let servers_user = || servers.iter().map(|server| memory::user(Some(server.0.child.id()))).sum();
    let before = Memory { user: servers_user(), ..base };

    let mut clients = Vec::new();
    for (part, server) in servers.iter().enumerate() {
        settle(part);
        let (messages, every) =
            (args.messages.to_string(), args.every.map(|every| format!("{}s", every.as_secs_f64())));
        let mut options = vec!["--driven", "--client-only", server.1.as_str(), "--messages", messages.as_str()];
        if let Some(every) = &every {
            options.extend(["--every", every.as_str()]);
        }
        clients.push(Process::start(args, share(part), workers, &options)?);
    }
    processors.roam();
    let held = clients.iter_mut().map(Process::line).collect::<io::Result<Vec<_>>>()?;
    let mut grown = Memory { user: servers_user(), kernel: memory::kernel() }.since(before);
    let theirs = held.iter().map(|line| value::<u64>(line, "user")).sum::<Option<u64>>();
    grown.user = grown.user.zip(theirs).map(|(ours, theirs)| ours + theirs);
    let total: u64 = held.iter().filter_map(|line| value::<u64>(line, "held")).sum();
    eprintln!("{} of {} connections are held", thousands(total), thousands(args.connections as u64));
    if let Some(every) = args.every {
        eprintln!("messages for {:?}", every.saturating_mul(args.messages as u32));
    }

    clients.iter_mut().try_for_each(|client| writeln!(client.input(), "begin"))?;
    let lines = clients.into_iter().map(Process::finish).collect::<io::Result<Vec<_>>>()?;
    let (mut figures, mut counts) = (Figures { grown, ..Figures::default() }, Counts::default());
    for line in lines {
        let (part, its) = read_figures(&line).ok_or_else(Process::failed)?;
        figures.add(part);
        counts.add(its);
    }
    for (server, _) in servers {
        counts.add(read_counts(&server.finish()?).ok_or_else(Process::failed)?);
    }
    Ok((figures, counts))
}

/// One of the processes.
struct Process {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Process {
    fn start(args: &Args, connections: usize, workers: usize, options: &[&str]) -> io::Result<Process> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(options);
        let numbers = [("--connections", connections), ("--size", args.size), ("--workers", workers)];
        for (name, number) in numbers {
            command.arg(name).arg(number.to_string());
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let output = BufReader::new(child.stdout.take().expect("standard output is piped"));
        Ok(Process { child, output })
    }

    fn failed() -> io::Error {
        io::Error::other("one of the processes failed (it says above why)")
    }

    /// The next line that it prints.
    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        match self.output.read_line(&mut line)? {
            0 => Err(Process::failed()),
            _ => Ok(line.trim_end().to_owned()),
        }
    }

    fn input(&mut self) -> impl Write {
        self.child.stdin.as_mut().expect("standard input is piped")
    }

    /// Its last line. A server ends by its input's end, a load by itself.
    fn finish(mut self) -> io::Result<String> {
        drop(self.child.stdin.take());
        let line = self.line()?;
        self.child.wait()?;
        Ok(line)
    }
}

/// The server's figures as its process prints them at its end.
pub(crate) fn server_line(server: &Server, counts: Counts) -> String {
    let (held, errors) = (server.most_held(), server.failures.lost_count());
    format!("held={held} errors={errors} switches={} steals={}", counts.switches, counts.steals)
}

/// What a driven load says when its connections are held.
pub(crate) fn held_line(held: usize, grown: Memory) -> String {
    format!("held={held} user={}", grown.user.unwrap_or(0))
}

/// A driven load's figures as its process prints them at its end.
pub(crate) fn load_line(figures: &Figures, counts: Counts) -> String {
    let latencies = figures.latencies.iter_recorded();
    let latencies: Vec<_> =
        latencies.map(|step| format!("{}:{}", step.value_iterated_to(), step.count_at_value())).collect();
    let Figures { held, messages, lost, wrong, .. } = figures;
    format!(
        "held={held} messages={messages} lost={lost} wrong={wrong} late={} elapsed={} switches={} steals={} latencies={}",
        figures.late.map_or("none".to_owned(), |late| late.to_string()),
        figures.elapsed.as_nanos(),
        counts.switches,
        counts.steals,
        latencies.join(","),
    )
}

fn read_figures(line: &str) -> Option<(Figures, Counts)> {
    let mut latencies = Latencies::empty();
    for step in value::<String>(line, "latencies")?.split(',').filter(|step| !step.is_empty()) {
        let (nanos, count) = step.split_once(':')?;
        latencies.saturating_record_n(nanos.parse().ok()?, count.parse().ok()?);
    }
    let figures = Figures {
        held: value(line, "held")?,
        messages: value(line, "messages")?,
        elapsed: Duration::from_nanos(value(line, "elapsed")?),
        latencies,
        late: value(line, "late"),
        lost: value(line, "lost")?,
        wrong: value(line, "wrong")?,
        ..Figures::default()
    };
    Some((figures, read_counts(line)?))
}

fn read_counts(line: &str) -> Option<Counts> {
    Some(Counts { switches: value(line, "switches")?, steals: value(line, "steals")? })
}

/// The value behind `name=` in a line of such fields.
fn value<T: FromStr>(line: &str, name: &str) -> Option<T> {
    let mut fields = line.split_whitespace().filter_map(|field| field.split_once('='));
    fields.find(|field| field.0 == name)?.1.parse().ok()
}

/// The addresses as `--server-only` takes them and the server prints them.
pub(crate) fn join(addresses: &[SocketAddr]) -> String {
    addresses.iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(",")
}
