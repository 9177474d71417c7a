//! Stacks for coroutines.
//!
//! [`DefaultStack`] suits most uses. Whoever wants other memory implements [`Stack`].

mod cache;

use crate::stack::{SizeClass, Stack as Memory};
use std::{fmt, io, num::NonZeroUsize, ptr::NonNull};

pub mod valgrind {
    //! Telling valgrind of stacks. [`DefaultStack`](super::DefaultStack) does so by itself.

    pub use corosensei::stack::valgrind::ValgrindStackRegistration;
}

/// An address in a stack.
pub type StackPointer = NonZeroUsize;

/// What both ends of a stack are aligned to.
pub const STACK_ALIGNMENT: usize = 16;

/// The least size of a stack, guard not counted.
pub const MIN_STACK_SIZE: usize = 4096;

/// Something that owns the memory of a stack.
///
/// # Safety
/// The memory between [`limit`](Self::limit) and [`base`](Self::base) is mapped, used by nothing else while this lives, and does not
/// move. Below at least [`MIN_STACK_SIZE`] usable bytes it has a guard, on which every access faults. Both addresses are always the same, and
/// multiples of [`STACK_ALIGNMENT`].
pub unsafe trait Stack {
    /// The upper end, from where the stack grows down.
    fn base(&self) -> StackPointer;

    /// The lower end, guard included.
    fn limit(&self) -> StackPointer;

    /// The lowest usable address, if it is known: else the lower end.
    #[doc(hidden)]
    fn lowest(&self) -> StackPointer {
        self.limit()
    }
}

// SAFETY: whoever borrows a stack mutably has it for himself, and the addresses are the stack's own.
unsafe impl<S: Stack> Stack for &mut S {
    #[inline]
    fn base(&self) -> StackPointer {
        (**self).base()
    }

    #[inline]
    fn limit(&self) -> StackPointer {
        (**self).limit()
    }

    fn lowest(&self) -> StackPointer {
        (**self).lowest()
    }
}

/// A stack from the process's pool, with a guard below. Dropping it returns it.
///
/// Memory is committed when it is touched. Each OS thread keeps a few stacks that it used last, so that making and dropping a coroutine
/// costs no system call; the others give the memory of their deep pages back to the system.
///
/// # Examples
/// ```
/// use sinew::coroutine::{Coroutine, CoroutineResult, stack::DefaultStack};
///
/// let mut deep = Coroutine::<(), (), u8>::with_stack(DefaultStack::new(1 << 20)?, |_, ()| {
///     std::hint::black_box([7_u8; 900_000])[5]
/// });
/// assert_eq!(deep.resume(()), CoroutineResult::Return(7));
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct DefaultStack {
    start: NonNull<u8>,
    class: SizeClass,
}

// SAFETY: it is memory that belongs to no OS thread, and nothing lives on it.
unsafe impl Send for DefaultStack {}
// SAFETY: through a shared reference one only asks for addresses.
unsafe impl Sync for DefaultStack {}

impl DefaultStack {
    /// A stack of at least `size` usable bytes. Sizes come in steps: powers of two less 17 KiB, from 15 KiB on.
    ///
    /// # Errors
    /// If `size` is more than 1 GiB (512 MiB on 32-bit processors), or the system has no memory, or no mapping, for another stack.
    pub fn new(size: usize) -> io::Result<Self> {
        let class = SizeClass::for_size(size).and_then(|class| {
            let suffices = class.bytes() >= size + Memory::STARTS;
            if suffices { Some(class) } else { SizeClass::for_size(class.bytes() + 1) }
        });
        let class = class.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, SizeClass::TOO_LARGE))?;
        Self::of(class)
    }

    #[inline(always)]
    fn of(class: SizeClass) -> io::Result<Self> {
        Ok(Self { start: cache::take(class)?, class })
    }
}

impl Default for DefaultStack {
    /// A stack of 239 KiB or a little more.
    ///
    /// # Panics
    /// Where [`new`](Self::new) returns an error.
    #[inline]
    fn default() -> Self {
        match Self::of(SizeClass::DEFAULT) {
            Ok(stack) => stack,
            Err(error) => none(&error),
        }
    }
}

#[cold]
fn none(error: &io::Error) -> ! {
    panic!("no stack for a coroutine: {error}")
}

impl Drop for DefaultStack {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: taken in `of`, and nothing lives on it any more: a coroutine keeps its stack until it has finished.
        unsafe { cache::put(self.start, self.class) }
    }
}

// SAFETY: a stack of the pool is mapped as long as the process lives, and guarded; this is its only owner.
unsafe impl Stack for DefaultStack {
    #[inline]
    fn base(&self) -> StackPointer {
        // The link is reached by the address alone.
        self.start.expose_provenance()
    }

    #[inline]
    fn limit(&self) -> StackPointer {
        // SAFETY: inside the stack's mapping, so not null.
        unsafe { StackPointer::new_unchecked(Memory::top_of(self.start) - self.class.reserve()) }
    }

    fn lowest(&self) -> StackPointer {
        // SAFETY: as in `limit`.
        unsafe { StackPointer::new_unchecked(Memory::top_of(self.start) - self.class.bytes()) }
    }
}

impl fmt::Debug for DefaultStack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DefaultStack").field("base", &self.base()).field("size", &self.class.bytes()).finish()
    }
}
