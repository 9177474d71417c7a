//! The functions that take paths.

use std::{
    fs::{self, Metadata, Permissions},
    io,
    path::{Path, PathBuf},
};

use super::operate::{call, call_at};

/// Makes functions of one path, each of which is std's, done elsewhere.
macro_rules! of_a_path {
    ($call:ident: $($(#[$doc:meta])* $name:ident -> $result:ty;)*) => {$(
        $(#[$doc])*
        #[doc = concat!("See [`std::fs::", stringify!($name), "`].")]
        ///
        /// # Errors
        /// std's.
        ///
        /// # Cancellation
        /// While it waits for its turn; nothing was done then.
        pub fn $name<P: AsRef<Path>>(path: P) -> io::Result<$result> {
            let path = path.as_ref();
            of_a_path!(@ $call, path, fs::$name(path))
        }
    )*};
    (@ plain, $path:ident, $operation:expr) => { call(|| $operation) };
    (@ opens, $path:ident, $operation:expr) => { call_at(&[$path], || $operation) };
}

/// The same of two paths.
macro_rules! of_two_paths {
    ($($(#[$doc:meta])* $name:ident($from:ident, $to:ident) -> $result:ty;)*) => {$(
        $(#[$doc])*
        #[doc = concat!("See [`std::fs::", stringify!($name), "`].")]
        ///
        /// # Errors
        /// std's.
        ///
        /// # Cancellation
        /// While it waits for its turn; nothing was done then.
        pub fn $name<P: AsRef<Path>, Q: AsRef<Path>>($from: P, $to: Q) -> io::Result<$result> {
            let ($from, $to) = ($from.as_ref(), $to.as_ref());
            call(|| fs::$name($from, $to))
        }
    )*};
}

of_a_path! { opens:
    /// Reads a whole file.
    ///
    /// # Examples
    /// ```
    /// let text = sinew::run(|| sinew::fs::read("Cargo.toml"))?;
    /// assert_eq!(text, std::fs::read("Cargo.toml")?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    read -> Vec<u8>;
    /// Reads a whole file of text.
    read_to_string -> String;
}

of_a_path! { plain:
    /// What is to be known of the file that a path leads to.
    metadata -> Metadata;
    /// The same, of a symbolic link itself if there is one.
    symlink_metadata -> Metadata;
    /// The absolute path, without symbolic links.
    canonicalize -> PathBuf;
    /// Where a symbolic link leads to.
    read_link -> PathBuf;
    /// Whether a path leads to something.
    exists -> bool;
    /// Makes a folder.
    create_dir -> ();
    /// Makes a folder, and those above it that are missing.
    create_dir_all -> ();
    /// Removes an empty folder.
    remove_dir -> ();
    /// Removes a folder with all that is in it. Symbolic links are removed and not followed.
    remove_dir_all -> ();
    /// Removes a file.
    remove_file -> ();
}

of_two_paths! {
    /// Gives a file another name, and replaces what has that name.
    rename(from, to) -> ();
    /// Gives a file one more name.
    hard_link(original, link) -> ();
    /// Makes a symbolic link: use [`unix::symlink`](super::unix::symlink).
    #[deprecated(note = "replaced with sinew::fs::unix::symlink, as std's")]
    #[expect(deprecated, reason = "std's own")]
    soft_link(original, link) -> ();
}

/// Copies a file with its permissions: how many bytes. The whole copy is one operation, and comes to its end.
/// See [`std::fs::copy`].
///
/// # Errors
/// std's.
///
/// # Cancellation
/// While it waits for its turn; nothing was done then.
pub fn copy<P: AsRef<Path>, Q: AsRef<Path>>(from: P, to: Q) -> io::Result<u64> {
    let (from, to) = (from.as_ref(), to.as_ref());
    call_at(&[from, to], || fs::copy(from, to))
}

/// Makes a file with these contents, or replaces those of the one that is there. See [`std::fs::write`].
///
/// # Errors
/// std's.
///
/// # Cancellation
/// While it waits for its turn; nothing was done then.
pub fn write<P: AsRef<Path>, C: AsRef<[u8]>>(path: P, contents: C) -> io::Result<()> {
    let (path, contents) = (path.as_ref(), contents.as_ref());
    call_at(&[path], || fs::write(path, contents))
}

/// Sets a file's permissions. See [`std::fs::set_permissions`].
///
/// # Errors
/// std's.
///
/// # Cancellation
/// While it waits for its turn; nothing was done then.
pub fn set_permissions<P: AsRef<Path>>(path: P, perm: Permissions) -> io::Result<()> {
    let path = path.as_ref();
    call(|| fs::set_permissions(path, perm))
}
