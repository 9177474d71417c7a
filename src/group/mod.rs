//! Threads that belong together: they borrow, they end together, and nobody is left behind.
//!
//! | what | its threads | ends |
//! |---|---|---|
//! | [`scope`](crate::scope) | are joined one by one, or at the end | when all have |
//! | [`group`] | may fail, which cancels the others and the body | when all have, with all the errors |
//! | [`gather`], [`join!`] | one for each closure | when all have, with the results in order |
//! | [`race`](race()), [`race!`] | one for each closure | with the first result, the others cancelled and awaited |
//! | [`JoinSet`] | are 'static, and come out as they end | whenever; dropped, it cancels them and waits |
//!
//! A panic of one of the threads cancels the others, waits for them, and goes on in the caller. A thread that somebody cancels for
//! itself never has its caller seem cancelled: where it leaves a result missing, the caller panics. Everything works on OS threads too: the
//! threads are green ones of the default runtime then.

mod gather;
mod join_set;
mod race;
mod task_group;

pub use crate::{join, race};
pub use gather::{Closures, gather, join};
pub use join_set::JoinSet;
pub use race::race;
pub use task_group::{GroupError, TaskGroup, group};
