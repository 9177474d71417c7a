//! Stackful green threads: write blocking-style code, one thread for each thing that goes on, and run a hundred thousand of
//! them in a process.
//!
//! A green thread has a stack of its own, of which only the pages that it touches take memory. Any function may suspend it, at any
//! depth: there is no `async`, and no second kind of function. Threads are switched in user space, in a few nanoseconds, and scheduled
//! over as many OS threads (workers) as there are processors. Waiting for a socket, a timer or another thread suspends the green
//! thread and leaves its worker to the others.
//!
//! ```
//! use sinew::{net::TcpListener, thread};
//! use std::io::{Read, Write};
//!
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let address = listener.local_addr()?;
//! let server = thread::spawn(move || -> std::io::Result<()> {
//!     let (mut stream, _) = listener.accept()?;
//!     let mut line = [0; 5];
//!     stream.read_exact(&mut line)?;
//!     stream.write_all(&line)
//! });
//! let mut client = sinew::net::TcpStream::connect(address)?;
//! client.write_all(b"hello")?;
//! let mut answer = [0; 5];
//! client.read_exact(&mut answer)?;
//! assert_eq!(&answer, b"hello");
//! server.join().unwrap()?;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # Where to look
//!
//! - [`thread`] has [`std::thread`]'s names and signatures: `use sinew::thread` replaces `use std::thread`.
//! - [`sync`] has [`std::sync`]'s locks and more: semaphores, events. `use sinew::sync` replaces `use std::sync`.
//! - [`channel`] has crossbeam-channel's names and signatures: channels, and `select!`.
//! - [`net`] has [`std::net`]'s TCP and UDP types, and those of [`std::os::unix::net`]; and a
//!   [`Server`](net::Server) of connections.
//! - [`io`] has [`std::io`]'s names, pipes, standard input and output and copying between streams among them, and `Watched`, which
//!   waits for any other descriptor.
//! - [`fs`] has [`std::fs`]'s functions and files, [`process`] has [`std::process`]'s commands, [`signal`] waits for signals.
//! - [`Runtime`] is a set of workers as a value. Programs that make none use a default one, which starts by itself.
//! - [`thread::blocking`] is for calls that block the OS thread: other libraries' sockets and files, long computations.
//! - [`coroutine`] has coroutines that need no runtime.
//! - [`generator`] has generators with Python's protocol; the [guide](guide::python_generators) shows both languages side by side.
//! - [`thread::Thread::cancel`] ends a thread from outside, [`time::timeout`] a part of one; [`cancel`] tells the whole of it.
//! - [`time`] sleeps, sets deadlines and has a clock that tests can stop; [`group`] keeps threads together.
//! - [`context`] has values that are inherited at spawn; [`future`] connects threads with async Rust.
//!
//! All of it works on ordinary OS threads too, and between the two kinds.
//!
//! # Two conditions
//!
//! A green thread stays on the worker where it first ran, so `Rc`, `thread_local!` and std's bounds mean what they always
//! do. But the threads of a worker share its OS thread's thread-local storage, and so [`spawn`] is sound on
//! two conditions:
//!
//! 1. **Do not suspend inside the initialiser of a `std::thread_local!`.** Another green thread that asks for the same value meanwhile would
//!    run the initialiser again.
//! 2. **Do not suspend under a guard that lives in thread-local storage**: `scoped-tls`, an entered `tracing` span, a `tokio` runtime
//!    that was entered. Other green threads of the worker would find themselves under it too.
//!
//! Values declared by [`thread_local!`] of this crate belong to the green thread, and are not concerned.
//!
//! The [rules of soundness](guide::soundness) say what else the crate rests on.
//!
//! # What blocks a worker
//!
//! A green thread is not interrupted while it computes: others of its worker wait until it suspends. After a second of that
//! a line on stderr names the worker:
//!
//! ```text
//! sinew: worker 0 has run one thread for over a second without a suspension (a long computation, or a call that blocks the
//! OS thread, such as a lock of std::sync or a file); other threads that started there wait. See sinew::thread::blocking.
//! ```
//!
//! What waits in `std` blocks the whole worker. A `Mutex` or `RwLock` that is held for a moment, and never across a
//! suspension, is fine. `Condvar`, `Barrier`, `mpsc::Receiver::recv`, a full or unbuffered `SyncSender::send`, and a
//! `Once`/`LazyLock` whose initialiser suspends can hang: whoever should end the wait may be on the same worker. Use
//! those of [`sync`], which have the same names, and [`channel`]. [`thread::blocking`]`(|| receiver.recv())`
//! waits without blocking the worker, but cannot be cancelled there.
//!
//! After `fork` the child must `exec`.
//!
//! # Features
//!
//! - `io-uring` (off by default, Linux only, on the processors that the `io-uring` crate knows): a runtime can be told to have the
//!   kernel complete what its threads wait for, streams, listeners and files, by `runtime::Builder::io_driver` or by `SINEW_IO=uring` in the environment.
//!   Without the feature `SINEW_IO` is not looked at.
//!
//! # Platforms
//!
//! Linux. The switch is inline assembly on x86-64, AArch64 and RISC-V (64 bits), and goes through the `corosensei` crate on other processors, or
//! everywhere with `--cfg sinew_switch="portable"`.
#![cfg_attr(loom, allow(dead_code, unused_imports, reason = "models use a part"))]

#[cfg(not(loom))]
#[path = "../arch/mod.rs"]
mod arch;
#[cfg(not(loom))]
pub mod cancel;
#[cfg(any(not(loom), test))]
#[cfg_attr(loom, allow(unreachable_pub, reason = "the model checker's crate has no face"))]
pub mod channel;
#[cfg(not(loom))]
pub mod context;
#[cfg(not(loom))]
pub mod coroutine;
#[cfg(not(loom))]
pub mod fs;
#[cfg(not(loom))]
pub mod future;
#[cfg(not(loom))]
pub mod generator;
#[cfg(not(loom))]
pub mod group;
#[cfg(not(loom))]
pub mod guide;
#[cfg(not(loom))]
pub mod io;
#[cfg(not(loom))]
pub mod net;
mod primitive;
#[cfg(not(loom))]
pub mod process;
#[cfg(not(loom))]
pub mod runtime;
#[cfg(not(loom))]
pub mod signal;
#[cfg(not(loom))]
mod stack;
#[cfg(not(loom))]
pub mod sync;
mod sys;
#[cfg(not(loom))]
mod task;
#[cfg(not(loom))]
pub mod thread;
#[cfg(not(loom))]
pub mod time;

#[cfg(not(loom))]
pub use runtime::Runtime;
#[cfg(not(loom))]
pub use task::cancel::Cancelled;
#[cfg(not(loom))]
pub use thread::{Builder, JoinHandle, current, park, run, scope, sleep, spawn, yield_now};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

// For the model checker the crate is what follows: the pieces that stand on `primitive` alone, without assembly and
// without the operating system.
#[cfg(loom)]
mod runtime {
    #[cfg(test)]
    pub(crate) mod clock {
        pub(crate) use super::exact::now;
    }
    pub(crate) mod deque;
    #[cfg(test)]
    #[path = "exact/model.rs"]
    pub(crate) mod exact;
    pub(crate) mod idle;
    pub(crate) mod inbox;
    pub(crate) mod readiness;
    #[cfg(test)]
    #[path = "region/model.rs"]
    pub(crate) mod region;
    pub(crate) mod shared_queue;
    #[cfg(test)]
    pub(crate) mod waiters;
}
#[cfg(all(loom, test))]
#[allow(dead_code, unreachable_pub, reason = "the model checker's crate has no face")]
mod sync {
    pub(crate) mod barrier;
    pub(crate) mod condvar;
    pub(crate) mod event;
    pub(crate) mod mutex;
    pub(crate) mod notify;
    pub(crate) mod once;
    pub(crate) mod once_lock;
    pub(crate) mod poison;
    pub(crate) mod raw;
    pub(crate) mod wait_group;
}
#[cfg(all(loom, test))]
#[allow(dead_code, unreachable_pub, reason = "the model checker's crate has no face")]
mod cancel {
    pub(crate) use crate::runtime::region::Cancelled;
    pub(crate) mod token;
}
#[cfg(loom)]
mod task {
    #[cfg(test)]
    pub(crate) mod foreign;
    #[cfg(test)]
    pub(crate) mod parker;
    pub(crate) mod state;
    pub(crate) mod wake;
}
#[cfg(all(loom, test))]
#[path = "future/model.rs"]
mod future;
#[cfg(all(loom, test))]
mod thread {
    pub(crate) use crate::runtime::exact::{panicking, panicking_by_panic};
}
