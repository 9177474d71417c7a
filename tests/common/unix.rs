//! Names for Unix sockets that no other test uses.
#![allow(dead_code, reason = "each file of tests uses a part")]

use std::{
    path::PathBuf,
    sync::atomic::{AtomicUsize, Ordering},
};

/// A path for a socket, whose file goes when this does.
pub(crate) struct Place(pub(crate) PathBuf);

impl Place {
    pub(crate) fn new() -> Place {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        Place(std::env::temp_dir().join(format!("sinew-{}-{number}.sock", std::process::id())))
    }
}

impl AsRef<std::path::Path> for Place {
    fn as_ref(&self) -> &std::path::Path {
        &self.0
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
