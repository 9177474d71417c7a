//! Programs written for corosensei: the same text is compiled against both crates, and must behave alike.

mod harness;

#[path = "corosensei/on_corosensei.rs"]
mod on_corosensei;
#[path = "corosensei/on_sinew.rs"]
mod on_sinew;
