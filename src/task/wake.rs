//! Why a thread is woken; one bit each (rule 14: internal waits have bits of their own).

/// The public park token.
pub(crate) const PARK: u8 = 1;
/// Something that an internal wait looks at may have changed; it looks again in a loop.
pub(crate) const EVENT: u8 = 1 << 1;
/// Exactly one such wake comes for each wait that asked for it: the end of a joined thread, of a scope's last child,
/// of work on the blocking pool. The waiter does not leave before it, so the waker's pointer to it stays good.
pub(crate) const EXACT: u8 = 1 << 2;
/// The thread was cancelled. Stays pending until acknowledged (rule 12).
pub(crate) const CANCEL: u8 = 1 << 3;
/// All of those that may come from outside.
pub(crate) const ALL: u8 = 0b1111;
/// It can be told now whether the thread unwinds (`runtime::schedule`, `is_unwinding`); sent by its own worker only.
pub(crate) const RECHECK: u8 = 1 << 4;
