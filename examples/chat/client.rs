//! One client: a thread reads what it sends, another writes what the room has for it.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use sinew::cancel::CancelToken;
use sinew::channel::Receiver;
use sinew::net::TcpStream;
use sinew::time::timeout;

use crate::lines::{Line, Lines};
use crate::room::Room;

/// How long a client may take to give a name.
const NAMING: Duration = Duration::from_secs(60);

/// Lines are written together until this much is gathered.
const GATHER: usize = 16 * 1024;

/// What holds for every client.
pub(crate) struct Limits {
    /// The longest line, in bytes.
    pub(crate) line: usize,
    /// How long a client whose time is over may take to read what is still there for it.
    pub(crate) patience: Duration,
}

/// Serves a client until it leaves, is dropped, or the server stops.
pub(crate) fn serve(stream: &TcpStream, room: &Room, stop: &CancelToken, limits: &Limits) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let end = stop.child_token();
    let mut lines = Lines::new(stream, limits.line);
    let named = end.run_until_cancelled(|| timeout(NAMING, || name(&mut lines, stream, room, &end)));
    let (name, queue) = match named {
        Ok(Ok(named)) => match named? {
            Some(named) => named,
            None => return Ok(()),
        },
        Ok(Err(_)) => return part(stream, limits, "you took too long to give a name"),
        Err(cancelled) => return part(stream, limits, cancelled.reason().unwrap_or_default()),
    };
    sinew::scope(|scope| {
        let writing = scope.spawn(move || write(stream, &queue)).cancel_on_drop();
        let reading = end.run_until_cancelled(|| read(&mut lines, room, &name));
        // The queue ends with this, and the writing when it is empty; whoever does not read even now is left.
        room.leave(&name);
        let _ = timeout(limits.patience, || {
            let _ = writing.join();
            if let Err(cancelled) = &reading {
                let _ = say(stream, cancelled.reason().unwrap_or_default());
            }
        });
        reading.unwrap_or(Ok(()))
    })
}

/// Asks for a name until there is one that will do; `None` if the client leaves before.
fn name(
    lines: &mut Lines<&TcpStream>,
    stream: &TcpStream,
    room: &Room,
    end: &CancelToken,
) -> io::Result<Option<(String, Receiver<Arc<str>>)>> {
    say(stream, "your name?")?;
    while let Some(line) = lines.next()? {
        let name = match line {
            Line::Text(text) => text.trim().to_owned(),
            Line::TooLong => String::new(),
        };
        match room.join(&name, end) {
            Ok(queue) => return Ok(Some((name, queue))),
            Err(problem) => say(stream, &format!("{problem}; your name?"))?,
        }
    }
    Ok(None)
}

/// Passes on what the client sends.
fn read(lines: &mut Lines<&TcpStream>, room: &Room, name: &str) -> io::Result<()> {
    while let Some(line) = lines.next()? {
        match line {
            Line::Text(text) => match text.trim_end() {
                "" => {}
                "/quit" => return Ok(()),
                "/who" => room.tell_who(name),
                command if command.starts_with('/') => room.tell(name, "* there are /who and /quit"),
                text => room.say(name, text),
            },
            Line::TooLong => room.tell(name, "* that line was too long"),
        }
        // Lines that came together do not wait for each other: the queues that this one has filled are emptied meanwhile.
        sinew::yield_now();
    }
    Ok(())
}

/// Writes what is in the queue until that ends; lines that are there together go together.
fn write(mut stream: &TcpStream, queue: &Receiver<Arc<str>>) -> io::Result<()> {
    let mut out = Vec::new();
    while let Ok(first) = queue.recv() {
        let mut next = Some(first);
        while let Some(line) = next {
            out.extend_from_slice(line.as_bytes());
            out.push(b'\n');
            next = if out.len() < GATHER { queue.try_recv().ok() } else { None };
        }
        stream.write_all(&out)?;
        out.clear();
    }
    Ok(())
}

/// Says a last word to a client that is in no room.
fn part(stream: &TcpStream, limits: &Limits, word: &str) -> io::Result<()> {
    timeout(limits.patience, || say(stream, word))?
}

fn say(mut stream: &TcpStream, word: &str) -> io::Result<()> {
    stream.write_all(format!("* {word}\n").as_bytes())
}
