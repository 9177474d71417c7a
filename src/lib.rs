//! Stackful green threads.
#![allow(dead_code)]

#[cfg(not(loom))]
#[path = "../arch/mod.rs"]
mod arch;
mod primitive;
pub mod runtime;
mod stack;
mod sys;
mod task;
pub mod thread;

pub use runtime::Runtime;
pub use task::cancel::Cancelled;
pub use thread::{Builder, JoinHandle, current, park, run, scope, sleep, spawn, yield_now};
