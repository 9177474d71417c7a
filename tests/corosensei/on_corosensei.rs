//! The scenarios on corosensei's.

use corosensei as subject;

#[path = "scenarios.rs"]
mod scenarios;
