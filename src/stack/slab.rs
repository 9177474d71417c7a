//! One mapping, cut into stacks of one class, which are handed out for the first time from its low end up.
//!
//! ```text
//! base                 base + reserve                       base + count * reserve
//! | guard | stack 0 ... | guard | stack 1 ... | ... |        |
//!                                             ^ bump: up to here they are guarded and have been handed out
//! ```
//!
//! A guard is made when its stack is handed out first, so a slab that nobody has used yet costs nothing but addresses.

use super::{Limit, SizeClass, Stack, class::guard_bytes, guard, guard::Guard, registry, registry::Tenant};
use corosensei::stack::valgrind::ValgrindStackRegistration;
use memmap2::{MmapOptions, MmapRaw};
use std::io;
use std::ptr::NonNull;

/// A mapping, and how many of its stacks have been handed out.
#[derive(Debug)]
pub(crate) struct Slab {
    /// Gone only while the slab is dropped.
    map: Option<MmapRaw>,
    class: SizeClass,
    count: usize,
    bump: usize,
    /// How many of the guards take mappings.
    protected: usize,
    /// The stacks as valgrind knows them; a few instructions each, once, when it does not run.
    known: Vec<ValgrindStackRegistration>,
    /// Whether it stays mapped for ever, because something on it could not be unwound (rule 3).
    entry: &'static registry::Entry,
}

impl Slab {
    /// Maps a slab of `count` stacks, or of as many fewer as the kernel grants, at least one.
    pub(crate) fn new(class: SizeClass, mut count: usize, tenant: Tenant) -> io::Result<Self> {
        let map = loop {
            match map(count * class.reserve()) {
                Ok(map) => break map,
                Err(error) if count == 1 => return Err(error),
                Err(_) => count /= 2,
            }
        };
        let entry = registry::enter(map.as_mut_ptr().addr(), count, class, tenant);
        Ok(Self { map: Some(map), class, count, bump: 0, protected: 0, known: Vec::new(), entry })
    }

    /// Hands out the next stack that nobody has had yet; `None` if all have been.
    ///
    /// # Errors
    ///
    /// Fails if its guard cannot be made, and can be called again.
    pub(crate) fn bump(&mut self) -> Option<Result<Stack, Limit>> {
        if self.bump == self.count {
            return None;
        }
        let stack = self.stack(self.bump);
        let start = stack.limit().wrapping_sub(guard_bytes());
        // SAFETY: these pages lie in this slab below a stack that was never handed out, so nobody uses them.
        Some(unsafe { guard::install(start) }.map(|guard| {
            self.bump += 1;
            self.protected += usize::from(guard == Guard::Protection);
            self.known.push(ValgrindStackRegistration::new(stack.limit(), self.class.bytes()));
            stack
        }))
    }

    /// All stacks that have been handed out, by address. They are second handles: the first ones own the memory.
    #[cfg(test)]
    pub(crate) fn handed_out(&self) -> impl Iterator<Item = Stack> {
        (0..self.bump).map(|index| self.stack(index))
    }

    /// Whether the stack is one of this slab's.
    pub(crate) fn holds(&self, stack: &Stack) -> bool {
        let base = self.base().addr();
        (base..base + self.bytes()).contains(&stack.limit().addr())
    }

    /// The bytes of address space that it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.count * self.class.reserve()
    }

    fn base(&self) -> *mut u8 {
        self.map.as_ref().map_or(std::ptr::null_mut(), MmapRaw::as_mut_ptr)
    }

    fn stack(&self, index: usize) -> Stack {
        debug_assert!(index < self.count);
        let limit = self.base().wrapping_add(index * self.class.reserve() + guard_bytes());
        // SAFETY: the address lies inside a mapping, so it is not null.
        Stack { limit: unsafe { NonNull::new_unchecked(limit) }, class: self.class }
    }
}

impl Drop for Slab {
    fn drop(&mut self) {
        registry::leave(self.entry);
        self.known.clear();
        drop(self.map.take());
        guard::forget(self.protected);
    }
}

fn map(len: usize) -> io::Result<MmapRaw> {
    let map = MmapOptions::new().len(len).stack().no_reserve_swap().map_anon()?;
    // A huge page would commit 2 MiB at a stack's first call. A kernel without huge pages refuses, and is right.
    #[cfg(target_os = "linux")]
    let _ = map.advise(memmap2::Advice::NoHugePage);
    Ok(map.into())
}
