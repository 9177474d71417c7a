//! Where headers live: blocks of a few sizes from free lists.
//!
//! Each worker has a [`Cache`]: for each size two *magazines* (lists of up to [`MAGAZINE`] blocks), so that a worker whose
//! spawns and ends alternate around a full or an empty list does not go to the shared *depot* each time; the depot trades
//! whole magazines under one lock. This is Bonwick and Adams, "Magazines and Vmem" (USENIX 2001). A block that is freed on
//! another worker than its own simply joins that worker's lists, and flows back through the depot.
//!
//! Fresh blocks are cut from chunks of 64. Chunks are kept while the process lives: a header may be looked at by a thread that
//! holds a stale address for a moment only because its memory never becomes something else than a header.

use super::Task;
use crate::primitive::Ordering;
use std::{
    alloc::{Layout, alloc, dealloc, handle_alloc_error},
    cell::Cell,
    ptr::{self, NonNull},
    sync::Mutex,
};

/// Bytes of the classes, header included.
const SIZES: [usize; CLASSES] = [HEADER + 64, HEADER + 128, HEADER + 256, HEADER + 384, HEADER + 896];
const CLASSES: usize = 5;
const HEADER: usize = size_of::<Task>();
/// The alignment of every block, and the largest of a payload that is stored unboxed.
pub(crate) const ALIGN: usize = align_of::<Task>();
/// The class of blocks that are allocated one by one.
pub(crate) const LARGE: u8 = u8::MAX;

/// Blocks in a full magazine: 1,000 threads that are spawned and joined in turn stay within two.
const MAGAZINE: u32 = 1024;
/// Blocks in a chunk.
const CHUNK: usize = 64;

/// The class for a payload of this many bytes.
pub(crate) const fn class_for(payload: usize) -> u8 {
    let mut class = 0;
    while class < CLASSES {
        if HEADER + payload <= SIZES[class] {
            return class as u8;
        }
        class += 1;
    }
    LARGE
}

/// The layout of a block that is allocated by itself.
fn large_layout(payload: usize) -> Layout {
    Layout::from_size_align(HEADER + payload, ALIGN).expect("a closure fits the address space")
}

/// A list of free blocks, linked through their headers' `next`.
struct Magazine {
    head: Cell<*mut Task>,
    count: Cell<u32>,
}

impl Magazine {
    const fn new() -> Self {
        Self { head: Cell::new(ptr::null_mut()), count: Cell::new(0) }
    }

    #[inline(always)]
    fn pop(&self) -> Option<NonNull<Task>> {
        let block = NonNull::new(self.head.get())?;
        // SAFETY: free blocks keep an initialised `next`.
        self.head.set(unsafe { (*link(block)).load(Ordering::Relaxed) });
        self.count.set(self.count.get() - 1);
        Some(block)
    }

    #[inline(always)]
    fn push(&self, block: NonNull<Task>) {
        // SAFETY: the block is free, so its memory is ours; an atomic needs no drop of what was there.
        unsafe { link(block).write(crate::primitive::AtomicPtr::new(self.head.get())) };
        self.head.set(block.as_ptr());
        self.count.set(self.count.get() + 1);
    }

    fn take(&self) -> Self {
        Self { head: Cell::new(self.head.replace(ptr::null_mut())), count: Cell::new(self.count.replace(0)) }
    }
}

fn link(block: NonNull<Task>) -> *mut crate::primitive::AtomicPtr<Task> {
    // SAFETY: only an address inside the block is computed.
    unsafe { &raw mut (*block.as_ptr()).next }
}

struct Depot {
    magazines: [Vec<Magazine>; CLASSES],
    /// For OS threads without a cache of their own.
    shared: Cache,
}

// SAFETY: free blocks belong to nobody; the depot is used under its lock.
unsafe impl Send for Depot {}

static DEPOT: Mutex<Depot> = Mutex::new(Depot { magazines: [const { Vec::new() }; CLASSES], shared: Cache::new() });

fn depot() -> std::sync::MutexGuard<'static, Depot> {
    DEPOT.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// One worker's free blocks.
pub(crate) struct Cache {
    classes: [Pair; CLASSES],
}

struct Pair {
    loaded: Magazine,
    spare: Magazine,
}

impl Cache {
    pub(crate) const fn new() -> Self {
        Self { classes: [const { Pair { loaded: Magazine::new(), spare: Magazine::new() } }; CLASSES] }
    }

    /// A block for a payload of this many bytes. Its memory is not initialised. `class` is `class_for(payload)`.
    #[inline(always)]
    pub(crate) fn allocate(&self, class: u8, payload: usize) -> NonNull<Task> {
        if class != LARGE
            && let Some(block) = self.classes[usize::from(class)].loaded.pop()
        {
            return block;
        }
        self.allocate_slow(class, payload)
    }

    #[cold]
    #[inline(never)]
    fn allocate_slow(&self, class: u8, payload: usize) -> NonNull<Task> {
        if class == LARGE {
            return allocate_large(payload);
        }
        let pair = &self.classes[usize::from(class)];
        if pair.spare.head.get().is_null() {
            let full = depot().magazines[usize::from(class)].pop();
            match full {
                Some(full) => pair.loaded.fill(full),
                None => pair.loaded.cut_chunk(SIZES[usize::from(class)]),
            }
        } else {
            pair.loaded.fill(pair.spare.take());
        }
        pair.loaded.pop().expect("a magazine that was just filled has a block")
    }

    /// Takes a block back.
    ///
    /// # Safety
    /// The block came from an `allocate` with the same class and payload, and nobody uses it any more.
    #[inline(always)]
    pub(crate) unsafe fn free(&self, block: NonNull<Task>, class: u8, payload: usize) {
        if class != LARGE {
            let loaded = &self.classes[usize::from(class)].loaded;
            if loaded.count.get() < MAGAZINE {
                return loaded.push(block);
            }
        }
        // SAFETY: as promised.
        unsafe { self.free_slow(block, class, payload) };
    }

    #[cold]
    #[inline(never)]
    unsafe fn free_slow(&self, block: NonNull<Task>, class: u8, payload: usize) {
        if class == LARGE {
            // SAFETY: allocated by `allocate_large` with the same layout.
            return unsafe { dealloc(block.as_ptr().cast(), large_layout(payload)) };
        }
        let pair = &self.classes[usize::from(class)];
        if !pair.spare.head.get().is_null() {
            let full = pair.spare.take();
            depot().magazines[usize::from(class)].push(full);
        }
        pair.spare.fill(pair.loaded.take());
        pair.loaded.push(block);
    }
}

impl Drop for Cache {
    /// Hands everything to the depot.
    fn drop(&mut self) {
        for (class, pair) in self.classes.iter().enumerate() {
            for magazine in [&pair.loaded, &pair.spare] {
                if !magazine.head.get().is_null() {
                    let magazine = magazine.take();
                    depot().magazines[class].push(magazine);
                }
            }
        }
    }
}

impl Magazine {
    fn fill(&self, from: Self) {
        debug_assert!(self.head.get().is_null());
        self.head.set(from.head.get());
        self.count.set(from.count.get());
    }

    /// Fills with fresh blocks, lowest address on top.
    fn cut_chunk(&self, size: usize) {
        let layout = Layout::from_size_align(size * CHUNK, ALIGN).expect("chunks are small");
        // SAFETY: the layout is not empty.
        let chunk = unsafe { alloc(layout) };
        if chunk.is_null() {
            handle_alloc_error(layout);
        }
        for index in (0..CHUNK).rev() {
            // SAFETY: inside the chunk, aligned because sizes are multiples of the alignment, and not null.
            self.push(unsafe { NonNull::new_unchecked(chunk.add(index * size).cast()) });
        }
    }
}

const _: () = {
    let mut class = 0;
    while class < CLASSES {
        assert!(SIZES[class].is_multiple_of(ALIGN));
        class += 1;
    }
};

fn allocate_large(payload: usize) -> NonNull<Task> {
    let layout = large_layout(payload);
    // SAFETY: the layout is not empty.
    NonNull::new(unsafe { alloc(layout) }).unwrap_or_else(|| handle_alloc_error(layout)).cast()
}

std::thread_local! {
    static CURRENT: Cell<*const Cache> = const { Cell::new(ptr::null()) };
}

/// Makes `cache` this OS thread's, or none.
pub(crate) fn set_current(cache: *const Cache) {
    CURRENT.set(cache);
}

/// Calls `f` with this OS thread's cache, if it has one. Rule 8: not inlined, and the address does not outlive `f`, which
/// does not suspend.
#[inline(never)]
pub(crate) fn with_cache<R>(f: impl FnOnce(Option<&Cache>) -> R) -> R {
    // SAFETY: a worker's cache outlives its being current.
    f(unsafe { CURRENT.get().as_ref() })
}

/// A block, from an OS thread that has no cache.
pub(crate) fn allocate_outside(class: u8, payload: usize) -> NonNull<Task> {
    if class == LARGE {
        return allocate_large(payload);
    }
    let mut depot = depot();
    let depot = &mut *depot;
    let loaded = &depot.shared.classes[usize::from(class)].loaded;
    if loaded.head.get().is_null() {
        match depot.magazines[usize::from(class)].pop() {
            Some(full) => loaded.fill(full),
            None => loaded.cut_chunk(SIZES[usize::from(class)]),
        }
    }
    loaded.pop().expect("a magazine that was just filled has a block")
}

/// Frees a block on an OS thread that has no cache.
///
/// # Safety
/// As [`Cache::free`].
pub(crate) unsafe fn free_outside(block: NonNull<Task>, class: u8, payload: usize) {
    if class == LARGE {
        // SAFETY: allocated by `allocate_large` with the same layout.
        return unsafe { dealloc(block.as_ptr().cast(), large_layout(payload)) };
    }
    let mut depot = depot();
    let depot = &mut *depot;
    let pair = &depot.shared.classes[usize::from(class)];
    if pair.loaded.count.get() >= MAGAZINE {
        // Not by way of `Cache::free`, which would lock the depot again.
        let full = pair.loaded.take();
        depot.magazines[usize::from(class)].push(full);
    }
    depot.shared.classes[usize::from(class)].loaded.push(block);
}
