//! Programs written for corosensei: the same text is compiled against both crates, and must behave alike.

#![allow(clippy::duplicate_mod, reason = "that the text is included twice is what this is about")]

mod harness;

#[path = "corosensei/on_corosensei.rs"]
mod on_corosensei;
#[path = "corosensei/on_sinew.rs"]
mod on_sinew;
