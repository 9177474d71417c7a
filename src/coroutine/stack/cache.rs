//! The stacks that an OS thread keeps for its next coroutines, over the pool that all threads share.
//!
//! A list for each size class, linked through the words at the starts of the free stacks themselves, the last one used first: its top
//! pages are warm. Each word pair says how long the list is from there on, so that a list can be bounded without a count beside it.
//!
//! In front of the default class's list lies one stack more, in a word of its own: who makes one coroutine after another takes and puts
//! that. This much is inlined into the caller, which may have kept the address of the word from before a switch: it stays right, since
//! neither a coroutine (rule 9) nor a started green thread (rule 1) moves to another OS thread.
//!
//! A stack that goes from here to the pool gives the memory of its deep pages back; one that stays keeps it. So a list is bounded in
//! bytes too.
//!
//! # State
//!
//! | `most` | `front` | meaning |
//! |---|---|---|
//! | 0, `closed` false | [`SHUT`] | this OS thread has returned no stack yet |
//! | above 0 | null, or a stack | lists hold at most this many, fewer of the large classes |
//! | 0, `closed` true | [`SHUT`] | the OS thread ends, and its stacks went to the pool: what comes now goes there too |

use crate::{
    stack::{SizeClass, Stack, StackPool, Tenant},
    sys::valgrind,
};
use std::{
    cell::Cell,
    io,
    ptr::{self, NonNull},
    sync::LazyLock,
};

/// Never dropped, so that stacks stay mapped whatever outlives `main`.
static POOL: LazyLock<StackPool> = LazyLock::new(|| StackPool::for_tenant(Tenant::Coroutines, None));

/// How many of a class are kept.
const MOST: usize = 32;
/// How many bytes of address space of one class are kept, but at least two stacks.
const MOST_BYTES: usize = 8 << 20;

/// What stands in the place of the front stack where none may be put.
const SHUT: *mut u8 = ptr::without_provenance_mut(1);

/// What lies at the start of a free stack.
struct Free {
    next: *mut Free,
    /// How many are in the list, this one included.
    length: usize,
}

struct Cache {
    /// The start of the front stack.
    front: Cell<*mut u8>,
    lists: [Cell<*mut Free>; SizeClass::COUNT],
    most: Cell<usize>,
    closed: Cell<bool>,
}

std::thread_local! {
    /// Without a destructor, so that it can be used at any time, and by plain loads and stores.
    static CACHE: Cache = const {
        Cache {
            front: Cell::new(SHUT),
            lists: [const { Cell::new(ptr::null_mut()) }; SizeClass::COUNT],
            most: Cell::new(0),
            closed: Cell::new(false),
        }
    };
    /// Its destructor empties the cache.
    static EMPTIES: Empties = const { Empties };
}

struct Empties;

impl Drop for Empties {
    fn drop(&mut self) {
        CACHE.with(|cache| {
            cache.most.set(0);
            cache.closed.set(true);
            if let Some(front) = taken_out(cache.front.replace(SHUT)) {
                // SAFETY: a front stack is a free one of this class.
                POOL.release(unsafe { Stack::from_start(front, SizeClass::DEFAULT) });
            }
            for (index, list) in cache.lists.iter().enumerate() {
                let class = SizeClass::from_index(index as u8);
                POOL.release_batch(Stacks(list.replace(ptr::null_mut()), class));
            }
        });
    }
}

/// The stacks of a list that belongs to nobody else.
struct Stacks(*mut Free, SizeClass);

impl Iterator for Stacks {
    type Item = Stack;

    fn next(&mut self) -> Option<Stack> {
        let free = NonNull::new(self.0)?;
        // SAFETY: what is in a list is a free stack, whose first words are a link; it is taken out.
        unsafe {
            self.0 = free.read().next;
            Some(Stack::from_start(free.add(1).cast(), self.1))
        }
    }
}

/// The stack that stood in front, if one did.
#[inline(always)]
fn taken_out(front: *mut u8) -> Option<NonNull<u8>> {
    if front.addr() > SHUT.addr() { NonNull::new(front) } else { None }
}

/// Takes a stack of this class, by its [start](Stack::start).
#[inline(always)]
pub(super) fn take(class: SizeClass) -> io::Result<NonNull<u8>> {
    if class == SizeClass::DEFAULT { take_default() } else { take_listed(class) }
}

#[inline(always)]
fn take_default() -> io::Result<NonNull<u8>> {
    let front = CACHE.with(|cache| {
        let front = taken_out(cache.front.get())?;
        cache.front.set(ptr::null_mut());
        Some(front)
    });
    match front {
        Some(start) => Ok(start),
        None => take_listed(SizeClass::DEFAULT),
    }
}

/// Takes it from the list, or the pool. Never inlined (rule 8).
#[inline(never)]
fn take_listed(class: SizeClass) -> io::Result<NonNull<u8>> {
    let kept = CACHE.with(|cache| {
        let list = &cache.lists[class.index()];
        let free = NonNull::new(list.get())?;
        // SAFETY: what is in a list is a free stack, whose first words are a link.
        unsafe {
            list.set((*free.as_ptr()).next);
            Some(free.add(1).cast())
        }
    });
    match kept {
        Some(start) => Ok(start),
        None => take_from_pool(class),
    }
}

#[cold]
fn take_from_pool(class: SizeClass) -> io::Result<NonNull<u8>> {
    Ok(POOL.acquire(class)?.start())
}

/// Takes a stack back.
///
/// # Safety
/// It came from [`take`] with this class, and nothing lives on it (rule 3).
#[inline(always)]
pub(super) unsafe fn put(start: NonNull<u8>, class: SizeClass) {
    if class == SizeClass::DEFAULT
        && CACHE.with(|cache| {
            let vacant = cache.front.get().is_null();
            if vacant {
                cache.front.set(start.as_ptr());
            }
            vacant
        })
    {
        return;
    }
    // SAFETY: as promised.
    unsafe { put_listed(start, class) }
}

/// Puts it into the list, or the pool. Never inlined (rule 8).
///
/// # Safety
/// As [`put`].
#[inline(never)]
unsafe fn put_listed(start: NonNull<u8>, class: SizeClass) {
    CACHE.with(|cache| {
        let list = &cache.lists[class.index()];
        let next = list.get();
        // SAFETY: a link of this list, or the first words of the stack that is the caller's.
        unsafe {
            let length = next.as_ref().map_or(0, |next| next.length) + 1;
            if length > cache.most.get() || class > SizeClass::DEFAULT && length > most_of(class) {
                return put_slow(cache, start, class);
            }
            let free = start.cast::<Free>().sub(1);
            free.write(Free { next, length });
            list.set(free.as_ptr());
        }
    });
}

/// Of the classes above the default.
fn most_of(class: SizeClass) -> usize {
    (MOST_BYTES / class.reserve()).max(2)
}

/// # Safety
/// As [`put`].
#[cold]
unsafe fn put_slow(cache: &Cache, start: NonNull<u8>, class: SizeClass) {
    // SAFETY: the handle was given up in `take`.
    let stack = unsafe { Stack::from_start(start, class) };
    if valgrind::runs() {
        // To memcheck what lies below a stack pointer that has moved up is out of bounds, and the next coroutine's closure may lie there.
        // So no stack is kept.
        valgrind::make_undefined(stack.limit(), class.bytes());
        return POOL.release(stack);
    }
    if cache.closed.get() {
        return POOL.release(stack);
    }
    if cache.most.get() == 0 {
        // The first that this OS thread returns. Too late if it ends already.
        if EMPTIES.try_with(|_| ()).is_err() {
            cache.closed.set(true);
            return POOL.release(stack);
        }
        cache.most.set(MOST);
        cache.front.set(ptr::null_mut());
        // SAFETY: as promised.
        return unsafe { put(start, class) };
    }
    // Half of them go, so that the next ones find room.
    let list = &cache.lists[class.index()];
    let half = cache.most.get().min(if class > SizeClass::DEFAULT { most_of(class) } else { MOST }) / 2;
    let taken = std::iter::from_fn(|| {
        let mut from = Stacks(list.get(), class);
        let first = from.next();
        list.set(from.0);
        first
    });
    POOL.release_batch(std::iter::once(stack).chain(taken.take(half)));
}
