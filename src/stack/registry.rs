//! Every slab of the process, readable in a signal handler, so that a fault's address can be told to lie in a guard.
//!
//! It is a linked list that only grows: an entry, once made, is never freed, and is used again for another slab when
//! its own is unmapped. So a handler can walk it at any time.
//!
//! # State
//!
//! | `version` | the entry's `base`, `len`, `reserve` and `coroutines` |
//! |---|---|
//! | odd | are being changed, by the holder of `VACANT`'s lock |
//! | even | describe one slab, or none (`len` is 0) |
//!
//! # Invariants
//!
//! 1. Fields change only under the lock of `VACANT`, between the store of an odd version and of the next even one.
//! 2. A slab is entered before its first stack is handed out, and taken out after its last one is dead, before it is
//!    unmapped. So the entry for the stack that a handler's thread runs on does not change meanwhile.
//! 3. `next` and the list's head are set once, before the entry is reachable.
//!
//! # Orderings
//!
//! Each entry is a sequence lock (Hans Boehm, "Can seqlocks get along with programming language memory models?",
//! 2012). The writer's release fence orders the odd version before the fields; the release store of the even version
//! orders the fields before it. The reader's acquire load and acquire fence are their partners: if it reads the same
//! even version on both sides, the fields belong together. A reader that meets a change does not retry, it goes on: by
//! invariant 2 the entry is not the one it looks for, and a handler must not wait.

use super::{SizeClass, class::guard_bytes};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering, fence};
use std::sync::{Mutex, PoisonError};

/// One slab's address range and the distance between its stacks, or a vacancy.
#[derive(Debug)]
pub(crate) struct Entry {
    version: AtomicUsize,
    base: AtomicUsize,
    len: AtomicUsize,
    reserve: AtomicUsize,
    /// Whether coroutines run there.
    coroutines: AtomicBool,
    next: *const Entry,
}

// SAFETY: all fields but `next` are atomic, and `next` never changes (invariant 3) and points to an entry that lives
// for ever.
unsafe impl Sync for Entry {}

static HEAD: AtomicPtr<Entry> = AtomicPtr::new(ptr::null_mut());
static VACANT: Mutex<Vec<&'static Entry>> = Mutex::new(Vec::new());

/// A stack's place in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Where its guard begins.
    pub(crate) guard: usize,
    /// Where its guard ends and its memory begins.
    pub(crate) limit: usize,
    /// Where its memory ends.
    pub(crate) top: usize,
    /// What runs there.
    pub(crate) tenant: Tenant,
}

/// What a pool's stacks are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tenant {
    /// Green threads.
    Threads,
    /// Coroutines.
    Coroutines,
}

/// Enters a slab that begins at `base` and holds `count` stacks.
pub(crate) fn enter(base: usize, count: usize, class: SizeClass, tenant: Tenant) -> &'static Entry {
    let mut vacant = VACANT.lock().unwrap_or_else(PoisonError::into_inner);
    let entry = vacant.pop().unwrap_or_else(|| {
        let entry = Box::leak(Box::new(Entry {
            version: AtomicUsize::new(0),
            base: AtomicUsize::new(0),
            len: AtomicUsize::new(0),
            reserve: AtomicUsize::new(1),
            coroutines: AtomicBool::new(false),
            next: HEAD.load(Ordering::Relaxed),
        }));
        // The lock is held, so nobody else has moved the head since it was read.
        HEAD.store(entry, Ordering::Release);
        entry
    });
    entry.change(base, count * class.reserve(), class.reserve(), tenant);
    entry
}

/// Takes a slab out again.
pub(crate) fn leave(entry: &'static Entry) {
    let mut vacant = VACANT.lock().unwrap_or_else(PoisonError::into_inner);
    entry.change(0, 0, 1, Tenant::Threads);
    vacant.push(entry);
}

/// The stack whose memory or guard holds `address`. Async-signal-safe.
pub(crate) fn find(address: usize) -> Option<Place> {
    let mut next = HEAD.load(Ordering::Acquire).cast_const();
    // SAFETY: an entry that is reachable is never freed (invariant 3).
    while let Some(entry) = unsafe { next.as_ref() } {
        if let Some((base, len, reserve, tenant)) = entry.read()
            && address.wrapping_sub(base) < len
        {
            let guard = address - (address - base) % reserve;
            return Some(Place { guard, limit: guard + guard_bytes(), top: guard + reserve, tenant });
        }
        next = entry.next;
    }
    None
}

impl Entry {
    /// The caller holds the lock (invariant 1).
    fn change(&self, base: usize, len: usize, reserve: usize, tenant: Tenant) {
        let version = self.version.load(Ordering::Relaxed);
        self.version.store(version.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        self.base.store(base, Ordering::Relaxed);
        self.len.store(len, Ordering::Relaxed);
        self.reserve.store(reserve, Ordering::Relaxed);
        self.coroutines.store(tenant == Tenant::Coroutines, Ordering::Relaxed);
        self.version.store(version.wrapping_add(2), Ordering::Release);
    }

    fn read(&self) -> Option<(usize, usize, usize, Tenant)> {
        let before = self.version.load(Ordering::Acquire);
        let tenant = if self.coroutines.load(Ordering::Relaxed) { Tenant::Coroutines } else { Tenant::Threads };
        let (base, len) = (self.base.load(Ordering::Relaxed), self.len.load(Ordering::Relaxed));
        let fields = (base, len, self.reserve.load(Ordering::Relaxed), tenant);
        fence(Ordering::Acquire);
        (before.is_multiple_of(2) && self.version.load(Ordering::Relaxed) == before).then_some(fields)
    }
}

#[cfg(all(test, target_pointer_width = "64"))]
mod tests {
    use super::*;

    // Addresses at the very top of the address space, where no test maps anything.
    const BASE: usize = usize::MAX - (1 << 40) + 1;

    #[test]
    fn an_address_is_found_in_its_stack_until_the_slab_leaves() {
        let class = SizeClass::DEFAULT;
        let (entry, other) =
            (enter(BASE, 4, class, Tenant::Coroutines), enter(BASE + (1 << 30), 1, class, Tenant::Threads));
        let second = BASE + class.reserve();
        let tenant = Tenant::Coroutines;
        let place = Place { guard: second, limit: second + guard_bytes(), top: second + class.reserve(), tenant };
        assert_eq!(find(second), Some(place));
        assert_eq!(find(place.top - 1), Some(place));
        assert_eq!(find(BASE - 1), None);
        assert_eq!(find(BASE + 4 * class.reserve()), None);
        leave(entry);
        assert_eq!(find(second), None);
        assert!(find(BASE + (1 << 30)).is_some());
        leave(other);
    }

    #[test]
    fn a_reader_never_sees_halves_of_two_slabs() {
        let stop = std::sync::atomic::AtomicBool::new(false);
        let base = BASE + (1 << 35);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let classes: Vec<_> = SizeClass::all().take(6).collect();
                for i in 0..20_000 {
                    let class = classes[i % classes.len()];
                    // The slab's address tells its class, so a reader can check that both belong together.
                    leave(enter(base + (class.index() << 30), 8, class, Tenant::Threads));
                }
                stop.store(true, Ordering::Relaxed);
            });
            while !stop.load(Ordering::Relaxed) {
                for class in SizeClass::all().take(6) {
                    let begin = base + (class.index() << 30);
                    if let Some(place) = find(begin + class.reserve()) {
                        assert_eq!(place.top - place.guard, class.reserve());
                        assert_eq!(place.guard, begin + class.reserve());
                    }
                }
            }
        });
    }
}
