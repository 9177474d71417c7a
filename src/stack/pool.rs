//! A runtime's stacks: its slabs, the stacks that are free, its limits and its counts.
//!
//! One lock guards it all. The workers' caches above take and return stacks in batches, so that it is taken rarely.
//!
//! # Where a stack comes from
//!
//! From the free ones first, the latest returned before the others, because its top pages are there already; then from
//! the newest slab, which guards one more; then from a new slab. Slabs of a class double from 16 stacks up to 1 GiB:
//! a runtime with few threads maps little, and a million stacks of 256 KiB take 252 mappings.
//!
//! # When there is none
//!
//! The pool says once on stderr which limit it was, returns an error that says the same, and counts as exhausted
//! ([`is_exhausted`](StackPool::is_exhausted)) until there is room again. What the workers then keep in their caches
//! they should release.
//!
//! # Forks
//!
//! A child of `fork` finds the pool unlocked ([`fork`]). The stacks that other threads held then are lost in it.
//!
//! # Invariants
//!
//! 1. A stack is either free (in `warm` or `cold` of its class), or handed out and counted in `live`.
//! 2. Nothing lives on a free stack (rule 3): whoever releases one has unwound it.
//! 3. The pages of a cold stack have been given back. Those of a warm one have, but for its top [`KEEP`] bytes.

use super::{Limit, SizeClass, Stack, StackError, fork, guard, overflow, registry::Tenant, slab::Slab};
use crate::primitive::{AtomicU32, Mutex, MutexGuard, Ordering, lock};
use crate::sys::report::write_stderr;
use std::ops::{Deref, DerefMut};

/// The stacks of the first slab of a class.
const FIRST_SLAB: usize = 16;
/// The most bytes of a slab of more than one stack.
const MAX_SLAB: usize = 1 << 30;
/// What a free stack keeps of its memory, at its top, where the next thread runs first.
const KEEP: usize = 16 << 10;

/// A runtime's stacks. Thread-safe.
///
/// Dropping it unmaps them all. Whoever uses a stack's memory owes that nothing lives there then (rule 3): a runtime drops
/// its pool after its last thread has ended, and never before.
#[derive(Debug)]
pub(crate) struct StackPool {
    inner: Mutex<Inner>,
    /// A bit for each class of which no stack could be had. Written under the lock, read without it: only a hint.
    exhausted: AtomicU32,
}

#[derive(Debug)]
struct Inner {
    tenant: Tenant,
    classes: [Class; SizeClass::COUNT],
    /// The configured maximum of `live`.
    max: Option<usize>,
    /// How far the maximum may be exceeded.
    extra: usize,
    live: usize,
    high_water: usize,
    /// Whether the configured maximum turned somebody away since the last release.
    full: bool,
    /// A bit for each class that the kernel refused since there was room in it.
    refused: u32,
    /// Whether the line on stderr is out.
    reported: bool,
}

#[derive(Debug)]
struct Class {
    slabs: Vec<Slab>,
    next_slab: usize,
    warm: Vec<Stack>,
    cold: Vec<Stack>,
}

/// The lock, and no fork while it is held.
struct Locked<'a> {
    inner: MutexGuard<'a, Inner>,
    _inside: fork::Inside,
}

impl Deref for Locked<'_> {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.inner
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut Inner {
        &mut self.inner
    }
}

/// What a pool holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Statistics {
    /// Stacks that are handed out now.
    pub(crate) live: usize,
    /// Stacks that were handed out and are free again.
    pub(crate) free: usize,
    /// Bytes of address space in slabs; memory is taken only where a stack was touched.
    pub(crate) mapped: usize,
    /// The most stacks that were ever handed out at once.
    pub(crate) high_water: usize,
}

impl StackPool {
    /// A pool that hands out at most `max` stacks at once. It maps nothing yet, and sees to it that an overflow is
    /// reported.
    pub(crate) fn new(max: Option<usize>) -> Self {
        Self::for_tenant(Tenant::Threads, max)
    }

    /// The same, for threads or for coroutines.
    pub(crate) fn for_tenant(tenant: Tenant, max: Option<usize>) -> Self {
        fork::install();
        let _inside = fork::enter();
        overflow::install();
        let class = |_| Class { slabs: Vec::new(), next_slab: FIRST_SLAB, warm: Vec::new(), cold: Vec::new() };
        let inner = Inner {
            tenant,
            classes: std::array::from_fn(class),
            max,
            extra: 0,
            live: 0,
            high_water: 0,
            full: false,
            refused: 0,
            reported: false,
        };
        Self { inner: Mutex::new(inner), exhausted: AtomicU32::new(0) }
    }

    fn lock(&self) -> Locked<'_> {
        let _inside = fork::enter();
        Locked { inner: lock(&self.inner), _inside }
    }

    /// Hands out one stack.
    ///
    /// # Errors
    ///
    /// As [`acquire_batch`](Self::acquire_batch).
    pub(crate) fn acquire(&self, class: SizeClass) -> Result<Stack, StackError> {
        let mut stack = None;
        self.acquire_with(class, 1, |new| stack = Some(new))?;
        Ok(stack.expect("no error means at least one stack"))
    }

    /// Hands out up to `n` stacks, appends them to `stacks`, and returns how many. They have guards; their contents are
    /// anything.
    ///
    /// # Errors
    ///
    /// If not even one can be had, says which limit that is.
    pub(crate) fn acquire_batch(
        &self,
        class: SizeClass,
        n: usize,
        stacks: &mut Vec<Stack>,
    ) -> Result<usize, StackError> {
        self.acquire_with(class, n, |stack| stacks.push(stack))
    }

    /// `take` must not fork, nor use the pool.
    pub(super) fn acquire_with(
        &self,
        class: SizeClass,
        n: usize,
        mut take: impl FnMut(Stack),
    ) -> Result<usize, StackError> {
        let mut inner = self.lock();
        let mut taken = 0;
        while taken < n {
            match inner.acquire(class) {
                Ok(stack) => take(stack),
                Err(_) if taken > 0 => break,
                Err(limit) => {
                    match limit {
                        Limit::Configured(_) => inner.full = true,
                        Limit::MapCount(_) | Limit::Memory(_) => inner.refused |= 1 << class.index(),
                    }
                    self.publish(&inner);
                    let first = !std::mem::replace(&mut inner.reported, true);
                    drop(inner);
                    let error = StackError { limit };
                    if first {
                        write_stderr(format!("sinew: {error}\n").as_bytes());
                    }
                    return Err(error);
                }
            }
            taken += 1;
        }
        if taken > 0 && inner.refused & (1 << class.index()) != 0 {
            inner.refused &= !(1 << class.index());
            self.publish(&inner);
        }
        Ok(taken)
    }

    /// Takes one stack back.
    pub(crate) fn release(&self, stack: Stack) {
        self.release_batch([stack]);
    }

    /// Takes stacks back, on which nothing lives any more (rule 3), and gives the memory of their deep pages back.
    pub(crate) fn release_batch(&self, stacks: impl IntoIterator<Item = Stack>) {
        // Many at a time without the lock, then the lock for all of them.
        let mut stacks = stacks.into_iter();
        loop {
            let mut chunk = [const { None::<Stack> }; 64];
            for (slot, stack) in chunk.iter_mut().zip(&mut stacks) {
                *slot = Some(stack);
            }
            if chunk[0].is_none() {
                return;
            }
            // SAFETY: whoever releases a stack has unwound it, so nothing lives on it (rule 3).
            unsafe { Stack::trim_all(chunk.iter().flatten(), KEEP) };
            let mut inner = self.lock();
            for stack in chunk.into_iter().flatten() {
                inner.release(stack);
            }
            self.publish(&inner);
        }
    }

    /// Whether a stack was refused and there has been no room since. A hint, for the hot path: the truth is in
    /// [`acquire`](Self::acquire).
    #[inline]
    pub(crate) fn is_exhausted(&self) -> bool {
        self.exhausted.load(Ordering::Relaxed) != 0
    }

    /// As [`is_exhausted`](Self::is_exhausted), but of stacks of this class: a limit of the kernel's stands only in
    /// the way of classes of which none is free.
    #[inline]
    pub(crate) fn is_exhausted_for(&self, class: SizeClass) -> bool {
        self.exhausted.load(Ordering::Relaxed) & (1 << class.index()) != 0
    }

    /// Whether a thread of this class could start now, as far as can be told.
    ///
    /// # Errors
    ///
    /// The limit that stands in the way.
    pub(crate) fn room_for(&self, class: SizeClass) -> Result<(), StackError> {
        if self.is_exhausted_for(class) {
            // The truth is in the attempt.
            self.release(self.acquire(class)?);
        }
        Ok(())
    }

    /// Allows one stack more than now, beyond the configured maximum, and returns what then is the most. For a runtime
    /// all of whose stacks wait for a thread that has none. The allowance ends when the maximum suffices again.
    /// Whether it is the first allowance since then comes along.
    pub(crate) fn exceed_configured(&self) -> Option<(usize, bool)> {
        let mut inner = self.lock();
        let max = inner.max?;
        let first = inner.extra == 0;
        inner.extra = inner.live.saturating_sub(max) + 1;
        inner.full = false;
        self.publish(&inner);
        Some((max.saturating_add(inner.extra), first))
    }

    /// Gives back all the memory of some free stacks, also what they keep for their next use; false if there was none to give back. For a
    /// runtime that idles. Nobody waits for it: the stacks are out of the pool meanwhile.
    pub(crate) fn cool(&self) -> bool {
        let mut chunk = [const { None::<Stack> }; 64];
        let index = {
            let mut inner = self.lock();
            let Some(index) = inner.classes.iter().position(|class| !class.warm.is_empty()) else { return false };
            for slot in &mut chunk {
                *slot = inner.classes[index].warm.pop();
            }
            index
        };
        // SAFETY: nothing lives on a free stack (invariant 2), and these are nobody else's.
        unsafe { Stack::trim_all(chunk.iter().flatten(), 0) };
        self.lock().classes[index].cold.extend(chunk.into_iter().flatten());
        true
    }

    /// Calls `visit` with every stack that was ever handed out, and whether it is free now. The handle gives the
    /// stack's place; its memory still belongs to the holder of the first handle. The lock is held meanwhile: `visit`
    /// must not use the pool.
    #[cfg(test)]
    pub(crate) fn for_each_handed_out(&self, mut visit: impl FnMut(&Stack, bool)) {
        let inner = self.lock();
        for class in &inner.classes {
            let mut free: Vec<_> = class.warm.iter().chain(&class.cold).map(Stack::limit).collect();
            free.sort_unstable();
            for stack in class.slabs.iter().flat_map(Slab::handed_out) {
                visit(&stack, free.binary_search(&stack.limit()).is_ok());
            }
        }
    }

    /// What the pool holds now.
    pub(crate) fn statistics(&self) -> Statistics {
        let inner = self.lock();
        let mut statistics = Statistics { live: inner.live, high_water: inner.high_water, ..Statistics::default() };
        for class in &inner.classes {
            statistics.free += class.warm.len() + class.cold.len();
            statistics.mapped += class.slabs.iter().map(Slab::bytes).sum::<usize>();
        }
        statistics
    }

    fn publish(&self, inner: &Inner) {
        self.exhausted.store(if inner.full { u32::MAX } else { inner.refused }, Ordering::Relaxed);
    }
}

impl Drop for StackPool {
    fn drop(&mut self) {
        // A slab leaves the registry, which has a lock too.
        for class in &mut self.lock().classes {
            class.slabs.clear();
        }
    }
}

impl Inner {
    fn acquire(&mut self, class: SizeClass) -> Result<Stack, Limit> {
        if let Some(max) = self.max
            && self.live >= max.saturating_add(self.extra)
        {
            return Err(Limit::Configured(max));
        }
        let stack = self.classes[class.index()].acquire(class, self.tenant)?;
        self.live += 1;
        self.high_water = self.high_water.max(self.live);
        Ok(stack)
    }

    fn release(&mut self, stack: Stack) {
        let index = stack.class().index();
        let class = &mut self.classes[index];
        debug_assert!(class.slabs.iter().any(|slab| slab.holds(&stack)), "a stack goes back to its own pool");
        class.warm.push(stack);
        self.live -= 1;
        self.refused &= !(1 << index);
        if self.max.is_some_and(|max| self.live <= max) {
            self.extra = 0;
        }
        if self.max.is_some_and(|max| self.live < max.saturating_add(self.extra)) {
            self.full = false;
        }
    }
}

impl Class {
    fn acquire(&mut self, class: SizeClass, tenant: Tenant) -> Result<Stack, Limit> {
        if let Some(stack) = self.warm.pop().or_else(|| self.cold.pop()) {
            return Ok(stack);
        }
        if let Some(result) = self.slabs.last_mut().and_then(Slab::bump) {
            return result;
        }
        let count = self.next_slab.min(MAX_SLAB / class.reserve()).max(1);
        self.slabs.push(Slab::new(class, count, tenant).map_err(guard::why)?);
        self.next_slab = (count * 2).max(FIRST_SLAB);
        // Kept also if its first guard cannot be made: the next try needs no new mapping.
        self.slabs.last_mut().and_then(Slab::bump).expect("a new slab has a stack")
    }
}
