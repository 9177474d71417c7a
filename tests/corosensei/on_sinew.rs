//! The scenarios on sinew's coroutines.

use sinew::coroutine as subject;

#[path = "scenarios.rs"]
mod scenarios;
