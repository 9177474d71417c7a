//! Longer texts about the crate.

#[doc = include_str!("python_generators.md")]
pub mod python_generators {}
#[doc = include_str!("soundness.md")]
pub mod soundness {}
