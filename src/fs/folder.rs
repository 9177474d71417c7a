//! Reading folders and making them. Entries are read in batches, so that not each is a way to the blocking pool.

use std::{
    collections::VecDeque,
    ffi::OsString,
    fmt,
    fs::{self, FileType, Metadata},
    io,
    os::unix::fs::{DirBuilderExt, DirEntryExt},
    path::{Path, PathBuf},
};

use super::operate::call;

/// How many entries are read on one way.
const BATCH: usize = 128;

/// Reads a folder: an iterator over its entries. See [`std::fs::read_dir`].
///
/// # Errors
/// std's.
///
/// # Cancellation
/// While it waits for its turn.
///
/// # Examples
/// ```
/// let names: Result<Vec<_>, _> = sinew::fs::read_dir("src")?.map(|entry| entry.map(|entry| entry.file_name())).collect();
/// assert!(names?.contains(&"lib.rs".into()));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn read_dir<P: AsRef<Path>>(path: P) -> io::Result<ReadDir> {
    let path = path.as_ref();
    call(|| {
        let mut folder = ReadDir { root: path.to_owned(), inner: Some(fs::read_dir(path)?), batch: VecDeque::new() };
        folder.fill();
        Ok(folder)
    })
}

/// The entries of a folder. See [`std::fs::ReadDir`]. They are read some 100 at a time.
///
/// # Cancellation
/// `next` can be cancelled while it waits for its turn, and has then taken nothing.
pub struct ReadDir {
    root: PathBuf,
    /// None once the end has come.
    inner: Option<fs::ReadDir>,
    batch: VecDeque<io::Result<DirEntry>>,
}

impl ReadDir {
    /// Reads a batch, in place.
    fn fill(&mut self) {
        while self.batch.len() < BATCH
            && let Some(inner) = &mut self.inner
        {
            match inner.next() {
                Some(entry) => self.batch.push_back(entry.map(DirEntry::new)),
                None => self.inner = None,
            }
        }
    }
}

impl Iterator for ReadDir {
    type Item = io::Result<DirEntry>;

    fn next(&mut self) -> Option<io::Result<DirEntry>> {
        if self.batch.is_empty() && self.inner.is_some() {
            call(|| self.fill());
        }
        self.batch.pop_front()
    }
}

impl fmt::Debug for ReadDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReadDir").field(&self.root).finish()
    }
}

/// An entry of a folder. See [`std::fs::DirEntry`].
pub struct DirEntry {
    inner: fs::DirEntry,
    /// What the folder says that it is; file systems that do not say are asked again.
    kind: Option<FileType>,
}

impl DirEntry {
    /// In place.
    fn new(inner: fs::DirEntry) -> DirEntry {
        let kind = inner.file_type().ok();
        DirEntry { inner, kind }
    }

    /// The path: the folder's, as it was given, and the name.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.inner.path()
    }

    /// The name.
    #[must_use]
    pub fn file_name(&self) -> OsString {
        self.inner.file_name()
    }

    /// What is to be known of it; of a symbolic link itself if it is one.
    ///
    /// # Errors
    /// std's.
    pub fn metadata(&self) -> io::Result<Metadata> {
        call(|| self.inner.metadata())
    }

    /// What it is. Mostly known already.
    ///
    /// # Errors
    /// std's.
    pub fn file_type(&self) -> io::Result<FileType> {
        match self.kind {
            Some(kind) => Ok(kind),
            None => call(|| self.inner.file_type()),
        }
    }
}

impl DirEntryExt for DirEntry {
    fn ino(&self) -> u64 {
        self.inner.ino()
    }
}

impl fmt::Debug for DirEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DirEntry").field(&self.path()).finish()
    }
}

/// Makes folders. See [`std::fs::DirBuilder`]. [`DirBuilderExt`] is implemented too.
#[derive(Debug)]
pub struct DirBuilder(fs::DirBuilder);

impl DirBuilder {
    /// One that makes a single folder.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "std's has none")]
    pub fn new() -> DirBuilder {
        DirBuilder(fs::DirBuilder::new())
    }

    /// Whether the folders above it are made too, and one that is there is no error.
    pub fn recursive(&mut self, recursive: bool) -> &mut DirBuilder {
        self.0.recursive(recursive);
        self
    }

    /// Makes the folder.
    ///
    /// # Errors
    /// std's.
    pub fn create<P: AsRef<Path>>(&self, path: P) -> io::Result<()> {
        let path = path.as_ref();
        call(|| self.0.create(path))
    }
}

impl DirBuilderExt for DirBuilder {
    fn mode(&mut self, mode: u32) -> &mut DirBuilder {
        self.0.mode(mode);
        self
    }
}
