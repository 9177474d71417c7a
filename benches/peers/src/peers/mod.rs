//! How each library runs a piece of work: its runtime is built once a row, and the work runs inside a thread or task of
//! that runtime.

pub mod coro;
pub mod on_may;
pub mod on_sinew;
pub mod on_tokio;
pub mod program;
