//! The memory of a wheel's timers: nodes that are named by number, in chunks that do not move when more are needed.
//!
//! Nodes lie close together, in the order in which they were first taken, so a walk over many reads memory that the processor
//! fetches ahead. A chunk is allocated when all earlier ones are full, whatever is given back is used again first, and
//! when the last timer goes, all chunks but one go too.

use std::{
    num::NonZeroU64,
    ops::{Index, IndexMut},
};

/// Nodes of a chunk.
const CHUNK: usize = 256;
/// No node.
pub(super) const NONE: u32 = u32::MAX;

/// Names a timer that was set in a wheel, for as long as the wheel lives. When the timer has fired or been removed, nothing
/// answers to it any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    node: u32,
    turn: NonZeroU64,
}

/// One timer.
#[derive(Clone)]
pub(super) struct Node<P> {
    pub(super) tick: u64,
    /// None while the node is free.
    payload: Option<P>,
    /// Which of all timers ever set this is; of a free node, was.
    turn: u64,
    pub(super) previous: u32,
    /// Of a free node, the next free one.
    pub(super) next: u32,
    /// The list that it is in.
    pub(super) place: u16,
}

impl<P> Node<P> {
    const FREE: Self = Self { tick: 0, payload: None, turn: 0, previous: NONE, next: NONE, place: 0 };
}

pub(super) struct Nodes<P> {
    chunks: Vec<Box<[Node<P>; CHUNK]>>,
    /// The first of those that have been used and are free.
    free: u32,
    /// From here on no node has been used since there were none in use.
    fresh: u32,
    len: usize,
    turn: u64,
}

impl<P: Copy> Nodes<P> {
    pub(super) const fn new() -> Self {
        Self { chunks: Vec::new(), free: NONE, fresh: 0, len: 0, turn: 0 }
    }

    /// How many are in use.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Takes a node into use.
    #[inline]
    pub(super) fn take(&mut self, payload: P) -> (u32, Key) {
        let number = match self.free {
            NONE => self.take_fresh(),
            free => {
                self.free = self[free].next;
                free
            }
        };
        self.turn += 1;
        self.len += 1;
        let turn = self.turn;
        let node = &mut self[number];
        (node.payload, node.turn) = (Some(payload), turn);
        let turn = NonZeroU64::new(turn).expect("it counts from one");
        (number, Key { node: number, turn })
    }

    /// One that is on no list. If memory runs out, nothing has changed.
    #[cold]
    fn take_fresh(&mut self) -> u32 {
        let number = self.fresh;
        assert!(number != NONE, "there are four thousand million timers");
        if number as usize == self.chunks.len() * CHUNK {
            let chunk = vec![Node::FREE; CHUNK].into_boxed_slice();
            self.chunks.push(chunk.try_into().ok().expect("it is as long as a chunk"));
        }
        self.fresh += 1;
        number
    }

    /// Gives a node back that is in use, and gets what it held.
    #[inline]
    pub(super) fn give_back(&mut self, number: u32) -> P {
        let free = self.free;
        let node = &mut self[number];
        node.next = free;
        let payload = node.payload.take().expect("it is in use");
        self.free = number;
        self.len -= 1;
        if self.len == 0 && self.chunks.len() > 1 {
            self.shrink();
        }
        payload
    }

    #[cold]
    fn shrink(&mut self) {
        self.chunks.truncate(1);
        (self.free, self.fresh) = (NONE, 0);
    }

    /// The node of a timer, if it is set.
    #[inline]
    pub(super) fn find(&self, key: Key) -> Option<u32> {
        let chunk = self.chunks.get(key.node as usize / CHUNK)?;
        let node = &chunk[key.node as usize % CHUNK];
        (node.turn == key.turn.get() && node.payload.is_some()).then_some(key.node)
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.chunks.len() * CHUNK
    }
}

impl<P> Index<u32> for Nodes<P> {
    type Output = Node<P>;

    #[inline]
    fn index(&self, number: u32) -> &Node<P> {
        &self.chunks[number as usize / CHUNK][number as usize % CHUNK]
    }
}

impl<P> IndexMut<u32> for Nodes<P> {
    #[inline]
    fn index_mut(&mut self, number: u32) -> &mut Node<P> {
        &mut self.chunks[number as usize / CHUNK][number as usize % CHUNK]
    }
}
