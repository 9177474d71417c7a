//! Waiting for any descriptor, pipes, standard input and output, and copying between streams.
//!
//! [`Watched`] makes green threads wait for whatever can be polled: pipes, terminals, `eventfd`, `timerfd`, `inotify`,
//! other libraries' sockets. The types of [`net`](crate::net) are built on it. The traits are std's: all of `std::io` works
//! with these types, and what never waits by itself is re-exported, so that `use sinew::io` replaces `use std::io`.

mod both_ways;
pub(crate) mod cast;
mod copy;
mod idle;
mod pipe;
mod split;
mod stdin;
mod stdout;
mod timeout;
pub(crate) mod watched;

pub use both_ways::copy_bidirectional;
pub(crate) use copy::Endpoint;
pub use copy::copy;
pub use idle::copy_bidirectional_idle;
pub use pipe::{PipeReader, PipeWriter, pipe};
pub use split::{ReadHalf, ShutdownWrite, WriteHalf, split};
pub use std::io::{
    BufRead, BufReader, BufWriter, Bytes, Chain, Cursor, Empty, Error, ErrorKind, IntoInnerError, IoSlice, IoSliceMut,
    IsTerminal, LineWriter, Lines, Read, Repeat, Result, Seek, SeekFrom, Sink, Split, Take, Write, empty, prelude,
    read_to_string, repeat, sink,
};
pub use stdin::{Stdin, StdinLock, stdin};
pub use stdout::{Stderr, StderrLock, Stdout, StdoutLock, stderr, stdout};
pub use timeout::Timeout;
pub use watched::Watched;
