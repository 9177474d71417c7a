//! Who overflowed a stack, for the report.

use super::worker::Worker;
use crate::stack::overflow::Describe;
use std::fmt::Write;

/// Writes the name and number of the thread that runs on this worker. Called in a signal handler, on the faulting OS thread: it reads
/// memory and writes to `out`, and allocates nothing.
pub(crate) fn describe(_top: usize, out: &mut Describe) {
    let Some(task) = Worker::current().and_then(Worker::current_task) else { return };
    out.id = Some(task.id());
    if let Some(name) = task.name() {
        // What does not fit is cut off.
        let _ = out.name.write_str(name);
    }
}
