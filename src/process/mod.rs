//! Other processes, with [`std::process`]'s types, names and errors.
//!
//! `use sinew::process` replaces `use std::process`. A [`Command`] is started by a thread of the blocking pool, since std waits
//! there until the new program has been loaded; waiting for its end, and its pipes, suspend the calling thread only.
//! What never waits is std's own, re-exported. The methods of [`std::os::unix::process::CommandExt`], which only std may
//! implement, are those of [`Command`] itself.
//!
//! # Examples
//! ```
//! use sinew::process::{Command, Stdio};
//! use std::io::Write;
//!
//! let mut sort = Command::new("sort").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
//! sort.stdin.take().unwrap().write_all(b"pear\napple\n")?;
//! assert_eq!(sort.wait_with_output()?.stdout, b"apple\npear\n");
//! # Ok::<(), std::io::Error>(())
//! ```

mod child;
mod command;
mod drain;
mod pipes;

pub use child::Child;
pub use command::Command;
pub use pipes::{ChildStderr, ChildStdin, ChildStdout};
pub use std::process::{CommandArgs, CommandEnvs, ExitCode, ExitStatus, Output, Stdio, Termination, abort, exit, id};
