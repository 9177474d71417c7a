//! [`Semaphore`] and its permits.

use super::raw::semaphore::{RawSemaphore, Refusal};
use std::{error::Error, fmt, mem, sync::Arc, time::Duration};

/// A number of permits, of which threads take as many as they want and give them back.
///
/// First come, first served: who wants many is not overtaken by those who want few, but keeps them waiting until it has got
/// its own. A semaphore that is closed hands out no more permits and refuses all who wait.
///
/// # Examples
/// ```
/// use sinew::{sync::Semaphore, thread};
///
/// let slots = Semaphore::new(3);
/// thread::scope(|scope| {
///     for _ in 0..10 {
///         scope.spawn(|| {
///             let _slot = slots.acquire().unwrap();
///             // At most three are here at once.
///         });
///     }
/// });
/// assert_eq!(slots.available_permits(), 3);
/// ```
pub struct Semaphore {
    raw: RawSemaphore,
}

/// The semaphore was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AcquireError(());

/// Why [`Semaphore::try_acquire`] and those with a limited time gave no permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryAcquireError {
    /// The semaphore was closed.
    Closed,
    /// There were too few permits, or others waited already, or the time was over.
    NoPermits,
}

impl fmt::Display for AcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the semaphore is closed")
    }
}

impl Error for AcquireError {}

impl fmt::Display for TryAcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "the semaphore is closed",
            Self::NoPermits => "no permits available",
        })
    }
}

impl Error for TryAcquireError {}

impl From<AcquireError> for TryAcquireError {
    fn from(_: AcquireError) -> Self {
        Self::Closed
    }
}

impl From<Refusal> for TryAcquireError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Closed => Self::Closed,
            Refusal::TooFew => Self::NoPermits,
        }
    }
}

impl Semaphore {
    /// The most permits that a semaphore can count.
    pub const MAX_PERMITS: usize = RawSemaphore::MOST;

    /// A semaphore with so many permits.
    ///
    /// # Panics
    /// With more than [`MAX_PERMITS`](Self::MAX_PERMITS).
    #[must_use]
    pub const fn new(permits: usize) -> Self {
        Self { raw: RawSemaphore::new(permits) }
    }

    /// Takes a permit, and suspends the current thread until it has one.
    ///
    /// # Errors
    /// If the semaphore is closed, or is closed meanwhile.
    ///
    /// # Cancellation
    /// A thread that waits unwinds, and has taken none. Those behind it move up.
    #[inline]
    pub fn acquire(&self) -> Result<SemaphorePermit<'_>, AcquireError> {
        self.acquire_many(1)
    }

    /// Takes so many permits at once. More than there will ever be are waited for for ever.
    ///
    /// # Errors
    /// As [`acquire`](Self::acquire).
    ///
    /// # Cancellation
    /// As [`acquire`](Self::acquire).
    #[inline]
    pub fn acquire_many(&self, permits: usize) -> Result<SemaphorePermit<'_>, AcquireError> {
        match self.raw.acquire(permits, None) {
            Ok(()) => Ok(SemaphorePermit { semaphore: self, permits }),
            Err(_) => Err(AcquireError(())),
        }
    }

    /// Takes a permit if there is one and nobody waits. Never waits.
    ///
    /// # Errors
    /// [`TryAcquireError`].
    #[inline]
    pub fn try_acquire(&self) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        self.try_acquire_many(1)
    }

    /// The same for so many permits.
    ///
    /// # Errors
    /// [`TryAcquireError`].
    #[inline]
    pub fn try_acquire_many(&self, permits: usize) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        self.raw.try_acquire(permits)?;
        Ok(SemaphorePermit { semaphore: self, permits })
    }

    /// [`acquire_many`](Self::acquire_many) for a limited time, which on a green thread is rounded up to whole milliseconds.
    ///
    /// # Errors
    /// [`TryAcquireError`].
    ///
    /// # Cancellation
    /// As [`acquire`](Self::acquire).
    pub fn acquire_timeout(&self, permits: usize, timeout: Duration) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        self.raw.acquire(permits, crate::runtime::clock::now().checked_add(timeout))?;
        Ok(SemaphorePermit { semaphore: self, permits })
    }

    /// [`acquire_many`](Self::acquire_many) for a permit that keeps the semaphore, and may go to other threads and outlive this one.
    ///
    /// # Errors
    /// As [`acquire`](Self::acquire).
    ///
    /// # Cancellation
    /// As [`acquire`](Self::acquire).
    pub fn acquire_owned(self: Arc<Self>, permits: usize) -> Result<OwnedSemaphorePermit, AcquireError> {
        match self.raw.acquire(permits, None) {
            Ok(()) => Ok(OwnedSemaphorePermit { semaphore: self, permits }),
            Err(_) => Err(AcquireError(())),
        }
    }

    /// The same without waiting.
    ///
    /// # Errors
    /// [`TryAcquireError`].
    pub fn try_acquire_owned(self: Arc<Self>, permits: usize) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        self.raw.try_acquire(permits)?;
        Ok(OwnedSemaphorePermit { semaphore: self, permits })
    }

    /// Adds new permits.
    ///
    /// # Panics
    /// If there would be more than [`MAX_PERMITS`](Self::MAX_PERMITS).
    pub fn add_permits(&self, permits: usize) {
        self.raw.release(permits);
    }

    /// Takes permits away for good, as many of these as nobody has; how many those were.
    pub fn forget_permits(&self, permits: usize) -> usize {
        self.raw.forget(permits)
    }

    /// How many permits nobody has.
    #[must_use]
    pub fn available_permits(&self) -> usize {
        self.raw.available()
    }

    /// Refuses all who wait, and who come. Permits that were handed out stay good.
    pub fn close(&self) {
        self.raw.close();
    }

    /// Whether it is closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.raw.is_closed()
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore")
            .field("available_permits", &self.available_permits())
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

/// Permits of a [`Semaphore`], which get them back when this is dropped.
#[must_use = "if unused the permits are given back at once"]
#[derive(Debug)]
pub struct SemaphorePermit<'a> {
    semaphore: &'a Semaphore,
    permits: usize,
}

/// The same, with a share of the semaphore.
#[must_use = "if unused the permits are given back at once"]
#[derive(Debug)]
pub struct OwnedSemaphorePermit {
    semaphore: Arc<Semaphore>,
    permits: usize,
}

/// What both kinds of permits can do.
macro_rules! permit {
    ($permit:ty, $($life:lifetime)?, $share:expr, $same:expr) => {
        impl $(<$life>)? $permit {
            /// How many permits these are.
            #[must_use]
            pub fn num_permits(&self) -> usize {
                self.permits
            }

            /// Does not give the permits back.
            pub fn forget(mut self) {
                self.permits = 0;
            }

            /// Adds `other` to these.
            ///
            /// # Panics
            /// If they are of different semaphores.
            #[track_caller]
            pub fn merge(&mut self, mut other: Self) {
                let same: fn(&Self, &Self) -> bool = $same;
                assert!(same(self, &other), "permits of different semaphores");
                self.permits += mem::take(&mut other.permits);
            }

            /// Takes so many of these out; none if there are fewer.
            pub fn split(&mut self, permits: usize) -> Option<Self> {
                self.permits = self.permits.checked_sub(permits)?;
                let share: fn(&Self) -> _ = $share;
                Some(Self { semaphore: share(self), permits })
            }
        }

        impl Drop for $permit {
            #[inline]
            fn drop(&mut self) {
                if self.permits != 0 {
                    self.semaphore.raw.release(self.permits);
                }
            }
        }
    };
}

permit!(SemaphorePermit<'_>, , |permit| permit.semaphore, |one, other| std::ptr::eq(one.semaphore, other.semaphore));
permit!(OwnedSemaphorePermit, , |permit| permit.semaphore.clone(), |one, other| Arc::ptr_eq(
    &one.semaphore,
    &other.semaphore
));
