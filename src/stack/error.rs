//! Which limit stands in the way of another stack, and what raises it.

use std::{error, fmt, io};

/// No stack could be had.
#[derive(Debug)]
pub(crate) struct StackError {
    /// The limit that was met.
    pub(crate) limit: Limit,
}

/// A limit on stacks.
#[derive(Debug)]
pub(crate) enum Limit {
    /// The pool's configured maximum, this many, is in use.
    Configured(usize),
    /// The kernel's limit on mappings, `vm.max_map_count`, which has this value now.
    MapCount(usize),
    /// The kernel gave no memory, for this reason.
    Memory(io::Error),
}

impl fmt::Display for StackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("out of stacks: ")?;
        match &self.limit {
            Limit::Configured(most) => {
                write!(f, "the configured maximum of {most} is in use; raise it where the runtime is built")
            }
            Limit::MapCount(most) => write!(
                f,
                "the kernel allows vm.max_map_count = {most} mappings in a process, and they are used up (before \
                 Linux 6.13 each guard takes two, from then on none); raise it with `sysctl -w vm.max_map_count={}`",
                most.saturating_mul(4)
            ),
            Limit::Memory(error) => write!(
                f,
                "the kernel gave no memory for another one ({error}); raise what limits it \
                 (`ulimit -v`, the cgroup's memory.max, vm.overcommit_memory) or ask for smaller stacks"
            ),
        }
    }
}

impl error::Error for StackError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match &self.limit {
            Limit::Memory(error) => Some(error),
            Limit::Configured(_) | Limit::MapCount(_) => None,
        }
    }
}

impl From<StackError> for io::Error {
    fn from(error: StackError) -> Self {
        io::Error::new(io::ErrorKind::OutOfMemory, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_its_limit_and_what_to_raise() {
        let text = |limit| io::Error::from(StackError { limit }).to_string();
        assert!(text(Limit::Configured(7)).contains("maximum of 7"));
        assert!(text(Limit::MapCount(65_530)).contains("vm.max_map_count = 65530"));
        let memory = text(Limit::Memory(io::Error::from_raw_os_error(libc::ENOMEM)));
        assert!(memory.contains("memory.max") && memory.contains("ulimit"), "{memory}");
        let error = io::Error::from(StackError { limit: Limit::Configured(1) });
        assert_eq!(error.kind(), io::ErrorKind::OutOfMemory);
    }
}
