// The state machines behind the types: they know words and wait lists, neither values nor poison, so that loom can run them.

pub(crate) mod mutex;
pub(crate) mod rwlock;
pub(crate) mod semaphore;
