//! What the fuzz targets share: a stream in memory whose reads give pieces of the sizes that the input chooses.

use std::{
    cell::Cell,
    io::{self, Read, Write},
};

use sinew::io::ShutdownWrite;

/// The first bytes of an input, as sizes of pieces, and the rest.
pub fn split(input: &[u8]) -> (&[u8], &[u8]) {
    let (&count, rest) = input.split_first().unwrap_or((&0, &[]));
    rest.split_at(usize::from(count % 16).min(rest.len()))
}

/// A stream that gives its input piece by piece, again and again of these sizes, and keeps what is written.
pub struct Pieces<'a> {
    input: &'a [u8],
    sizes: &'a [u8],
    turn: usize,
    pub output: Vec<u8>,
    ended: Cell<bool>,
}

impl<'a> Pieces<'a> {
    /// Without sizes it gives as much as there is room for.
    pub fn new(sizes: &'a [u8], input: &'a [u8]) -> Pieces<'a> {
        Pieces { input, sizes, turn: 0, output: Vec::new(), ended: Cell::new(false) }
    }

    /// What was not read.
    pub fn rest(&self) -> &'a [u8] {
        self.input
    }
}

impl Read for Pieces<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let size = match self.sizes {
            [] => buf.len(),
            sizes => usize::from(sizes[self.turn % sizes.len()]).max(1).min(buf.len()),
        };
        self.turn += 1;
        self.input.read(&mut buf[..size])
    }
}

impl Write for Pieces<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        assert!(!self.ended.get(), "something is written after the end");
        self.output.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl ShutdownWrite for Pieces<'_> {
    fn shutdown_write(&self) -> io::Result<()> {
        self.ended.set(true);
        Ok(())
    }
}

impl ShutdownWrite for &mut Pieces<'_> {
    fn shutdown_write(&self) -> io::Result<()> {
        Pieces::shutdown_write(self)
    }
}
