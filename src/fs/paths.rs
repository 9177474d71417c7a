//! The functions that take paths.

use std::{
    fs::{self, Metadata, Permissions},
    io,
    path::{Path, PathBuf},
};

use super::operate::call;

/// Makes functions of one path, each of which is std's, done elsewhere.
macro_rules! of_a_path {
    ($($(#[$doc:meta])* $name:ident -> $result:ty;)*) => {$(
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
            call(|| fs::$name(path))
        }
    )*};
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

of_a_path! {
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
    /// Copies a file with its permissions: how many bytes. The whole copy is one operation, and comes to its end.
    copy(from, to) -> u64;
    /// Gives a file another name, and replaces what has that name.
    rename(from, to) -> ();
    /// Gives a file one more name.
    hard_link(original, link) -> ();
    /// Makes a symbolic link: use [`unix::symlink`](super::unix::symlink).
    #[deprecated(note = "replaced with sinew::fs::unix::symlink, as std's")]
    #[expect(deprecated, reason = "std's own")]
    soft_link(original, link) -> ();
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
    call(|| fs::write(path, contents))
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
