//! The server in a second process, for a limit on open files that leaves room for only one side of the connections.
//! The child is this program with `--server-only` and `--until-eof`: it says on its standard output where it listens,
//! and ends, with a line of figures, when its standard input does, which also happens when this process dies.

use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::args::Args;
use crate::memory;
use crate::report::Counts;
use crate::server::{Server, loopback};

/// What a server prints before its addresses.
pub(crate) const LISTENING: &str = "listening on ";

/// The server's process.
pub(crate) struct ServerProcess {
    child: Child,
    output: BufReader<ChildStdout>,
    pub(crate) addresses: Vec<SocketAddr>,
}

impl ServerProcess {
    pub(crate) fn start(args: &Args) -> io::Result<ServerProcess> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--until-eof").arg("--server-only").arg(join(&loopback(args.connections)));
        command.arg("--size").arg(args.size.to_string());
        command.arg("--connections").arg(args.connections.to_string());
        if let Some(workers) = args.workers {
            command.arg("--workers").arg(workers.to_string());
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut output = BufReader::new(child.stdout.take().expect("standard output is piped"));
        let mut line = String::new();
        output.read_line(&mut line)?;
        let addresses =
            line.trim().strip_prefix(LISTENING).and_then(|list| list.split(',').map(|a| a.parse().ok()).collect());
        match addresses {
            Some(addresses) => Ok(ServerProcess { child, output, addresses }),
            None => Err(io::Error::other("the server's process did not start (it says above why)")),
        }
    }

    /// What memory of the server's is resident, in bytes.
    pub(crate) fn resident(&self) -> Option<u64> {
        memory::resident(Some(self.child.id()))
    }

    /// Ends the server and returns what its runtime counted.
    pub(crate) fn finish(mut self) -> io::Result<Counts> {
        drop(self.child.stdin.take());
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        let status = self.child.wait()?;
        if !status.success() {
            return Err(io::Error::other(format!("the server's process failed: {status}")));
        }
        let value = |name: &str| {
            let mut fields = line.split_whitespace().filter_map(|field| field.split_once('='));
            fields.find(|field| field.0 == name).and_then(|field| field.1.parse().ok())
        };
        match (value("switches"), value("steals")) {
            (Some(switches), Some(steals)) => Ok(Counts { switches, steals }),
            _ => Err(io::Error::other("the server's process ended without its figures")),
        }
    }
}

/// The server's figures as its process prints them at its end.
pub(crate) fn figures(server: &Server, counts: Counts) -> String {
    let (held, errors) = (server.most_held(), server.failures.lost_count());
    format!("held={held} errors={errors} switches={} steals={}", counts.switches, counts.steals)
}

/// The addresses as `--server-only` takes them and the server prints them.
pub(crate) fn join(addresses: &[SocketAddr]) -> String {
    addresses.iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(",")
}
