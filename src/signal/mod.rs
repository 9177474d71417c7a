//! Waiting for signals.
//!
//! [`ctrl_c`] waits for one SIGINT; [`Signals`] is an iterator over the signals that are asked for. Both suspend the calling
//! thread only, and work on plain OS threads too. Any number of listeners may be there, in this crate and by way of the
//! crate `signal-hook`, on which this is built: each is told of every signal.
//!
//! A signal that somebody has asked for no longer does what it does by default, such as ending the process, also after
//! the last listener has gone. The same signal sent again before a listener has looked counts once, as ever on Unix.
//!
//! # Examples
//! ```no_run
//! use sinew::signal::{SIGHUP, SIGTERM, Signals};
//!
//! let mut signals = Signals::new([SIGTERM, SIGHUP])?;
//! for signal in &mut signals {
//!     match signal {
//!         SIGHUP => println!("read the settings again"),
//!         _ => break,
//!     }
//! }
//! # Ok::<(), std::io::Error>(())
//! ```

mod signals;

pub use signal_hook::consts::signal::{
    SIGALRM, SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGIO, SIGPIPE, SIGQUIT, SIGTERM, SIGTSTP, SIGTTIN, SIGTTOU, SIGUSR1,
    SIGUSR2, SIGWINCH,
};
pub use signals::{Handle, Pending, Signals};

use std::io;

/// Waits until somebody presses Ctrl-C: for a SIGINT that comes after this call has begun.
///
/// From the first call on SIGINT does not end the process any more. One that comes between two calls is lost; who wants
/// each has [`Signals`].
///
/// # Errors
/// The operating system's, such as too many open files.
///
/// # Cancellation
/// While it waits.
///
/// # Examples
/// ```no_run
/// let server = sinew::spawn(|| loop { sinew::sleep(std::time::Duration::from_secs(1)) });
/// sinew::signal::ctrl_c()?;
/// server.thread().cancel();
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn ctrl_c() -> io::Result<()> {
    Signals::new([SIGINT])?.wait().map(drop)
}
