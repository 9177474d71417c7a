//! What has come on a connection: a buffer that is made once and read into again and again.

/// The room that a read is given, at least half of it, and what a waiting connection's buffer has.
const ROOM: usize = 8 * 1024;

/// Bytes that have come.
#[derive(Default)]
pub(crate) struct Input {
    buffer: Vec<u8>,
    /// Before `start` all has been dealt with; what is from `end` on has no meaning.
    start: usize,
    end: usize,
}

impl Input {
    /// What has not been dealt with.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Counts the first `length` of these bytes as dealt with.
    pub(crate) fn consume(&mut self, length: usize) {
        assert!(length <= self.end - self.start, "only what has come can be dealt with");
        self.start += length;
    }

    /// Where more may be read to; [`add`](Self::add) says how much that was.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.end == 0 && self.buffer.len() > ROOM {
            // A connection that waits for its next request holds no buffer larger than it needs.
            self.buffer = Vec::new();
        }
        if self.buffer.len() - self.end < ROOM / 2 {
            self.buffer.resize(self.end + ROOM, 0);
        }
        &mut self.buffer[self.end..]
    }

    /// Takes the first `length` bytes of the room as come.
    pub(crate) fn add(&mut self, length: usize) {
        assert!(length <= self.buffer.len() - self.end, "a read does not exceed its room");
        self.end += length;
    }
}
