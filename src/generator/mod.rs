//! Generators with Python's protocol: `next`, `send`, `throw`, `close`, `yield from`.
//!
//! A [`Generator`] runs a closure on a stack of its own. The closure is given a [`Yielder`]; what it hands to
//! [`yield_`](Yielder::yield_) comes out of [`next`](Generator::next), and what is handed to [`send`](Generator::send) comes out of
//! `yield_`. It needs no runtime, and works on any thread, green or not. The [guide](crate::guide::python_generators) shows each of
//! Python's constructs beside its counterpart here.
//!
//! ```
//! use sinew::generator::Generator;
//!
//! fn countdown(from: u32) -> Generator<u32> {
//!     Generator::new(move |y| {
//!         for n in (1..=from).rev() {
//!             y.yield_(n);
//!         }
//!     })
//! }
//! assert_eq!(countdown(3).collect::<Vec<_>>(), [3, 2, 1]);
//! ```
//!
//! The stack is what sets it apart from an `Iterator` written by hand or from Rust's `async`: any function that the closure calls can
//! yield, at any depth, if it is given the yielder.
//!
//! # Exceptions
//!
//! [`throw`](Generator::throw) hands an [`Exception`] in, a value of any type, which unwinds the body from the `yield_` where it
//! waits. It is no panic: no panic hook runs. **What Python's `try:` stands before has here the prefix `try_`**, and gives a
//! `Result` whose error type is the type of exception that it catches. A pattern names it, as in `Err(KeyError)`, or the call does:
//! `g.try_close::<GeneratorError>()`.
//!
//! | Python | here |
//! |---|---|
//! | `try: x = yield v` | [`y.try_yield(v)`](Yielder::try_yield) |
//! | `try: x = yield from g` | [`y.try_yield_from(&g)`](Yielder::try_yield_from) |
//! | `try: g.throw(e)`, `next`, `send`, `close` | [`g.try_throw(e)`](Generator::try_throw), `try_next`, `try_send`, `try_close` |
//! | `try:` before a block | [`try_`]`(\|\| { … })` |
//! | `raise e` | [`raise`]`(e)` |
//! | `finally:`, `with` | destructors |
//!
//! Exceptions of other types pass on. So do panics, and the [cancellation](crate::thread::Thread::cancel) of the green
//! thread that runs the generator: none of these functions catches them. To catch exceptions of all types, name
//! [`Exception`] itself.
//!
//! An exception that nobody catches ends the thread as a panic would. Of a spawned thread `join` gives it, as an [`Exception`] in its box.
//! If that is dropped unlooked at, or nobody joins, and likewise of the main thread, a line on stderr tells its type and what its
//! `Debug` writes, as Python does:
//! ```text
//! sinew: an exception that nobody caught: program::ValueError: ValueError("…")
//! ```
//! No panic hook runs: it would run when the exception is raised, and so also for those that are caught. A process whose main thread
//! ends so has the exit code 101, as after a panic. For `Error: Exception(ValueError("…"))` and exit code 1:
//! ```
//! use sinew::generator::{Exception, try_};
//!
//! fn main() -> Result<(), Exception> {
//!     try_(|| {
//!         // The program.
//!     })
//! }
//! ```
//!
//! # What is an error
//!
//! CPython's errors of the protocol are [`GeneratorError`]s here: a value sent before the start, a generator that is resumed by its own
//! body, one that yields again while it is closed. The functions with `try_` give them as exceptions; the others panic with their text.
//!
//! # Where a generator may be
//!
//! A generator is neither `Send` nor `Sync`, for its stack may hold anything; send the closure, and make the generator where it is
//! used. Its closure is `'static`; [`Generator::scope`] is for closures that borrow. It has 240 KiB of stack;
//! [`Generator::with_stack`] and [`Generator::scope_with_stack`] give it another. All methods take `&self`,
//! so that a generator can be shared as Python's are, by an [`Rc`](std::rc::Rc) or a reference.
//!
//! A yield is a coroutine's suspension, and has [its condition](crate::coroutine#one-condition): not under a guard that lives in
//! thread-local storage.
//!
//! ```compile_fail,E0277
//! fn send<T: Send>(_: T) {}
//! send(sinew::generator::Generator::<u32>::new(|y| { y.yield_(1); }));
//! ```
//! ```compile_fail,E0277
//! fn share<T: Sync>(_: &T) {}
//! share(&sinew::generator::Generator::<u32>::new(|y| { y.yield_(1); }));
//! ```
//! ```compile_fail,E0597
//! let text = String::from("on this stack");
//! let borrows = sinew::generator::Generator::<usize>::new(|y| { y.yield_(text.len()); });
//! std::mem::forget(borrows);
//! ```
//!
//! # Dropping
//!
//! A suspended generator that is dropped is closed: its body unwinds, so that its destructors run. One that yields again instead is leaked
//! together with its stack, with a line on stderr (`scope` aborts the process then); an exception that comes out of it has a line on stderr
//! too; a panic goes on. In programs built with `panic = "abort"` every suspended generator that is dropped is leaked.
//!
//! A destructor may yield, as Python's `finally` may. While the generator is suspended inside one that runs because of an unwind,
//! [`std::thread::panicking`] says yes on its OS thread, and an exception that is thrown there aborts the process, as a
//! panic in a destructor does. Dropping the generator then leaks it if the unwind is that of an exception which was thrown in, and
//! aborts too if it is that of a panic of the body or of an exception which the body raised.

mod drive;
mod exception;
mod make;
mod scope;
mod tee;
mod yielder;

pub use drive::{Generator, GeneratorState};
pub use exception::{Exception, GeneratorError, GeneratorExit, StopIteration, raise, try_};
pub use tee::{Tee, tee};
pub use yielder::Yielder;
