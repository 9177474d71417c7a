//! `OpenOptions`.

use std::{fs, io, os::unix::fs::OpenOptionsExt, path::Path};

use super::{File, operate::call_at};

#[cfg(all(feature = "io-uring", target_os = "linux"))]
use super::completed::Wish;

/// How a [`File`] is opened. See [`std::fs::OpenOptions`]. [`OpenOptionsExt`] is implemented too.
///
/// # Examples
/// ```no_run
/// use sinew::fs::OpenOptions;
///
/// let log = OpenOptions::new().append(true).create(true).open("log")?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct OpenOptions {
    theirs: fs::OpenOptions,
    /// The same once more, since std's cannot be asked; none if they came from there.
    #[cfg(all(feature = "io-uring", target_os = "linux"))]
    wish: Option<Wish>,
}

/// Builder methods of one boolean.
macro_rules! switches {
    ($($(#[$doc:meta])* $name:ident($value:ident);)*) => {$(
        $(#[$doc])*
        pub fn $name(&mut self, $value: bool) -> &mut OpenOptions {
            self.theirs.$name($value);
            #[cfg(all(feature = "io-uring", target_os = "linux"))]
            if let Some(wish) = &mut self.wish {
                wish.$name = $value;
            }
            self
        }
    )*};
}

impl OpenOptions {
    /// All options off.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "std's has none")]
    pub fn new() -> OpenOptions {
        OpenOptions {
            theirs: fs::OpenOptions::new(),
            #[cfg(all(feature = "io-uring", target_os = "linux"))]
            wish: Some(Wish::NEW),
        }
    }

    switches! {
        /// For reading.
        read(read);
        /// For writing.
        write(write);
        /// For writing at the end, wherever that is then.
        append(append);
        /// Empties the file.
        truncate(truncate);
        /// Makes the file if there is none.
        create(create);
        /// Makes the file, and fails if there is one.
        create_new(create_new);
    }

    /// Opens the file.
    ///
    /// # Errors
    /// std's.
    ///
    /// # Cancellation
    /// While it waits for its turn; nothing was done then.
    pub fn open<P: AsRef<Path>>(&self, path: P) -> io::Result<File> {
        let path = path.as_ref();
        #[cfg(all(feature = "io-uring", target_os = "linux"))]
        if let Some(opened) = self.wish.as_ref().and_then(|wish| wish.open(path)) {
            return opened.map(File::opened);
        }
        call_at(&[path], || self.theirs.open(path)).map(File::opened)
    }
}

impl OpenOptionsExt for OpenOptions {
    fn mode(&mut self, mode: u32) -> &mut OpenOptions {
        self.theirs.mode(mode);
        #[cfg(all(feature = "io-uring", target_os = "linux"))]
        if let Some(wish) = &mut self.wish {
            wish.mode = mode;
        }
        self
    }

    fn custom_flags(&mut self, flags: i32) -> &mut OpenOptions {
        self.theirs.custom_flags(flags);
        #[cfg(all(feature = "io-uring", target_os = "linux"))]
        if let Some(wish) = &mut self.wish {
            wish.custom_flags = flags;
        }
        self
    }
}

impl From<fs::OpenOptions> for OpenOptions {
    fn from(theirs: fs::OpenOptions) -> OpenOptions {
        OpenOptions {
            theirs,
            #[cfg(all(feature = "io-uring", target_os = "linux"))]
            wish: None,
        }
    }
}
