//! The sizes that stacks come in.
//!
//! A class is a *reserve*: a power of two that holds a stack together with its guard. At the default of 256 KiB the
//! guard takes 16 KiB and 240 KiB are usable; and as a page table of 4 KiB covers 2 MiB, each such stack costs 512
//! bytes of page tables. Whoever asks for a size asks for usable bytes and gets at least those, so 256 KiB asked for
//! by number come in the class of 512 KiB.
//!
//! Rejected: usable sizes that are powers of two, each with its guard on top. Strides are then odd (272 KiB, and 6 %
//! more page tables), and the default needs a class of its own beside its neighbour of 256 KiB.

use crate::sys::memory;

/// A size of stacks. Threads of one class can use each other's stacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SizeClass(u8);

/// The least usable size. Rust's own panic machinery needs a good part of it.
const MIN_USABLE: usize = 16 << 10;
/// The most usable bytes that can be asked for: 1 GiB, or 512 MiB where no mapping may reach 2 GiB.
const MAX_USABLE: usize = if usize::BITS < 64 { 512 << 20 } else { 1 << 30 };
/// What a guard takes, rounded up to whole pages: C frames without stack probes can step over a single page.
const GUARD: usize = 16 << 10;
/// The reserve of class 0, as a power of two: 32 KiB.
const MIN_SHIFT: u32 = 15;

impl SizeClass {
    /// How many classes there are. The last one's reserve is twice [`MAX_USABLE`], so that so much can be asked for.
    pub(crate) const COUNT: usize = (MAX_USABLE.ilog2() + 2 - MIN_SHIFT) as usize;

    /// What to say to who asks for more than there is a class for.
    pub(crate) const TOO_LARGE: &str =
        if usize::BITS < 64 { "a stack may have at most 512 MiB" } else { "a stack may have at most 1 GiB" };

    /// The class of a thread that asks for no size: a reserve of 256 KiB.
    pub(crate) const DEFAULT: Self = Self(3);

    /// The smallest class with at least `bytes` usable bytes; none if that is more than [`MAX_USABLE`].
    pub(crate) fn for_size(bytes: usize) -> Option<Self> {
        if bytes > MAX_USABLE {
            return None;
        }
        let reserve = bytes.max(MIN_USABLE).checked_add(guard_bytes())?.checked_next_power_of_two()?;
        let index = reserve.trailing_zeros().saturating_sub(MIN_SHIFT);
        ((index as usize) < Self::COUNT).then_some(Self(index as u8))
    }

    /// The usable bytes of a stack.
    #[inline]
    pub(crate) fn bytes(self) -> usize {
        self.reserve() - guard_bytes()
    }

    /// The bytes of address space that a stack and its guard take, and the distance between the stacks of a slab.
    #[inline]
    pub(crate) fn reserve(self) -> usize {
        1 << (u32::from(self.0) + MIN_SHIFT)
    }

    /// The class's number, below [`COUNT`](Self::COUNT).
    #[inline]
    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }

    /// The class with this number.
    #[inline]
    pub(crate) fn from_index(index: u8) -> Self {
        debug_assert!(usize::from(index) < Self::COUNT);
        Self(index)
    }

    /// All classes that can hold a stack at this machine's page size, smallest first.
    #[cfg(test)]
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        (0..Self::COUNT as u8).map(Self).filter(|class| class.reserve() > guard_bytes())
    }
}

/// The bytes of a guard.
#[inline]
pub(crate) fn guard_bytes() -> usize {
    GUARD.max(memory::page_size())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_takes_exactly_its_reserve_with_the_guard_inside() {
        assert_eq!(SizeClass::DEFAULT.reserve(), 256 << 10);
        assert_eq!(SizeClass::DEFAULT.bytes() + guard_bytes(), 256 << 10);
    }

    #[test]
    fn a_size_asked_for_is_usable_in_full_and_the_class_is_the_smallest() {
        for asked in [0, 1, 16 << 10, (16 << 10) + 1, 240 << 10, 256 << 10, 1 << 20, MAX_USABLE - 1, MAX_USABLE] {
            let class = SizeClass::for_size(asked).unwrap();
            assert!(class.bytes() >= asked, "{asked}: {class:?}");
            assert!(class.bytes() >= MIN_USABLE);
            let smaller = SizeClass::all().filter(|smaller| *smaller < class).last();
            assert!(smaller.is_none_or(|smaller| smaller.bytes() < asked.max(MIN_USABLE)), "{asked}: {class:?}");
        }
        assert_eq!(SizeClass::for_size(SizeClass::DEFAULT.bytes()), Some(SizeClass::DEFAULT));
    }

    #[test]
    fn a_size_beyond_the_most_has_none() {
        for asked in [MAX_USABLE + 1, 2 * MAX_USABLE, usize::MAX] {
            assert_eq!(SizeClass::for_size(asked), None, "{asked}");
        }
    }
}
