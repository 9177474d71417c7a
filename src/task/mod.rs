//! What a green thread is: a header with its closure or result behind it, in one block.
//!
//! # Words
//!
//! The *owner* of a started thread is the worker where it first ran; it runs nowhere else (rule 1). The owner's fields are
//! plain cells, since only code on that worker's OS thread touches them (rule 2). Everybody else goes through the
//! [`state`] word and, to wake the thread, through the owner's inbox.
//!
//! # Who may touch what
//!
//! | field | before the start | started | done |
//! |---|---|---|---|
//! | `context`, `carrier`, `pending`, `waiting`, `mask` | spawner, then starter | owner | nobody |
//! | `next` | the queue that holds it | the owner's queue | the free list |
//! | `inbox` | nobody | whoever set the first wake bit, then the inbox | the inbox, then nobody |
//! | `home` | null | the owner's address; written once | unchanged |
//! | `joiner` | the holder of the handle | see [`state`] | nobody |
//! | payload | the closure | running: nothing | the result, which belongs to the handle |
//! | `state` | anybody that has a reference | the same | the same |
//!
//! # Memory
//!
//! 128 bytes of header in two cache lines, the first of which holds all that a switch needs, then the payload. Blocks come
//! from per-worker free lists ([`block`]) and are never given back to the system's allocator while the process lives, as
//! Go never frees its `g` structures; only payloads beyond the largest class are allocated one by one.
//!
//! An OS thread that uses sinew has a header too, without a context, so that `current`, `park` and `join` work alike.

pub(crate) mod block;
pub(crate) mod cancel;
pub(crate) mod foreign;
pub(crate) mod locals;
pub(crate) mod parker;
pub(crate) mod payload;
pub(crate) mod reference;
pub(crate) mod state;
pub(crate) mod vars;
pub(crate) mod wake;

use crate::{
    arch::Context,
    primitive::{AtomicPtr, AtomicU64, Ordering},
};
use std::{
    cell::{Cell, UnsafeCell},
    ptr,
};

pub(crate) use reference::TaskRef;
pub(crate) use state::State;

/// Facts about a thread that only its owner, or whoever holds it before it starts, reads and writes.
pub(crate) mod flag {
    /// It has run, so it has a context to switch to.
    pub(crate) const STARTED: u8 = 1;
    /// It was passed on to another worker once and is not passed on again.
    pub(crate) const PLACED: u8 = 1 << 1;
    /// A local thread (rule 10): started by the worker that spawned it.
    pub(crate) const LOCAL: u8 = 1 << 2;
    /// It is known to unwind, as long as anybody on its worker does.
    pub(crate) const UNWINDING: u8 = 1 << 3;
    /// `joiner` names a thread of the same worker, which wrote it without the state word's help (state, invariant 4).
    pub(crate) const LOCAL_JOINER: u8 = 1 << 4;
    /// Its unwind is a cancellation's, as long as it unwinds.
    pub(crate) const CANCELLING: u8 = 1 << 5;
}

/// The value of `home` for a header that stands for an OS thread.
pub(crate) const OS_THREAD: *mut () = ptr::without_provenance_mut(1);

/// A green thread's header. See the module's documentation for who may touch which field.
#[repr(C, align(64))]
pub(crate) struct Task {
    /// Where to go on.
    pub(crate) context: UnsafeCell<Context>,
    /// The link of whichever queue or free list holds it.
    pub(crate) next: AtomicPtr<Task>,
    pub(crate) state: State,
    /// The owner, an address of a `runtime::Worker`; null before the start; [`OS_THREAD`].
    pub(crate) home: AtomicPtr<()>,
    /// Wakes that arrived and were not consumed.
    pub(crate) pending: Cell<u8>,
    /// Wakes that would make it ready; 0 while it runs or is ready.
    pub(crate) waiting: Cell<u8>,
    /// [`flag`]s.
    pub(crate) flags: Cell<u8>,
    /// The size class of its stack.
    pub(crate) stack_class: Cell<u8>,
    /// How many masks against cancellation are in force.
    pub(crate) mask: Cell<u32>,

    /// The link of its owner's inbox, apart from `next`, since a message may be on its way while the thread is queued.
    pub(crate) inbox: AtomicPtr<Task>,
    /// The stack that it runs on, an address of a `runtime::Carrier`.
    pub(crate) carrier: Cell<*mut ()>,
    /// Who waits for its end; see [`state`].
    pub(crate) joiner: Cell<*mut Task>,
    pub(crate) vtable: &'static payload::Vtable,
    /// What few threads have: a name, locals, requests to end.
    pub(crate) extra: AtomicPtr<Extra>,
    /// Its scope, if it is scoped: an address of a `thread::scope` record.
    pub(crate) scope: Cell<*const ()>,
    /// Given out when first asked for; 0 before.
    pub(crate) id: AtomicU64,
    /// The runtime's tick when it was spawned.
    pub(crate) born: Cell<u32>,
    /// Where its block goes when it is freed.
    pub(crate) block_class: u8,
}

/// What few threads have: a name, locals, requests to end; and what an OS thread waits with.
pub(crate) struct Extra {
    pub(crate) name: Option<Box<str>>,
    pub(crate) locals: locals::Locals,
    pub(crate) parker: parker::Parker,
    pub(crate) requests: cancel::Requests,
    pub(crate) vars: vars::Vars,
    /// The innermost part of its run that has a cancellation of its own, an address of a `runtime::region::Region`; the owner's.
    pub(crate) regions: Cell<*const ()>,
}

impl Default for Extra {
    fn default() -> Self {
        Self {
            name: None,
            locals: locals::Locals::default(),
            parker: parker::Parker::default(),
            requests: cancel::Requests::default(),
            vars: vars::Vars::default(),
            regions: Cell::new(ptr::null()),
        }
    }
}

impl Task {
    pub(crate) fn new(vtable: &'static payload::Vtable, block_class: u8, references: u64) -> Self {
        Self {
            context: UnsafeCell::new(Context::EMPTY),
            next: AtomicPtr::new(ptr::null_mut()),
            state: State::new(references),
            home: AtomicPtr::new(ptr::null_mut()),
            pending: Cell::new(0),
            waiting: Cell::new(0),
            flags: Cell::new(0),
            stack_class: Cell::new(0),
            mask: Cell::new(0),
            inbox: AtomicPtr::new(ptr::null_mut()),
            carrier: Cell::new(ptr::null_mut()),
            joiner: Cell::new(ptr::null_mut()),
            vtable,
            extra: AtomicPtr::new(ptr::null_mut()),
            scope: Cell::new(ptr::null()),
            id: AtomicU64::new(0),
            born: Cell::new(0),
            block_class,
        }
    }

    #[inline(always)]
    pub(crate) fn has_flag(&self, flag: u8) -> bool {
        self.flags.get() & flag != 0
    }

    #[inline(always)]
    pub(crate) fn set_flag(&self, flag: u8) {
        self.flags.set(self.flags.get() | flag);
    }

    #[inline(always)]
    pub(crate) fn clear_flag(&self, flag: u8) {
        self.flags.set(self.flags.get() & !flag);
    }

    /// Its number, unique in the process, given out on the first call.
    pub(crate) fn id(&self) -> u64 {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = self.id.load(Ordering::Relaxed);
        if id != 0 {
            return id;
        }
        let new = NEXT.fetch_add(1, Ordering::Relaxed);
        match self.id.compare_exchange(0, new, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => new,
            Err(given) => given,
        }
    }

    /// Its name, if it was given one. Names are set before the thread can be seen by others and stay.
    pub(crate) fn name(&self) -> Option<&str> {
        let extra = self.extra.load(Ordering::Acquire);
        // SAFETY: an extra is freed with the header only, and its name does not change once the header is shared.
        unsafe { extra.as_ref() }.and_then(|extra| extra.name.as_deref())
    }

    /// The extra part, made if there is none.
    ///
    /// Called by the owner, and by whoever asks it to end.
    pub(crate) fn extra(&self) -> &Extra {
        let extra = self.extra.load(Ordering::Acquire);
        // SAFETY: freed with the header only.
        unsafe { if extra.is_null() { self.make_extra() } else { &*extra } }
    }

    /// The extra part if there is one.
    #[inline]
    pub(crate) fn try_extra(&self) -> Option<&Extra> {
        // SAFETY: freed with the header only.
        unsafe { self.extra.load(Ordering::Acquire).as_ref() }
    }

    #[cold]
    fn make_extra(&self) -> &Extra {
        let new = Box::into_raw(Box::<Extra>::default());
        match self.extra.compare_exchange(ptr::null_mut(), new, Ordering::AcqRel, Ordering::Acquire) {
            // SAFETY: in place now, and freed with the header only.
            Ok(_) => unsafe { &*new },
            Err(other) => {
                // SAFETY: nobody else has seen the new one; the other is freed with the header only.
                unsafe {
                    drop(Box::from_raw(new));
                    &*other
                }
            }
        }
    }
}

const _: () =
    assert!(size_of::<Task>() == 128 || cfg!(any(sinew_tsan, sinew_asan)) || cfg!(target_pointer_width = "32"));

impl Task {
    /// Gives a thread its name.
    ///
    /// # Safety
    /// Nobody else sees the header yet.
    pub(crate) unsafe fn set_name(&self, name: Option<Box<str>>) {
        self.extra();
        // SAFETY: made just now, and seen by nobody else.
        unsafe { (*self.extra.load(Ordering::Relaxed)).name = name };
    }
}
