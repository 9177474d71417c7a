//! Stacks: memory ranges with a guard below them, cut from slabs, kept in a pool.
//!
//! | file | holds |
//! |---|---|
//! | `class` | the sizes that stacks come in |
//! | `slab` | one mapping, cut into stacks of one class, handed out from its low end up |
//! | `guard` | making the pages below a stack fault, in two ways |
//! | `pool` | a runtime's slabs and free stacks, its limits and its counts |
//! | `error` | which limit was met, and what raises it |
//! | `fork` | keeping the locks of all these whole in a forked child |
//! | `registry` | every slab of the process, readable in a signal handler |
//! | `overflow` | the report about a fault in a guard, and the way of all other faults |
//! | `alt_stack` | a stack for signal handlers of a thread that has none |
//!
//! Memory is committed when it is touched. A stack that was handed out and never used costs its guard's page-table
//! entries; the first call on it costs one page.

mod alt_stack;
mod class;
mod error;
mod fork;
mod guard;
pub(crate) mod overflow;
mod pool;
mod registry;
mod slab;
// They read /proc.
#[cfg(all(test, target_os = "linux"))]
mod tests {
    mod fixture;
    mod limits;
    mod overflow;
    mod pool;
}

#[allow(unused_imports, reason = "this is the layer's face; which of it the layers above name is theirs to say")]
pub(crate) use self::{
    alt_stack::AltStack,
    class::SizeClass,
    error::{Limit, StackError},
    pool::{StackPool, Statistics},
    registry::Tenant,
};

use crate::sys::memory;
use std::ptr::NonNull;

/// What caches keep together, on most processors.
const LINE: usize = 64;

/// A stack out of a [`StackPool`], as a plain handle: whoever holds it may use the memory.
///
/// It has no destructor. It goes back by [`StackPool::release`]; if it is merely dropped, its memory stays unused until
/// the pool goes. The memory is there as long as the pool is.
#[derive(Debug)]
pub(crate) struct Stack {
    limit: NonNull<u8>,
    class: SizeClass,
}

// SAFETY: a handle to memory that belongs to no OS thread. What lies on the stack may well be pinned to one (rule 1);
// that is for whoever puts it there, as is rule 2, by which only the owner touches the memory.
unsafe impl Send for Stack {}
// SAFETY: through a shared handle one only asks for addresses; `trim` is unsafe and asks for more.
unsafe impl Sync for Stack {}

impl Stack {
    /// The end of the stack's memory, from where it grows down. A multiple of the page size. It is not itself usable:
    /// the first byte that is lies below it.
    #[inline]
    pub(crate) fn top(&self) -> *mut u8 {
        // The result is at most one past the end of the slab's mapping, which `limit` has the provenance of.
        self.limit.as_ptr().wrapping_add(self.class.bytes())
    }

    /// The lowest usable address; the guard lies below it.
    #[inline]
    pub(crate) fn limit(&self) -> *mut u8 {
        self.limit.as_ptr()
    }

    /// Where what runs on it begins: at most [`STARTS`](Self::STARTS) bytes below the top, and not equally many on neighbouring stacks.
    ///
    /// Stacks lie a power of two apart. If all began at the same place, then what many threads or coroutines touch when they run in turn
    /// would compete for the few sets of the processor's caches that such a place can be kept in, while the others stay empty. Measured:
    /// 10,000 threads that yield in turn take 16.8 ns each instead of 26.9, and 100 coroutines 3.0 ns instead of 4.9. It is the
    /// colouring of Bonwick's slab allocator (USENIX Summer 1994).
    pub(crate) fn start(&self) -> NonNull<u8> {
        let colour = self.limit.addr().get() / self.class.reserve() % (Self::STARTS / LINE + 1);
        // SAFETY: the address lies inside the stack's mapping, so it is not null.
        unsafe { NonNull::new_unchecked(self.top().wrapping_sub(colour * LINE)) }
    }

    /// The most that lies above a start.
    pub(crate) const STARTS: usize = 15 * LINE;

    /// The top of a stack that begins at this address.
    #[inline]
    pub(crate) fn top_of(start: NonNull<u8>) -> usize {
        // A top is a multiple of the page size, which this divides.
        start.addr().get().next_multiple_of(const { Self::STARTS.next_power_of_two() })
    }

    /// The handle of the stack of this class that begins at `start`.
    ///
    /// # Safety
    /// A handle to it was given up for these two, and this is the only one again.
    pub(crate) unsafe fn from_start(start: NonNull<u8>, class: SizeClass) -> Self {
        let limit = Self::top_of(start) - class.bytes();
        let limit = start.as_ptr().wrapping_sub(start.addr().get() - limit);
        // SAFETY: the address lies inside the stack's mapping, so it is not null.
        Self { limit: unsafe { NonNull::new_unchecked(limit) }, class }
    }

    /// The size it comes in.
    #[inline]
    pub(crate) fn class(&self) -> SizeClass {
        self.class
    }

    /// Gives back the memory of all pages of some stacks but those of the `keep` bytes below the top, which keep their contents. The
    /// guards stay. Many at a time cost far less than one after another.
    ///
    /// # Safety
    ///
    /// Nothing lives on these stacks deeper than `keep` bytes, and nobody uses them during the call.
    pub(crate) unsafe fn trim_all<'a>(stacks: impl IntoIterator<Item = &'a Self>, keep: usize) {
        let mut stacks = stacks.into_iter();
        loop {
            let mut ranges = [memory::Range::EMPTY; 64];
            let mut n = 0;
            for (range, stack) in ranges.iter_mut().zip(&mut stacks) {
                *range = stack.below(keep);
                n += 1;
            }
            if n == 0 {
                return;
            }
            // SAFETY: the ranges are the low ends of the stacks' memory, anonymous and private, and dead by the contract.
            unsafe { memory::discard_all(&ranges[..n]) };
        }
    }

    /// Its pages but those of the `keep` bytes below the top.
    fn below(&self, keep: usize) -> memory::Range {
        let bytes = self.class.bytes().saturating_sub(keep) & !(memory::page_size() - 1);
        memory::Range::new(self.limit(), bytes)
    }
}
