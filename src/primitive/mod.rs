//! The one place that chooses between std's concurrency primitives and loom's.
//!
//! Lock-free pieces of the scheduler import their atomics, cells and locks from here, so that the very code that
//! ships is what the model checker runs (`RUSTFLAGS="--cfg loom" cargo test --release --lib loom_`). Nothing else in
//! the crate names `loom`.

#[cfg(loom)]
pub(crate) use loom::{
    cell::UnsafeCell,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence},
    },
};

/// What the models themselves are made of.
#[cfg(all(loom, test))]
pub(crate) use loom::{
    model,
    sync::{Arc, Condvar},
    thread, thread_local,
};

/// A function that is `const`, except in models: loom makes its atomics and locks when it runs.
macro_rules! const_unless_loom {
    ($(#[$attribute:meta])* $visibility:vis const fn $($rest:tt)*) => {
        #[cfg(not(loom))]
        $(#[$attribute])*
        $visibility const fn $($rest)*
        #[cfg(loom)]
        $(#[$attribute])*
        $visibility fn $($rest)*
    };
}
pub(crate) use const_unless_loom;

#[cfg(not(loom))]
pub(crate) use std::sync::{
    Condvar, Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence},
};

#[cfg(not(loom))]
pub(crate) use cell::UnsafeCell;

use std::{sync::TryLockError, time::Instant};

#[cfg(all(loom, test))]
pub(crate) mod models;

#[cfg_attr(loom, path = "awaited/model.rs")]
mod awaited;
pub(crate) use awaited::Awaited;

#[cfg(not(loom))]
mod cell {
    /// `std::cell::UnsafeCell` with loom's closure-taking face.
    #[derive(Debug, Default)]
    #[repr(transparent)]
    pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        pub(crate) const fn new(value: T) -> Self {
            Self(std::cell::UnsafeCell::new(value))
        }

        #[inline(always)]
        pub(crate) fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
            f(self.0.get())
        }

        #[inline(always)]
        pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
            f(self.0.get())
        }
    }
}

/// The clock; a model says what it shows.
#[inline]
pub(crate) fn now() -> Instant {
    #[cfg(all(loom, test))]
    return crate::runtime::exact::now();
    #[cfg(not(all(loom, test)))]
    Instant::now()
}

/// Locks, and takes the value even if a panic in another holder poisoned it: the critical sections that use this
/// leave their data consistent at every point.
#[inline]
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    match mutex.lock() {
        Ok(guard) => guard,
        Err(poisoned) => poisoned.into_inner(),
    }
}

/// Locks if nobody holds the mutex, and like [`lock`] looks past poison.
#[inline]
pub(crate) fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

/// Waits a moment for another OS thread to leave a short critical section, longer each time: first by spinning, then by
/// yielding the processor, then, should the other be kept from running by one of higher priority, by sleeping. `turn` starts at 0.
#[cold]
pub(crate) fn pause(turn: &mut u32) {
    #[cfg(not(loom))]
    {
        const SPINS: u32 = 64;
        const YIELDS: u32 = SPINS + 32;
        match *turn {
            ..SPINS => std::hint::spin_loop(),
            SPINS..YIELDS => std::thread::yield_now(),
            YIELDS.. => std::thread::sleep(std::time::Duration::from_micros(50)),
        }
    }
    #[cfg(loom)]
    loom::thread::yield_now();
    *turn = turn.saturating_add(1);
}

/// Makes good, in the model only, that loom gives a SeqCst access no more than the strength of AcqRel: called between a
/// SeqCst write and a SeqCst load whose order in the single total order an argument rests on. Nothing outside loom.
#[inline(always)]
pub(crate) fn between_seqcst_accesses() {
    #[cfg(loom)]
    fence(Ordering::SeqCst);
}

/// An asymmetric pair of fences, after folly's `asymmetric_thread_fence`: [`light`](asymmetric::light) on a path that
/// runs at every turn, [`heavy`](asymmetric::heavy) on one that runs rarely.
///
/// Together they act as two sequentially consistent fences: of two threads that each store, pass their fence and load
/// what the other stored, at least one sees the other's store. On Linux the heavy side asks the kernel, by
/// `membarrier(2)`, to run a full barrier on each processor that runs this process, and the light side only keeps the
/// compiler from reordering. Where the kernel has no `membarrier`, and under loom, both are plain SeqCst fences.
///
/// Measured on a virtual machine: a SeqCst fence 5.8 ns; light nothing; heavy 0.3 µs with the other processors
/// idle, and 13 µs with one busy, of which that one loses 11 µs. So heavy belongs only where much work moves at once.
pub(crate) mod asymmetric {
    #[cfg(loom)]
    pub(crate) use loom_fences::{heavy, light};
    #[cfg(not(loom))]
    pub(crate) use real::{heavy, light};

    #[cfg(loom)]
    mod loom_fences {
        use super::super::{Ordering, fence};
        pub(crate) fn light() {
            fence(Ordering::SeqCst);
        }
        pub(crate) fn heavy() {
            fence(Ordering::SeqCst);
        }
    }

    #[cfg(not(loom))]
    mod real {
        use crate::sys::membarrier;
        use std::sync::atomic::{Ordering, compiler_fence, fence};

        #[inline(always)]
        pub(crate) fn light() {
            if membarrier::is_registered() {
                compiler_fence(Ordering::SeqCst);
            } else {
                fence(Ordering::SeqCst);
            }
        }

        pub(crate) fn heavy() {
            if membarrier::is_registered() {
                membarrier::barrier();
            }
            // Also when the kernel ran the barrier: it orders the other processors, this orders the compiler and us.
            fence(Ordering::SeqCst);
        }
    }
}
