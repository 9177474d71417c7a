//! `OpenOptions`.

use std::{fs, io, os::unix::fs::OpenOptionsExt, path::Path};

use super::{File, operate::call_at};

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
pub struct OpenOptions(fs::OpenOptions);

/// Builder methods of one boolean.
macro_rules! switches {
    ($($(#[$doc:meta])* $name:ident($value:ident);)*) => {$(
        $(#[$doc])*
        pub fn $name(&mut self, $value: bool) -> &mut OpenOptions {
            self.0.$name($value);
            self
        }
    )*};
}

impl OpenOptions {
    /// All options off.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "std's has none")]
    pub fn new() -> OpenOptions {
        OpenOptions(fs::OpenOptions::new())
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
        call_at(&[path], || self.0.open(path)).map(File::from)
    }
}

impl OpenOptionsExt for OpenOptions {
    fn mode(&mut self, mode: u32) -> &mut OpenOptions {
        self.0.mode(mode);
        self
    }

    fn custom_flags(&mut self, flags: i32) -> &mut OpenOptions {
        self.0.custom_flags(flags);
        self
    }
}

impl From<fs::OpenOptions> for OpenOptions {
    fn from(options: fs::OpenOptions) -> OpenOptions {
        OpenOptions(options)
    }
}
