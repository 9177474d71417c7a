//! What lies behind a header: the closure until the start, the result after the end.

use super::{
    Task,
    block::{self, ALIGN, Cache},
    cancel::Cancelled,
};
use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    ptr::NonNull,
};

/// A thread's result as `join` gives it; the payload of a panic, or [`Cancelled`].
pub(crate) type Outcome<T> = Result<T, Box<dyn Any + Send + 'static>>;

/// What the runtime does with a payload whose types it does not know. Each is called at most once in its state.
pub(crate) struct Vtable {
    /// Closure in, result out. Lets no unwind out.
    pub(crate) run: unsafe fn(NonNull<Task>),
    /// Closure in, `Err(Cancelled)` out, the closure dropped and not called.
    pub(crate) refuse: unsafe fn(NonNull<Task>),
    /// Result in, `Err(payload)` out.
    pub(crate) fail: unsafe fn(NonNull<Task>, Box<dyn Any + Send>),
    /// Result in, nothing out. True if it was a panic's payload.
    pub(crate) drop_result: unsafe fn(NonNull<Task>) -> bool,
    /// Bytes of the payload.
    pub(crate) size: usize,
}

/// A value as it lies in a payload: in place, or boxed if it wants a larger alignment than blocks have.
struct Slot<V>(std::marker::PhantomData<V>);

impl<V> Slot<V> {
    const BOXED: bool = align_of::<V>() > ALIGN;
    const SIZE: usize = if Self::BOXED { size_of::<Box<V>>() } else { size_of::<V>() };

    /// # Safety
    /// The payload at `at` has room and holds nothing.
    #[inline(always)]
    unsafe fn put(at: *mut u8, value: V) {
        // SAFETY: by the caller's promise; aligned because payloads are as aligned as blocks.
        unsafe { if Self::BOXED { at.cast::<Box<V>>().write(Box::new(value)) } else { at.cast::<V>().write(value) } }
    }

    /// # Safety
    /// The payload at `at` holds a `V`, which is the caller's.
    #[inline(always)]
    unsafe fn take(at: *mut u8) -> V {
        // SAFETY: by the caller's promise.
        unsafe { if Self::BOXED { *at.cast::<Box<V>>().read() } else { at.cast::<V>().read() } }
    }
}

#[inline(always)]
fn payload(task: NonNull<Task>) -> *mut u8 {
    // SAFETY: every block is at least a header long.
    unsafe { task.as_ptr().add(1).cast() }
}

const fn larger(a: usize, b: usize) -> usize {
    if a > b { a } else { b }
}

struct Typed<F, T>(std::marker::PhantomData<(F, T)>);

impl<F: FnOnce() -> T, T> Typed<F, T> {
    const SIZE: usize = larger(Slot::<F>::SIZE, Slot::<Outcome<T>>::SIZE);
    const CLASS: u8 = block::class_for(Self::SIZE);
    const VTABLE: &'static Vtable = &Vtable {
        run: Self::run,
        refuse: Self::refuse,
        fail: fail::<T>,
        drop_result: drop_result::<T>,
        size: Self::SIZE,
    };

    unsafe fn run(task: NonNull<Task>) {
        // SAFETY: the payload holds the closure, which is ours now; afterwards it holds nothing and has room for the result.
        unsafe {
            let closure = Slot::<F>::take(payload(task));
            let outcome = catch_unwind(AssertUnwindSafe(closure));
            Slot::<Outcome<T>>::put(payload(task), outcome);
        }
    }

    unsafe fn refuse(task: NonNull<Task>) {
        // SAFETY: as in `run`.
        unsafe {
            let closure = Slot::<F>::take(payload(task));
            // A panic of a destructor is the thread's panic.
            let outcome = match catch_unwind(AssertUnwindSafe(|| drop(closure))) {
                Ok(()) => {
                    let reason = task.as_ref().try_extra().and_then(|extra| extra.requests.reason());
                    Err(Box::new(Cancelled::new(reason)) as Box<dyn Any + Send>)
                }
                Err(panic) => Err(panic),
            };
            Slot::<Outcome<T>>::put(payload(task), outcome);
        }
    }
}

unsafe fn fail<T>(task: NonNull<Task>, reason: Box<dyn Any + Send>) {
    // SAFETY: the payload holds the result, and has room for another.
    unsafe {
        drop_result::<T>(task);
        Slot::<Outcome<T>>::put(payload(task), Err(reason));
    }
}

unsafe fn drop_result<T>(task: NonNull<Task>) -> bool {
    // SAFETY: the payload holds the result, which is the caller's.
    let outcome = unsafe { Slot::<Outcome<T>>::take(payload(task)) };
    let panicked = matches!(&outcome, Err(payload) if !payload.is::<Cancelled>());
    if catch_unwind(AssertUnwindSafe(|| drop(outcome))).is_err() {
        // As std does: nobody is left to receive this panic.
        eprintln!("sinew: a thread's result panicked when it was dropped");
        std::process::abort();
    }
    panicked
}

/// A header with `closure` behind it, on a block from `cache`, or from the depot.
#[inline(always)]
pub(crate) fn new<F: FnOnce() -> T, T>(cache: Option<&Cache>, closure: F) -> NonNull<Task> {
    let class = Typed::<F, T>::CLASS;
    let size = Typed::<F, T>::SIZE;
    let task = match cache {
        Some(cache) => cache.allocate(class, size),
        None => block::allocate_outside(class, size),
    };
    // SAFETY: the block is ours and large enough for the header and the payload.
    unsafe {
        task.write(Task::new(Typed::<F, T>::VTABLE, class, 2));
        Slot::<F>::put(payload(task), closure);
    }
    task
}

/// Takes the result of a thread that has ended.
///
/// # Safety
/// The thread was made by `new::<_, T>`, is done, and its result is the caller's (state, invariant 5).
#[inline(always)]
pub(crate) unsafe fn take_result<T>(task: NonNull<Task>) -> Outcome<T> {
    // SAFETY: by the caller's promise.
    unsafe { Slot::<Outcome<T>>::take(payload(task)) }
}

/// The vtable of a header that has no payload.
pub(crate) static NONE: Vtable = Vtable { run: nothing, refuse: nothing, fail: ignore, drop_result: no_panic, size: 0 };

unsafe fn nothing(_: NonNull<Task>) {}

unsafe fn no_panic(_: NonNull<Task>) -> bool {
    false
}

unsafe fn ignore(_: NonNull<Task>, _: Box<dyn Any + Send>) {}

/// Frees a header.
///
/// # Safety
/// The caller dropped the last reference, and the payload is empty.
#[inline(always)]
pub(crate) unsafe fn free(cache: Option<&Cache>, task: NonNull<Task>) {
    // SAFETY: the header is the caller's.
    unsafe {
        let header = task.as_ref();
        let (class, size) = (header.block_class, header.vtable.size);
        let extra = header.extra.load(crate::primitive::Ordering::Relaxed);
        if !extra.is_null() {
            drop_extra(extra);
        }
        match cache {
            Some(cache) => cache.free(task, class, size),
            None => block::free_outside(task, class, size),
        }
    }
}

#[cold]
unsafe fn drop_extra(extra: *mut super::Extra) {
    // SAFETY: made by `Task::extra`, and the header that held it is going.
    drop(unsafe { Box::from_raw(extra) });
}
