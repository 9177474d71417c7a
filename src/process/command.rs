//! `Command`.

use std::{
    ffi::OsStr,
    fmt, io,
    os::unix::process::CommandExt,
    path::Path,
    process::{self, CommandArgs, CommandEnvs, ExitStatus, Output, Stdio},
};

use super::Child;
use crate::{fs::operate::call_in, sync::Semaphore};

/// How many processes are started at once.
const MOST: usize = 32;

/// A permit for each.
static LANE: Semaphore = Semaphore::new(MOST);

/// Builds and starts a process. See [`std::process::Command`], whose methods and defaults these are.
///
/// # Cancellation
/// [`spawn`](Self::spawn) can be cancelled while it waits for its turn (at most 32 processes are started at once), and has
/// then started nothing. [`status`](Self::status) and [`output`](Self::output) can be cancelled while they wait for the
/// child: it goes on by itself, or is killed if [`kill_on_drop`](Self::kill_on_drop) was set.
///
/// # Examples
/// ```
/// use sinew::process::Command;
///
/// let output = Command::new("echo").arg("hello").output()?;
/// assert_eq!(output.stdout, b"hello\n");
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Command {
    inner: process::Command,
    /// Which of standard input, output and error have been set: std's type does not tell.
    set: [bool; 3],
    kill_on_drop: bool,
}

impl Command {
    /// Starts a program: a path, or a name that is looked for in `PATH`.
    pub fn new<S: AsRef<OsStr>>(program: S) -> Command {
        Command { inner: process::Command::new(program), set: [false; 3], kill_on_drop: false }
    }

    /// Adds an argument.
    pub fn arg<S: AsRef<OsStr>>(&mut self, arg: S) -> &mut Command {
        self.inner.arg(arg);
        self
    }

    /// Adds arguments.
    pub fn args<I, S>(&mut self, args: I) -> &mut Command
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        self.inner.args(args);
        self
    }

    /// Sets a variable of the environment.
    pub fn env<K: AsRef<OsStr>, V: AsRef<OsStr>>(&mut self, key: K, val: V) -> &mut Command {
        self.inner.env(key, val);
        self
    }

    /// Sets variables of the environment.
    pub fn envs<I, K, V>(&mut self, vars: I) -> &mut Command
    where
        I: IntoIterator<Item = (K, V)>,
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        self.inner.envs(vars);
        self
    }

    /// Removes a variable of the environment.
    pub fn env_remove<K: AsRef<OsStr>>(&mut self, key: K) -> &mut Command {
        self.inner.env_remove(key);
        self
    }

    /// Starts with an empty environment.
    pub fn env_clear(&mut self) -> &mut Command {
        self.inner.env_clear();
        self
    }

    /// Sets the folder that it runs in.
    pub fn current_dir<P: AsRef<Path>>(&mut self, dir: P) -> &mut Command {
        self.inner.current_dir(dir);
        self
    }

    /// Sets its standard input. By default it is this process's; with [`output`](Self::output) there is none.
    pub fn stdin<T: Into<Stdio>>(&mut self, cfg: T) -> &mut Command {
        self.set[0] = true;
        self.inner.stdin(cfg);
        self
    }

    /// Sets its standard output. By default it is this process's; with [`output`](Self::output) it is read.
    pub fn stdout<T: Into<Stdio>>(&mut self, cfg: T) -> &mut Command {
        self.set[1] = true;
        self.inner.stdout(cfg);
        self
    }

    /// Sets its standard error. By default it is this process's; with [`output`](Self::output) it is read.
    pub fn stderr<T: Into<Stdio>>(&mut self, cfg: T) -> &mut Command {
        self.set[2] = true;
        self.inner.stderr(cfg);
        self
    }

    /// Whether the process is killed, and waited for up to a second, when its [`Child`] is dropped. By default it is not. What the process
    /// itself has started goes on, as a shell's commands do.
    pub fn kill_on_drop(&mut self, kill_on_drop: bool) -> &mut Command {
        self.kill_on_drop = kill_on_drop;
        self
    }

    /// Starts the process.
    ///
    /// # Errors
    /// std's: `NotFound` if there is no such program, too many open files …
    pub fn spawn(&mut self) -> io::Result<Child> {
        self.start(Stdio::inherit, Stdio::inherit)
    }

    /// Starts the process, waits for its end, and collects what it writes.
    ///
    /// # Errors
    /// As [`spawn`](Self::spawn), and those of reading.
    pub fn output(&mut self) -> io::Result<Output> {
        self.start(Stdio::null, Stdio::piped)?.wait_with_output()
    }

    /// Starts the process and waits for its end.
    ///
    /// # Errors
    /// As [`spawn`](Self::spawn).
    pub fn status(&mut self) -> io::Result<ExitStatus> {
        self.spawn()?.wait()
    }

    /// Starts the process with these in place of what was not set.
    fn start(&mut self, input: fn() -> Stdio, output: fn() -> Stdio) -> io::Result<Child> {
        let [stdin, stdout, stderr] = self.set;
        if !stdin {
            self.inner.stdin(input());
        }
        if !stdout {
            self.inner.stdout(output());
        }
        if !stderr {
            self.inner.stderr(output());
        }
        let child = call_in(&LANE, || self.inner.spawn())?;
        Ok(Child::new(child, self.kill_on_drop))
    }

    /// The program.
    #[must_use]
    pub fn get_program(&self) -> &OsStr {
        self.inner.get_program()
    }

    /// The arguments.
    pub fn get_args(&self) -> CommandArgs<'_> {
        self.inner.get_args()
    }

    /// The variables of the environment that were set, or removed (`None`).
    pub fn get_envs(&self) -> CommandEnvs<'_> {
        self.inner.get_envs()
    }

    /// The folder that it runs in, if that was set.
    #[must_use]
    pub fn get_current_dir(&self) -> Option<&Path> {
        self.inner.get_current_dir()
    }

    /// std's type, to look at.
    #[must_use]
    pub fn as_std(&self) -> &process::Command {
        &self.inner
    }

    /// std's type, with all that was set but [`kill_on_drop`](Self::kill_on_drop).
    #[must_use]
    pub fn into_std(self) -> process::Command {
        self.inner
    }
}

/// What [`std::os::unix::process::CommandExt`] gives std's type.
impl Command {
    /// Sets the user that it runs as.
    pub fn uid(&mut self, id: u32) -> &mut Command {
        self.inner.uid(id);
        self
    }

    /// Sets the group that it runs as.
    pub fn gid(&mut self, id: u32) -> &mut Command {
        self.inner.gid(id);
        self
    }

    /// Has a closure run in the child, just before the program is loaded. See [`CommandExt::pre_exec`].
    ///
    /// The child was forked from a thread of the blocking pool, which ends when it has nothing to do for a while: a signal
    /// for its end (`PR_SET_PDEATHSIG`) comes then, and not at the end of this process.
    ///
    /// # Safety
    /// The closure runs in a forked child of a process with several threads: it may call only what POSIX calls
    /// async-signal-safe, neither allocate nor lock, and nothing of this crate.
    pub unsafe fn pre_exec<F>(&mut self, f: F) -> &mut Command
    where
        F: FnMut() -> io::Result<()> + Send + Sync + 'static,
    {
        // SAFETY: the caller answers for the closure.
        unsafe { self.inner.pre_exec(f) };
        self
    }

    /// Replaces this process by the program, in place. Returns only if that failed; what was changed for the program stays so then, such
    /// as the action of `SIGPIPE`, which ends the process from then on. See [`CommandExt::exec`].
    pub fn exec(&mut self) -> io::Error {
        self.inner.exec()
    }

    /// Sets the name that the program is told of itself.
    pub fn arg0<S: AsRef<OsStr>>(&mut self, arg: S) -> &mut Command {
        self.inner.arg0(arg);
        self
    }

    /// Sets the process group; 0 is one of its own.
    pub fn process_group(&mut self, pgroup: i32) -> &mut Command {
        self.inner.process_group(pgroup);
        self
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.inner, f)
    }
}
