//! The bytes of the messages: a stream of pseudo-random words for each connection, so that a byte that is lost,
//! doubled, or came from another connection shows as a wrong one.

/// The bytes that one connection sends, in order.
#[derive(Debug)]
pub(crate) struct Pattern(u64);

impl Pattern {
    /// The pattern of the connection with this number.
    pub(crate) fn new(connection: usize) -> Pattern {
        Pattern((connection as u64 + 1).wrapping_mul(0xA24B_AED4_963E_E407))
    }

    /// Fills `bytes` with what comes next. The generator is SplitMix64 (Steele, Lea and Flood, 2014).
    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut word = self.0;
            word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            chunk.copy_from_slice(&(word ^ (word >> 31)).to_le_bytes()[..chunk.len()]);
        }
    }
}

/// How many bytes of `got` differ from `sent`.
pub(crate) fn differing(sent: &[u8], got: &[u8]) -> u64 {
    if sent == got { 0 } else { sent.iter().zip(got).filter(|(sent, got)| sent != got).count() as u64 }
}
