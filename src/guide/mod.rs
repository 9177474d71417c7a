//! Longer texts about the crate.

#[doc = include_str!("soundness.md")]
pub mod soundness {}
