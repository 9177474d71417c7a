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
//! - [`net`] has [`std::net`]'s TCP types.
//! - [`Runtime`] is a set of workers as a value. Programs that make none use a default one, which starts by itself.
//! - [`thread::blocking`] is for calls that block the OS thread: files, other libraries' sockets, long computations.
//! - [`thread::Thread::cancel`] ends a thread from outside.
//!
//! All of it works on ordinary OS threads too, and between the two kinds.
//!
//! # Two things not to do
//!
//! A green thread stays on the worker where it first ran, so `Rc`, `thread_local!` and std's bounds mean what they always
//! do. But the threads of a worker share its OS thread's thread-local storage, and that asks for two things:
//!
//! 1. **Do not suspend inside the initialiser of a `std::thread_local!`.** Another green thread that asks for the same value meanwhile would
//!    run the initialiser again.
//! 2. **Do not suspend under a guard that lives in thread-local storage**: `scoped-tls`, an entered `tracing` span, a `tokio` runtime
//!    that was entered. Other green threads of the worker would find themselves under it too.
//!
//! Values declared by [`thread_local!`] of this crate belong to the green thread, and are not concerned.
//!
//! A green thread is not interrupted while it computes: others of its worker wait until it suspends. A lock of
//! [`std::sync`] blocks the worker; it must not be held while the thread suspends. And after `fork` the child must `exec`.
//!
//! # Platforms
//!
//! Linux. The switch is inline assembly on x86-64, AArch64 and RISC-V (64 bits), and goes through the `corosensei` crate elsewhere, or
//! everywhere with `--cfg sinew_switch="portable"`.
#![cfg_attr(loom, allow(dead_code, unused_imports, reason = "models use a part"))]

#[cfg(not(loom))]
#[path = "../arch/mod.rs"]
mod arch;
#[cfg(not(loom))]
pub mod net;
mod primitive;
#[cfg(not(loom))]
pub mod runtime;
#[cfg(not(loom))]
mod stack;
mod sys;
#[cfg(not(loom))]
mod task;
#[cfg(not(loom))]
pub mod thread;

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
    pub(crate) mod deque;
    pub(crate) mod idle;
    pub(crate) mod inbox;
    pub(crate) mod readiness;
    pub(crate) mod shared_queue;
}
#[cfg(loom)]
mod task {
    pub(crate) mod state;
    pub(crate) mod wake;
}
