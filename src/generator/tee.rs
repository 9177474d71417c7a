//! `tee`: one iterator read by several.
//!
//! The readers walk a linked list that grows at its end, as CPython's do; a cell lives while some reader is before it.

use std::{
    cell::{OnceCell, RefCell},
    fmt,
    iter::FusedIterator,
    rc::Rc,
};

struct Cell<T> {
    /// The item, and the cell after it. `None` inside: the iterator has ended.
    content: OnceCell<Option<(T, Rc<Cell<T>>)>>,
}

/// A reader of an iterator that others read too. Its clone goes on from the same place. Made by [`tee`].
pub struct Tee<I: Iterator> {
    source: Rc<RefCell<I>>,
    at: Rc<Cell<I::Item>>,
}

/// Two iterators over the items of one, independent of each other: Python's `itertools.tee`. For more, clone one.
///
/// Items that one has read and another has not are kept in memory.
///
/// # Examples
/// ```
/// use sinew::generator::{Generator, tee};
///
/// let (numbers, ahead) = tee(Generator::<u32>::from_iter([1, 4, 9, 16]));
/// let steps: Vec<u32> = numbers.zip(ahead.skip(1)).map(|(a, b)| b - a).collect();
/// assert_eq!(steps, [3, 5, 7]);
/// ```
pub fn tee<I: IntoIterator>(items: I) -> (Tee<I::IntoIter>, Tee<I::IntoIter>)
where
    I::Item: Clone,
{
    let at = Rc::new(Cell { content: OnceCell::new() });
    let one = Tee { source: Rc::new(RefCell::new(items.into_iter())), at };
    (one.clone(), one)
}

impl<I: Iterator> Iterator for Tee<I>
where
    I::Item: Clone,
{
    type Item = I::Item;

    /// # Panics
    /// If it is called by the iterator that it reads.
    fn next(&mut self) -> Option<I::Item> {
        let read = || {
            let item = self.source.try_borrow_mut().expect("tee() iterator already executing").next();
            item.map(|item| (item, Rc::new(Cell { content: OnceCell::new() })))
        };
        let (item, next) = self.at.content.get_or_init(read).as_ref()?;
        let (item, next) = (item.clone(), next.clone());
        release(std::mem::replace(&mut self.at, next));
        Some(item)
    }
}

impl<I: Iterator> FusedIterator for Tee<I> where I::Item: Clone {}

impl<I: Iterator> Clone for Tee<I> {
    fn clone(&self) -> Self {
        Self { source: self.source.clone(), at: self.at.clone() }
    }
}

impl<I: Iterator> Drop for Tee<I> {
    fn drop(&mut self) {
        release(std::mem::replace(&mut self.at, Rc::new(Cell { content: OnceCell::new() })));
    }
}

/// Drops a cell, and those after it that nobody else holds: one after another, since a long list's nested drops would overflow the
/// stack.
fn release<T>(mut cell: Rc<Cell<T>>) {
    while let Some(Some((_, next))) = Rc::into_inner(cell).and_then(|cell| cell.content.into_inner()) {
        cell = next;
    }
}

impl<I: Iterator> fmt::Debug for Tee<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tee").finish_non_exhaustive()
    }
}
