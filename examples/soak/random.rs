//! Choices: Marsaglia's xorshift64, whose seeds are spread by the finalizer of splitmix64 (Steele, Lea, Flood 2014), so that seeds that differ by
//! one give choices that have nothing in common.

use std::time::Duration;

/// A sequence of choices that its seed determines.
pub(crate) struct Random(u64);

impl Random {
    /// The seed is a list of numbers: that of the run, of the round, of the actor.
    pub(crate) fn new(seed: &[u64]) -> Random {
        let mixed = seed.iter().fold(0x9e37_79b9_7f4a_7c15, |mixed, &part| spread(mixed ^ spread(part)));
        // The one state that xorshift never leaves.
        Random(mixed.max(1))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number under `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        // The low bits of xorshift are its weakest.
        ((self.next() >> 16) % bound as u64) as usize
    }

    /// True once in so many times.
    pub(crate) fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// So many microseconds at most.
    pub(crate) fn micros(&mut self, most: usize) -> Duration {
        Duration::from_micros(self.below(most + 1) as u64)
    }
}

fn spread(seed: u64) -> u64 {
    let seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let seed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let seed = (seed ^ (seed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    seed ^ (seed >> 31)
}
